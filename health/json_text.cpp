#include "json_text.hpp"

#include <chrono>
#include <cstdint>
#include <cstring>

namespace plumvine::dump {
namespace {

bool continues(unsigned char c) {
  return (c & 0xC0) == 0x80;
}

// Length of the sequence at the front of `text` (not empty), 0 if there is none. RFC 3629, section 4.
std::size_t sequence_length(std::string_view text) noexcept {
  const auto at = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  const unsigned second = at(1);
  if (first >= 0xC2 && first <= 0xDF) return continues(static_cast<unsigned char>(second)) ? 2 : 0;
  const bool third = continues(static_cast<unsigned char>(at(2)));
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return second >= low && second <= high && third ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return second >= low && second <= high && third && continues(static_cast<unsigned char>(at(3))) ? 4 : 0;
  }
  return 0;
}

// How many bytes at the front are plain ASCII, eight at a time.
std::size_t ascii_length(std::string_view text) noexcept {
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    if (word & 0x8080808080808080ULL) break;
  }
  while (i < text.size() && static_cast<unsigned char>(text[i]) < 0x80) ++i;
  return i;
}

bool plain(char c) {
  return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
}

void append_escaped(std::string& out, char c) {
  static constexpr char hex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  out += "\\u00";
  out += hex[(static_cast<unsigned char>(c) >> 4) & 15];
  out += hex[static_cast<unsigned char>(c) & 15];
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (text.remove_prefix(ascii_length(text)); !text.empty(); text.remove_prefix(ascii_length(text))) {
    const auto length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (plain(text[i])) continue;
    out.append(text, start, i - start);
    append_escaped(out, text[i]);
    start = i + 1;
  }
  out.append(text, start);
  out += '"';
}

void append_any(std::string& out, std::string_view text) {
  if (is_utf8(text)) return append_string(out, text);
  append_string(out, to_utf8(text));
}

std::string to_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto length = sequence_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
    } else {
      out.append(text, 0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

std::string time_text(std::int64_t wall_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds{wall_ms}};
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss time{at - day};
  std::string out;
  const auto number = [&out](std::int64_t value, std::size_t digits, char after) {
    const std::string text = std::to_string(value);
    out.append(digits > text.size() ? digits - text.size() : 0, '0');
    out += text;
    out += after;
  };
  number(static_cast<int>(date.year()), 4, '-');
  number(static_cast<unsigned>(date.month()), 2, '-');
  number(static_cast<unsigned>(date.day()), 2, 'T');
  number(time.hours().count(), 2, ':');
  number(time.minutes().count(), 2, ':');
  number(time.seconds().count(), 2, '.');
  number(time.subseconds().count(), 3, 'Z');
  return out;
}

std::string printable(std::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const auto length = sequence_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const bool control = length == 1 ? first < 0x20 || first == 0x7F
                                     : length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    const auto taken = length == 0 ? 1 : length;
    for (std::size_t i = 0; i < taken; ++i) {
      if (length == 0 || control) {
        out += "\\x";
        out += hex[static_cast<unsigned char>(text[i]) >> 4];
        out += hex[static_cast<unsigned char>(text[i]) & 15];
      } else {
        out += text[i];
      }
    }
    text.remove_prefix(taken);
  }
  return out;
}

}  // namespace plumvine::dump
