#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "commands.hpp"

namespace {

int complain(const std::string& text) {
  std::fprintf(stderr, "plumvine: %s\n", text.c_str());
  return plumvine::cli::kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace plumvine::cli;
  std::signal(SIGPIPE, SIG_DFL);
  Call call;
  const char* from_environment = std::getenv("PLUMVINE_HTTP");
  call.http = from_environment != nullptr ? from_environment : "127.0.0.1:9090";
  CLI::App app{
      fmt::format("plumvine: asks and steers a running plumvined\nCommands: {}", fmt::join(command_names(), ", ")),
      "plumvine"};
  app.set_version_flag("--version", std::string("plumvine ") + PLUMVINE_VERSION);
  app.add_option("--http", call.http, "the agent's HTTP address (127.0.0.1:9090)")->type_name("HOST:PORT");
  app.add_flag("--json", call.json, "print what the agent answers");
  app.add_option("--component", call.component, "health: one component only")
      ->type_name("membership|tree|delivery|cache|security|loop");
  app.add_option("--grep", call.grep, "metrics: lines that match")->type_name("REGEX");
  app.add_option("--from", call.from, "subscribe: where to start (now)")->type_name("now|window|CURSOR");
  app.add_flag("--force", call.force, "keys: also where members would be cut off");
  app.add_flag("--follow", call.follow, "events: go on with those that come");
  app.add_flag("--origin", call.origin, "config show: where each value comes from");
  app.add_flag("--dot", call.dot, "tree: as a graph for Graphviz");
  app.add_option("--ack", call.ack, "publish: wait until all, or so many, other members have it")->type_name("all|K");
  app.add_option("--timeout", call.timeout, "publish --ack: how long to wait, at most 60s (5s)")->type_name("DURATION");
  app.add_option("command", call.command, "what to do");
  app.add_option("arguments", call.arguments, "of the command");
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::puts(app.help().c_str());
    return kGood;
  } catch (const CLI::CallForVersion&) {
    std::puts("plumvine " PLUMVINE_VERSION);
    return kGood;
  } catch (const CLI::ParseError& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return complain(text + " (see plumvine --help)");
  }
  if (const auto unknown = app.remaining(); !unknown.empty()) {
    return complain(unknown[0] + ": unknown flag (allowed: --http, --json, --component, --grep, --from, --force, --follow, --origin, --dot, --ack, --timeout, --help, --version)");
  }
  if (call.command.empty()) return complain(fmt::format("a command is missing (allowed: {})", fmt::join(command_names(), ", ")));
  return run(call);
}
