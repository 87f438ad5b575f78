// Texts that people and programs write: addresses, ids, durations, sizes. Input: the text.
// May hold 64 KiB for a text of at most 4 KiB.
#include <string>
#include <string_view>

#include <plumvine/config.hpp>

#include "limit.hpp"

using namespace plumvine;

namespace {

void addresses(std::string_view text) {
  if (const auto endpoint = Endpoint::parse(text)) {
    const auto again = Endpoint::parse(endpoint->to_string());
    fuzz::require(again && *again == *endpoint, "an endpoint is read as it is written");
    const auto raw = Endpoint::from_raw(endpoint->raw().view(), endpoint->port);
    fuzz::require(raw && *raw == *endpoint, "an endpoint survives its raw form");
  }
  if (const auto parts = HostPort::parse(text)) {
    fuzz::require(!parts->host.empty(), "a host is not empty");
    const auto again = HostPort::parse(parts->to_string());
    fuzz::require(again && again->host == parts->host && again->port == parts->port && again->srv == parts->srv &&
                      again->has_port == parts->has_port,
                  "a host and port is read as it is written");
  }
}

void ids(std::string_view text) {
  if (const auto instance = parse_instance(text)) fuzz::require(to_string(*instance) == text, "an instance has one spelling");
  if (const auto id = parse_message_id(text)) {
    const auto again = parse_message_id(to_string(*id));
    fuzz::require(again && *again == *id, "a message id is read as it is written");
  }
}

void numbers(std::string_view text) {
  if (const auto duration = parse_duration(text)) {
    fuzz::require(*duration >= Duration{0}, "a duration is not negative");
    const auto again = parse_duration(format_duration(*duration));
    fuzz::require(again && *again == *duration, "a duration is read as it is written");
  }
  if (const auto bytes = parse_size(text)) {
    const auto again = parse_size(std::to_string(*bytes));
    fuzz::require(again && *again == *bytes, "a size is read as it is written");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  fuzz::AllocationLimit limit{64 * 1024};
  addresses(text);
  ids(text);
  numbers(text);
  return 0;
}
