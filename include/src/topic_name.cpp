#include <string>

#include <plumvine/topic.hpp>

namespace plumvine {
namespace {

constexpr std::size_t kTopicMax = 128;

/// Length of the UTF-8 character at the front of `text`; 0 = malformed (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const bool bad = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                   (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
  return bad ? 0 : length;
}

}  // namespace

Status check_topic(std::string_view topic) {
  if (topic.empty() || topic.size() > kTopicMax)
    return Error{Errc::invalid_argument, "a topic has 1 to 128 bytes, not " + std::to_string(topic.size())};
  if (topic.starts_with('_')) return Error{Errc::invalid_argument, "topics that start with _ are reserved"};
  for (std::string_view rest = topic; !rest.empty();) {
    const std::size_t length = utf8_length(rest);
    const auto first = static_cast<unsigned char>(rest.front());
    const bool control = length == 1 ? first < 0x20 || first == 0x7f
                                     : length == 2 && first == 0xc2 && static_cast<unsigned char>(rest[1]) < 0xa0;
    if (length == 0 || control)
      return Error{Errc::invalid_argument, "a topic is UTF-8 without control characters"};
    rest.remove_prefix(length);
  }
  return {};
}

}  // namespace plumvine
