// One configuration key from a file, a flag or the environment. Input: `KEY=VALUE`.
// May hold 256 KiB for a text of at most 4 KiB.
#include <string_view>

#include <plumvine/config.hpp>

#include "limit.hpp"

using namespace plumvine;

namespace {

void configuration(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return;
  Config config = Config::lan("n1");
  if (const auto status = config.set(text.substr(0, equals), text.substr(equals + 1)); !status) {
    if (status.error().code == Errc::not_found) return;
    fuzz::require(config.describe() == Config::lan("n1").describe(), "a refused value changes nothing");
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
  fuzz::AllocationLimit limit{256 * 1024};
  configuration({reinterpret_cast<const char*>(data), size});
  return 0;
}
