#include <catch2/catch.hpp>

#include "plumtree/wire.hpp"
#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

constexpr std::uint8_t kKind = 7;

struct Asking : Cluster {
  explicit Asking(std::uint32_t nodes) : Cluster(nodes) {
    ring(nodes / 3);
    members();
    run(seconds{2});
    answer = [](std::uint32_t node, const tree::Asked& asked) {
      return Bytes::copy_of(std::to_string(node) + " heard " + std::string(asked.question.text()));
    };
  }
  void ask(std::uint64_t number, Duration timeout = seconds{3}) {
    nodes[0].tree->ask(number, kKind, Bytes::copy_of("this"), timeout, now);
    drain(0);
  }
  const std::vector<tree::Inquired>& inquired() { return nodes[0].inquired; }
};

}  // namespace

TEST_CASE("a question reaches every member once, and everybody's answer comes back", "[inquiries]") {
  Asking c(20);
  c.ask(1);
  c.run(milliseconds{300});
  REQUIRE(c.inquired().size() == 1);
  const tree::Inquired& all = c.inquired()[0];
  CHECK(all.number == 1);
  CHECK(all.complete);
  CHECK(all.missing.empty());
  REQUIRE(all.answers.size() == 19);
  for (std::size_t i = 0; i < 19; ++i) {
    CHECK(all.answers[i].member == instance(static_cast<std::uint32_t>(i + 1)));
    CHECK(all.answers[i].text.text() == std::to_string(i + 1) + " heard this");
  }
  for (std::uint32_t n = 1; n < 20; ++n) {
    REQUIRE(c.nodes[n].asked.size() == 1);
    CHECK(c.nodes[n].asked[0].kind == kKind);
  }
}

TEST_CASE("who does not answer in time is named", "[inquiries]") {
  Asking c(6);
  const auto all = c.answer;
  c.nodes[3].stopped = true;
  c.ask(4, seconds{2});
  c.run(milliseconds{1900});
  CHECK(c.inquired().empty());
  c.run(milliseconds{200});
  REQUIRE(c.inquired().size() == 1);
  CHECK_FALSE(c.inquired()[0].complete);
  CHECK(c.inquired()[0].missing == std::vector<InstanceId>{instance(3)});
  CHECK(c.inquired()[0].answers.size() == 4);
}

TEST_CASE("questions and answers that are lost are repeated", "[inquiries]") {
  Asking c(8);
  c.loss = 0.3;
  c.ask(1, seconds{20});
  c.run(seconds{20});
  REQUIRE(c.inquired().size() == 1);
  CHECK(c.inquired()[0].complete);
  for (std::uint32_t n = 1; n < 8; ++n) CHECK(c.nodes[n].asked.size() == 1);
}

TEST_CASE("answers of a hundred members come in few frames, large ones too", "[inquiries]") {
  Asking c(100);
  const std::size_t size = GENERATE(as<std::size_t>{}, 100, wire::kAnswerMax);
  c.answer = [size](std::uint32_t, const tree::Asked&) { return Bytes::copy_of(std::string(size, 'a')); };
  std::size_t frames = 0, largest = 0;
  c.watch = [&](std::uint32_t, std::uint32_t, const Frame& frame) {
    if (!std::holds_alternative<frame::Answers>(frame)) return;
    ++frames;
    largest = std::max(largest, wire::head_size(frame));
  };
  c.ask(1);
  c.run(seconds{1});
  REQUIRE(c.inquired().size() == 1);
  CHECK(c.inquired()[0].answers.size() == 99);
  CHECK(largest <= wire::kHeadMax);
  // The ring with its chords is nine hops deep on average: each on its own they would be some 900.
  if (size == 100) CHECK(frames < 600);
}

TEST_CASE("questions that come in a flood are not passed on", "[inquiries]") {
  Single s({}, 2);
  for (std::uint64_t round = 1; round <= 100; ++round) s.receive(1, frame::Ask{instance(50), 1, round, kKind, {}});
  s.drain();
  CHECK(s.to<frame::Ask>() == Peers{2});
  CHECK(s.tree.stats(s.now).rate_limited[RateLimited::ask] == 99);
  for (std::uint64_t number = 2; number < 100; ++number) s.receive(1, frame::Ask{instance(50), number, 1, kKind, {}});
  s.drain();
  CHECK(s.to<frame::Ask>().size() == 7);  // eight of one member
  for (std::uint32_t origin = 100; origin < 400; ++origin) s.receive(1, frame::Ask{instance(origin), 1, 1, kKind, {}});
  s.drain();
  CHECK(s.to<frame::Ask>().size() == 56);
  s.advance(seconds{6});  // what is over makes room
  s.receive(1, frame::Ask{instance(400), 1, 1, kKind, {}});
  s.drain();
  CHECK(s.to<frame::Ask>() == Peers{2});
}

TEST_CASE("answers of strangers, to nobody's question, or given twice do not count", "[inquiries]") {
  Asking c(3);
  c.answer = nullptr;
  Tree& tree = *c.nodes[0].tree;
  const auto come = [&](std::uint64_t number, std::uint32_t member, const char* text) {
    tree.handle_frame(peer(1), frame::Answers{instance(0), number, {{instance(member), Bytes::copy_of(text)}}}, c.now);
  };
  come(1, 2, "early");
  c.ask(1, seconds{1});
  come(1, 77, "stranger");
  come(1, 1, "first");
  come(1, 1, "second");
  come(2, 2, "another question");
  c.run(seconds{2});
  REQUIRE(c.inquired().size() == 1);
  REQUIRE(c.inquired()[0].answers.size() == 1);
  CHECK(c.inquired()[0].answers[0].text.text() == "first");
}

TEST_CASE("alone there is nobody to ask, and there is a limit to what is asked at once", "[inquiries]") {
  Cluster c(1);
  c.members();
  c.nodes[0].tree->ask(1, kKind, {}, seconds{5}, c.now);
  c.drain(0);
  REQUIRE(c.nodes[0].inquired.size() == 1);
  CHECK(c.nodes[0].inquired[0].complete);

  Asking many(3);
  many.answer = nullptr;
  for (std::uint64_t n = 1; n <= 20; ++n) many.ask(n);
  REQUIRE(many.inquired().size() == 4);
  CHECK_FALSE(many.inquired()[0].complete);
  CHECK(many.inquired()[0].missing.size() == 2);
}

TEST_CASE("a node tells the way of a message as long as it holds it", "[inquiries]") {
  Asking c(8);
  const Sequence sequence = c.publish(0, "x", "t");
  c.drain(0);
  c.run(seconds{1});
  const MessageId id{instance(0), sequence};
  CHECK(c.nodes[0].tree->path(id).hops == 0);
  CHECK_FALSE(c.nodes[0].tree->path(id).from);
  for (std::uint32_t n = 1; n < 8; ++n) {
    const PathInfo path = c.nodes[n].tree->path(id);
    REQUIRE(path.state == PathInfo::State::held);
    CHECK(path.delivered);
    REQUIRE(path.from);
    const auto before = c.nodes[static_cast<std::uint32_t>(*path.from)].tree->path(id);
    CHECK(path.hops == before.hops + 1);
    CHECK(std::find(before.sent.begin(), before.sent.end(), peer(n)) != before.sent.end());
  }
  CHECK(c.nodes[1].tree->path({instance(0), sequence + 1}).state == PathInfo::State::unknown);
  CHECK(c.nodes[1].tree->path({instance(99), 1}).state == PathInfo::State::unknown);
}
