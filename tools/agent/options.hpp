#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/config.hpp>

#include "log_file.hpp"

namespace plumvine::agent {

enum class LogFormat { text, json };

/// What the agent was asked to do: a node's configuration and the agent's own keys.
struct Options {
  Config config;
  std::string config_file;           ///< empty = none
  std::vector<std::string> publish;  ///< at most one topic: standard input has one reader
  std::vector<std::string> print;    ///< topics, `*` = all but reserved ones
  LogFormat log_format = LogFormat::text;
  std::string log_file;              ///< where the log goes; empty = standard error
  std::string security_log;          ///< where events of kind security go as well; empty = nowhere
  LogFile::Limits log_limits;        ///< of both
  std::vector<std::string> warnings;  ///< to be logged once the agent runs
};

/// How `Config::origins` tells of a value from a file: followed by PATH:LINE.
inline constexpr std::string_view kFromFile = "file ";

/// Why the agent does not start, and the exit status that goes with it.
struct Refusal {
  int status = 2;  ///< 0: the text was asked for (--help, --version) and goes to standard output
  std::vector<std::string> problems;
  /// All problems in one line.
  [[nodiscard]] std::string text() const;
};

/// Reads file, environment and flags. Precedence: preset < file < environment < flag. Every problem of one of these
/// is reported at once; the later ones are not looked at then.
std::optional<Refusal> read_options(const std::vector<std::string>& arguments, Options& options);

/// Checks a file alone: what is wrong with it, and with the configuration that it makes.
std::optional<Refusal> validate_file(const std::string& path);

/// Applies a TOML file and gives every problem with its line. Without `with_preset` a preset named there is passed
/// over: the environment or a flag named another.
std::vector<std::string> apply_file(const std::string& path, Options& options, bool with_preset);

/// Sets one key, the agent's own ones included. Unknown keys name the nearest known one.
Status set_key(Options& options, std::string_view key, std::string_view text);

/// Sets `print` or `publish` from a list.
Status set_topics(Options& options, std::string_view key, std::vector<std::string> topics);

}  // namespace plumvine::agent
