#include "support/pch.hpp"

#include <array>
#include <functional>

#include "membership/serf/pattern.hpp"
#include "membership/serf/serf.hpp"
#include "membership/wire/codec.hpp"
#include "membership/wire/packet.hpp"
#include "membership/wire/stream.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
namespace wire = plumvine::swim::wire;

namespace {

/// Our member `a` with Serf on top; members and messages come in as packets.
struct Alone {
  explicit Alone(SwimConfig config = {}) : swim(config, {"a", self.raw(), self.port, encode_tags({{"role", "web"}}), ""}, Rng{3}), serf(swim, "a", Rng{4}), keys(swim, "a", Rng{5}) {
    swim.start(now);
    serf.start();
    drain();
  }
  void drain() {
    for (bool more = true; more;) {
      more = false;
      while (auto output = swim.poll_output()) {
        more = true;
        if (serf.on_output(*output, now)) continue;
        if (auto* packet = std::get_if<swim::SendPacket>(&*output)) keep(*packet);
        if (auto* notify = std::get_if<swim::Notify>(&*output)) events.push_back(notify->event);
      }
      while (auto output = serf.poll_output()) {
        more = true;
        if (auto* seen = std::get_if<serf::EventSeen>(&*output)) user_events.push_back(seen->name + "=" + std::string(seen->payload.text()));
        if (auto* query = std::get_if<serf::KeyQuery>(&*output)) keys.answer(*query, {.message = "no keys"}, now);
      }
    }
  }
  void keep(const swim::SendPacket& packet) {
    for (const wire::Part& part : unpacker.unpack(packet.packet.view(), "", rejected))
      if (part.type == wire::MessageType::user) sent.emplace_back(packet.to, Bytes::copy_of(part.body));
      else if (part.type == wire::MessageType::suspect) accused.push_back(packet.to);
  }
  void pass(Duration span) {
    const Timestamp end = now + span;
    while (std::min(swim.next_timeout(), serf.next_timeout()) <= end) {
      now = std::max(now, std::min(swim.next_timeout(), serf.next_timeout()));
      if (serf.next_timeout() <= now) serf.handle_timeout(now);
      if (swim.next_timeout() <= now) swim.handle_timeout(now);
      drain();
    }
    now = end;
  }
  void packet(const Bytes& bytes, int from = 2) {
    swim.handle_packet(at(from), bytes.view(), now);
    drain();
  }
  void user(const Bytes& message, int from = 2) {
    wire::Buffer typed{std::byte{8}};
    typed.insert(typed.end(), message.view().begin(), message.view().end());
    packet(Bytes::copy_of(typed), from);
  }
  static Endpoint at(int host) { return *Endpoint::parse("10.0.0." + std::to_string(host) + ":7946"); }
  /// A member of Serf's called `b`, `c`, … lives at 10.0.0.2, .3, …
  void meet(const std::string& name, std::uint32_t incarnation = 1) {
    const Bytes address = at(name[0] - 'a' + 1).raw();
    packet(wire::encoded(wire::Alive{incarnation, name, address.view(), 7946, {}, BytesView(kVersions)}));
  }
  void kill(const std::string& name) { packet(wire::encoded(wire::Dead{1, name, "z"})); }
  /// What goes with the answer to a table exchange.
  void exchange(const std::function<void(const serf::State&)>& look) {
    wire::Buffer request;
    wire::encode(wire::PushPullHeader{0, 0, false}, request);
    swim.stream_accepted(swim::StreamId{++streams}, at(9), now);
    swim.stream_received(swim::StreamId{streams}, request, now);
    while (auto output = swim.poll_output()) {
      const auto* reply = std::get_if<swim::SendStream>(&*output);
      if (reply == nullptr) continue;
      wire::StreamReader reader(false, "");
      REQUIRE(reader.feed(reply->data.view()) == wire::StreamReader::Progress::done);
      wire::Scratch scratch;
      wire::PushPullRows rows(reader.body(), scratch);
      while (rows.next()) {}
      serf::State state;
      REQUIRE(serf::decode(rows.user_state().subspan(1), state));
      look(state);
    }
  }
  /// Messages of this kind that were sent, each once.
  std::vector<Bytes> said(serf::MessageType type) const {
    std::vector<Bytes> found;
    for (const auto& [to, message] : sent)
      if (message.view()[0] == static_cast<std::byte>(type) && std::find(found.begin(), found.end(), message) == found.end())
        found.push_back(message);
    return found;
  }
  /// The one leave intent that was sent. Lives as long as `sent` is left alone.
  serf::Leave only_leave_said() {
    const auto messages = said(serf::MessageType::leave);
    REQUIRE(messages.size() == 1);
    serf::Leave leave;
    REQUIRE(serf::decode(messages[0].view().subspan(1), leave));
    return leave;
  }
  static constexpr std::array<std::byte, 6> kVersions{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
  Endpoint self = at(1);
  Timestamp now{1'000'000'000};
  swim::Swim swim;
  serf::Serf serf;
  serf::KeyQueries keys;
  wire::Unpacker unpacker;
  CountedReasons<PacketReject> rejected;
  std::vector<std::pair<Endpoint, Bytes>> sent;
  std::vector<Endpoint> accused;
  std::vector<MemberEvent> events;
  std::vector<std::string> user_events;
  std::uint64_t streams = 0;
};

Bytes query(std::string_view name, std::uint32_t id, int to = 2, std::vector<BytesView> filters = {}, BytesView payload = {}) {
  const Bytes address = Alone::at(to).raw();
  return serf::encode(serf::Query{.time = 9, .id = id, .address = address.view(), .port = 7946, .source_node = "b",
                                  .filters = std::move(filters), .flags = serf::kQueryAck, .name = name, .payload = payload});
}

}  // namespace

TEST_CASE("a leave intent makes a death a farewell", "[serf]") {
  Alone f;
  f.meet("b");
  f.meet("c");
  SECTION("before the death") {
    f.user(serf::encode(serf::Leave{5, "c", false}));
    CHECK(f.serf.status("c") == serf::Status::leaving);
    f.kill("c");
  }
  SECTION("after it, as force-leave does") {
    f.kill("c");
    CHECK(f.serf.status("c") == serf::Status::failed);
    f.user(serf::encode(serf::Leave{5, "c", false}));
  }
  CHECK(f.serf.status("c") == serf::Status::left);
  CHECK(f.swim.find("c")->state == MemberState::left);
  CHECK(f.events.back().kind == MemberEvent::Kind::left);
}

TEST_CASE("an intent that is not newer than the last one changes nothing", "[serf]") {
  Alone f;
  f.meet("b");
  f.user(serf::encode(serf::Join{7, "b"}));
  f.user(serf::encode(serf::Leave{7, "b", false}));
  CHECK(f.serf.status("b") == serf::Status::alive);
  f.user(serf::encode(serf::Leave{8, "b", false}));
  CHECK(f.serf.status("b") == serf::Status::leaving);
  f.user(serf::encode(serf::Join{9, "b"}));
  CHECK(f.serf.status("b") == serf::Status::alive);
  CHECK(f.serf.time() == 10);
}

TEST_CASE("an intent that is ahead of its member waits five minutes for it", "[serf]") {
  Alone f;
  f.meet("b");
  f.user(serf::encode(serf::Leave{5, "c", false}));
  SECTION("in time") {
    f.meet("c");
    CHECK(f.serf.status("c") == serf::Status::leaving);
  }
  SECTION("too late") {
    f.now = f.now + 6min;
    f.meet("c");
    CHECK(f.serf.status("c") == serf::Status::alive);
  }
}

TEST_CASE("an order of Serf's to prune forgets the dead and the left, not the living", "[serf][forget]") {
  Alone f;
  f.meet("b");
  f.meet("c");
  const Bytes order = serf::encode(serf::Leave{5, "c", true});
  SECTION("dead") {
    f.kill("c");
    f.user(order);
  }
  SECTION("left, by an earlier intent") {
    f.user(serf::encode(serf::Leave{4, "c", false}));
    f.kill("c");
    f.user(order);
  }
  SECTION("alive") {
    f.user(order);
    CHECK(f.swim.find("c")->state == MemberState::alive);
    CHECK(f.serf.status("c") == serf::Status::leaving);
    return;
  }
  CHECK(f.swim.find("c") == nullptr);
  CHECK(f.serf.status("c") == serf::Status::none);
  CHECK(f.events.back().kind == MemberEvent::Kind::forgotten);
  CHECK(f.events.back().from == "a member of Serf's");
  CHECK(f.accused.empty());
  f.meet("c");  // old news does not bring it back
  CHECK(f.swim.find("c") == nullptr);
  // If it lives it is to go above its last life, which Serf's members still hold as dead.
  CHECK(f.accused == std::vector{Alone::at(3)});
  f.meet("c", 2);
  CHECK(f.serf.status("c") == serf::Status::alive);
}

TEST_CASE("who is forgotten here is pruned from Serf's lists", "[serf][forget]") {
  Alone f;
  f.meet("c");
  f.kill("c");
  f.serf.prune("c", f.now);  // nobody of Serf's is there to hear it
  f.pass(1s);
  CHECK(f.said(serf::MessageType::leave).empty());
  f.meet("b");
  f.user(serf::encode(serf::Join{70, "c"}));
  REQUIRE(f.swim.forget("c", f.now));
  f.serf.prune("c", f.now);
  f.pass(1s);
  const serf::Leave order = f.only_leave_said();
  CHECK(order.node == "c");
  CHECK(order.prune);
  CHECK(order.time == 71);  // newer than all that was said of it
}

TEST_CASE("a word that we leave is refuted by a newer join intent", "[serf]") {
  Alone f;
  f.meet("b");
  f.user(serf::encode(serf::Leave{40, "a", false}));
  f.pass(1s);
  const auto joins = f.said(serf::MessageType::join);
  REQUIRE(joins.size() == 1);
  CHECK(joins[0] == serf::encode(serf::Join{41, "a"}));
  CHECK(f.said(serf::MessageType::leave).empty());  // what is untrue is not passed on
}

TEST_CASE("a word that we leave of the time of our join is refuted, too", "[serf]") {
  Alone f;
  f.meet("b");
  f.serf.on_output(swim::UserState{serf::encode(serf::State{.time = 9, .event_time = 1, .query_time = 1, .status_times = {}, .left = {}, .events = {}})}, f.now);
  f.drain();
  f.pass(1s);
  REQUIRE(f.said(serf::MessageType::join) == std::vector{serf::encode(serf::Join{9, "a"})});
  // Whoever was forgotten a moment ago, and comes back: who heard that first passes over our join.
  f.user(serf::encode(serf::Leave{9, "a", false}));
  f.pass(1s);
  CHECK(f.said(serf::MessageType::join).back() == serf::encode(serf::Join{10, "a"}));
  f.user(serf::encode(serf::Leave{9, "a", false}));
  CHECK(f.serf.messages()[SerfMessage::repeated] == 1);
}

TEST_CASE("a table with a later word about us than our last makes us say that we are here", "[serf]") {
  Alone f;
  f.meet("b");
  const auto table = [&](serf::LTime of_us) {
    f.sent.clear();
    f.serf.on_output(swim::UserState{serf::encode(serf::State{.time = 30, .event_time = 1, .query_time = 1, .status_times = {{"a", of_us}}, .left = {}, .events = {}})}, f.now);
    f.drain();
    f.pass(1s);
    return f.said(serf::MessageType::join);
  };
  CHECK(table(3) == std::vector{serf::encode(serf::Join{30, "a"})});
  CHECK(table(30).empty());
  CHECK(table(40) == std::vector{serf::encode(serf::Join{41, "a"})});
  CHECK(table(41).empty());
}

TEST_CASE("the leave intent goes out before memberlist's farewell", "[serf]") {
  Alone f;
  f.meet("b");
  f.user(serf::encode(serf::Join{20, "b"}));
  f.pass(2s);
  f.serf.leave(f.now);
  f.drain();
  CHECK(!f.swim.has_left());
  f.pass(3s);
  CHECK(f.swim.has_left());
  const auto leaves = f.said(serf::MessageType::leave);
  REQUIRE(leaves.size() == 1);
  CHECK(leaves[0] == serf::encode(serf::Leave{21, "a", false}));
}

TEST_CASE("a table exchange while we leave does not outdate the leave intent", "[serf]") {
  Alone f;
  f.meet("b");
  f.user(serf::encode(serf::Join{20, "b"}));
  f.serf.leave(f.now);
  f.drain();
  wire::Buffer request;
  wire::encode(wire::PushPullHeader{}, request);
  f.swim.stream_accepted(swim::StreamId{900}, Alone::at(2), f.now);
  f.swim.stream_received(swim::StreamId{900}, request, f.now);
  wire::StreamReader reader(false, "");
  while (auto output = f.swim.poll_output())
    if (const auto* answer = std::get_if<swim::SendStream>(&*output)) reader.feed(answer->data.view());
  wire::Scratch scratch;
  wire::PushPullRows rows(reader.body(), scratch);
  while (rows.next()) {
  }
  serf::State told;
  REQUIRE(serf::decode(rows.user_state().subspan(1), told));
  REQUIRE(told.status_times.size() == 2);
  CHECK(told.status_times[0].first == "a");
  CHECK(told.status_times[0].second < 21);
}

TEST_CASE("among members of ours alone no intent is spread, and leaving waits for nothing", "[serf]") {
  Alone f;
  const Bytes address = Alone::at(2).raw();
  const Bytes meta = encode_tags({{"pvi", "0000000000000002"}});
  f.packet(wire::encoded(wire::Alive{1, "b", address.view(), 7946, meta.view(), BytesView(Alone::kVersions)}));
  f.serf.leave(f.now);
  CHECK(f.swim.has_left());
  f.pass(2s);
  CHECK(f.sent.empty());
}

TEST_CASE("with delegate_protocol none nothing of Serf's is handed up", "[serf]") {
  SwimConfig config;
  config.delegate_protocol = {0, 0, 0};
  Alone f(config);
  f.user(serf::encode(serf::Event{3, "deploy", as_bytes("v1"), false}));
  CHECK(f.user_events.empty());
  CHECK(f.serf.messages().total() == 0);
}

TEST_CASE("an event counts once, and is passed on once", "[serf]") {
  Alone f;
  f.meet("b");
  const Bytes event = serf::encode(serf::Event{3, "deploy", as_bytes("v1"), false});
  for (int i = 0; i < 3; ++i) f.user(event);
  f.user(serf::encode(serf::Event{3, "deploy", as_bytes("v2"), false}));
  CHECK(f.user_events == std::vector<std::string>{"deploy=v1", "deploy=v2"});
  f.pass(3s);
  CHECK(f.said(serf::MessageType::event).size() == 2);
  CHECK(f.serf.messages()[SerfMessage::repeated] == 2);
  f.user(serf::encode(serf::Event{1000, "later", {}, false}));
  f.user(serf::encode(serf::Event{100, "too old", {}, false}));
  CHECK(f.user_events.size() == 3);
  CHECK(f.serf.messages()[SerfMessage::old] == 1);
}

TEST_CASE("that a dead member had left is passed on, however it was learnt", "[serf]") {
  Alone f;
  f.meet("b");
  f.meet("c");
  f.kill("c");
  REQUIRE(f.serf.status("c") == serf::Status::failed);
  const serf::State told{.time = 9, .event_time = 1, .query_time = 1, .status_times = {{"c", 5}}, .left = {"c"}, .events = {}};
  f.serf.on_output(swim::UserState{serf::encode(told)}, f.now);
  f.drain();
  CHECK(f.serf.status("c") == serf::Status::left);
  CHECK(f.swim.find("c")->state == MemberState::left);
  f.pass(2s);
  const serf::Leave leave = f.only_leave_said();
  CHECK(leave.node == "c");
  CHECK(leave.time == 6);
  // Once: the same state again is no news.
  f.sent.clear();
  f.serf.on_output(swim::UserState{serf::encode(told)}, f.now);
  f.drain();
  f.pass(2s);
  CHECK(f.said(serf::MessageType::leave).empty());
}

TEST_CASE("join intents of others are told again with table exchanges", "[serf]") {
  Alone f;
  const auto told = [&] {
    std::vector<std::string> joins;
    f.exchange([&](const serf::State& state) {
      for (const auto& [name, time] : state.status_times)
        if (name != "a") joins.push_back(std::string(name) + " " + std::to_string(time));
    });
    return joins;
  };
  f.user(serf::encode(serf::Join{5, "c"}));  // the member is just behind
  CHECK(told().empty());
  f.meet("b");
  f.meet("c");
  f.user(serf::encode(serf::Join{6, "b"}));
  CHECK(told() == std::vector<std::string>{"c 5", "b 6"});
  f.user(serf::encode(serf::Leave{7, "c", false}));
  CHECK(told() == std::vector<std::string>{"b 6"});
  f.user(serf::encode(serf::Join{8, "c"}));
  CHECK(told() == std::vector<std::string>{"b 6", "c 8"});
  f.kill("b");
  f.user(serf::encode(serf::Join{9, "c"}));
  CHECK(told() == std::vector<std::string>{"c 9"});
  for (std::size_t i = 0; i < serf::Serf::kJoinsMax; ++i) f.user(serf::encode(serf::Join{10 + i, "x" + std::to_string(i)}));
  CHECK(told().empty());
}

TEST_CASE("events are told again with table exchanges while members of Serf's are there", "[serf]") {
  Alone f;
  const auto told = [&] {
    std::vector<std::string> events;
    f.exchange([&](const serf::State& state) {
      for (const serf::Event& event : state.events)
        events.push_back(std::to_string(event.time) + " " + std::string(event.name) + "=" + std::string(as_text(event.payload)));
    });
    return events;
  };
  f.user(serf::encode(serf::Event{7, "deploy", as_bytes("v1"), false}));
  CHECK(told().empty());  // nobody would need it
  f.meet("b");
  REQUIRE(f.serf.send_event("hello", as_bytes(""), f.now));
  CHECK(told() == std::vector<std::string>{"7 deploy=v1", "8 hello="});
  for (int i = 0; i < 40; ++i) REQUIRE(f.serf.send_event("many", as_bytes(std::to_string(i)), f.now));
  const auto last = told();
  REQUIRE(last.size() == serf::Serf::kHistoryMax);
  CHECK(last.back() == "48 many=39");
}

TEST_CASE("a time near the end of the clock is not believed", "[serf]") {
  Alone f;
  f.meet("b");
  f.user(serf::encode(serf::Leave{UINT64_MAX, "b", false}));
  CHECK(f.serf.status("b") == serf::Status::alive);
  CHECK(f.serf.time() == 1);
  CHECK(f.serf.messages()[SerfMessage::malformed] == 1);
}

TEST_CASE("a query is acknowledged by those it concerns, at addresses of members only", "[serf]") {
  Alone f;
  f.meet("b");
  const auto acks = [&] { return f.said(serf::MessageType::response).size(); };
  f.user(query("uptime", 1));
  CHECK(acks() == 1);
  f.user(query("uptime", 1));  // again
  CHECK(acks() == 1);
  f.user(query("uptime", 2, 77));
  CHECK(acks() == 1);
  CHECK(f.serf.messages()[SerfMessage::stranger] == 1);
  const Bytes for_a = Bytes::copy_of(std::string_view("\x00\x91\xa1""a", 4));
  const Bytes for_z = Bytes::copy_of(std::string_view("\x00\x91\xa1z", 4));
  const Bytes web = Bytes::copy_of(std::string_view("\x01\x82\xa4""Expr\xa4^we.\xa3Tag\xa4role", 21));
  f.user(query("uptime", 3, 2, {for_a.view(), web.view()}));
  CHECK(acks() == 2);
  f.user(query("uptime", 4, 2, {for_z.view()}));
  CHECK(acks() == 2);
}

TEST_CASE("Serf's own queries are answered", "[serf]") {
  Alone f;
  f.meet("b");
  const auto answers = [&](std::byte type) {
    std::size_t n = 0;
    for (const Bytes& bytes : f.said(serf::MessageType::response)) {
      serf::Response response;
      REQUIRE(serf::decode(bytes.view().subspan(1), response));
      if (!response.payload.empty() && response.payload[0] == type) ++n;
    }
    return n;
  };
  f.user(query("_serf_ping", 1));
  CHECK(f.said(serf::MessageType::response).size() == 1);
  f.user(query("_serf_conflict", 2, 2, {}, as_bytes("b")));
  CHECK(answers(std::byte{6}) == 1);
  const Bytes key = serf::encode(serf::KeyRequest{as_bytes("0123456789abcdef")});
  f.user(query("_serf_install-key", 3, 2, {}, key.view()));
  CHECK(answers(std::byte{8}) == 1);
  f.user(query("_serf_list-keys", 4));
  CHECK(answers(std::byte{8}) == 2);
}

TEST_CASE("a relay is passed on to members only", "[serf]") {
  Alone f;
  f.meet("b");
  const Bytes inner = serf::encode(serf::Response{9, 1, "b", 1, {}});
  const auto relay = [&](int to) {
    const Bytes address = Alone::at(to).raw();
    return serf::encode(serf::Relay{address.view(), 7946, "b", inner.view()});
  };
  f.user(relay(77));
  CHECK(f.sent.empty());
  f.user(relay(2));
  REQUIRE(f.sent.size() == 1);
  CHECK(f.sent[0] == std::pair(Alone::at(2), inner));
}

TEST_CASE("a regular expression is found as Go finds it", "[serf]") {
  struct Row {
    const char* pattern;
    const char* value;
    serf::Found found;
  };
  using enum serf::Found;
  for (const Row& row : std::vector<Row>{
           {"web", "web", yes}, {"web", "a web b", yes}, {"^web$", "web1", no}, {"", "", yes}, {"", "x", yes},
           {"^$", "x", no}, {"a|b", "cb", yes}, {"^(a|b)+$", "abba", yes}, {"^(a|b)+$", "abca", no}, {"a.c", "abc", yes},
           {"a.c", "a\nc", no}, {"^[a-c]{2,3}$", "abc", yes}, {"^[a-c]{2,3}$", "a", no}, {"^[a-c]{2,}$", "abcabc", yes},
           {"^[^a-c]$", "d", yes}, {"^[]a]$", "]", yes}, {"\\d+", "x42", yes}, {"^\\w+$", "a b", no}, {"^\\S*$", "ab", yes},
           {"\\bcat\\b", "a cat!", yes}, {"\\bcat\\b", "concat", no}, {"(?i)WEB", "web", yes}, {"(?:ab)?c", "c", yes},
           {"a{x}", "a{x}", yes}, {"\\.", ".", yes}, {"x*?y", "xxy", yes}, {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaac", no},
           {"(", "x", unsupported}, {"[a", "x", unsupported}, {"*", "x", unsupported}, {"\\pL", "x", unsupported},
           {"(?P<n>a)", "a", unsupported}, {"a{1000}", "a", unsupported}, {"[b-a]", "x", unsupported}, {")", "x", unsupported}}) {
    INFO(row.pattern << " in " << row.value);
    CHECK(serf::find_pattern(row.pattern, row.value) == row.found);
  }
  CHECK(serf::find_pattern(std::string(300, 'a'), "a") == unsupported);
  CHECK(serf::find_pattern(std::string(200, '('), "a") == unsupported);
}

TEST_CASE("coordinates come to tell the round trip", "[serf]") {
  std::vector<serf::Vivaldi> nodes;
  for (std::uint64_t i = 0; i < 3; ++i) nodes.emplace_back(Rng{i + 1});
  const std::array<std::array<Duration, 3>, 3> trips{{{0ms, 10ms, 40ms}, {10ms, 0ms, 35ms}, {40ms, 35ms, 0ms}}};
  Rng rng{9};
  for (int round = 0; round < 400; ++round) {
    for (std::size_t i = 0; i < 3; ++i) {
      const std::size_t j = (i + 1 + rng.below(2)) % 3;
      const Duration late = round % 10 == 0 ? 300ms : 0ms;  // one sample in ten is late
      REQUIRE(nodes[i].update(std::to_string(j), nodes[j].self(), trips[i][j] + late));
    }
  }
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      if (i == j) continue;
      const auto estimate = nodes[i].estimate(std::to_string(j));
      REQUIRE(estimate);
      INFO(i << " to " << j << ": " << to_seconds(*estimate));
      CHECK(std::abs(to_seconds(*estimate) - to_seconds(trips[i][j])) < 0.3 * to_seconds(trips[i][j]));
    }
  serf::Coordinate bad;
  bad.vec[3] = std::numeric_limits<double>::infinity();
  CHECK(!nodes[0].update("1", bad, 1ms));
  CHECK(!nodes[0].update("1", {}, 11s));
  nodes[0].forget("1");
  CHECK(!nodes[0].estimate("1"));
}
