// plumvine-sim: the real protocol code under virtual time.

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <sim/scenario.hpp>
#include <sim/trace.hpp>

#include "compare.hpp"
#include "plan_file.hpp"

namespace {

using namespace plumvine;
using namespace plumvine::sim;

constexpr int kUsage = 2;
constexpr int kFailed = 1;

constexpr std::string_view kHelp =
    R"(plumvine-sim: runs the real protocol code under virtual time; one run is one seed.

  plumvine-sim run SCENARIO [FLAGS]     run one scenario
  plumvine-sim run FILE.toml [FLAGS]    run a scenario file: publishers, faults with times, bounds (tests/sim/README.md has its keys)
  plumvine-sim list                     the scenarios and the flags each can honour
  plumvine-sim compare A.json B.json    table of two results of `run --json`

Flags of run (a flag that the scenario cannot honour is refused):
  --nodes N                 how many nodes
  --seed S                  seed of everything random (default 1)
  --rounds N                broadcasts that are counted; seconds (p8), seeds (swarm), crashes (s1), clusters (g1, g2)
  --senders one|changing|all   who publishes
  --loss PERCENT            each packet and each tree frame is lost on its own
  --lanes on|off            payloads go beside the streams, as over QUIC: what is lost of one holds up nothing else (p8; off)
  --latency-ms MIN-MAX      one way, per link
  --kill PERCENT            of the nodes, together, before the first counted round
  --crash-per-round N       nodes that crash as each round begins
  --depth N                 steps whose order is varied (orders)
  --starved PERCENT         of the members, that get too little of their processor
  --seconds T               how long the fault, the churn or the measurement lasts
  --tree-rule rooted|classic   how the tree is shaped
  --optimization-threshold N   rounds by which an announcer must be nearer (classic)
  --second-parents lossy|always|never
                               when payloads come from two neighbours (rooted)
  --repair on|off           replace lost links, compare digests now and then
  --trace                   print every frame and event
  --json                    one JSON object: payload_bytes are Gossip frames, control_bytes all other frames, as on the wire
  --help, --version         this text, the version

Exit status: 0 well, 1 a checker found something, 2 wrong usage.
)";

/// Refuses in one line.
int refuse(const std::string& why) {
  std::cerr << "plumvine-sim: " << why << '\n';
  return kUsage;
}

int list_scenarios(std::ostream& out) {
  for (const Scenario& scenario : scenarios()) {
    out << scenario.name << std::string(scenario.name.size() < 14 ? 14 - scenario.name.size() : 1, ' ') << scenario.summary << '\n'
        << std::string(14, ' ');
    for (Flag flag : scenario.flags) out << ' ' << to_string(flag);
    out << '\n';
  }
  return 0;
}

template <class T>
std::optional<T> parse_number(std::string_view text, T least, T most) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= least && value <= most)) return std::nullopt;
  return value;
}

Duration from_ms(double milliseconds) { return Duration{static_cast<std::int64_t>(std::llround(milliseconds * 1e6))}; }

/// Reads one flag's value into the request. An error names the flag and what it takes.
Status set_flag(Request& request, const Scenario& scenario, std::string_view flag, std::string_view text) {
  auto bad = [&](const std::string& takes) {
    return Status{Errc::invalid_argument, std::string(flag) + " '" + std::string(text) + "': must be " + takes};
  };
  auto share = [&](std::optional<double>& out) {
    const auto percent = parse_number<double>(text, 0, 99.9);
    if (!percent) return bad("a percentage from 0 to 99.9");
    out = *percent / 100;
    return Status{};
  };
  auto count = [&](std::optional<std::uint64_t>& out, std::uint64_t least, std::uint64_t most) {
    out = parse_number<std::uint64_t>(text, least, most);
    if (!out) return bad("a number from " + std::to_string(least) + " to " + std::to_string(most));
    return Status{};
  };
  if (flag == "--seed") {
    const auto seed = parse_number<std::uint64_t>(text, 0, UINT64_MAX);
    if (!seed) return bad("a number");
    request.seed = *seed;
    return {};
  }
  if (flag == "--nodes") return count(request.nodes, scenario.nodes_min, scenario.nodes_max);
  if (flag == "--rounds") return count(request.rounds, 1, 1000000);
  if (flag == "--depth") return count(request.depth, 1, 30);
  if (flag == "--crash-per-round") return count(request.crash_per_round, 0, scenario.nodes_max);
  if (flag == "--optimization-threshold") return count(request.threshold, 0, 1000);
  if (flag == "--loss") return share(request.loss);
  if (flag == "--kill") return share(request.kill);
  if (flag == "--starved") return share(request.starved);
  if (flag == "--seconds") {
    request.seconds = parse_number<double>(text, 0.001, 86400);
    return request.seconds ? Status{} : bad("seconds from 0.001 to 86400");
  }
  if (flag == "--latency-ms") {
    const auto dash = text.find('-');
    const auto least = parse_number<double>(text.substr(0, dash), 0.001, 60000);
    const auto most = dash == std::string_view::npos ? least : parse_number<double>(text.substr(dash + 1), 0.001, 60000);
    if (!least || !most || *least > *most) return bad("MIN-MAX in milliseconds, from 0.001 to 60000");
    request.latency_min = from_ms(*least);
    request.latency_max = from_ms(*most);
    return {};
  }
  if (flag == "--senders") {
    if (text == "one") request.senders = Senders::one;
    else if (text == "changing") request.senders = Senders::changing;
    else if (text == "all") request.senders = Senders::all;
    else return bad("one, changing or all");
    return {};
  }
  if (flag == "--tree-rule") {
    if (text == "rooted") request.tree_rule = TreeConfig::Rule::rooted;
    else if (text == "classic") request.tree_rule = TreeConfig::Rule::classic;
    else return bad("rooted or classic");
    return {};
  }
  if (flag == "--second-parents") {
    for (const auto second : {SecondParents::lossy, SecondParents::always, SecondParents::never})
      if (to_string(second) == text) request.second_parents = second;
    return request.second_parents ? Status{} : bad("lossy, always or never");
  }
  if (text != "on" && text != "off") return bad("on or off");
  (flag == "--lanes" ? request.lanes : request.repair) = text == "on";
  return {};
}

/// The scenario's flag of that name; nullopt: no flag at all of that name.
std::optional<Flag> flag_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Flag::starved); ++i) {
    if (to_string(static_cast<Flag>(i)) == name) return static_cast<Flag>(i);
  }
  return std::nullopt;
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return refuse("run needs a scenario or a file NAME.toml; `plumvine-sim list` names the scenarios");
  const Scenario* scenario = find_scenario(arguments[0]);
  std::optional<Scenario> from_file;
  if (arguments[0].ends_with(".toml")) {
    Plan plan;
    const auto problems = read_plan(arguments[0], plan);
    for (const std::string& problem : problems) refuse(problem);
    if (!problems.empty()) return kUsage;
    scenario = &from_file.emplace(scenario_of(std::move(plan)));
  }
  if (!scenario) {
    std::cerr << "plumvine-sim: unknown scenario '" << arguments[0] << "'; there are:\n";
    list_scenarios(std::cerr);
    return kUsage;
  }
  Request request;
  bool json = false;
  bool trace = false;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    std::optional<std::string> value;
    if (const auto equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    if ((name == "--json" || name == "--trace") && !value) {
      (name == "--json" ? json : trace) = true;
      continue;
    }
    const auto flag = flag_named(name);
    if (!flag && name != "--seed") return refuse("unknown flag '" + name + "'; see plumvine-sim --help");
    if (flag && !scenario->flags.contains(*flag)) return refuse("scenario " + scenario->name + " cannot honour " + name);
    if (!value) {
      if (i + 1 >= arguments.size()) return refuse(name + " needs a value");
      value = arguments[++i];
    }
    if (Status status = set_flag(request, *scenario, name, *value); !status) return refuse(status.error().message);
  }
  if (trace) request.trace = json ? &std::cerr : &std::cout;
  const auto start = std::chrono::steady_clock::now();
  Report report = scenario->run(request);
  report.wall_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (json) {
    std::cout << report.json() << '\n';
    for (const std::string& violation : report.violations) std::cerr << "plumvine-sim: violation: " << violation << '\n';
  } else {
    std::cout << report.text() << "replay                    plumvine-sim run";
    for (const std::string& argument : arguments) std::cout << ' ' << argument;
    std::cout << "  (plumvine " << PLUMVINE_VERSION << ")\n";
  }
  return report.violations.empty() ? 0 : kFailed;
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return std::nullopt;
  return text.str();
}

int compare(const std::vector<std::string>& arguments) {
  if (arguments.size() != 2) return refuse("compare takes two files");
  const auto before = read_file(arguments[0]);
  if (!before) return refuse("cannot read " + arguments[0]);
  const auto after = read_file(arguments[1]);
  if (!after) return refuse("cannot read " + arguments[1]);
  const auto table = compare_reports(*before, *after);
  if (!table) return refuse(table.error().message);
  std::cout << *table;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      std::cout << kHelp;
      return 0;
    }
    if (argument == "--version") {
      std::cout << "plumvine-sim " << PLUMVINE_VERSION << '\n';
      return 0;
    }
  }
  if (arguments.empty()) return refuse("nothing to do; see plumvine-sim --help");
  const std::string command = arguments[0];
  arguments.erase(arguments.begin());
  if (command == "run") return run(arguments);
  if (command == "list") {
    if (!arguments.empty()) return refuse("list takes no arguments");
    return list_scenarios(std::cout);
  }
  if (command == "compare") return compare(arguments);
  return refuse("unknown command '" + command + "'; see plumvine-sim --help");
}
