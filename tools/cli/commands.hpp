#pragma once

#include <string>
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
  std::string ack;           ///< publish --ack
  std::string timeout = "5s";  ///< publish --timeout
};

int run(const Call& call);

/// Command names, for errors and completion.
const std::vector<std::string>& command_names();

}  // namespace plumvine::cli
