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
  bool http_typed = false;  ///< or set in the environment, not the usual address
  bool json = false;
  std::string command;
  std::vector<std::string> arguments;
  std::vector<std::string> flags;  ///< which flags were typed, by their long names
  std::string component;     ///< health --component
  std::string grep;          ///< metrics --grep
  std::string from;          ///< subscribe --from, resync --from
  bool force = false;        ///< keys --force, bundle --force, state export --force
  bool follow = false;       ///< events --follow
  bool origin = false;       ///< config show --origin
  bool dot = false;          ///< tree --dot
  std::string ack;           ///< publish --ack
  std::string timeout = "5s";  ///< publish, test-delivery, resync --timeout
  std::string size = "64";   ///< test-delivery --size
  std::string count = "1";   ///< test-delivery --count
  std::string config;        ///< doctor --config
  std::string bind;          ///< doctor --bind
  bool diff = false;         ///< members --diff
  std::string topic;         ///< tree --topic
  bool once = false;         ///< top --once
  bool redact = false;       ///< bundle --redact
  std::string output;        ///< bundle -o
  bool cluster = false;      ///< events --cluster
  std::string since;         ///< events --since
  std::string window;        ///< events --window, stats --window
  std::string data_dir;      ///< state --data-dir
  std::string label;         ///< tls dev-ca --label
  std::string ttl;           ///< block add --ttl
  std::string token_file;    ///< whose first line is shown as the bearer token
  std::string life = "8760h";  ///< tls dev-ca --life
};

int run(const Call& call);

// Commands with files of their own.
int events(const Call& call);
int explain(const Call& call);
int doctor(const Call& call);
int trace(const Call& call);
int test_delivery(const Call& call);
int members_diff(const Call& call);
int reachability(const Call& call);
int top(const Call& call);
int bundle(const Call& call);
int stats(const Call& call);
int analyze(const Call& call);
int state(const Call& call);
int subscribe(const Call& call);
int resync(const Call& call);
int tls(const Call& call);

/// What `explain` knows of one code.
struct Explained {
  std::string_view code;
  std::string source;  ///< where it turns up
  std::string_view cause, remedy;
};
const std::vector<Explained>& all_codes();

/// Command names, for errors and completion.
const std::vector<std::string>& command_names();

/// What `--help` says of the commands, one line each: arguments, and what it shows or does. Manual pages and shell
/// completion are made from it, so arguments are written as flags write theirs: `a|b` are words, NAME is a member.
std::string commands_text();

}  // namespace plumvine::cli
