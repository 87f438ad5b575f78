#include <catch2/catch.hpp>

#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {
TreeConfig with(TreeConfig::Rule rule) {
  TreeConfig config;
  config.tree_rule = rule;
  return config;
}
}  // namespace

TEST_CASE("everybody gets every message once", "[tree]") {
  for (const auto rule : {TreeConfig::Rule::rooted, TreeConfig::Rule::classic}) {
    Cluster c(20, with(rule));
    c.ring(7);
    c.members();
    c.run(seconds{3});
    for (int i = 0; i < 30; ++i) {
      c.publish(static_cast<std::uint32_t>(i % 3));
      c.run(milliseconds{200});
    }
    c.run(seconds{1});
    for (std::uint32_t origin = 0; origin < 3; ++origin) CHECK(c.all_have(origin, 10));
  }
}

TEST_CASE("frame loss delays messages and loses none", "[tree]") {
  for (const auto rule : {TreeConfig::Rule::rooted, TreeConfig::Rule::classic}) {
    Cluster c(30, with(rule));
    c.ring(11);
    c.members();
    c.run(seconds{3});
    c.loss = 0.05;
    for (int i = 0; i < 60; ++i) {
      c.publish(static_cast<std::uint32_t>(i % 3));
      c.run(milliseconds{100});
    }
    c.run(seconds{60});
    for (std::uint32_t origin = 0; origin < 3; ++origin) CHECK(c.all_have(origin, 20));
  }
}
