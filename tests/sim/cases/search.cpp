#include <catch2/catch.hpp>

#include <sim/tree_search.hpp>

using namespace plumvine;
using namespace plumvine::sim;

namespace {
std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}
}  // namespace

TEST_CASE("every order of events in a tree of three and of four nodes", "[sim]") {
  // Deeper: plumvine-sim run orders --nodes 3 --depth 7.
  const bool cold = GENERATE(false, true);
  const auto [nodes, depth, least] = GENERATE(std::tuple{3U, 4U, 400U}, std::tuple{4U, 3U, 250U});
  CAPTURE(cold, nodes);
  const SearchResult found = search_orders(nodes, depth, cold);
  CHECK(found.runs >= least);
  INFO(joined(found.violations));
  CHECK(found.violations.empty());
}

TEST_CASE("trees with faults drawn from the seed: partitions, joins, deaths of roots, differing views, slow nodes", "[sim]") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const SearchResult found = swarm_run(seed);
    INFO("seed " << seed << ": " << joined(found.violations));
    REQUIRE(found.violations.empty());
  }
}

TEST_CASE("a start taken over late forgets what was announced below it", "[sim]") {
  const SearchResult found = swarm_run(1766);
  INFO(joined(found.violations));
  CHECK(found.violations.empty());
}
