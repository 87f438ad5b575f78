#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client.hpp"
#include "commands.hpp"

namespace {

int complain(const std::string& text) {
  std::fprintf(stderr, "plumvine: %s\n", text.c_str());
  return plumvine::cli::kUsage;
}

/// What could not be written was not shown.
int finish(int status) {
  using namespace plumvine::cli;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  complain(std::string("standard output cannot be written: ") + std::strerror(errno));
  return kBad;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace plumvine::cli;
  std::signal(SIGPIPE, SIG_DFL);
  Call call;
  const char* from_environment = std::getenv("PLUMVINE_HTTP");
  call.http = from_environment != nullptr ? from_environment : "127.0.0.1:9090";
  if (const char* file = std::getenv("PLUMVINE_TOKEN_FILE"); file != nullptr) call.token_file = file;
  CLI::App app{"plumvine: asks and steers a running plumvined", "plumvine"};
  app.footer(commands_text());
  app.set_version_flag("--version", std::string("plumvine ") + PLUMVINE_VERSION);
  app.add_option("--http", call.http, "the agent's HTTP address (127.0.0.1:9090)")->type_name("HOST:PORT");
  app.add_option("--token-file", call.token_file, "a file with the agent's token, for what changes state from another machine")->type_name("FILE");
  app.add_flag("--json", call.json, "print what the agent answers");
  app.add_option("--component", call.component, "health: one component only")
      ->type_name("membership|tree|delivery|cache|security|loop");
  app.add_option("--grep", call.grep, "metrics: lines that match")->type_name("REGEX");
  app.add_option("--from", call.from, "subscribe: where to start (now); MESSAGE: behind the one with this id; resync: the neighbour to compare with")->type_name("now|window|CURSOR|MESSAGE");
  app.add_flag("--force", call.force, "keys: also where members would be cut off; bundle, state export: overwrite the file");
  app.add_flag("--follow", call.follow, "events: go on with those that come");
  app.add_flag("--origin", call.origin, "config show: where each value comes from");
  app.add_flag("--dot", call.dot, "tree: as a graph for Graphviz");
  app.add_option("--ack", call.ack, "publish: wait until all, or so many, other members have it")->type_name("all|K");
  app.add_option("--timeout", call.timeout, "publish --ack, test-delivery, resync: how long to wait, at most 60s (5s)")->type_name("DURATION");
  app.add_option("--size", call.size, "test-delivery: bytes of a probe (64)")->type_name("BYTES");
  app.add_option("--count", call.count, "test-delivery: how many probes, 1 to 16 (1)")->type_name("N");
  app.add_option("--config", call.config, "doctor: the agent's configuration: where to ask it, and what ports to look at if it does not answer")->type_name("FILE");
  app.add_option("--bind", call.bind, "doctor: where an agent that does not run was to bind")->type_name("HOST:PORT");
  app.add_flag("--diff", call.diff, "members: who believes what of whom, asked of all members");
  app.add_option("--topic", call.topic, "tree: only trees that carry the topic's messages")->type_name("TOPIC");
  app.add_flag("--once", call.once, "top: one table, after a second");
  app.add_flag("--redact", call.redact, "bundle: without addresses and names of hosts");
  app.add_option("-o,--output", call.output, "bundle: the file to write")->type_name("FILE");
  app.add_flag("--cluster", call.cluster, "events: of all members in one list, by time");
  app.add_option("--since", call.since, "events: from so long ago on")->type_name("DURATION");
  app.add_option("--window", call.window, "events: only so long from --since on; stats: over so long, at most 1h (1h)")->type_name("DURATION");
  app.add_option("--data-dir", call.data_dir, "state: the member's data directory")->type_name("DIR");
  app.add_option("--ttl", call.ttl, "block add: for so long; without it until it is removed")->type_name("DURATION");
  app.add_option("--label", call.label, "tls dev-ca: the cluster label that the certificates are for")->type_name("LABEL");
  app.add_option("--life", call.life, "tls dev-ca: for how long the certificates are good (8760h)")->type_name("TIME");
  app.add_option("command", call.command)->group("");  // the footer says more
  app.add_option("arguments", call.arguments)->group("");
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::string text = app.help();
    constexpr std::string_view kHidden = "[] [...]";  // what the library makes of arguments that the footer tells of
    if (const auto at = text.find(kHidden); at != std::string::npos) text.replace(at, kHidden.size(), "COMMAND [ARGUMENT...]");
    std::puts(text.c_str());
    return finish(kGood);
  } catch (const CLI::CallForVersion&) {
    std::puts("plumvine " PLUMVINE_VERSION);
    return kGood;
  } catch (const CLI::ParseError& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return complain(text + " (see plumvine --help)");
  }
  if (const auto unknown = app.remaining(); !unknown.empty()) {
    return complain(unknown[0] + ": unknown flag (allowed: --http, --token-file, --json, --component, --grep, --from, --force, --follow, --origin, --dot, --ack, --timeout, --size, --count, --config, --bind, --diff, --topic, --once, --redact, --output, --cluster, --since, --window, --data-dir, --label, --life, --ttl, --help, --version)");
  }
  if (!call.token_file.empty()) {
    if (const std::string problem = Client::use_token_file(call.token_file); !problem.empty()) return complain("--token-file: " + problem);
  }
  for (const CLI::Option* option : app.get_options())
    if (option->count() > 0 && !option->get_lnames().empty()) call.flags.push_back("--" + option->get_lnames().front());
  call.http_typed = from_environment != nullptr || app.count("--http") > 0;
  if (call.command.empty()) return complain(fmt::format("a command is missing (allowed: {})", fmt::join(command_names(), ", ")));
  try {
    return finish(run(call));
  } catch (const std::exception& error) {  // nothing is known that comes here
    complain(std::string("this should not happen: ") + error.what());
    return kBad;
  }
}
