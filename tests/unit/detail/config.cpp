#include <plumvine/config.hpp>

#include "support/pch.hpp"

using namespace plumvine;
using namespace std::chrono_literals;

namespace {

bool complains_about(const Config& config, std::string_view field) {
  const auto problems = config.validate();
  return std::any_of(problems.begin(), problems.end(), [&](const auto& p) { return p.field == field; });
}

}  // namespace

TEST_CASE("every preset is valid", "[detail][config]") {
  for (const auto* preset : {"local", "lan", "wan", "large", "fast"}) {
    INFO(preset);
    const auto config = Config::from_preset(preset, "n1");
    REQUIRE(config);
    for (const auto& problem : config->validate()) FAIL_CHECK(problem.field << " " << problem.message);
    CHECK(config->preset == preset);
    CHECK(config->name == "n1");
  }
  const auto none = Config::from_preset("huge", "n1");
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::not_found);
  CHECK(none.error().message.find("large") != std::string::npos);
}

TEST_CASE("the presets have memberlist's and the operator guide's numbers", "[detail][config]") {
  const auto lan = Config::lan("n");
  CHECK(lan.swim.probe_interval == 1s);
  CHECK(lan.swim.probe_timeout == 500ms);
  CHECK(lan.swim.suspicion_mult == 4);
  CHECK(lan.tree.eager_fanout == 3);
  CHECK(lan.tree.ihave_interval == 50ms);
  CHECK(lan.tree.graft_timeout == 200ms);
  const auto wan = Config::wan("n");
  CHECK(wan.swim.probe_interval == 5s);
  CHECK(wan.swim.gossip_nodes == 4);
  CHECK(wan.tree.eager_fanout == 4);
  CHECK(wan.tree.message_cache_ttl == 120s);
  const auto local = Config::local("n");
  CHECK(local.swim.gossip_interval == 100ms);
  CHECK(local.swim.indirect_checks == 1);
  const auto large = Config::large("n");
  CHECK(large.tree.lazy_fanout == 5);
  CHECK(large.tree.message_cache_max_size == 50000);
}

TEST_CASE("who signs needs a place for its key and room for its tag, and turns it on or off with a restart", "[detail][config]") {
  Config config = Config::lan("n");
  CHECK_FALSE(config.set("sign_origins", "maybe"));
  REQUIRE(config.set("sign_origins", "sign"));
  REQUIRE(config.validate().size() == 1);
  CHECK(config.validate()[0].field == "sign_origins");
  config.data_dir = "/somewhere";
  CHECK(config.validate().empty());
  config.tree.signed_max_age = config.tree.sync_window;
  REQUIRE(config.validate().size() == 1);
  CHECK(config.validate()[0].field == "signed_max_age");
  config.tree.sign_origins = SignOrigins::off;
  CHECK(config.validate().empty());
  config.tree.signed_max_age = 1h;
  config.tags["t"] = std::string(420, 'x');
  CHECK(config.validate().empty());
  config.tree.sign_origins = SignOrigins::sign;
  REQUIRE(config.validate().size() == 1);
  CHECK(config.validate()[0].field == "tags");

  Config running = Config::lan("n"), fresh = running;
  fresh.tree.sign_origins = SignOrigins::require;
  CHECK(running.take_over(fresh).need_restart == std::vector<std::string>{"sign_origins"});
  CHECK(running.tree.sign_origins == SignOrigins::off);
  running.tree.sign_origins = SignOrigins::sign;
  CHECK(running.take_over(fresh).taken == std::vector<std::string>{"sign_origins"});
  CHECK(running.tree.sign_origins == SignOrigins::require);
}

TEST_CASE("what describe tells, set reads back", "[detail][config]") {
  for (const auto* preset : {"local", "wan", "large", "fast"}) {
    auto from = *Config::from_preset(preset, "n1");
    from.seeds = {"a:1", "srv+b", "[fe80::1]:3"};
    from.tree.zone = "east";
    from.tree.tree_rule = TreeConfig::Rule::classic;
    from.tree.second_parents = SecondParents::always;
    from.health.duplicate_rate_degraded = 0.125;
    from.topics["a.b"].order = Order::fifo;
    from.topics["c"].deliver_local = false;
    Config to = Config::lan("other");
    for (const auto& [key, value] : from.describe()) {
      if (key == "preset") continue;
      INFO(key << " = " << value);
      const auto status = to.set(key, value);
      CHECK(status.has_value());
    }
    auto expected = from.describe();
    auto got = to.describe();
    got.front() = expected.front();  // the preset it came from
    CHECK(got == expected);
  }
}

TEST_CASE("an unknown key names the nearest known one", "[detail][config]") {
  Config config = Config::lan("n1");
  const auto status = config.set("eager_fanuot", "3");
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::not_found);
  CHECK(status.error().message.find("'eager_fanout'") != std::string::npos);
}

TEST_CASE("a bad value names its key and what would do", "[detail][config]") {
  Config config = Config::lan("n1");
  for (const auto& [key, text] : std::vector<std::pair<std::string, std::string>>{
           {"eager_fanout", "x"}, {"eager_fanout", "-1"}, {"eager_fanout", ""}, {"eager_fanout", "4294967296"},
           {"graft_timeout", "200"}, {"graft_timeout", "200 ms"}, {"graft_timeout", ""}, {"use_hash_ring", "yes"},
           {"max_message_size", "1MB"}, {"tree_rule", "plum"}, {"log_level", "loud"}, {"join", "a,:5"},
           {"delegate_protocol", "1,2"}, {"delegate_protocol", "1,2,300"}, {"duplicate_rate_degraded", "much"},
           {"eager_fanout", "5x"}, {"duplicate_rate_degraded", "0.25x"}}) {
    INFO(key << " = " << text);
    const auto before = config.describe();
    const auto status = config.set(key, text);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == Errc::invalid_argument);
    CHECK(status.error().message.starts_with(key));
    CHECK(config.describe() == before);
  }
}

TEST_CASE("validate reports every problem at once", "[detail][config]") {
  Config config = Config::lan("bad name");
  config.cluster.assign(256, 'c');
  config.swim.probe_timeout = config.swim.probe_interval;
  config.tree.max_peers = 1;
  config.tree.message_cache_ttl = 1ms;
  config.link.queue_low_bytes = config.link.queue_high_bytes;
  config.health.duplicate_rate_degraded = 0;
  config.seeds = {"good:1", ":5"};
  for (const auto* field : {"name", "cluster", "probe_timeout", "max_peers", "message_cache_ttl", "queue_low_bytes",
                            "duplicate_rate_degraded", "join"}) {
    INFO(field);
    CHECK(complains_about(config, field));
  }
  for (const auto& problem : config.validate()) CHECK_FALSE(problem.message.empty());
}

TEST_CASE("the repair store has room for two of the largest payloads", "[detail][config]") {
  Config config = Config::lan("n1");
  CHECK(config.tree.store_bytes() == 64u << 20);
  config.tree.max_message_size = 256 << 20;
  CHECK(config.tree.store_bytes() == 512u << 20);
  CHECK(config.validate().empty());
  config.tree.sync_max_bytes = 400 << 20;
  REQUIRE(complains_about(config, "sync_max_bytes"));
  CHECK(config.validate().front().message.find("twice max_message_size") != std::string::npos);
  config.tree.sync_max_bytes = 512 << 20;
  CHECK(config.validate().empty());
}

TEST_CASE("what is agreed for topics must go with the rest", "[detail][config]") {
  Config config = Config::lan("n1");
  CHECK(config.validate().empty());
  config.topics["t"].max_size = config.tree.max_message_size + 1;
  config.topics["t"].retention = 1ms;
  config.topics["t"].retention_bytes = config.tree.store_bytes() + 1;
  config.topics["t"].backlog = 0;
  config.topics["u"].retention = config.tree.sync_window + 1ms;
  config.topics["_v"] = {};
  for (const auto* field : {"topics.t.max_size", "topics.t.retention", "topics.t.retention_bytes", "topics.t.backlog", "topics.u.retention", "topics._v"}) {
    INFO(field);
    CHECK(complains_about(config, field));
  }
  config = Config::lan("n1");
  for (int i = 0; i < 17; ++i) config.topics["t" + std::to_string(i)] = {};
  config.tree.topics_max = 16;
  CHECK(complains_about(config, "topics_max"));
}

TEST_CASE("names of members have a small alphabet", "[detail][config]") {
  for (const auto& good : {std::string("a"), std::string("A-b_c.9"), std::string(128, 'x')})
    CHECK_FALSE(complains_about(Config::lan(good), "name"));
  for (const auto& bad : {std::string(""), std::string("a b"), std::string("a/b"), std::string("\xc3\xa9"), std::string(129, 'x')})
    CHECK(complains_about(Config::lan(bad), "name"));
}

TEST_CASE("durations are read with a unit", "[detail][config]") {
  const std::vector<std::pair<const char*, Duration>> rows{
      {"200ms", 200ms}, {"1.5s", 1500ms}, {"2m", 2min}, {"1h", 1h}, {"10us", 10us}, {"7ns", 7ns}, {"0s", 0s}, {"0.25ms", 250us}};
  for (const auto& [text, expected] : rows) {
    INFO(text);
    const auto parsed = parse_duration(text);
    REQUIRE(parsed);
    CHECK(*parsed == expected);
    CHECK(*parse_duration(format_duration(expected)) == expected);
  }
  for (const auto* bad : {"", "5", "s", "-1s", "1 s", "1sec", "1.2.3s", "1e3s", "nans", "infs", "99999999999h", ".s", "+1s", "1S"})
    CHECK_FALSE(parse_duration(bad));
  CHECK(format_duration(90s) == "90s");
  CHECK(format_duration(120s) == "2m");
  CHECK(format_duration(1500ms) == "1500ms");
  CHECK(format_duration(0s) == "0s");
}

TEST_CASE("sizes are read in bytes or binary units", "[detail][config]") {
  const std::vector<std::pair<const char*, std::uint64_t>> rows{
      {"0", 0}, {"1024", 1024}, {"10B", 10}, {"64KiB", 65536}, {"64MiB", 64 << 20}, {"1GiB", 1 << 30}, {"1.5KiB", 1536}};
  for (const auto& [text, expected] : rows) {
    INFO(text);
    const auto parsed = parse_size(text);
    REQUIRE(parsed);
    CHECK(*parsed == expected);
  }
  for (const auto* bad : {"", "KiB", "1KB", "1 KiB", "-1", "1.5", "0.3KiB", "99999999999TiB", "1e3"}) CHECK_FALSE(parse_size(bad));
}

TEST_CASE("a running node takes the keys that can change, and names the others", "[detail][config]") {
  Config running = Config::lan("n1"), fresh = running;
  fresh.tree.eager_fanout = 5;
  fresh.swim.probe_interval = 2s;
  fresh.link.half_open_max = 7;
  fresh.health.expected_members = {"n1", "n2"};
  fresh.tags = {{"role", "a,b=c"}};
  fresh.encrypt = "AAECAwQFBgcICQoLDA0ODw==";
  fresh.bind = "127.0.0.1:1";
  fresh.tree.max_message_size = 2 << 20;
  fresh.topics["t"].priority = Priority::high;
  const auto changes = running.take_over(fresh);
  CHECK(changes.taken == std::vector<std::string>{"tags", "encrypt", "eager_fanout", "probe_interval", "half_open_max", "expected_members"});
  CHECK(std::find(changes.need_restart.begin(), changes.need_restart.end(), "bind") != changes.need_restart.end());
  CHECK(std::find(changes.need_restart.begin(), changes.need_restart.end(), "max_message_size") != changes.need_restart.end());
  CHECK(std::find(changes.need_restart.begin(), changes.need_restart.end(), "topics.t.priority") != changes.need_restart.end());
  CHECK(running.tree.eager_fanout == 5);
  CHECK(running.tags == fresh.tags);
  CHECK(running.encrypt == fresh.encrypt);
  CHECK(running.bind.empty());
  CHECK(running.tree.max_message_size == 1 << 20);
  CHECK(running.topics.empty());

  // One by one: what may change does, what may not stays, and nothing else moves.
  for (const auto& [key, value] : Config::lan("n1").describe()) {
    if (!Config::changes_while_running(key) || key == "join" || key == "tags" || key == "encrypt" || key == "sign_origins") continue;
    INFO(key);
    Config one = Config::lan("n1"), other = one;
    bool changed = false;
    for (const char* text : {"7", "7s", "0.5", "true", "false", "trace", "never", "x", "tree=debug", "10.0.0.0/8"}) {
      Config attempt = one;
      if (!attempt.set(key, text) || attempt.describe() == one.describe()) continue;
      other = attempt;
      changed = true;
    }
    REQUIRE(changed);
    const auto only = one.take_over(other);
    CHECK(only.taken == std::vector<std::string>{key});
    CHECK(only.need_restart.empty());
    CHECK(one.describe() == other.describe());
  }
}

TEST_CASE("components have levels of their own", "[detail][config]") {
  Config config = Config::lan("n1");
  REQUIRE(config.set("log_level", "warn"));
  REQUIRE(config.set("log_levels", "tree=debug,link=trace"));
  CHECK(config.log_level_of("tree") == LogLevel::debug);
  CHECK(config.log_level_of("link") == LogLevel::trace);
  CHECK(config.log_level_of("membership") == LogLevel::warn);
  for (const char* bad : {"tree", "tree=", "tree=loud", "forest=debug", "=debug"}) {
    INFO(bad);
    const auto refused = config.set("log_levels", bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("log_levels") != std::string::npos);
  }
  CHECK(config.log_levels.size() == 2);
  config.log_levels["forest"] = LogLevel::info;
  CHECK(complains_about(config, "log_levels"));
}
