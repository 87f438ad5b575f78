#include "cluster.hpp"

#include "membership/serf/messages.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

std::string key_text(char fill) { return format_key(as_bytes(std::string(16, fill))); }

/// Nodes a, b, c with the key `o`, which they write down.
struct KeyCluster : TestCluster {
  explicit KeyCluster(bool serf) : serf_(serf) {
    for (const char* name : {"a", "b", "c"}) start(name, "10.0.0." + std::to_string(nodes.size() + 1) + ":7946", 'o');
    REQUIRE(run_until([&] { return settled(); }, 20s));
  }
  TestNode& start(const std::string& name, const std::string& address, char key, const std::vector<std::string>& seeds = {}) {
    return add_at(address, name, [&](Config& c) {
      c.encrypt = key_text(key);
      if (!seeds.empty()) c.seeds = seeds;
      c.keyring = "kept";
      if (!serf_) c.swim.delegate_protocol = {0, 0, 0};
    });
  }
  [[nodiscard]] bool settled() const {
    return std::all_of(nodes.begin(), nodes.end(), [](const auto& node) { return node->ready() && node->links().size() == 2; });
  }
  /// What node `i` is told when it gives this order.
  KeyReport order(std::size_t i, KeyCommand command, char key = 0, bool force = false) {
    TestNode& node = *nodes[i];
    node.key_reports.clear();
    node.driver->order_keys(1, {command, key == 0 ? "" : key_text(key), force});
    REQUIRE(run_until([&] { return !node.key_reports.empty(); }, 30s));
    return node.key_reports[0];
  }
  std::string refusal(std::size_t i, KeyOrder order) {
    nodes[i]->key_errors.clear();
    nodes[i]->driver->order_keys(1, std::move(order));
    run_for(100ms);
    return nodes[i]->key_errors.empty() ? "" : nodes[i]->key_errors[0];
  }
  bool serf_;
};

std::string outcomes(const KeyReport& report) {
  std::string out = report.ok ? "ok" : "not ok";
  for (const auto& m : report.members) out += " " + m.name + ":" + std::string(to_string(m.outcome));
  return out;
}

std::size_t having(const KeyReport& report, char key, bool primary) {
  return static_cast<std::size_t>(std::count_if(report.members.begin(), report.members.end(), [&](const auto& m) {
    return primary ? m.primary == key_text(key) : std::find(m.keys.begin(), m.keys.end(), key_text(key)) != m.keys.end();
  }));
}

}  // namespace

TEST_CASE("an order about keys reaches every member, and says what became of it", "[keys]") {
  for (const bool serf : {true, false}) {
    INFO((serf ? "serf" : "none"));
    KeyCluster c(serf);
    CHECK(outcomes(c.order(0, KeyCommand::install, 'n')) == "ok a:confirmed b:confirmed c:confirmed");
    const KeyReport before = c.order(1, KeyCommand::list);
    CHECK(outcomes(before) == "ok a:confirmed b:confirmed c:confirmed");
    CHECK(having(before, 'o', true) == 3);
    CHECK(having(before, 'n', false) == 3);
    CHECK(outcomes(c.order(0, KeyCommand::use, 'n')) == "ok a:confirmed b:confirmed c:confirmed");
    CHECK(outcomes(c.order(2, KeyCommand::remove, 'o')) == "ok a:confirmed b:confirmed c:confirmed");
    const KeyReport after = c.order(1, KeyCommand::list);
    CHECK(having(after, 'n', true) == 3);
    CHECK(having(after, 'o', false) == 0);
    for (auto& node : c.nodes) {
      CHECK(node->saved_keys == std::vector<Bytes>{*parse_key(key_text('n'))});
      CHECK(node->logged("is primary, by order of a"));
      CHECK(node->logged("is removed, by order of c"));
      for (const std::string& line : node->log) {
        CHECK(line.find(key_text('o')) == std::string::npos);
        CHECK(line.find(key_text('n')) == std::string::npos);
      }
    }
    REQUIRE(c.run_until([&] { return c.settled(); }, 20s));
    c[0].publish("m");
    CHECK(c.run_until([&] { return c[1].messages.size() == 1 && c[2].messages.size() == 1; }, 10s));
    for (auto& node : c.nodes) CHECK(node->snapshot()->swim.rejected.total() == 0);
    c.check_invariants();
  }
}

TEST_CASE("a key that somebody lacks becomes primary by force only", "[keys]") {
  KeyCluster c(true);
  REQUIRE(c[1].driver->set_keys({*parse_key(key_text('o')), *parse_key(key_text('n'))}));
  const KeyReport refused = c.order(0, KeyCommand::use, 'n');
  CHECK(refused.refused == "the key is not installed at a, c");
  CHECK(outcomes(refused) == "not ok a:spared b:spared c:spared");
  CHECK(having(c.order(0, KeyCommand::list), 'o', true) == 3);
  const KeyReport forced = c.order(1, KeyCommand::use, 'n', true);
  CHECK(forced.refused.empty());
  CHECK(outcomes(forced) == "not ok a:failed b:confirmed c:failed");
  CHECK(forced.members[0].message.find("install it first") != std::string::npos);
}

TEST_CASE("orders that cannot be given say why", "[keys]") {
  KeyCluster c(true);
  CHECK(c.refusal(0, {KeyCommand::install, "not base64"}).find("base64") != std::string::npos);
  CHECK(c.refusal(0, {KeyCommand::remove, key_text('o')}).find("the primary key") != std::string::npos);
  c[0].driver->order_keys(1, {KeyCommand::install, key_text('n')});
  CHECK(c.refusal(0, {KeyCommand::list}).find("under way") != std::string::npos);
  TestNode& bare = c.add_at("10.0.0.9:7946", "bare", [](Config& config) { config.seeds.clear(); });
  bare.driver->order_keys(1, {KeyCommand::list});
  c.run_for(100ms);
  REQUIRE(bare.key_errors.size() == 1);
  CHECK(bare.key_errors[0].find("no key") != std::string::npos);
}

TEST_CASE("a key stays while a member that may know no other is away", "[keys]") {
  KeyCluster c(true);
  c.order(0, KeyCommand::install, 'n');
  c.net.kill(c[2].host);
  const KeyReport silent = c.order(0, KeyCommand::install, 'p');
  CHECK(outcomes(silent) == "not ok a:confirmed b:confirmed c:silent");
  REQUIRE(c.run_until([&] { return !c[0].snapshot()->unreachable.empty(); }, 60s));
  CHECK(outcomes(c.order(0, KeyCommand::use, 'n')) == "ok a:confirmed b:confirmed c:absent");
  const KeyReport kept = c.order(0, KeyCommand::remove, 'o');
  CHECK(kept.refused == "away, and may know no other key: c");
  CHECK(outcomes(kept) == "not ok a:spared b:spared c:absent");
  CHECK(outcomes(c.order(0, KeyCommand::remove, 'o', true)) == "ok a:confirmed b:confirmed c:absent");
}

TEST_CASE("a member that was away with the old key comes back and learns the new one", "[keys]") {
  for (const bool serf : {true, false}) {
    INFO((serf ? "serf" : "none"));
    KeyCluster c(serf);
    const std::string place = c[2].host.address().to_string();
    c.net.kill(c[2].host);
    REQUIRE(c.run_until([&] { return !c[0].snapshot()->unreachable.empty() && !c[1].snapshot()->unreachable.empty(); }, 60s));
    c.order(0, KeyCommand::install, 'n');
    CHECK(c.order(0, KeyCommand::use, 'n').ok);
    c.run_for(5s);
    TestNode& back = c.start("c", place, 'o');
    REQUIRE(c.run_until([&] { return !back.saved_keys.empty() && back.saved_keys[0] == *parse_key(key_text('n')); }, 20s));
    REQUIRE(c.run_until([&] { return back.ready() && back.links().size() == 2 && c[0].links().size() == 2; }, 20s));
    CHECK(back.logged("is primary, by order of "));
    CHECK((c[0].logged("PV1123 c still seals") || c[1].logged("PV1123 c still seals")));
    c.run_for(20s);
    const KeyReport now = c.order(1, KeyCommand::list);
    CHECK(having(now, 'n', true) == 3);
    CHECK(c[0].snapshot()->unreachable.empty());
    CHECK(c.order(1, KeyCommand::remove, 'o').ok);
    // Now the old key is worth nothing, and both ends say so.
    c.net.kill(back.host);
    TestNode& late = c.start("c", place, 'o');
    c.run_for(30s);
    CHECK(late.links().empty());
    CHECK(late.logged("PV1120"));
    CHECK(c[0].logged("PV1120"));
  }
}

TEST_CASE("a member that was away comes back also if none of its seeds is there to answer", "[keys]") {
  for (const bool serf : {true, false}) {
    INFO((serf ? "serf" : "none"));
    KeyCluster c(serf);
    const std::string place = c[2].host.address().to_string();
    c.net.kill(c[2].host);
    REQUIRE(c.run_until([&] { return !c[0].snapshot()->unreachable.empty() && !c[1].snapshot()->unreachable.empty(); }, 60s));
    CHECK(c.order(0, KeyCommand::install, 'n').ok);
    CHECK(c.order(0, KeyCommand::use, 'n').ok);
    c.run_for(5s);
    // It knows nobody, and what the others send it is sealed with a key that it lacks: it can only say that.
    TestNode& back = c.start("c", place, 'o', {"10.0.0.99:7946"});
    REQUIRE(c.run_until([&] { return !back.saved_keys.empty() && back.saved_keys[0] == *parse_key(key_text('n')); }, 60s));
    CHECK((c[0].logged("PV1123 c still seals") || c[1].logged("PV1123 c still seals")));
    REQUIRE(c.run_until([&] { return back.links().size() == 2 && c[0].snapshot()->unreachable.empty(); }, 20s));
    CHECK(having(c.order(1, KeyCommand::list), 'n', true) == 3);
    CHECK(c.order(1, KeyCommand::remove, 'o').ok);
  }
}

TEST_CASE("a member that was away learns the new key also after all that were there were started again", "[keys]") {
  const bool by_hand = GENERATE(false, true);
  KeyCluster c(true);
  const Bytes old_key = *parse_key(key_text('o')), new_key = *parse_key(key_text('n'));
  const std::string place = c[2].host.address().to_string();
  c.net.kill(c[2].host);
  REQUIRE(c.run_until([&] { return !c[0].snapshot()->unreachable.empty() && !c[1].snapshot()->unreachable.empty(); }, 60s));
  c.order(0, KeyCommand::install, 'n');
  CHECK(c.order(0, KeyCommand::use, 'n').ok);
  CHECK(c[0].saved_keys == std::vector<Bytes>{new_key, old_key});
  CHECK(c[0].saved_history.superseded == std::vector<std::string>{c.keys->name_of(old_key)});
  CHECK(c[1].saved_history.superseded == c[0].saved_history.superseded);
  const KeyHistory known = c.key_history = c[0].saved_history;
  for (const std::size_t i : {0, 1}) c.net.kill(c[i].host);
  c.more_keys = {old_key};
  // Who wrote the file by hand meanwhile knows better than any order.
  const char first = by_hand ? 'p' : 'n';
  if (by_hand) c.more_keys.push_back(new_key);
  TestNode& a = c.start("a", "10.0.0.1:7946", first);
  TestNode& b = c.start("b", "10.0.0.2:7946", first);
  c.more_keys.clear();
  c.key_history = {};
  REQUIRE(c.run_until([&] { return a.links().size() == 1 && b.links().size() == 1; }, 20s));
  TestNode& back = c.start("c", place, 'o');
  c.run_for(20s);
  CHECK((a.logged("PV1123 c still seals") || b.logged("PV1123 c still seals")) == !by_hand);
  CHECK(back.saved_keys == (by_hand ? std::vector<Bytes>{} : std::vector<Bytes>{new_key, old_key}));
  // What was told is no new order: it does not undo a later one.
  if (!by_hand) {
    CHECK(back.saved_history.primary == known.primary);
    CHECK(back.saved_history.used_at == known.used_at);
    CHECK(back.saved_history.superseded == known.superseded);
  }
}

TEST_CASE("each key has an age, also after a restart, and one that is gone has none", "[keys]") {
  KeyCluster c(true);
  const std::string old_name = c.keys->name_of(*parse_key(key_text('o'))), new_name = c.keys->name_of(*parse_key(key_text('n')));
  const auto keys_of = [](const TestNode& node) { return node.snapshot()->keys; };
  c.run_for(100s);
  REQUIRE(keys_of(c[0]).size() == 1);
  CHECK(keys_of(c[0])[0].name == old_name);
  CHECK(keys_of(c[0])[0].primary);
  CHECK(keys_of(c[0])[0].age_s >= 100);
  CHECK(c[0].saved_history.since.contains(old_name));
  CHECK(c.order(0, KeyCommand::install, 'n').ok);
  c.run_for(20s);
  CHECK(c.order(0, KeyCommand::use, 'n').ok);
  auto keys = keys_of(c[1]);
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].name == new_name);
  CHECK((keys[0].age_s >= 20 && keys[0].age_s < 100));
  CHECK(keys[1].age_s >= 120);
  c.key_history = c[1].saved_history;
  CHECK(c.order(0, KeyCommand::remove, 'o').ok);
  CHECK_FALSE(c[1].saved_history.since.contains(old_name));
  CHECK(keys_of(c[1]).size() == 1);
  // Another run that knows what the last one wrote down.
  c.more_keys = {*parse_key(key_text('o'))};
  TestNode& again = c.start("d", "10.0.0.9:7946", 'n');
  c.run_for(1s);
  keys = keys_of(again);
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].age_s >= 21);
  CHECK(keys[1].age_s >= 121);
}

TEST_CASE("orders about keys reach a member that packets do not", "[keys]") {
  const auto path = GENERATE(0, 1, 2);  // no packet at all, none to it, none from it
  for (const bool serf : {true, false}) {
    INFO(path << (serf ? " serf" : " none"));
    KeyCluster c(serf);
    const Endpoint deaf = c[2].host.address();
    c.net.packets_blocked = [=](const Endpoint& from, const Endpoint& to) {
      return (path != 2 && to == deaf) || (path != 1 && from == deaf);
    };
    // At once, when nobody knows yet that packets are lost there, and when it is known.
    CHECK(outcomes(c.order(0, KeyCommand::install, 'n')) == "ok a:confirmed b:confirmed c:confirmed");
    c.run_for(60s);
    CHECK(outcomes(c.order(0, KeyCommand::use, 'n')) == "ok a:confirmed b:confirmed c:confirmed");
    CHECK(outcomes(c.order(2, KeyCommand::remove, 'o')) == "ok a:confirmed b:confirmed c:confirmed");
    CHECK(c[2].saved_keys == std::vector<Bytes>{*parse_key(key_text('n'))});
    for (auto& node : c.nodes) CHECK_FALSE(node->logged("PV1102"));
    // Started again with the old key while its packets are lost, it learns of the new one by its links.
    const bool at_once = GENERATE(false, true);
    c.net.kill(c[2].host);
    REQUIRE(c.run_until([&] { return !c[0].snapshot()->unreachable.empty() && !c[1].snapshot()->unreachable.empty(); }, 90s));
    CHECK(c.order(0, KeyCommand::install, 'p').ok);
    CHECK(c.order(0, KeyCommand::use, 'p').ok);
    if (!at_once) c.run_for(5s);
    TestNode& back = c.start("c", deaf.to_string(), 'n');
    REQUIRE(c.run_until([&] { return !back.saved_keys.empty() && back.saved_keys[0] == *parse_key(key_text('p')); }, 60s));
  }
}

TEST_CASE("what a member is taught is told again where it is lost", "[keys]") {
  const bool first_half = GENERATE(true, false);
  for (const bool serf : {true, false}) {
    INFO((first_half ? "key lost " : "use lost ") << (serf ? "serf" : "none"));
    KeyCluster c(serf);
    const Endpoint deaf = c[2].host.address();
    c.net.kill(c[2].host);
    REQUIRE(c.run_until([&] { return !c[0].snapshot()->unreachable.empty() && !c[1].snapshot()->unreachable.empty(); }, 60s));
    c.order(0, KeyCommand::install, 'n');
    CHECK(c.order(0, KeyCommand::use, 'n').ok);
    c.run_for(5s);
    // No packet tells the others again which key it has, and its links stay.
    const auto about = [=](const Endpoint& from, const Endpoint& to) { return to == deaf || from == deaf; };
    c.net.packets_blocked = about;
    TestNode& back = c.start("c", deaf.to_string(), 'o');
    REQUIRE(c.run_until([&] { return c[0].logged("PV1123 c still seals") || c[1].logged("PV1123 c still seals"); }, 30s));
    if (!first_half) REQUIRE(c.run_until([&] { return back.logged("is installed"); }, 1s));
    c.net.blocked = about;
    c.run_for(1500ms);
    CHECK_FALSE(back.logged("is primary"));
    c.net.blocked = [](const Endpoint&, const Endpoint&) { return false; };
    CHECK(c.run_until([&] { return back.logged("is primary"); }, 5s));
    CHECK_FALSE(back.logged("is down"));
    const auto taught = [&] {
      std::size_t queries = 0;
      for (const std::size_t i : {0, 1}) queries += c[i].snapshot()->swim.serf_messages[SerfMessage::sent];
      return queries;
    };
    c.run_for(5s);
    const std::size_t before = taught();
    c.run_for(20s);
    CHECK(taught() == before);  // it answered
  }
}

TEST_CASE("of two orders the later one holds, also for who missed it", "[keys]") {
  KeyCluster c(true);
  c.order(0, KeyCommand::install, 'n');
  CHECK(c.order(0, KeyCommand::use, 'n').ok);
  const Endpoint lonely = c[2].host.address();
  c.net.blocked = [&](const Endpoint& from, const Endpoint& to) { return from == lonely || to == lonely; };
  const KeyReport back = c.order(1, KeyCommand::use, 'o', true);
  CHECK(outcomes(back) == "not ok a:confirmed b:confirmed c:silent");
  c.net.blocked = [](const Endpoint&, const Endpoint&) { return false; };
  REQUIRE(c.run_until([&] { return c[2].saved_keys[0] == *parse_key(key_text('o')); }, 60s));
  c.run_for(30s);
  CHECK(having(c.order(0, KeyCommand::list), 'o', true) == 3);
}

TEST_CASE("keys that cannot be written down are changed, and the answer says so", "[keys]") {
  KeyCluster c(true);
  c[1].save_status = Error{Errc::system, "cannot write 'kept': No space left on device"};
  const KeyReport report = c.order(0, KeyCommand::install, 'n');
  CHECK(outcomes(report) == "not ok a:confirmed b:failed c:confirmed");
  CHECK(report.members[1].message.find("No space left") != std::string::npos);
  CHECK(c[1].logged("PV1122"));
  CHECK(having(c.order(0, KeyCommand::list), 'n', false) == 3);
}

TEST_CASE("who writes its keys nowhere says that they are in memory only", "[keys]") {
  TestCluster c;
  TestNode& a = c.add("a", [](Config& config) { config.encrypt = key_text('o'); });
  c.run_for(1s);
  a.driver->order_keys(1, {KeyCommand::install, key_text('n')});
  c.run_for(1s);
  REQUIRE(a.key_reports.size() == 1);
  CHECK(a.key_reports[0].ok);
  CHECK(a.key_reports[0].members[0].message.find("in memory only") != std::string::npos);
  CHECK(a.logged("PV1122"));
}

TEST_CASE("a query about keys that comes in clear changes nothing", "[keys]") {
  TestCluster c;
  const auto open = [](Config& config) { config.swim.gossip_verify_incoming = config.swim.gossip_verify_outgoing = false; };
  TestNode& a = c.add("a", [&](Config& config) {
    open(config);
    config.encrypt = key_text('o');
  });
  TestNode& b = c.add("b");
  REQUIRE(c.run_until([&] { return a.snapshot()->members.size() == 2 && b.snapshot()->members.size() == 2; }, 20s));
  const std::string key(16, 'x');
  const Bytes request = serf::encode(serf::KeyRequest{as_bytes(key)});
  const Bytes address = b.host.address().raw();
  const Bytes query = serf::encode(serf::Query{.time = 50, .id = 7, .address = address.view(), .port = 7946, .source_node = "b",
                                               .flags = serf::kQueryNoBroadcast, .name = "_serf_install-key", .payload = request.view()});
  const std::string packet = '\x08' + std::string(query.text());
  b.host.send_packet(a.host.address(), Bytes::copy_of(packet));
  c.run_for(1s);
  CHECK(c.keys != nullptr);
  CHECK(c.keys->size() == 1);
  CHECK_FALSE(a.logged("PV1121"));
  a.driver->order_keys(1, {KeyCommand::list});
  c.run_for(1s);
  REQUIRE(a.key_errors.size() == 1);
  CHECK(a.key_errors[0].find("in clear") != std::string::npos);
}
