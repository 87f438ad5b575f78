#pragma once

#include <cstdint>
#include <optional>
#include <plumvine/result.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "connection.hpp"

namespace plumvine::quic {

/// What a member keeps of an end that it dialled, for the next link to it.
struct KnownEnd {
  Endpoint address;  ///< where it was dialled
  std::optional<Ticket> ticket;
  Bytes token;  ///< proves our address to it; empty: none
};

/// Bounds of what is kept of one end, and of all. What exceeds them is not kept.
inline constexpr std::size_t kSessionMax = 32 * 1024, kChainMax = 8, kCertificateMax = 16 * 1024, kTokenMax = 512;
inline constexpr std::size_t kKnownEndsMax = 1024;
inline constexpr std::size_t kTicketsFileMax = std::size_t{8} << 20;
/// Older files are not used: servers keep their ticket keys for hours.
inline constexpr std::int64_t kTicketsKeptS = 24 * 3600;

/// The contents of a tickets file, sealed (AES-256-GCM, RFC 5116) with a key that is derived from `secret`: who reads
/// the file without that learns nothing, and nothing that somebody else wrote reaches the TLS library. `now_s` is Unix
/// time. What does not fit is left out, the last first.
std::string seal_tickets(const std::vector<KnownEnd>& ends, const std::string& secret, std::int64_t now_s);
/// Reads it back. Errc::invalid_argument says why not: no such file, another secret, broken, too old.
Result<std::vector<KnownEnd>> open_tickets(std::string_view file, const std::string& secret, std::int64_t now_s);

/// What lies under the seal.
std::string format_tickets(const std::vector<KnownEnd>& ends, std::int64_t now_s);
Result<std::vector<KnownEnd>> parse_tickets(BytesView text, std::int64_t now_s);

}  // namespace plumvine::quic
