#include <catch2/catch.hpp>

#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

constexpr std::uint64_t kPart = frame::kPartSize;

/// The gossips of a large payload of member 50.
std::vector<frame::Gossip> cut(const std::string& text, Sequence first = 1) {
  frame::Part about;
  about.size = about.encoded_size = text.size();
  std::vector<frame::Gossip> parts;
  std::string sums;
  for (about.index = 0; about.index < about.parts(); ++about.index) {
    frame::Gossip g = gossip(first + about.index);
    g.part = about;
    g.payload = Bytes::copy_of(std::string_view{text}.substr(about.offset(), about.bytes()));
    const auto sum = sum_up(g.payload.view());
    sums += as_text(BytesView{sum});
    parts.push_back(std::move(g));
  }
  for (auto& part : parts) part.part->checksum = sum_up(as_bytes(sums));
  return parts;
}
TreeConfig roomy() {
  TreeConfig config;
  config.max_message_size = 64 << 20;
  return config;
}
TopicConfigs on_t(TopicConfig policy) { return {{"t", policy}}; }
std::size_t lost_parts(const Single& s, LossReason reason) {
  std::size_t count = 0;
  for (const auto& lost : s.lost) count += lost.reason == reason ? lost.range.last - lost.range.first + 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("parts in any order are one message, delivered once and byte for byte", "[parts]") {
  Rng rng{7};
  for (int round = 0; round < 20; ++round) {
    const std::string text = varied(1 + kPart * (1 + rng.below(9)) + rng.below(kPart - 1), static_cast<std::uint64_t>(round));
    auto parts = cut(text);
    for (std::size_t i = parts.size(); i-- > 1;) std::swap(parts[i], parts[rng.below(i + 1)]);
    Single s(roomy());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      s.drain();
      REQUIRE(s.messages.empty());
      s.receive(1 + static_cast<std::uint32_t>(rng.below(3)), parts[i]);
      if (i + 1 < parts.size()) CHECK(s.tree.large(s.now).size() == 1);
      if (rng.chance(0.3)) s.receive(2, parts[i]);  // again
    }
    s.drain();
    REQUIRE(s.messages.size() == 1);
    CHECK(s.messages[0].id == MessageId{instance(50), 1});
    CHECK(s.messages[0].parts == parts.size());
    CHECK(s.messages[0].payload.text() == text);
    CHECK(s.tree.large(s.now).empty());
    CHECK(s.tree.stats(s.now).large_completed == 1);
    CHECK(s.tree.stats(s.now).large_parts == parts.size());
    CHECK(s.tree.stats(s.now).delivered == 1);
    CHECK(s.lost.empty());
  }
}

TEST_CASE("a part is passed on before the others are here", "[parts]") {
  Single s(roomy());
  const auto parts = cut(varied(3 * kPart));
  s.receive(1, parts[2]);
  s.drain();
  const auto sent = s.first<frame::Gossip>();
  CHECK(sent.part == parts[2].part);
  CHECK(sent.payload == parts[2].payload);
  CHECK(sent.id == parts[2].id);
  CHECK(s.to<frame::Gossip>() == Peers{2, 3});
}

TEST_CASE("everything is in memory once: what is stored lies in the block that is delivered", "[parts]") {
  Single s(roomy());
  for (const auto& part : cut(varied(2 * kPart + 5))) s.receive(1, part);
  s.drain();
  const std::byte* block = s.messages.at(0).payload.data();
  s.receive(2, frame::Graft{TreeId{0}, false, {{instance(50), {{2, 3}}}}});
  s.drain();
  std::vector<const std::byte*> places;
  for (const auto& [who, frame] : s.sent) {
    if (const auto* g = std::get_if<frame::Gossip>(&frame)) places.push_back(g->payload.data());
  }
  s.receive(3, frame::Pull{{{instance(50), {{1, 3}}}}});
  s.drain();
  for (const auto& [who, frame] : s.sent) {
    if (const auto* g = std::get_if<frame::Gossip>(&frame)) places.push_back(g->payload.data());
  }
  REQUIRE(places.size() >= 3);
  for (const std::byte* place : places) CHECK((place - block) % static_cast<std::ptrdiff_t>(kPart) == 0);
  CHECK(s.tree.stats(s.now).store_bytes == 2 * kPart + 5);
  CHECK(s.tree.held({instance(50), 1})->payload.bytes.data() == block);
  CHECK(s.tree.held({instance(50), 1})->parts == 3);
  CHECK(s.tree.held_ids(false) == std::vector<MessageId>{{instance(50), 1}});
}

TEST_CASE("the position has all of a large message or nothing", "[parts]") {
  Single s(roomy());
  const auto parts = cut(varied(3 * kPart), 2);
  s.receive(1, gossip(1));
  s.receive(1, parts[0]);
  s.receive(1, parts[1]);
  s.drain();
  CHECK(s.tree.position().origins().at(instance(50)).list() == std::vector<SequenceRange>{{1, 1}});
  s.receive(1, parts[2]);
  CHECK(s.tree.position().origins().at(instance(50)).list() == std::vector<SequenceRange>{{1, 1}});
  s.drain();
  CHECK(s.tree.position().origins().at(instance(50)).list() == std::vector<SequenceRange>{{1, 4}});
}

TEST_CASE("in fifo order small messages wait for the large one before them", "[parts]") {
  TopicConfig fifo;
  fifo.order = Order::fifo;
  Single s(roomy(), 3, on_t(fifo));
  const auto parts = cut(varied(3 * kPart), 2);
  s.receive(1, parts[1]);
  s.receive(1, gossip(5));
  s.receive(1, parts[0]);
  s.receive(1, gossip(1));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
  s.receive(1, gossip(6));
  s.receive(1, parts[2]);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2, 5, 6});
}

TEST_CASE("a large message waits in order for what is missing before it", "[parts]") {
  TopicConfig fifo;
  fifo.order = Order::fifo;
  Single s(roomy(), 3, on_t(fifo));
  for (const auto& part : cut(varied(3 * kPart), 2)) s.receive(1, part);
  s.drain();
  CHECK(s.delivered.empty());
  CHECK(s.tree.stats(s.now).held_back == 3);
  s.receive(1, gossip(1));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2});
}

TEST_CASE("while delivery is paused a large message waits whole", "[parts]") {
  Single s(roomy());
  s.tree.pause_delivery(true, s.now);
  for (const auto& part : cut(varied(3 * kPart))) s.receive(1, part);
  s.receive(1, gossip(4));
  s.drain();
  CHECK(s.delivered.empty());
  s.tree.pause_delivery(false, s.now);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 4});
}

TEST_CASE("a validator judges the whole, and nothing is passed on before", "[parts]") {
  const Verdict verdict = GENERATE(Verdict::accept, Verdict::ignore, Verdict::reject);
  Single s(roomy(), 3, on_t({}));
  s.tree.validate("t");
  const std::string text = varied(3 * kPart);
  for (const auto& part : cut(text)) s.receive(1, part);
  s.drain();
  CHECK(s.to<frame::Gossip>().empty());
  REQUIRE(s.judged.size() == 1);
  CHECK(s.judged[0].payload.text() == text);
  s.tree.judged({instance(50), 1}, verdict, s.now);
  s.drain();
  const bool accepted = verdict == Verdict::accept;
  CHECK(s.to<frame::Gossip>().size() == (accepted ? 6 : 0));
  CHECK(s.messages.size() == (accepted ? 1 : 0));
  CHECK(s.tree.stats(s.now).store_messages == (accepted ? 3 : 0));
}

TEST_CASE("a part that contradicts the others is refused and harms nothing", "[parts]") {
  Single s(roomy());
  const std::string text = varied(4 * kPart);
  const auto parts = cut(text, 2);
  s.receive(1, parts[0]);
  auto larger = parts[1];
  larger.part->size = larger.part->encoded_size = 5 * kPart;
  s.receive(2, larger);
  auto other_sum = parts[1];
  other_sum.part->checksum[0] ^= std::byte{1};
  s.receive(2, other_sum);
  auto shifted = cut(text, 3)[1];  // overlaps
  s.receive(2, shifted);
  auto before = cut(varied(2 * kPart), 1)[0];
  s.receive(2, before);
  s.receive(2, gossip(3));  // a whole message in the middle
  auto renamed = parts[1];
  renamed.topic = "u";
  s.receive(2, renamed);
  s.drain();
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::part_mismatch] == 6);
  for (std::size_t i = 1; i < 4; ++i) s.receive(1, parts[i]);
  s.drain();
  REQUIRE(s.messages.size() == 1);
  CHECK(s.messages[0].payload.text() == text);
}

TEST_CASE("parts over what is there already are refused", "[parts]") {
  Single s(roomy());
  s.receive(1, gossip(3));
  s.receive(1, cut(varied(4 * kPart), 2)[0]);
  s.drain();
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::part_mismatch] == 1);
  CHECK(s.tree.large(s.now).empty());
}

TEST_CASE("damaged parts make a message that is reported, not delivered", "[parts]") {
  Single s(roomy());
  auto parts = cut(varied(3 * kPart));
  std::string damaged{parts[1].payload.text()};
  damaged[1000] ^= 1;
  parts[1].payload = Bytes::copy_of(damaged);
  for (const auto& part : parts) s.receive(1, part);
  s.drain();
  CHECK(s.messages.empty());
  REQUIRE(s.lost.size() == 1);
  CHECK(s.lost[0].range == SequenceRange{1, 3});
  CHECK(s.lost[0].reason == LossReason::corrupt);
  CHECK(s.tree.stats(s.now).store_messages == 0);
}

TEST_CASE("parts in each other's places make no message", "[parts]") {
  Single s(roomy());
  auto parts = cut(varied(3 * kPart));
  std::swap(parts[0].payload, parts[1].payload);
  for (const auto& part : parts) s.receive(1, part);
  s.drain();
  CHECK(s.messages.empty());
  CHECK(lost_parts(s, LossReason::corrupt) == 3);
}

TEST_CASE("a part that leaves the store ends its message, reported once", "[parts]") {
  TreeConfig config = roomy();
  config.message_cache_max_bytes = 6 * kPart;
  config.sync_max_bytes = 6 * kPart;
  Single s(config);
  const auto parts = cut(varied(4 * kPart));
  s.receive(1, parts[1]);
  s.receive(1, parts[3]);
  for (Sequence i = 10; i < 20; ++i) {
    auto other = gossip(i);
    other.payload = Bytes::copy_of(varied(kPart));
    s.receive(1, other);
  }
  s.drain();
  REQUIRE(s.lost.size() == 1);
  CHECK(s.lost[0].range == SequenceRange{1, 4});
  CHECK(s.lost[0].reason == LossReason::incomplete);
  CHECK(s.tree.stats(s.now).lost[Loss::incomplete] == 4);
  CHECK(s.tree.large(s.now).empty());
  s.receive(1, parts[0]);  // too late
  s.receive(1, parts[2]);
  s.drain();
  CHECK(s.lost.size() == 1);
  CHECK(s.delivered.size() == 10);
}

TEST_CASE("what cannot be repaired of a large message is the whole of it, reported once", "[parts]") {
  TreeConfig config = roomy();
  config.sync_window = seconds{60};
  Single s(config);
  const auto parts = cut(varied(4 * kPart));
  s.receive(1, gossip(7));
  s.advance(seconds{50});
  s.receive(1, parts[0]);
  s.receive(1, parts[2]);
  s.advance(seconds{20});
  s.drain();
  std::vector<SequenceRange> ranges;
  for (const auto& lost : s.lost) ranges.push_back(lost.range);
  CHECK(ranges == std::vector<SequenceRange>{{1, 4}, {5, 6}});
  CHECK(s.tree.stats(s.now).lost[Loss::expired] == 6);
  CHECK(s.tree.origins().at(1).missing == 0);
}

TEST_CASE("more payloads at once than the store could hold are refused until there is room", "[parts]") {
  TreeConfig config = roomy();
  config.sync_max_bytes = 10 * kPart;
  config.message_cache_max_bytes = 10 * kPart;
  Single s(config);
  const auto a = cut(varied(6 * kPart), 1), b = cut(varied(6 * kPart, 2), 7);
  s.receive(1, a[0]);
  s.receive(1, b[0]);
  s.drain();
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::part_limit] == 1);
  CHECK(s.tree.large(s.now).size() == 1);
  for (std::size_t i = 1; i < 6; ++i) s.receive(1, a[i]);
  for (const auto& part : b) s.receive(1, part);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 7});
}

TEST_CASE("a large message above its topic's size is passed on, and reported once", "[parts]") {
  TopicConfig small;
  small.max_size = 2 * kPart;
  Single s(roomy(), 3, on_t(small));
  for (const auto& part : cut(varied(3 * kPart))) s.receive(1, part);
  s.drain();
  CHECK(s.messages.empty());
  CHECK(lost_parts(s, LossReason::too_large) == 3);
  CHECK(s.lost.size() == 1);
  CHECK(s.to<frame::Gossip>().size() == 6);
  CHECK(s.tree.large(s.now).empty());
}

TEST_CASE("a joiner passes on the rest of a message that began before it, and says nothing of it", "[parts]") {
  Cluster c(2, roomy());
  c.members();
  c.link(0, 1);
  c.run(seconds{2});
  const auto n = c.add(roomy(), false);
  // Node 0 knows the first two of four parts.
  const auto parts = cut(varied(4 * kPart));
  for (int i = 0; i < 2; ++i) c.nodes[0].tree->handle_frame(peer(1), parts[static_cast<std::size_t>(i)], c.now);
  c.drain(0);
  c.run(seconds{1});
  c.link(n, 0);
  c.run(seconds{2});
  REQUIRE(c.nodes[n].tree->synced());
  for (int i = 2; i < 4; ++i) c.nodes[0].tree->handle_frame(peer(1), parts[static_cast<std::size_t>(i)], c.now);
  c.drain(0);
  c.run(seconds{20});
  CHECK(c.nodes[0].messages.size() == 1);
  CHECK(c.nodes[n].messages.empty());
  CHECK(c.nodes[n].lost.empty());
  CHECK(c.nodes[n].tree->large(c.now).empty());
  CHECK(c.nodes[n].tree->stats(c.now).store_messages == 2);
}

TEST_CASE("a large message of a member's earlier run is passed on, not put together", "[parts]") {
  Tree tree(roomy(), instance(0), "n0", Rng{1}, LogLevel::debug, {}, {sum_up, {}});
  const Timestamp now = at(Duration{0});
  tree.start_from({TreeStart::Mode::now, {}, {instance(50)}}, now);
  tree.start_alone(now);
  tree.peer_up(peer(1), {instance(1), "n1", milliseconds{1}}, now);
  for (const auto& part : cut(varied(2 * kPart))) tree.handle_frame(peer(1), part, now);
  bool delivered = false;
  while (auto output = tree.poll_output()) delivered = delivered || std::holds_alternative<tree::Deliver>(*output);
  CHECK_FALSE(delivered);
  CHECK(tree.large(now).empty());
  CHECK(tree.stats(now).store_messages == 2);
}

TEST_CASE("progress is told in steps, and shown", "[parts]") {
  Single s(roomy());
  const auto parts = cut(varied(32 * kPart));  // 4 MiB
  for (std::size_t i = 0; i < 20; ++i) s.receive(1, parts[i]);
  s.drain();
  REQUIRE(s.progressed.size() == 2);
  CHECK(s.progressed[1].bytes == 16 * kPart);
  CHECK(s.progressed[1].size == 32 * kPart);
  CHECK(s.progressed[1].origin == "n50");
  CHECK(s.progressed[1].topic == "t");
  CHECK(s.progressed[1].id == MessageId{instance(50), 1});
  s.advance(seconds{1});
  const auto large = s.tree.large(s.now);
  REQUIRE(large.size() == 1);
  CHECK(large[0].parts_here == 20);
  CHECK(large[0].parts == 32);
  CHECK(large[0].bytes_here == 20 * kPart);
  CHECK(large[0].age_s == 1);
  CHECK(s.tree.stats(s.now).large_partial == 1);
  CHECK(s.tree.stats(s.now).large_partial_bytes == 20 * kPart);
  for (std::size_t i = 20; i < 32; ++i) s.receive(1, parts[i]);
  s.drain();
  CHECK(s.progressed.size() == 3);
  CHECK(s.tree.stats(s.now).large_partial == 0);
}

TEST_CASE("who sends parts again is told at once of those that come", "[parts]") {
  Single s(roomy());
  const auto parts = cut(varied(8 * kPart));
  s.receive(1, parts[0]);
  s.drain();
  CHECK(s.to<frame::IHave>().empty());
  s.receive(2, parts[0]);
  s.receive(1, parts[1]);
  s.drain();
  CHECK(s.to<frame::IHave>() == Peers{2});
  CHECK(s.tree.stats(s.now).large_hints == 1);
  s.advance(seconds{2});
  s.drain();
  s.receive(1, parts[2]);
  s.drain();
  CHECK(s.to<frame::IHave>().empty());
}

TEST_CASE("a part on its way to who has it meanwhile is called back", "[parts]") {
  Single s(roomy());
  const auto parts = cut(varied(8 * kPart));
  s.receive(1, parts[0]);
  s.receive(1, parts[1]);
  s.receive(2, frame::IHave{TreeId{0}, {{instance(50), {{1, 2}}}}, Round{0}});
  s.drain();
  CHECK(s.recalled == std::vector<std::pair<std::uint32_t, Sequence>>{{2, 1}, {2, 2}});
}

TEST_CASE("parts go one lane below their topic", "[parts]") {
  Single s(roomy());
  s.tree.publish(1, "t", Bytes::copy_of(varied(2 * kPart)), false, s.now);
  s.tree.publish(3, "t", Bytes::copy_of("small"), false, s.now);
  std::vector<Priority> lanes;
  while (auto output = s.tree.poll_output()) {
    const auto* send = std::get_if<tree::Send>(&*output);
    if (send != nullptr && std::holds_alternative<frame::Gossip>(send->frame)) lanes.push_back(send->priority);
  }
  CHECK(lanes == std::vector{Priority::low, Priority::low, Priority::normal});
}

TEST_CASE("the parts of a published payload are slices of it, and it counts as one message", "[parts]") {
  Single s(roomy());
  const Bytes payload = Bytes::copy_of(varied(3 * kPart + 1));
  s.tree.publish(1, "t", payload, true, s.now);
  s.drain();
  REQUIRE(s.messages.size() == 1);
  CHECK(s.messages[0].payload.data() == payload.data());
  CHECK(s.messages[0].parts == 4);
  CHECK(s.first<frame::Gossip>().payload.data() == payload.data());
  CHECK(s.tree.stats(s.now).broadcast == 1);
  CHECK(s.tree.topics().at(0).published == 1);
  s.tree.publish(5, "t", Bytes::copy_of("next"), true, s.now);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 5});
}

TEST_CASE("many announced parts are pulled from several neighbours", "[parts]") {
  Single s(roomy());
  for (std::uint32_t i = 1; i <= 3; ++i) s.receive(i, frame::IHave{TreeId{0}, {{instance(50), {{1, 30}}}}, Round{0}});
  s.advance(seconds{1});
  s.drain();
  std::map<std::uint32_t, std::uint64_t> asked;
  for (const auto& [who, frame] : s.sent) {
    const auto* graft = std::get_if<frame::Graft>(&frame);
    if (graft == nullptr) continue;
    for (const auto& ids : graft->ids) {
      for (const auto& range : ids.ranges) asked[who] += range.last - range.first + 1;
    }
  }
  CHECK(asked.size() == 3);
  for (const auto& [who, count] : asked) CHECK(count >= 8);
}

TEST_CASE("a backlog of one origin does not keep the others waiting", "[parts]") {
  Single s(roomy(), 2);
  s.tree.set_credit(peer(2), 0, s.now);
  for (Sequence i = 1; i <= 20; ++i) {
    auto g = gossip(i);
    g.payload = Bytes::copy_of(varied(64 << 10));
    s.receive(1, g);
  }
  auto other = gossip(1);
  other.id.origin = instance(60);
  s.receive(1, other);
  s.drain();
  CHECK(s.to<frame::Gossip>().empty());
  s.tree.set_credit(peer(2), 300 << 10, s.now);
  s.drain();
  std::vector<InstanceId> origins;
  for (const auto& [who, frame] : s.sent) {
    if (const auto* g = std::get_if<frame::Gossip>(&frame)) origins.push_back(g->id.origin);
  }
  REQUIRE(origins.size() >= 3);
  CHECK(origins[1] == instance(60));
}

TEST_CASE("large payloads come through a tree with loss and a node that dies, in order with small ones", "[parts]") {
  TopicConfig fifo;
  fifo.order = Order::fifo;
  TreeConfig config = roomy();
  config.sync_interval = seconds{1};
  Cluster c(8, config, 3, on_t(fifo));
  c.members();
  c.ring(3);
  c.run(seconds{5});
  std::vector<std::string> texts;
  Rng rng{5};
  c.drop = [&](std::uint32_t, std::uint32_t, const Frame& frame) { return std::holds_alternative<frame::Gossip>(frame) && rng.chance(0.05); };
  for (int i = 0; i < 30; ++i) {
    texts.push_back(varied(i % 3 == 0 ? 700'000 : 50, static_cast<std::uint64_t>(i)));
    c.publish(0, texts.back(), "t");
    c.run(milliseconds{20});
    if (i == 10) c.crash(3);
  }
  c.run(seconds{60});
  for (std::uint32_t n = 1; n < 8; ++n) {
    if (n == 3) continue;
    INFO("node " << n);
    CHECK(c.nodes[n].lost.empty());
    REQUIRE(c.nodes[n].messages.size() == texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) CHECK((c.nodes[n].messages[i].payload.text() == texts[i]));
  }
}
