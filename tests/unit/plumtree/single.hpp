#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cluster.hpp"

namespace plumvine::test {

inline frame::Gossip gossip(Sequence sequence, Round round = 1, bool pulled = false) {
  frame::Gossip g;
  g.id = {instance(50), sequence};
  g.round = round;
  g.pulled = pulled;
  g.topic = "t";
  g.origin = "n50";
  g.payload = Bytes::copy_of("payload");
  return g;
}
/// One node whose neighbours 1.. are played by the test.
struct Single {
  explicit Single(TreeConfig config, std::uint32_t neighbours = 3, const TopicConfigs& topics = {},
                  const frame::SignTools& sign = {})
      : tree(config, sign.sign ? frame::instance_of(sign, "n0", sign.own) : instance(0), "n0", Rng{1}, LogLevel::debug,
             topics, {sum_up, {}}, sign) {
    tree.start_alone(now);
    for (std::uint32_t i = 1; i <= neighbours; ++i) up(i);
    drain();
  }
  void up(std::uint32_t i) { tree.peer_up(peer(i), {instance(i), "n" + std::to_string(i), milliseconds{i}}, now); }
  void receive(std::uint32_t from, Frame frame) { tree.handle_frame(peer(from), std::move(frame), now); }
  void advance(Duration duration) {
    const Timestamp end = now + duration;
    while (tree.next_timeout() <= end) {
      now = std::max(now, tree.next_timeout());
      tree.handle_timeout(now);
    }
    now = end;
  }
  /// Sends by (peer, frame), in order; deliveries and logs apart.
  void drain() {
    sent.clear();
    order.clear();
    while (auto output = tree.poll_output()) {
      if (auto* send = std::get_if<tree::Send>(&*output)) {
        for (const PeerId to : send->to) sent.emplace_back(static_cast<std::uint32_t>(to), send->frame);
        if (send->no_room) without_room.emplace_back(std::get<frame::Gossip>(send->frame).id.sequence, *send->no_room);
        order += "s";
      } else if (auto* lost_now = std::get_if<tree::Lost>(&*output)) {
        lost.push_back(*lost_now);
      } else if (auto* slow = std::get_if<tree::TooSlow>(&*output)) {
        too_slow.push_back(static_cast<std::uint32_t>(slow->peer));
      } else if (std::holds_alternative<tree::Deliver>(*output)) {
        order += "d";
        const SequenceRange range = std::get<tree::Deliver>(*output).range();
        for (Sequence sequence = range.first; sequence <= range.last; ++sequence) delivered.push_back(sequence);
        messages.push_back(std::get<tree::Deliver>(*output));
      } else if (auto* progress = std::get_if<tree::Progressed>(&*output)) {
        progressed.push_back(progress->progress);
      } else if (auto* recall = std::get_if<tree::Recall>(&*output)) {
        for (const MessageId& id : recall->ids) recalled.emplace_back(static_cast<std::uint32_t>(recall->peer), id.sequence);
      } else if (auto* judge = std::get_if<tree::Judge>(&*output)) {
        judged.push_back(judge->message);
      } else if (auto* log = std::get_if<tree::Log>(&*output)) {
        logs.push_back(log->record.text);
      }
    }
    const auto broken = tree.check_invariants();
    CHECK(broken == std::vector<std::string>{});
  }
  template <class F>
  std::vector<std::uint32_t> to() const {
    std::vector<std::uint32_t> out;
    for (const auto& [who, frame] : sent) {
      if (std::holds_alternative<F>(frame)) out.push_back(who);
    }
    return out;
  }
  /// The first frame of a kind that was sent.
  template <class F>
  F first() const {
    for (const auto& [who, frame] : sent) {
      if (const auto* found = std::get_if<F>(&frame)) return *found;
    }
    FAIL("no such frame was sent");
    return {};
  }
  Timestamp now = at(Duration{0});
  Tree tree;
  Sequence acked = 0;  ///< last told
  std::vector<std::pair<std::uint32_t, Frame>> sent;
  std::vector<std::string> logs;
  std::string order;
  std::vector<Sequence> delivered;
  std::vector<tree::Deliver> messages, judged;
  std::vector<Progress> progressed;
  std::vector<std::pair<std::uint32_t, Sequence>> recalled;
  std::vector<tree::Lost> lost;
  std::vector<std::pair<Sequence, Overflow>> without_room;
  std::vector<std::uint32_t> too_slow;
};
using Peers = std::vector<std::uint32_t>;

}  // namespace plumvine::test
