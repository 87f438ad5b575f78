#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "commands.hpp"

namespace plumvine::cli {
namespace {

struct Usage {
  std::string_view command, arguments, help;
};

constexpr std::array kUsages{
    Usage{"analyze", "FILE|-", "log lines of plumvined by code, the worst first, with what to do; asks no agent"},
    Usage{"block", "list|add|rm [WHAT]", "keep out an address, a network, name:NAME or identity:SAN, for a time (--ttl) or until it is removed"},
    Usage{"bundle", "", "an archive for support (-o FILE): state, configuration, metrics of the last hour, events; --redact hides addresses"},
    Usage{"config", "validate|show [FILE]", "check a FILE and name every problem, or show what is in force (--origin: and why)"},
    Usage{"doctor", "", "what is wrong in the cluster, causes first; --config and --bind: why no agent runs here"},
    Usage{"events", "", "what happened to members, links, trees, keys; --follow goes on, --cluster is of all members, --since and --window name a time"},
    Usage{"explain", "CODE", "cause and remedy of a code of a log line, event, health reason or error; asks no agent"},
    Usage{"forget", "NAME", "forget a dead or left member on all members"},
    Usage{"health", "", "the health report with reasons and remedies; exit status 1 if unhealthy"},
    Usage{"join", "HOST[:PORT]...", "contact these seeds"},
    Usage{"keys", "list|install|use|remove [KEY|-]", "the gossip keys of all members; KEY - is read from standard input"},
    Usage{"lag", "", "by origin: highest known, delivered, missing, age"},
    Usage{"leave", "", "leave the cluster; the agent goes on outside"},
    Usage{"members", "", "name, address, state, round trip and tags of all members; --diff: who believes what"},
    Usage{"metrics", "", "what Prometheus would read; --grep filters"},
    Usage{"peers", "", "eager, lazy and protected neighbours, and each link"},
    Usage{"promote", "NAME", "make the link to this member eager"},
    Usage{"publish", "TOPIC [TEXT|-]", "broadcast a text, or each line of standard input (-, the default)"},
    Usage{"reachability", "[MEMBER]", "which ways lead to each member and back, and what a firewall would have to open"},
    Usage{"rejoin", "", "come back, also after leave"},
    Usage{"resync", "", "compare what is here with all neighbours, or one (--from MEMBER), now; says what was missing and came"},
    Usage{"state", "verify|export|import [FILE]", "the files of a stopped member (--data-dir DIR): check them, put them into FILE, take them out of it"},
    Usage{"stats", "", "rates and latencies over the last hour, or over --window"},
    Usage{"subscribe", "TOPIC", "print the messages of a topic as JSON lines; --from begins earlier"},
    Usage{"test-delivery", "", "send probes and say who got them, how late, over how many hops"},
    Usage{"tls", "dev-ca|verify DIR|CERT [NAME...|CA]", "make a private CA and certificates for a trial (DIR NAME...); ask all members whether they take a new one (CERT [CA])"},
    Usage{"top", "", "a live view: health, rates, latency, links, memory; --once prints it once"},
    Usage{"trace", "ID", "the way of one message across the members"},
    Usage{"tree", "", "the broadcast trees as seen from here"},
    Usage{"trim", "", "drop what caches can spare"},
};

}  // namespace

std::string commands_text() {
  std::string out = "Commands:\n";
  for (const auto& name : command_names()) {
    const auto row = std::find_if(kUsages.begin(), kUsages.end(), [&](const Usage& usage) { return usage.command == name; });
    const Usage usage = row == kUsages.end() ? Usage{name, "", ""} : *row;
    const auto head = usage.arguments.empty() ? name : fmt::format("{} {}", name, usage.arguments);
    out += fmt::format("  {:<40} {}\n", head, usage.help);
  }
  return out + "\nExit status: 0 good, 1 the answer is bad, 2 wrong usage, 3 the agent is not reachable.";
}

}  // namespace plumvine::cli
