#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/result.hpp>

namespace plumvine::agent {

/// One flag of the agent: `--flag VALUE` or `--flag=VALUE`.
struct Flag {
  std::string_view flag;
  std::string_view key;    ///< the configuration key it sets; empty for those that are no key
  std::string_view value;  ///< what it takes, as the help shows it
  std::string_view help;
  bool repeatable = false;
};

/// All flags that this version has, as `--help` lists them.
std::span<const Flag> flags();

/// The flags as typed, before anything is applied.
struct Typed {
  bool help = false;
  bool version = false;
  std::string file;
  std::string preset;
  std::map<std::string, std::string> keys;  ///< by configuration key
  std::vector<std::string> join, publish, print;
  std::vector<std::pair<std::string, std::string>> sets;
};

/// Reads arguments. The error is one line that names the flag, the value and what is allowed.
Result<Typed> parse_flags(const std::vector<std::string>& arguments);

/// The text of `--help`.
std::string help_text();

/// The one of `names` that `word` was probably meant to be.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& names);

}  // namespace plumvine::agent
