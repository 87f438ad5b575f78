// The flag service in virtual time: members that write, die and come back, a network that falls apart, and one table in the end.
//
//   flags_test [SEED]...
//
// A seed that fails fails again. No sockets and no waiting: a minute of the cluster takes a fraction of a second.
#include <plumvine/testing.hpp>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "flag_table.hpp"

namespace {

using namespace std::chrono_literals;

/// Five instances; each has the table of its process, which is lost with it.
struct Services {
  plumvine::testing::Cluster cluster;
  std::vector<FlagTable> tables{5};

  explicit Services(std::uint64_t seed) : cluster({.nodes = 5, .seed = seed, .path = {.delay = 20ms, .jitter = 10ms, .loss = 0.02}}) {
    cluster.on_message = [this](std::size_t node, const plumvine::Message& message) {
      if (message.topic == "flags") tables[node].merge(message.text());
      if (message.topic == "flags.ask") tell(node, "flags", tables[node].to_lines());
    };
  }
  void tell(std::size_t node, std::string topic, const std::string& text) {
    (void)cluster.broadcast(node, std::move(topic), plumvine::Bytes::copy_of(text));
  }
  void write(std::size_t node, const std::string& name, const std::string& value) {
    tell(node, "flags", tables[node].write(name, value, cluster.name(node)));
  }
  [[nodiscard]] bool same() const {
    for (const FlagTable& table : tables)
      if (table.to_lines() != tables[0].to_lines()) return false;
    return true;
  }
};

/// What went wrong, or nothing.
std::string run(std::uint64_t seed) {
  Services s(seed);
  if (const auto started = s.cluster.start_all(); !started) return started.error().message;
  if (!s.cluster.settle()) return "no cluster within a minute";
  s.write(0, "colour", "red");
  s.write(3, "limit", "100");
  if (!s.cluster.run_until([&] { return s.same() && s.tables[4].all().size() == 2; }, 5s)) return "two writes do not reach all";

  s.cluster.partition({{0, 1}, {2, 3, 4}});
  s.write(0, "colour", "green");
  s.write(2, "colour", "blue");
  s.cluster.kill(4);
  s.tables[4] = {};
  s.cluster.run_for(30s);
  if (s.same()) return "the parts of a network that fell apart cannot agree";

  s.cluster.heal();
  if (const auto started = s.cluster.start(4); !started) return started.error().message;
  if (!s.cluster.settle()) return "not one cluster again within a minute";
  s.tell(4, "flags.ask", "");
  if (!s.cluster.run_until([&] { return s.same(); }, 10s)) return "the tables differ";
  if (s.tables[1].find("colour")->value != "blue") return "the greater writer did not win";
  for (const std::string& violation : s.cluster.violations()) return violation;
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::uint64_t> seeds;
  for (int i = 1; i < argc; ++i) seeds.push_back(std::strtoull(argv[i], nullptr, 10));
  if (seeds.empty()) seeds = {1, 2, 3, 4, 5};
  for (const std::uint64_t seed : seeds) {
    const std::string wrong = run(seed);
    if (wrong.empty()) continue;
    std::cerr << "seed " << seed << ": " << wrong << '\n';
    return 1;
  }
  std::cout << seeds.size() << " seeds, all good\n";
}
