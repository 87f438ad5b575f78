#pragma once

#include <cstddef>
#include <string_view>

namespace plumvine::serf {

/// What looking for an expression gave. `unsupported`: too long, malformed, or syntax that we do not have.
enum class Found : unsigned char { yes, no, unsupported };

/// Looks for a regular expression in a tag's value, as Go's `regexp.MatchString` does for the syntax known here:
/// literals, `.`, classes with ranges and `\d \w \s \D \W \S`, `^ $ \b \B`, groups `( )` and `(?: )`, `|`, `* + ?` and
/// `{n,m}` (lazy or not: the same here), `(?i)` in front. Works on bytes.
///
/// All states are followed at once, so time is at most expression times value: no expression of a stranger can make it
/// run away, which `std::regex` cannot promise.
/// Bounds: `kPatternMax` bytes of expression, `kProgramMax` states, `kValueMax` bytes of value.
Found find_pattern(std::string_view pattern, std::string_view value);

inline constexpr std::size_t kPatternMax = 256;
inline constexpr std::size_t kProgramMax = 512;
inline constexpr std::size_t kValueMax = 512;

}  // namespace plumvine::serf
