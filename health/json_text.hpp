#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// JSON strings by hand: one pass, no allocation but the target's. For what is written per message.
namespace plumvine::dump {

/// Whether `text` is UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, at most U+10FFFF.
bool is_utf8(std::string_view text) noexcept;
/// Appends `text`, which must be UTF-8, as a JSON string with its quotes.
void append_string(std::string& out, std::string_view text);
/// Appends `text` as a JSON string; each byte that is not part of a UTF-8 sequence becomes U+FFFD.
void append_any(std::string& out, std::string_view text);
/// `text` with U+FFFD for each byte that is not part of a UTF-8 sequence.
std::string to_utf8(std::string_view text);
/// `2026-01-31T12:00:00.000Z`, from milliseconds since 1970.
std::string time_text(std::int64_t wall_ms);
/// `text` for a terminal or a log: control characters and bytes that are not UTF-8 become `\xNN`.
std::string printable(std::string_view text);

}  // namespace plumvine::dump
