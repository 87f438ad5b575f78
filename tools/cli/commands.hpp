#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace plumvine::cli {

/// Exit statuses of every command.
enum Exit { kGood = 0, kBad = 1, kUsage = 2, kUnreachable = 3 };

/// What was typed.
struct Call {
  std::string http;  ///< HOST:PORT of the agent
  bool json = false;
  std::string command;
  std::vector<std::string> arguments;
  std::string component;     ///< health --component
  std::string grep;          ///< metrics --grep
  std::string from = "now";  ///< subscribe --from
  bool force = false;        ///< keys --force
  bool follow = false;       ///< events --follow
  bool origin = false;       ///< config show --origin
  bool dot = false;          ///< tree --dot
  std::string ack;           ///< publish --ack
  std::string timeout = "5s";  ///< publish --timeout
};

int run(const Call& call);

// Commands with files of their own.
int events(const Call& call);
int explain(const Call& call);

/// What `explain` knows of one code.
struct Explained {
  std::string_view code;
  std::string source;  ///< where it turns up
  std::string_view cause, remedy;
};
const std::vector<Explained>& all_codes();

/// Command names, for errors and completion.
const std::vector<std::string>& command_names();

}  // namespace plumvine::cli
