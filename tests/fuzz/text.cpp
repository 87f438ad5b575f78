// Texts that people and programs write: addresses, ids, durations, sizes, configuration values. Input: the text; for the
// configuration `KEY=VALUE`. May hold 256 KiB for a text of at most 4 KiB.
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

void configuration(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return;
  Config config = Config::lan("n1");
  const auto before = config.describe();
  if (!config.set(text.substr(0, equals), text.substr(equals + 1))) {
    fuzz::require(config.describe() == before, "a refused value changes nothing");
    return;
  }
  Config copy = Config::lan("n1");
  for (const auto& [key, value] : config.describe())
    if (key != "preset") fuzz::require(copy.set(key, value).has_value(), "what is described can be set");
  fuzz::require(copy.describe() == config.describe(), "what is described is read as the same");
  for (const auto& problem : config.validate()) fuzz::require(!problem.field.empty(), "a problem names its field");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  fuzz::AllocationLimit limit{256 * 1024};
  addresses(text);
  ids(text);
  numbers(text);
  configuration(text);
  return 0;
}
