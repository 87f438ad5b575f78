// Durations and sizes as people write them.
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include <plumvine/config.hpp>

namespace plumvine {
namespace {

struct Unit {
  std::string_view suffix;
  double factor;
};

constexpr std::array<Unit, 6> kTimes{{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};

// A non-negative decimal number at the front of `text`; the rest is the suffix.
std::optional<double> leading_number(std::string_view text, std::string_view& suffix) {
  std::size_t digits = 0;
  while (digits < text.size() && ((text[digits] >= '0' && text[digits] <= '9') || text[digits] == '.')) ++digits;
  double value = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (digits == 0 || error != std::errc{} || stop != text.data() + digits) return std::nullopt;
  suffix = text.substr(digits);
  return value;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  std::string_view suffix;
  if (auto value = leading_number(text, suffix)) {
    for (const auto& unit : kTimes) {
      if (suffix != unit.suffix) continue;
      const double ns = *value * unit.factor;
      if (ns > 3.2e18) return {Errc::invalid_argument, fmt::format("'{}' is too long: at most 100 years", text)};
      return Duration{static_cast<std::int64_t>(std::llround(ns))};
    }
  }
  return {Errc::invalid_argument, fmt::format("'{}' is not a duration: write a number with ns, us, ms, s, m or h, like 200ms", text)};
}

std::string format_duration(Duration duration) {
  const std::int64_t ns = duration.count();
  constexpr std::int64_t kMinute = 60'000'000'000;
  if (ns != 0 && ns % (60 * kMinute) == 0) return fmt::format("{}h", ns / (60 * kMinute));
  if (ns != 0 && ns % kMinute == 0) return fmt::format("{}m", ns / kMinute);
  if (ns % 1'000'000'000 == 0) return fmt::format("{}s", ns / 1'000'000'000);
  if (ns % 1'000'000 == 0) return fmt::format("{}ms", ns / 1'000'000);
  if (ns % 1'000 == 0) return fmt::format("{}us", ns / 1'000);
  return fmt::format("{}ns", ns);
}

Result<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::array<Unit, 6> sizes{
      {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776.0}}};
  std::string_view suffix;
  if (auto value = leading_number(text, suffix)) {
    for (const auto& unit : sizes) {
      const double bytes = *value * unit.factor;
      if (suffix == unit.suffix && bytes <= 1e18 && bytes == std::floor(bytes)) return static_cast<std::uint64_t>(bytes);
    }
  }
  return {Errc::invalid_argument, fmt::format("'{}' is not a size: write bytes, or a number with KiB, MiB or GiB", text)};
}

}  // namespace plumvine
