#include <sys/socket.h>
#include <uv.h>

#include <atomic>
#include <thread>

#include "cluster.hpp"
#include "support/tcp_client.hpp"
#include "support/uv_fixture.hpp"

#include <plumvine/uv.hpp>

using namespace plumvine;
using namespace plumvine::test;

namespace {

Config sole(const std::string& name = "solo") { return node_config(name); }

}  // namespace

TEST_CASE("a node starts, tells where it is, and stops twice", "[api]") {
  auto node = Node::start(sole(), {});
  REQUIRE(node);
  CHECK(node->name() == "solo");
  CHECK(static_cast<std::uint64_t>(node->instance()) != 0);
  CHECK(node->address().port != 0);
  CHECK(node->bind_address() == node->address());
  CHECK(node->http_address().port == 0);
  REQUIRE(node->snapshot());
  CHECK(eventually([&] { return alive_members(*node) == 1; }));
  node->stop();
  node->stop();
  CHECK(node->broadcast("x").error().code == Errc::stopped);
  CHECK(node->join({"127.0.0.1:1"}).error().code == Errc::stopped);
  CHECK(node->set_tags({}).error().code == Errc::stopped);
  CHECK(node->snapshot() != nullptr);
}

TEST_CASE("a bad configuration is refused with every problem", "[api]") {
  Config config = sole("bad name!");
  config.swim.probe_timeout = 10s;
  auto node = Node::start(config, {});
  REQUIRE_FALSE(node);
  CHECK(node.error().code == Errc::invalid_config);
  CHECK(node.error().message.find("name") != std::string::npos);
  CHECK(node.error().message.find("probe_timeout") != std::string::npos);
}

TEST_CASE("a port in use is named, for the node and for HTTP", "[api]") {
  Config config = sole();
  config.http = "127.0.0.1:0";
  auto first = Node::start(config, {});
  REQUIRE(first);
  Config second = sole("other");
  second.bind = first->address().to_string();
  auto refused = Node::start(second, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::address_in_use);
  CHECK(refused.error().message.find(first->address().to_string()) != std::string::npos);

  second = sole("other");
  second.http = first->http_address().to_string();
  auto no_http = Node::start(second, {});
  REQUIRE_FALSE(no_http);
  CHECK(no_http.error().code == Errc::address_in_use);
  CHECK(no_http.error().message.find(first->http_address().to_string()) != std::string::npos);
}

TEST_CASE("broadcasts that cannot be are refused", "[api]") {
  Config config = sole();
  config.tree.max_message_size = 2000;
  auto node = Node::start(config, {});
  REQUIRE(node);
  struct Row {
    const char* name;
    std::string topic;
    std::size_t size;
    Errc want;
  };
  const std::vector<Row> rows{
      {"empty topic", "", 1, Errc::invalid_argument},
      {"long topic", std::string(129, 't'), 1, Errc::invalid_argument},
      {"reserved topic", "_x", 1, Errc::invalid_argument},
      {"control character", "a\nb", 1, Errc::invalid_argument},
      {"C1 control character", "a\xC2\x85", 1, Errc::invalid_argument},
      {"not UTF-8", "a\xFF", 1, Errc::invalid_argument},
      {"overlong UTF-8", "\xC0\xAF", 1, Errc::invalid_argument},
      {"surrogate", "\xED\xA0\x80", 1, Errc::invalid_argument},
      {"too large", "t", 2001, Errc::too_large},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto id = node->broadcast(row.topic, Bytes::copy_of(std::string(row.size, 'x')));
    REQUIRE_FALSE(id);
    CHECK(id.error().code == row.want);
  }
  auto good = node->broadcast("caf\xC3\xA9", Bytes::copy_of(std::string(2000, 'x')));
  REQUIRE(good);
  CHECK(good->sequence == 1);  // the refused ones used none
}

TEST_CASE("a node may be its own listener", "[api]") {
  Journal journal;
  Config config = sole();
  config.deliver_local = true;
  auto node = Node::start(config, journal_handlers(journal));
  REQUIRE(node);
  REQUIRE(node->broadcast("echo"));
  CHECK(journal.wait([](const Journal& j) { return j.texts == std::vector<std::string>{"echo"}; }));
}

TEST_CASE("a publisher ahead of everybody is told so, may wait, and hears of room", "[api]") {
  Cluster c{2, [](Config& config) {
    config.tree.pace_window_messages = 64;
    config.mailbox_max_messages = 64;
    config.tree.lag_grace = 60s;  // however slowly this machine publishes
  }};
  std::vector<MessageId> ids{*c.nodes[0]->broadcast("first")};
  REQUIRE(c.exactly_once(ids));
  // The listener takes nothing for a while: the publisher must not run away from it.
  c.nodes[1]->pause_delivery(true);
  Result<MessageId> last = Error{};
  REQUIRE(eventually([&] {
    last = c.nodes[0]->broadcast("burst");
    if (last) ids.push_back(*last);
    return !last;
  }));
  CHECK(last.error().code == Errc::overloaded);
  c.nodes[1]->pause_delivery(false);
  auto waited = c.nodes[0]->broadcast("default", Bytes::copy_of(std::string_view{"waited"}), {.wait = 20s});
  REQUIRE(waited);
  ids.push_back(*waited);
  CHECK(waited->sequence == ids.size());
  CHECK(c.journals[0]->wait([](const Journal& j) { return j.writable > 0; }));
  CHECK(c.exactly_once(ids));
}

TEST_CASE("every call is legal inside a handler, and waiting there is refused", "[api]") {
  Journal journal;
  std::atomic<Node*> node{nullptr};
  std::atomic<bool> asked{false};
  Errc waited{};
  bool left = false;
  Config config = sole();
  config.deliver_local = true;
  Handlers handlers = journal_handlers(journal);
  handlers.on_message = [&, note = handlers.on_message](const Message& message) {
    note(message);
    if (message.text() != "ask") return;
    Node& self = *node.load();
    waited = self.broadcast("t", Bytes{}, {.wait = 1s}).error().code;
    (void)self.members();
    (void)self.health();
    (void)self.snapshot();
    (void)self.set_tags({{"a", "b"}});
    (void)self.join({"127.0.0.1:1"});
    (void)self.broadcast("answer");
    left = static_cast<bool>(self.leave(10s));
    asked = true;
  };
  auto started = Node::start(config, handlers);
  REQUIRE(started);
  node = &*started;
  REQUIRE(started->broadcast("ask"));
  REQUIRE(eventually([&] { return asked.load(); }));
  CHECK(waited == Errc::would_deadlock);
  CHECK(left);
  CHECK(journal.wait([](const Journal& j) { return j.texts == std::vector<std::string>{"ask", "answer"}; }));
}

TEST_CASE("a node may be destroyed inside its own handler", "[api]") {
  Config config = sole();
  config.deliver_local = true;
  std::mutex mutex;
  std::condition_variable gone;
  std::optional<Node> node;
  bool destroyed = false;
  auto started = Node::start(config, {.on_message = [&](const Message&) {
                               const std::lock_guard lock{mutex};
                               node.reset();
                               destroyed = true;
                               gone.notify_all();
                             }});
  REQUIRE(started);
  const Endpoint address = started->address();
  std::unique_lock lock{mutex};
  node.emplace(std::move(*started));
  REQUIRE(node->broadcast("last"));
  CHECK(gone.wait_for(lock, 20s, [&] { return destroyed; }));
  lock.unlock();
  // The thread ends by itself; its sockets go with it.
  CHECK(eventually([&] { return !TcpClient{address}.connected(); }));
}

TEST_CASE("a node may be stopped inside its own handler and joined by its owner", "[api]") {
  Config config = sole();
  config.deliver_local = true;
  std::atomic<Node*> self{nullptr};
  std::atomic<int> calls{0};
  auto node = Node::start(config, {.on_message = [&](const Message&) {
                            ++calls;
                            self.load()->stop();
                          }});
  REQUIRE(node);
  self = &*node;
  for (int i = 0; i < 5; ++i) (void)node->broadcast("stop");
  CHECK(eventually([&] {
    const auto id = node->broadcast("x");
    return !id && id.error().code == Errc::stopped;
  }));
  node->stop();
  CHECK(calls == 1);  // no handler runs any more
}

TEST_CASE("stopping from many threads is one stop", "[api]") {
  auto node = Node::start(sole(), {});
  REQUIRE(node);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) (void)node->broadcast("x");
      (void)node->snapshot();
      node->stop();
    });
  for (auto& thread : threads) thread.join();
  CHECK(node->broadcast("x").error().code == Errc::stopped);
}

TEST_CASE("an observer outlives its node", "[api]") {
  std::function<Observation()> observe;
  {
    auto node = Node::start(sole(), {});
    REQUIRE(node);
    observe = node->observer();
    CHECK(eventually([&] { return observe().snapshot->members.size() == 1; }));
  }
  CHECK(observe().snapshot->name == "solo");
}

TEST_CASE("a node attaches to the user's loop and leaves it clean", "[attach]") {
  LoopFixture f;
  std::vector<std::string> heard;
  Config config = sole();
  config.deliver_local = true;
  config.http = "127.0.0.1:0";
  const auto thread = std::this_thread::get_id();
  bool same_thread = false;
  auto node = attach(&f.loop, config, {.on_message = [&](const Message& message) {
                       heard.emplace_back(message.text());
                       same_thread = std::this_thread::get_id() == thread;
                     }});
  REQUIRE(node);
  REQUIRE(node->broadcast("hello"));
  CHECK(node->broadcast("t", Bytes{}, {.wait = 1s}).error().code == Errc::would_deadlock);
  REQUIRE(f.run_until([&] { return heard.size() == 1; }));
  CHECK(same_thread);
  CHECK(node->http_address().port != 0);
  node->stop();
  CHECK(node->broadcast("x").error().code == Errc::stopped);
  CHECK(uv_run(&f.loop, UV_RUN_DEFAULT) == 0);  // returns: nothing of ours keeps it alive
}

TEST_CASE("an attached node may be destroyed at once, and inside its handler", "[attach]") {
  LoopFixture f;
  {
    auto node = attach(&f.loop, sole(), {});
    REQUIRE(node);
  }
  CHECK(uv_run(&f.loop, UV_RUN_DEFAULT) == 0);

  Config config = sole();
  config.deliver_local = true;
  std::optional<Node> node;
  auto attached = attach(&f.loop, config, {.on_message = [&](const Message&) { node.reset(); }});
  REQUIRE(attached);
  node.emplace(std::move(*attached));
  REQUIRE(node->broadcast("bye"));
  CHECK(uv_run(&f.loop, UV_RUN_DEFAULT) == 0);
  CHECK_FALSE(node);
}

TEST_CASE("an attach that fails leaves the user's loop as it was", "[attach]") {
  LoopFixture f;
  auto other = Node::start(sole(), {});
  REQUIRE(other);
  Config config = sole("second");
  config.bind = other->address().to_string();
  CHECK(attach(&f.loop, config, {}).error().code == Errc::address_in_use);
  CHECK(attach(nullptr, sole(), {}).error().code == Errc::invalid_argument);
  CHECK(uv_loop_alive(&f.loop) == 0);
}

TEST_CASE("two nodes share one loop", "[attach]") {
  LoopFixture f;
  std::string heard;
  auto first = attach(&f.loop, sole("a"), {});
  REQUIRE(first);
  Config config = sole("b");
  config.seeds = {first->address().to_string()};
  auto second = attach(&f.loop, config, {.on_message = [&](const Message& message) { heard = message.text(); }});
  REQUIRE(second);
  REQUIRE(f.run_until([&] { return second->peer_count() == 1 && second->snapshot()->not_ready_reason.empty(); }, 20s));
  REQUIRE(first->broadcast("through the kernel"));
  CHECK(f.run_until([&] { return heard == "through the kernel"; }));
}

TEST_CASE("an attached node is stopped from another thread while its loop runs", "[attach]") {
  LoopFixture f;
  auto node = attach(&f.loop, sole(), {});
  REQUIRE(node);
  std::thread stopper{[&] { node->stop(); }};
  CHECK(uv_run(&f.loop, UV_RUN_DEFAULT) == 0);
  stopper.join();
}

TEST_CASE("a cursor kept inside a handler goes on at another member, and nothing comes twice", "[api][cursor]") {
  Journal publisher, first;
  auto a = Node::start(node_config("a"), journal_handlers(publisher));
  REQUIRE(a);
  Config config = node_config("b");
  config.seeds = {a->address().to_string()};
  std::optional<Node> b;
  std::mutex mutex;
  std::string kept;  // with the fifth message
  std::set<MessageId> had;
  Handlers handlers = journal_handlers(first);
  handlers.on_message = [&](const Message& message) {
    first.note([&](Journal& j) { ++j.copies[message.id]; });
    const std::lock_guard lock{mutex};
    if (had.size() == 5) return;
    had.insert(message.id);
    if (had.size() == 5) kept = b->cursor()->to_string();
  };
  b.emplace(*Node::start(config, handlers));
  REQUIRE(eventually([&] { return b->snapshot()->synced && a->peer_count() == 1; }));
  for (int i = 0; i < 20; ++i) REQUIRE(a->broadcast("m" + std::to_string(i)));
  REQUIRE(first.wait([](const Journal& j) { return j.copies.size() == 20; }));
  b->stop();
  CHECK(b->cursor().error().code == Errc::stopped);

  Journal second;
  config.name = "c";
  config.start_from = kept;
  auto c = Node::start(config, journal_handlers(second));
  REQUIRE(c);
  REQUIRE(second.wait([](const Journal& j) { return j.copies.size() == 15; }));
  REQUIRE(a->broadcast("last"));
  REQUIRE(second.wait([](const Journal& j) { return j.copies.size() >= 16; }));
  second.read([&](const Journal& j) {
    for (const auto& [id, count] : j.copies) {
      CHECK(count == 1);
      CHECK(had.count(id) == 0);
    }
    CHECK(j.lost == 0);
    return 0;
  });

  config.name = "d";
  config.start_from = "yesterday";
  CHECK(Node::start(config, {}).error().message.find("start_from") != std::string::npos);
}

TEST_CASE("topics have their own size and local delivery, seen in the snapshot", "[api][topics]") {
  Journal journal;
  Config config = sole();
  config.topics["small"].max_size = 10;
  config.topics["small"].deliver_local = true;
  auto node = Node::start(config, journal_handlers(journal));
  REQUIRE(node);
  const auto refused = node->broadcast("small", Bytes::copy_of(std::string_view{"eleven byte"}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::too_large);
  CHECK(refused.error().message.find("topics.small.max_size is 10") != std::string::npos);
  REQUIRE(node->broadcast("small", Bytes::copy_of(std::string_view{"ten bytes!"})));
  REQUIRE(node->broadcast("other", Bytes::copy_of(std::string_view{"unheard"})));
  CHECK(journal.wait([](const Journal& j) { return j.texts == std::vector<std::string>{"ten bytes!"}; }));
  CHECK(eventually([&] {
    const auto snapshot = node->snapshot();
    return snapshot->topics.size() == 2 && snapshot->topics[1].name == "small" && snapshot->topics[1].published == 1;
  }));
}

TEST_CASE("payloads are compressed as their topic says, and come as they were", "[api][compression]") {
  Cluster c{3, [](Config& config) {
    config.topics["logs"].compression = Compression::lz4;
    config.tree.max_message_size = 4 << 20;
  }};
  std::string text;
  while (text.size() < 1'000'000) text += "level=info component=tree seq=" + std::to_string(text.size()) + "\n";
  REQUIRE(c.nodes[0]->broadcast("logs", Bytes::copy_of(text)));
  REQUIRE(c.nodes[0]->broadcast("plain", Bytes::copy_of(text)));
  for (int i : {1, 2}) {
    CHECK(c.journals[static_cast<std::size_t>(i)]->wait([&](const Journal& j) { return j.texts == std::vector<std::string>{text, text}; }));
  }
  CHECK(eventually([&] { return c.nodes[0]->snapshot()->tree.compression_bytes_in == text.size(); }));
  CHECK(c.nodes[0]->snapshot()->tree.compression_bytes_saved > text.size() / 2);
}

TEST_CASE("a publisher waits for acknowledgements of real nodes, and learns who is missing", "[api][receipts]") {
  Cluster c{4};
  const auto text = [](std::string_view t) { return Bytes::copy_of(t); };
  auto all = c.nodes[0]->broadcast_and_wait("t", text("x"), {.acks = kAckAll, .ack_timeout = 20s});
  REQUIRE(all);
  CHECK(all->complete);
  CHECK(all->acked == std::vector<std::string>{"n1", "n2", "n3"});
  CHECK(all->missing.empty());
  c.nodes[2]->pause_delivery(true);
  auto some = c.nodes[0]->broadcast_and_wait("t", text("y"), {.acks = kAckAll, .ack_timeout = 2s});
  REQUIRE(some);
  CHECK_FALSE(some->complete);
  CHECK(some->missing == std::vector<std::string>{"n2"});
  auto two = c.nodes[0]->broadcast_and_wait("t", text("z"), {.acks = 2, .ack_timeout = 20s});
  REQUIRE(two);
  CHECK(two->complete);
  c.nodes[2]->pause_delivery(false);
  CHECK(c.nodes[0]->broadcast_and_wait("t", {}, {}).error().code == Errc::invalid_argument);
  CHECK(c.nodes[0]->broadcast("t", {}, {.acks = 1, .ack_timeout = 0s}).error().code == Errc::invalid_argument);
  // Through the handler.
  REQUIRE(c.nodes[0]->broadcast("t", text("w"), {.acks = kAckAll, .ack_timeout = 20s}));
  CHECK(c.journals[0]->wait([](const Journal& j) { return j.receipts.size() == 1 && j.receipts[0].complete; }));
  // A hundred at a time.
  for (int i = 0; i < 100; ++i) REQUIRE(c.nodes[1]->broadcast("t", text("v"), {.acks = kAckAll, .ack_timeout = 20s}));
  CHECK(c.journals[1]->wait([](const Journal& j) { return j.receipts.size() == 100; }));
  CHECK(c.journals[1]->read([](const Journal& j) { return std::all_of(j.receipts.begin(), j.receipts.end(), [](const Receipt& r) { return r.complete; }); }));
}

TEST_CASE("a message goes to one real member alone", "[api][direct]") {
  Cluster c{3};
  CHECK(c.nodes[0]->send("n2", Bytes::copy_of(std::string_view{"first"}), 20s).has_value());
  CHECK(c.nodes[0]->send("n2", Bytes::copy_of(std::string_view{"second"})).has_value());
  CHECK(c.journals[2]->wait([](const Journal& j) { return j.directs == std::vector<std::string>{"n0: first", "n0: second"}; }));
  CHECK(c.journals[1]->read([](const Journal& j) { return j.directs.empty(); }));
  CHECK(c.nodes[0]->send("nobody", {}).error().code == Errc::not_found);
  CHECK(c.nodes[0]->send("nobody", {}, 5s).error().code == Errc::not_found);
  CHECK(c.nodes[0]->send("n0", {}).error().code == Errc::invalid_argument);
  CHECK(c.nodes[0]->send("n1", Bytes::copy_of(std::string(50000, 'x'))).error().code == Errc::too_large);
}

TEST_CASE("what a validator refuses reaches nobody's handler", "[api][validator]") {
  Cluster c{2, {}, [](Handlers& handlers) {
    handlers.validators["checked"] = [](const Message& message) { return message.text() == "bad" ? Verdict::ignore : Verdict::accept; };
  }};
  for (const char* text : {"good", "bad", "best"}) REQUIRE(c.nodes[0]->broadcast("checked", Bytes::copy_of(std::string_view{text})));
  CHECK(c.journals[1]->wait([](const Journal& j) { return j.texts == std::vector<std::string>{"good", "best"}; }));
  CHECK(eventually([&] { return c.nodes[1]->snapshot()->tree.validations[Verdict::ignore] == 1; }));
}

TEST_CASE("who waits for a receipt or an acknowledgement when the node is stopped is told so", "[api][receipts][direct]") {
  Cluster c{2};
  c.nodes[1]->pause_delivery(true);
  std::atomic<int> told{0};
  std::thread waiting{[&] {
    const auto receipt = c.nodes[0]->broadcast_and_wait("t", Bytes::copy_of(std::string_view{"x"}), {.acks = kAckAll, .ack_timeout = 60s});
    if (!receipt && receipt.error().code == Errc::stopped) ++told;
  }};
  CHECK(eventually([&] { return c.nodes[0]->snapshot()->tree.broadcast == 1; }));
  c.nodes[0]->stop();
  waiting.join();
  CHECK(told == 1);
  CHECK(c.nodes[0]->broadcast_and_wait("t", {}, {.acks = 1}).error().code == Errc::stopped);
  CHECK(c.nodes[0]->send("n1", {}, 1s).error().code == Errc::stopped);
}

TEST_CASE("a running node takes another configuration, or nothing of it", "[api][reload]") {
  Journal journal;
  Config config = sole();
  config.deliver_local = true;
  auto node = Node::start(config, journal_handlers(journal));
  REQUIRE(node);
  CHECK(node->snapshot()->cache_capacity == config.tree.message_cache_max_size);

  Config fresh = config;
  fresh.tree.message_cache_max_size = 77;
  fresh.deliver_local = false;
  fresh.health.expected_members = {"solo", "absent"};
  fresh.tags = {{"role", "db"}};
  fresh.tree.max_message_size = 2 << 20;
  auto changes = node->reload(fresh);
  REQUIRE(changes);
  CHECK(changes->taken == std::vector<std::string>{"tags", "deliver_local", "message_cache_max_size", "expected_members"});
  CHECK(changes->need_restart == std::vector<std::string>{"max_message_size"});
  CHECK(eventually([&] { return node->snapshot()->cache_capacity == 77; }));
  CHECK(eventually([&] { return node->snapshot()->members.at(0).tags().contains("role"); }));
  CHECK(eventually([&] {
    const auto reasons = node->health().reasons;
    return std::any_of(reasons.begin(), reasons.end(), [](const HealthReason& reason) { return reason.code == "PV2014"; });
  }));
  REQUIRE(node->broadcast("heard by nobody"));
  CHECK(node->broadcast(std::string(1 << 20, 'x')));
  CHECK(node->broadcast(std::string((1 << 20) + 1, 'x')).error().code == Errc::too_large);

  // A mistake, also one that is none but for what cannot change, leaves everything as it is.
  Config bad = fresh;
  bad.tree.eager_fanout = 0;
  bad.tree.message_cache_max_size = 99;
  auto refused = node->reload(bad);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::invalid_config);
  bad = fresh;
  bad.tree.topics_max = 4096;
  bad.tree.max_message_size = 256 << 20;
  bad.tree.message_cache_max_size = 99;
  bad.tree.trees_max = 2;
  bad.health.lag_warning = bad.health.lag_critical;
  CHECK_FALSE(node->reload(bad));
  CHECK(node->snapshot()->cache_capacity == 77);
  REQUIRE(node->reload(config));
  CHECK(eventually([&] { return node->snapshot()->cache_capacity == config.tree.message_cache_max_size; }));
  REQUIRE(node->broadcast("heard"));
  CHECK(journal.wait([](const Journal& j) { return j.texts == std::vector<std::string>{"heard"}; }));
  node->stop();
  CHECK(node->reload(config).error().code == Errc::stopped);
}

TEST_CASE("health is asked for on many threads while its thresholds change", "[api][reload]") {
  auto node = Node::start(sole(), {});
  REQUIRE(node);
  std::atomic<bool> over{false};
  std::vector<std::thread> askers;
  for (int i = 0; i < 3; ++i)
    askers.emplace_back([&] {
      while (!over) (void)node->health();
    });
  Config fresh = sole();
  for (int i = 0; i < 50; ++i) {
    fresh.health.expected_members = {"solo", "member-with-a-long-name-" + std::to_string(i)};
    CHECK(node->reload(fresh));
  }
  over = true;
  for (std::thread& asker : askers) asker.join();
}

TEST_CASE("keys are ordered from several threads, and each order is made or refused whole", "[api][keys]") {
  const auto key = [](char fill) { return std::string("MDEyMzQ1Njc4OWFiY2RlZ") + fill + "=="; };
  Config config = sole();
  config.encrypt = key('g');
  auto node = Node::start(config, {});
  REQUIRE(node);
  std::atomic<int> made{0}, refused{0};
  std::vector<std::thread> threads;
  for (const char fill : {'w', 'A', 'Q'}) {
    threads.emplace_back([&, fill] {
      for (int i = 0; i < 1000; ++i) {
        const auto report = node->order_keys({KeyCommand::install, key(fill), false});
        if (report && report->ok) return void(++made);
        if (!report && report.error().code == Errc::overloaded) ++refused;  // another order is under way
        std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(made == 3);
  const auto all = node->order_keys({KeyCommand::list, "", false});
  REQUIRE(all);
  REQUIRE(all->members.size() == 1);
  CHECK(all->members[0].keys.size() == 4);
  CHECK(all->members[0].primary == key('g'));
}

TEST_CASE("a handler that holds up the loop is named", "[api]") {
  Config config = sole("a");
  Config other = sole("b");
  auto publisher = Node::start(std::move(other), {});
  REQUIRE(publisher);
  config.seeds = {publisher->address().to_string()};
  auto node = Node::start(std::move(config), {.on_message = [](const Message&) { std::this_thread::sleep_for(150ms); }});
  REQUIRE(node);
  REQUIRE(eventually([&] { return alive_members(*publisher) == 2 && alive_members(*node) == 2; }));
  CHECK(eventually([&] {
    (void)publisher->broadcast("x");
    const LoopStats& loop = node->snapshot()->loop;
    return loop.max_stall >= 150ms && loop.max_stall_in == "handler on_message";
  }));
}
