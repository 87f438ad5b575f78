// One configuration key from a file, a flag or the environment. Input: `KEY=VALUE`, or a byte that chooses a key and the value.
// May hold 256 KiB for a text of at most 4 KiB.
#include <algorithm>
#include <string_view>

#include <plumvine/config.hpp>

#include "limit.hpp"

using namespace plumvine;

namespace {

std::uint32_t fnv1a(std::string_view text) {
  std::uint32_t hash = 2166136261;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  return hash;
}

void configuration(std::string_view text) {
  static const Config fresh = Config::lan("n1");
  static const auto keys = fresh.describe();
  if (text.empty()) return;
  // An unknown key is answered with the nearest one, and the check of all keys costs a thousand times the reading
  // of one: every 64th input gets them.
  const bool whole = fnv1a(text) % 64 == 0;
  const auto equals = text.find('=');
  std::string_view key = text.substr(0, equals);
  std::string_view value = equals == std::string_view::npos ? std::string_view{} : text.substr(equals + 1);
  if (!whole && std::none_of(keys.begin(), keys.end(), [&](const auto& entry) { return entry.first == key; })) {
    key = keys[static_cast<unsigned char>(text[0]) % keys.size()].first;
    value = text.substr(1);
  }
  Config config = fresh;
  if (const auto status = config.set(key, value); !status) {
    if (status.error().code == Errc::not_found) return;
    if (whole) fuzz::require(config.describe() == fresh.describe(), "a refused value changes nothing");
    return;
  }
  if (!whole) return;
  Config copy = fresh;
  for (const auto& [name, described] : config.describe())
    if (name != "preset") fuzz::require(copy.set(name, described).has_value(), "what is described can be set");
  fuzz::require(copy.describe() == config.describe(), "what is described is read as the same");
  for (const auto& problem : config.validate()) fuzz::require(!problem.field.empty(), "a problem names its field");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  fuzz::AllocationLimit limit{256 * 1024};
  configuration({reinterpret_cast<const char*>(data), size});
  return 0;
}
