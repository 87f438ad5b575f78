#include "typed.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include <plumvine/config.hpp>
#include <plumvine/types.hpp>

namespace plumvine::cli {
namespace {

struct Fit {
  std::string_view flag;
  std::array<std::string_view, 3> commands;
};

/// Which commands know a flag; those that are not here are for all.
constexpr std::array kFits{
    Fit{"--component", {"health"}},
    Fit{"--grep", {"metrics"}},
    Fit{"--from", {"subscribe", "resync"}},
    Fit{"--force", {"keys", "bundle", "state"}},
    Fit{"--follow", {"events"}},
    Fit{"--origin", {"config"}},
    Fit{"--dot", {"tree"}},
    Fit{"--ack", {"publish"}},
    Fit{"--timeout", {"publish", "test-delivery", "resync"}},
    Fit{"--size", {"test-delivery"}},
    Fit{"--count", {"test-delivery"}},
    Fit{"--config", {"doctor"}},
    Fit{"--bind", {"doctor"}},
    Fit{"--diff", {"members"}},
    Fit{"--topic", {"tree"}},
    Fit{"--once", {"top"}},
    Fit{"--redact", {"bundle"}},
    Fit{"--output", {"bundle"}},
    Fit{"--cluster", {"events"}},
    Fit{"--since", {"events"}},
    Fit{"--window", {"events", "stats"}},
    Fit{"--data-dir", {"state"}},
    Fit{"--ttl", {"block"}},
    Fit{"--label", {"tls"}},
    Fit{"--life", {"tls"}},
};

constexpr std::array<std::string_view, 6> kComponents{"membership", "tree", "delivery", "cache", "security", "loop"};

bool is_typed(const Call& call, std::string_view flag) { return std::find(call.flags.begin(), call.flags.end(), flag) != call.flags.end(); }

/// A flag that this command, or this use of it, does not know.
std::optional<std::string> misplaced(const Call& call) {
  for (const auto& [flag, commands] : kFits) {
    if (!is_typed(call, flag) || std::find(commands.begin(), commands.end(), call.command) != commands.end()) continue;
    const auto end = std::find(commands.begin(), commands.end(), std::string_view{});
    return fmt::format("{} is not for {} (allowed: {})", flag, call.command, fmt::join(commands.begin(), end, ", "));
  }
  const std::string_view order = call.arguments.empty() ? std::string_view{} : std::string_view(call.arguments[0]);
  if (call.json && call.dot) return "--dot prints a graph, --json prints JSON: one of them";
  if (call.command == "publish" && is_typed(call, "--timeout") && call.ack.empty()) return "--timeout is for publish with --ack";
  if (call.command == "block" && is_typed(call, "--ttl") && order != "add") return "--ttl is for block add";
  if (call.command == "config" && call.origin && order != "show") return "--origin is for config show";
  if (call.command == "tls" && order != "dev-ca" && (is_typed(call, "--label") || is_typed(call, "--life"))) return "--label and --life are for tls dev-ca";
  if (call.command == "state" && call.force && order != "export") return "--force is for state export";
  return std::nullopt;
}

std::optional<std::string> bad_value(const Call& call) {
  if (const auto http = HostPort::parse(call.http); !http || !http->has_port || http->port == 0 || http->srv)
    return fmt::format("--http: '{}' is not HOST:PORT, with a port from 1 to 65535", call.http);
  if (is_typed(call, "--component") && std::find(kComponents.begin(), kComponents.end(), call.component) == kComponents.end())
    return fmt::format("--component: '{}' is none of {}", call.component, fmt::join(kComponents, ", "));
  if (is_typed(call, "--ttl")) {
    const auto ttl = parse_duration(call.ttl);
    if (!ttl || *ttl <= Duration{0}) return fmt::format("--ttl: '{}' is not a time above 0, such as 10m", call.ttl);
  }
  if (call.command == "join") {
    for (const std::string& seed : call.arguments)
      if (const auto parsed = HostPort::parse(seed); !parsed) return "join: " + parsed.error().message;
  }
  constexpr std::size_t kTopicMax = 128;
  if (!call.arguments.empty() && call.arguments[0].empty()) return call.command + ": the first argument is empty";
  if ((call.command == "publish" || call.command == "subscribe") && !call.arguments.empty() && call.arguments[0].size() > kTopicMax)
    return fmt::format("{}: a topic has 1 to {} bytes, not {}", call.command, kTopicMax, call.arguments[0].size());
  constexpr std::size_t kArgumentMax = 2048;  // in the agent's address, percent-encoded
  const bool in_address = call.command == "forget" || call.command == "promote" || call.command == "trace" || call.command == "reachability";
  if (in_address && !call.arguments.empty() && call.arguments[0].size() > kArgumentMax)
    return fmt::format("{}: the name is too long: {} bytes, at most {}", call.command, call.arguments[0].size(), kArgumentMax);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> problem_of(const Call& call) {
  if (auto problem = misplaced(call)) return problem;
  return bad_value(call);
}

}  // namespace plumvine::cli
