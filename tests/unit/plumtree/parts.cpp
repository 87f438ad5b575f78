#include <catch2/catch.hpp>

#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

constexpr std::uint64_t kPart = frame::kPartSize;

/// A large payload of member 50: the message, and its parts from the sequence `first` on.
struct Large {
  frame::Gossip message;
  std::vector<frame::Gossip> parts;
  std::vector<frame::Gossip> all() const {
    std::vector<frame::Gossip> out{message};
    out.insert(out.end(), parts.begin(), parts.end());
    return out;
  }
};
Large cut(const std::string& text, Sequence sequence = 1, Sequence first = 1) {
  Large large{gossip(sequence), {}};
  frame::About about;
  about.size = about.encoded_size = text.size();
  about.first = first;
  std::string sums;
  for (Sequence part = first; part <= about.range().last; ++part) {
    frame::Gossip g = gossip(part);
    g.id.origin = frame::parts_origin(instance(50));
    g.payload = Bytes::copy_of(std::string_view{text}.substr(about.offset_of(part), about.bytes_of(part)));
    const auto sum = sum_up(g.payload.view());
    sums += as_text(BytesView{sum});
    large.parts.push_back(std::move(g));
  }
  about.checksum = sum_up(as_bytes(sums));
  large.message.about = about;
  large.message.payload = {};
  return large;
}
const InstanceId kParts = frame::parts_origin(instance(50));
TreeConfig roomy() {
  TreeConfig config;
  config.max_message_size = 64 << 20;
  return config;
}
TopicConfigs on_t(TopicConfig policy) { return {{"t", policy}}; }
/// The only loss that was reported.
bool lost_once(const Single& s, SequenceRange range, LossReason reason) {
  return s.lost.size() == 1 && s.lost[0].origin == instance(50) && s.lost[0].range == range && s.lost[0].reason == reason;
}

}  // namespace

TEST_CASE("message and parts in any order are one message, delivered once and byte for byte", "[parts]") {
  Rng rng{7};
  for (int round = 0; round < 20; ++round) {
    const std::string text = varied(1 + kPart * (1 + rng.below(9)) + rng.below(kPart - 1), static_cast<std::uint64_t>(round));
    auto frames = cut(text).all();
    for (std::size_t i = frames.size(); i-- > 1;) std::swap(frames[i], frames[rng.below(i + 1)]);
    Single s(roomy());
    bool begun = false;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      s.drain();
      REQUIRE(s.messages.empty());
      s.receive(1 + static_cast<std::uint32_t>(rng.below(3)), frames[i]);
      begun = begun || frames[i].about;
      if (i + 1 < frames.size()) CHECK(s.tree.large(s.now).size() == (begun ? 1 : 0));
      if (rng.chance(0.3)) s.receive(2, frames[i]);  // again
    }
    s.drain();
    REQUIRE(s.messages.size() == 1);
    CHECK(s.messages[0].id == MessageId{instance(50), 1});
    CHECK(s.messages[0].payload.text() == text);
    CHECK(s.tree.large(s.now).empty());
    CHECK(s.tree.stats(s.now).large_completed == 1);
    CHECK(s.tree.stats(s.now).large_parts == frames.size() - 1);
    CHECK(s.tree.stats(s.now).delivered == 1);
    CHECK(s.tree.stats(s.now).seen_origins == 2);
    CHECK(s.lost.empty());
  }
}

TEST_CASE("a part is passed on before its message and the others are here, and so is the message", "[parts]") {
  Single s(roomy());
  const auto large = cut(varied(3 * kPart));
  s.receive(1, large.parts[2]);
  s.drain();
  auto sent = s.first<frame::Gossip>();
  CHECK(sent.payload == large.parts[2].payload);
  CHECK(sent.id == large.parts[2].id);
  CHECK(s.to<frame::Gossip>() == Peers{2, 3});
  s.receive(1, large.message);
  s.drain();
  sent = s.first<frame::Gossip>();
  CHECK(sent.about == large.message.about);
  CHECK(sent.payload.empty());
  CHECK(sent.id == large.message.id);
  CHECK(s.to<frame::Gossip>() == Peers{2, 3});
}

TEST_CASE("everything is in memory once: what is stored lies in the block that is delivered", "[parts]") {
  Single s(roomy());
  const auto large = cut(varied(2 * kPart + 5));
  s.receive(1, large.parts[1]);
  s.receive(1, large.message);
  s.receive(1, large.parts[0]);
  s.receive(1, large.parts[2]);
  s.drain();
  const std::byte* block = s.messages.at(0).payload.data();
  std::vector<const std::byte*> places;
  s.receive(3, frame::Pull{{{kParts, {{1, 3}}}}});
  s.drain();
  for (const auto& [who, frame] : s.sent) {
    if (const auto* g = std::get_if<frame::Gossip>(&frame)) places.push_back(g->payload.data());
  }
  CHECK(places == std::vector{block, block + kPart, block + 2 * kPart});
  CHECK(s.tree.stats(s.now).store_bytes == 2 * kPart + 5);
  CHECK(s.tree.held({instance(50), 1})->payload.bytes.data() == block);
  CHECK(s.tree.held_ids(false) == std::vector<MessageId>{{instance(50), 1}});
}

TEST_CASE("the position has a large message once it was delivered, and never its parts", "[parts]") {
  Single s(roomy());
  const auto large = cut(varied(3 * kPart), 2);
  s.receive(1, gossip(1));
  s.receive(1, large.message);
  s.receive(1, large.parts[0]);
  s.receive(1, large.parts[1]);
  s.drain();
  const auto has = [&] { return s.tree.position().origins().at(instance(50)).list(); };
  CHECK(has() == std::vector<SequenceRange>{{1, 1}});
  CHECK(s.tree.origins().at(1).highest == 2);
  CHECK(s.tree.origins().at(1).delivered == 1);
  CHECK(s.tree.origins().at(1).missing == 1);
  CHECK(s.tree.stats(s.now).missing_messages == 1);
  s.receive(1, large.parts[2]);
  CHECK(has() == std::vector<SequenceRange>{{1, 1}});
  s.drain();
  CHECK(has() == std::vector<SequenceRange>{{1, 2}});
  CHECK(s.tree.position().origins().size() == 1);
  CHECK(s.tree.origins().size() == 2);
  CHECK(s.tree.origins().at(1).missing == 0);
}

TEST_CASE("in fifo order small messages wait for the large one before them", "[parts]") {
  TopicConfig fifo;
  fifo.order = Order::fifo;
  Single s(roomy(), 3, on_t(fifo));
  const auto large = cut(varied(3 * kPart), 2);
  s.receive(1, large.parts[1]);
  s.receive(1, large.message);
  s.receive(1, gossip(3));
  s.receive(1, large.parts[0]);
  s.receive(1, gossip(1));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
  s.receive(1, gossip(4));
  s.receive(1, large.parts[2]);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2, 3, 4});
}

TEST_CASE("a large message waits in order for what is missing before it", "[parts]") {
  TopicConfig fifo;
  fifo.order = Order::fifo;
  Single s(roomy(), 3, on_t(fifo));
  for (const auto& frame : cut(varied(3 * kPart), 2).all()) s.receive(1, frame);
  s.drain();
  CHECK(s.delivered.empty());
  CHECK(s.tree.stats(s.now).held_back == 1);
  s.receive(1, gossip(1));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2});
}

TEST_CASE("while delivery is paused a large message waits whole", "[parts]") {
  Single s(roomy());
  s.tree.pause_delivery(true, s.now);
  for (const auto& frame : cut(varied(3 * kPart)).all()) s.receive(1, frame);
  s.receive(1, gossip(2));
  s.drain();
  CHECK(s.delivered.empty());
  s.tree.pause_delivery(false, s.now);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2});
}

TEST_CASE("a validator judges the whole, and nothing is passed on before", "[parts]") {
  const Verdict verdict = GENERATE(Verdict::accept, Verdict::ignore, Verdict::reject);
  Single s(roomy(), 3, on_t({}));
  s.tree.validate("t");
  const std::string text = varied(3 * kPart);
  const auto large = cut(text);
  s.receive(1, large.parts[0]);
  s.receive(1, large.message);
  s.receive(1, large.parts[2]);
  s.drain();
  CHECK(s.judged.empty());
  s.receive(1, large.parts[1]);
  s.drain();
  CHECK(s.to<frame::Gossip>().empty());
  REQUIRE(s.judged.size() == 1);
  CHECK(s.judged[0].payload.text() == text);
  s.tree.judged({instance(50), 1}, verdict, s.now);
  s.drain();
  const bool accepted = verdict == Verdict::accept;
  CHECK(s.to<frame::Gossip>().size() == (accepted ? 8 : 0));
  CHECK(s.messages.size() == (accepted ? 1 : 0));
  CHECK(s.tree.stats(s.now).store_messages == (accepted ? 4 : 0));
}

TEST_CASE("what is too large to be judged here is left to others, parts that came first included", "[parts]") {
  TopicConfig small;
  small.max_size = 2 * kPart;
  Single s(roomy(), 3, on_t(small));
  s.tree.validate("t");
  const auto large = cut(varied(3 * kPart));
  s.receive(1, large.parts[0]);
  s.drain();
  CHECK(s.to<frame::Gossip>().empty());
  s.receive(1, large.message);
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2, 3, 2, 3});
  s.receive(1, large.parts[1]);
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2, 3});
  CHECK(s.judged.empty());
  CHECK(lost_once(s, {1, 1}, LossReason::too_large));
}

TEST_CASE("what contradicts a message under way is refused and harms nothing", "[parts]") {
  Single s(roomy());
  const std::string text = varied(4 * kPart);
  const auto large = cut(text, 2, 3);
  s.receive(1, large.message);
  auto shorter = large.parts[1];
  shorter.payload = shorter.payload.slice(0, 100);
  s.receive(2, shorter);
  auto renamed = large.parts[1];
  renamed.topic = "u";
  s.receive(2, renamed);
  s.receive(2, cut(text, 3, 5).message);  // claims parts of the first one
  s.receive(2, cut(varied(3 * kPart), 4, 1).message);
  s.drain();
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::part_mismatch] == 4);
  CHECK(s.tree.origins().at(1).highest == 2);
  for (const auto& part : large.parts) s.receive(1, part);
  s.drain();
  REQUIRE(s.messages.size() == 1);
  CHECK(s.messages[0].payload.text() == text);
}

TEST_CASE("a part that came before its message and does not fit it is asked for again", "[parts]") {
  Single s(roomy());
  const std::string text = varied(3 * kPart);
  const auto large = cut(text);
  auto wrong = large.parts[1];
  wrong.payload = Bytes::copy_of("forged");
  s.receive(2, wrong);
  for (const auto& frame : {large.message, large.parts[0], large.parts[2]}) s.receive(1, frame);
  s.drain();
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::part_mismatch] == 1);
  CHECK(s.messages.empty());
  const auto pull = s.first<frame::Pull>();
  CHECK(pull.ids == std::vector<frame::OriginRanges>{{kParts, {{2, 2}}}});
  s.receive(1, large.parts[1]);
  s.drain();
  REQUIRE(s.messages.size() == 1);
  CHECK(s.messages[0].payload.text() == text);
}

TEST_CASE("a message whose parts lie before our start asks for them", "[parts]") {
  TreeStart start;
  start.mode = TreeStart::Mode::cursor;
  start.had.add(instance(50), {1, 1});
  Single s(roomy(), 0);
  Tree tree(roomy(), instance(0), "n0", Rng{1}, LogLevel::debug, {}, {sum_up, {}});
  Timestamp now = at(Duration{0});
  tree.start_from(start, now);
  tree.peer_up(peer(1), {instance(1), "n1", milliseconds{1}}, now);
  const std::string text = varied(3 * kPart);
  const auto large = cut(text, 2, 11);
  frame::Digest digest;
  digest.first = digest.synced = true;
  digest.entries = {{instance(50), "n50", 2, 0, {}}, {kParts, "n50", 13, 0, {}}};
  tree.handle_frame(peer(1), digest, now);
  REQUIRE(tree.synced());
  std::vector<frame::OriginRanges> pulled;
  std::vector<std::string> delivered;
  const auto drain = [&] {
    while (auto output = tree.poll_output()) {
      if (const auto* send = std::get_if<tree::Send>(&*output)) {
        if (const auto* pull = std::get_if<frame::Pull>(&send->frame)) pulled.insert(pulled.end(), pull->ids.begin(), pull->ids.end());
      } else if (const auto* message = std::get_if<tree::Deliver>(&*output)) {
        delivered.emplace_back(message->payload.text());
      }
    }
    CHECK(tree.check_invariants() == std::vector<std::string>{});
  };
  const auto wait = [&] {
    for (const Timestamp end = now + seconds{1}; tree.next_timeout() <= end;) {
      now = std::max(now, tree.next_timeout());
      tree.handle_timeout(now);
    }
    drain();
  };
  wait();
  CHECK(pulled == std::vector<frame::OriginRanges>{{instance(50), {{2, 2}}}});
  pulled.clear();
  auto message = large.message;
  message.pulled = true;
  tree.handle_frame(peer(1), message, now);
  wait();
  CHECK(pulled == std::vector<frame::OriginRanges>{{kParts, {{11, 13}}}});
  for (auto part : large.parts) {
    part.pulled = true;
    tree.handle_frame(peer(1), part, now);
  }
  drain();
  CHECK(delivered == std::vector{text});
}

TEST_CASE("damaged parts make a message that is reported, not delivered", "[parts]") {
  Single s(roomy());
  auto large = cut(varied(3 * kPart));
  std::string damaged{large.parts[1].payload.text()};
  damaged[1000] ^= 1;
  large.parts[1].payload = Bytes::copy_of(damaged);
  for (const auto& frame : large.all()) s.receive(1, frame);
  s.drain();
  CHECK(s.messages.empty());
  CHECK(lost_once(s, {1, 1}, LossReason::corrupt));
  CHECK(s.tree.stats(s.now).store_messages == 0);
}

TEST_CASE("parts in each other's places make no message", "[parts]") {
  Single s(roomy());
  auto large = cut(varied(3 * kPart));
  std::swap(large.parts[0].payload, large.parts[1].payload);
  for (const auto& frame : large.all()) s.receive(1, frame);
  s.drain();
  CHECK(s.messages.empty());
  CHECK(lost_once(s, {1, 1}, LossReason::corrupt));
}

TEST_CASE("an encoded payload that is damaged is refused, and comes from somebody else", "[parts]") {
  Single s(roomy());
  frame::Gossip g = gossip(1);
  const auto sum = sum_up(g.payload.view());
  g.about = frame::About{frame::Encoding::lz4, 100, g.payload.size(), 0, sum_up(BytesView{sum})};
  frame::Gossip damaged = g;
  damaged.payload = Bytes::copy_of("payloat");
  s.receive(1, damaged);
  s.drain();
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::malformed] == 1);
  CHECK(s.messages.empty());
  s.receive(2, g);
  s.drain();
  REQUIRE(s.messages.size() == 1);
  CHECK(s.messages[0].encoding == frame::Encoding::lz4);
  CHECK(s.messages[0].size == 100);
}

TEST_CASE("a part that leaves the store ends its message, reported once", "[parts]") {
  TreeConfig config = roomy();
  config.message_cache_max_bytes = 6 * kPart;
  config.sync_max_bytes = 6 * kPart;
  Single s(config);
  const auto large = cut(varied(4 * kPart));
  s.receive(1, large.message);
  s.receive(1, large.parts[1]);
  s.receive(1, large.parts[3]);
  for (Sequence i = 10; i < 20; ++i) {
    auto other = gossip(i);
    other.payload = Bytes::copy_of(varied(kPart));
    s.receive(1, other);
  }
  s.drain();
  CHECK(lost_once(s, {1, 1}, LossReason::incomplete));
  CHECK(s.tree.stats(s.now).lost[Loss::incomplete] == 1);
  CHECK(s.tree.large(s.now).empty());
  s.receive(1, large.parts[0]);  // too late
  s.receive(1, large.parts[2]);
  s.drain();
  CHECK(s.lost.size() == 1);
  CHECK(s.delivered.size() == 10);
}

TEST_CASE("what cannot be repaired of a large message is the whole of it, reported once", "[parts]") {
  TreeConfig config = roomy();
  config.sync_window = seconds{60};
  Single s(config);
  const auto large = cut(varied(4 * kPart));
  s.receive(1, gossip(4));
  s.receive(1, large.message);
  s.receive(1, large.parts[0]);
  s.receive(1, large.parts[2]);
  s.advance(seconds{80});
  s.drain();
  std::vector<SequenceRange> ranges;
  for (const auto& lost : s.lost) ranges.push_back(lost.range);
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  CHECK(ranges == std::vector<SequenceRange>{{1, 1}, {2, 3}});
  CHECK(s.tree.stats(s.now).lost[Loss::expired] + s.tree.stats(s.now).lost[Loss::incomplete] == 3);
  CHECK(s.tree.origins().at(1).missing == 0);
}

TEST_CASE("more payloads at once than the store could hold are refused until there is room", "[parts]") {
  TreeConfig config = roomy();
  config.sync_max_bytes = 10 * kPart;
  config.message_cache_max_bytes = 10 * kPart;
  Single s(config);
  const auto a = cut(varied(6 * kPart), 1), b = cut(varied(6 * kPart, 2), 2, 7);
  s.receive(1, a.message);
  s.receive(1, b.message);
  s.drain();
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::part_limit] == 1);
  CHECK(s.tree.large(s.now).size() == 1);
  for (const auto& part : a.parts) s.receive(1, part);
  for (const auto& frame : b.all()) s.receive(1, frame);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2});
}

TEST_CASE("a large message above its topic's size is passed on, and reported once", "[parts]") {
  TopicConfig small;
  small.max_size = 2 * kPart;
  Single s(roomy(), 3, on_t(small));
  for (const auto& frame : cut(varied(3 * kPart)).all()) s.receive(1, frame);
  s.drain();
  CHECK(s.messages.empty());
  CHECK(lost_once(s, {1, 1}, LossReason::too_large));
  CHECK(s.to<frame::Gossip>().size() == 8);
  CHECK(s.tree.large(s.now).empty());
}

TEST_CASE("a joiner passes on the rest of a message that began before it, and says nothing of it", "[parts]") {
  Cluster c(2, roomy());
  c.members();
  c.link(0, 1);
  c.run(seconds{2});
  const auto n = c.add(roomy(), false);
  // Node 0 knows the message and the first two of four parts.
  const auto large = cut(varied(4 * kPart));
  const auto take = [&](const frame::Gossip& frame) { c.nodes[0].tree->handle_frame(peer(1), frame, c.now); };
  take(large.message);
  take(large.parts[0]);
  take(large.parts[1]);
  c.drain(0);
  c.run(seconds{1});
  c.link(n, 0);
  c.run(seconds{2});
  REQUIRE(c.nodes[n].tree->synced());
  take(large.parts[2]);
  take(large.parts[3]);
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
  for (const auto& frame : cut(varied(2 * kPart)).all()) tree.handle_frame(peer(1), frame, now);
  bool delivered = false;
  while (auto output = tree.poll_output()) delivered = delivered || std::holds_alternative<tree::Deliver>(*output);
  CHECK_FALSE(delivered);
  CHECK(tree.large(now).empty());
  CHECK(tree.stats(now).store_messages == 3);
}

TEST_CASE("progress is told in steps, and shown", "[parts]") {
  Single s(roomy());
  const auto large = cut(varied(32 * kPart), 3);  // 4 MiB
  s.receive(1, large.message);
  for (std::size_t i = 0; i < 20; ++i) s.receive(1, large.parts[i]);
  s.drain();
  REQUIRE(s.progressed.size() == 2);
  CHECK(s.progressed[1].bytes == 16 * kPart);
  CHECK(s.progressed[1].size == 32 * kPart);
  CHECK(s.progressed[1].origin == "n50");
  CHECK(s.progressed[1].topic == "t");
  CHECK(s.progressed[1].id == MessageId{instance(50), 3});
  s.advance(seconds{1});
  const auto under_way = s.tree.large(s.now);
  REQUIRE(under_way.size() == 1);
  CHECK(under_way[0].id == MessageId{instance(50), 3});
  CHECK(under_way[0].parts_here == 20);
  CHECK(under_way[0].parts == 32);
  CHECK(under_way[0].bytes_here == 20 * kPart);
  CHECK(under_way[0].age_s == 1);
  CHECK(s.tree.stats(s.now).large_partial == 1);
  CHECK(s.tree.stats(s.now).large_partial_bytes == 20 * kPart);
  for (std::size_t i = 20; i < 32; ++i) s.receive(1, large.parts[i]);
  s.drain();
  CHECK(s.progressed.size() == 3);
  CHECK(s.tree.stats(s.now).large_partial == 0);
}

TEST_CASE("who sends parts again is told at once of those that come", "[parts]") {
  Single s(roomy());
  const auto parts = cut(varied(8 * kPart)).parts;
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
  const auto parts = cut(varied(8 * kPart)).parts;
  s.receive(1, parts[0]);
  s.receive(1, parts[1]);
  s.receive(2, frame::IHave{TreeId{0}, {{kParts, {{1, 2}}}}, Round{0}});
  s.drain();
  CHECK(s.recalled == std::vector<std::pair<std::uint32_t, Sequence>>{{2, 1}, {2, 2}});
}

TEST_CASE("parts go one lane below their topic", "[parts]") {
  Single s(roomy());
  s.tree.publish(1, "t", Bytes::copy_of(varied(2 * kPart)), false, s.now);
  s.tree.publish(2, "t", Bytes::copy_of("small"), false, s.now);
  std::vector<Priority> lanes;
  while (auto output = s.tree.poll_output()) {
    const auto* send = std::get_if<tree::Send>(&*output);
    if (send != nullptr && std::holds_alternative<frame::Gossip>(send->frame)) lanes.push_back(send->priority);
  }
  CHECK(lanes == std::vector{Priority::normal, Priority::low, Priority::low, Priority::normal});
}

TEST_CASE("the parts of a published payload are slices of it, and it is one message with one sequence", "[parts]") {
  Single s(roomy());
  const Bytes payload = Bytes::copy_of(varied(3 * kPart + 1));
  s.tree.publish(1, "t", payload, true, s.now);
  s.drain();
  REQUIRE(s.messages.size() == 1);
  CHECK(s.messages[0].payload.data() == payload.data());
  std::vector<MessageId> sent;
  std::vector<const std::byte*> places;
  for (const auto& [who, frame] : s.sent) {
    const auto* g = std::get_if<frame::Gossip>(&frame);
    if (g == nullptr || who != 1) continue;
    sent.push_back(g->id);
    if (!g->payload.empty()) places.push_back(g->payload.data());
  }
  const InstanceId parts = frame::parts_origin(instance(0));
  CHECK(sent == std::vector<MessageId>{{instance(0), 1}, {parts, 1}, {parts, 2}, {parts, 3}, {parts, 4}});
  CHECK(places == std::vector{payload.data(), payload.data() + kPart, payload.data() + 2 * kPart, payload.data() + 3 * kPart});
  CHECK(s.tree.stats(s.now).broadcast == 1);
  CHECK(s.tree.topics().at(0).published == 1);
  s.tree.publish(2, "t", Bytes::copy_of("next"), true, s.now);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2});
  s.tree.publish(3, "t", payload, true, s.now);
  s.drain();
  CHECK(s.first<frame::Gossip>().about->first == 5);
}

TEST_CASE("a message whose parts lie where there are no sequences is refused", "[parts]") {
  const Sequence first = GENERATE(UINT64_MAX, UINT64_MAX - 3, Sequence{1} << 62, (Sequence{1} << 62) - 1);
  Single s(roomy());
  s.receive(1, cut(varied(10 * kPart), 1, 1).message);
  auto forged = cut(varied(10 * kPart), 2, 1).message;
  forged.about->first = first;
  s.receive(2, forged);
  s.drain();
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::sequence_jump] == 1);
  CHECK(s.tree.large(s.now).size() == 1);
  CHECK(s.tree.origins().at(1).highest == 1);
}

TEST_CASE("what claims to be of our own parts and was never published is refused", "[parts]") {
  Single s(roomy());
  auto part = gossip(1);
  part.id.origin = frame::parts_origin(instance(0));
  s.receive(1, part);
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::unexpected] == 1);
  s.receive(1, frame::IHave{TreeId{0}, {{part.id.origin, {{1, 2}}}}, Round{0}});
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::malformed] == 1);
  s.tree.publish(1, "t", Bytes::copy_of(varied(2 * kPart)), false, s.now);
  s.receive(1, frame::IHave{TreeId{0}, {{part.id.origin, {{1, 3}}}}, Round{0}});
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::sequence_jump] == 1);
  s.drain();
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
