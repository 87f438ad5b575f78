#pragma once

#include <optional>
#include <string>
#include <vector>

#include <plumvine/config.hpp>

namespace plumvine::agent {

enum class LogFormat { text, json };

/// What the agent was asked to do: a node's configuration and the agent's own keys.
struct Options {
  Config config;
  std::string config_file;            ///< empty = none
  std::vector<std::string> publish;   ///< at most one topic: standard input has one reader
  std::vector<std::string> print;     ///< topics, `*` = all but reserved ones
  LogFormat log_format = LogFormat::text;
  /// For HTTP addresses that the user wrote as `off`.
  bool http_off = false;
};

/// Why the agent does not start, as one line, and the exit status that goes with it.
struct Refusal {
  int status = 2;  ///< 0: the text was asked for (--help, --version) and goes to standard output
  std::string text;
};

/// Reads flags, environment (`PLUMVINE_KEY`) and file. Precedence: preset < file < environment < flag.
std::optional<Refusal> read_options(int argc, const char* const* argv, Options& options);

/// Reads the file, environment and flags again, for SIGHUP; `argv` as at the start.
std::optional<Refusal> reread_options(const std::vector<std::string>& arguments, Options& options);

/// Applies a TOML file. Unknown keys are errors with line and nearest known key. Without `with_preset` a preset named
/// there is passed over: the environment or a flag named another.
Status apply_file(const std::string& path, Options& options, bool with_preset);

/// Sets one key, the agent's own ones included.
Status set_key(Options& options, std::string_view key, std::string_view text);

/// Names of the agent's own keys beside those of `Config::describe`.
const std::vector<std::string>& agent_keys();

}  // namespace plumvine::agent
