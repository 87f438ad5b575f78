#pragma once

#include <map>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plumtree/tree.hpp"

namespace plumvine::test {

inline PeerId peer(std::uint32_t n) { return PeerId{n}; }
inline InstanceId instance(std::uint32_t n) { return InstanceId{0x1000 + n}; }
/// Stands in for the sum that the crypto library makes.
inline frame::Checksum sum_up(BytesView bytes) {
  std::uint64_t state = bytes.size();
  for (const std::byte b : bytes) state = mix64(state ^ static_cast<std::uint64_t>(b));
  frame::Checksum sum{};
  std::memcpy(sum.data(), &state, sizeof state);
  return sum;
}
/// A text of so many bytes that is not the same at any two places.
inline std::string varied(std::size_t size, std::uint64_t seed = 1) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t word = mix64(seed * 1'000'003 + i);
    std::memcpy(text.data() + i, &word, std::min<std::size_t>(8, size - i));
  }
  return text;
}
inline Timestamp at(Duration since_start) { return Timestamp{} + seconds{1} + since_start; }

/// Several trees joined by in-memory links, in virtual time. Links are FIFO with a fixed delay; frames may be
/// dropped. Node `n` knows node `m` as `PeerId{m}`.
class Cluster {
 public:
  struct Node {
    std::unique_ptr<Tree> tree;
    std::set<std::uint32_t> links;
    std::map<std::uint64_t, std::vector<Sequence>> delivered;  // by origin
    std::map<std::uint64_t, std::vector<std::string>> payloads;
    std::vector<tree::Deliver> messages;
    std::vector<tree::Lost> lost;
    std::vector<std::string> logs;
    std::vector<Sequence> acked;
    std::vector<tree::RoleChanged> roles;
    std::vector<FrameReject> misbehaved;
    std::vector<tree::Receipted> receipts;
    std::vector<tree::Asked> asked;
    std::vector<tree::Inquired> inquired;
    std::vector<std::pair<std::string, Sequence>> order;  // topic and sequence as delivered
    Sequence published = 0;
    Timestamp armed = kNever;
    bool stopped = false;  // takes nothing in and sends nothing
    std::vector<std::pair<std::uint32_t, Frame>> inbox;
  };
  using Watch = std::function<void(std::uint32_t from, std::uint32_t to, const Frame&)>;

  explicit Cluster(std::uint32_t nodes, TreeConfig config = {}, std::uint64_t seed = 1, TopicConfigs topics = {})
      : rng_(seed), topics_(std::move(topics)) {
    for (std::uint32_t i = 0; i < nodes; ++i) add(config);
  }

  std::uint32_t add(TreeConfig config = {}, bool alone = true) { return add(std::move(config), alone, topics_); }
  std::uint32_t add(TreeConfig config, bool alone, const TopicConfigs& topics) {
    const auto n = static_cast<std::uint32_t>(nodes.size());
    nodes.emplace_back();
    nodes[n].tree = std::make_unique<Tree>(config, instance(n), "n" + std::to_string(n), rng_.fork(), LogLevel::debug, topics,
                                           frame::LargeTools{sum_up, {}});
    for (const auto& topic : validated) nodes[n].tree->validate(topic);
    if (alone) nodes[n].tree->start_alone(now);
    drain(n);
    return n;
  }

  void link(std::uint32_t a, std::uint32_t b) {
    nodes[a].links.insert(b);
    nodes[b].links.insert(a);
    for (auto [x, y] : {std::pair{a, b}, std::pair{b, a}}) {
      nodes[x].tree->peer_up(peer(y), {instance(y), "n" + std::to_string(y), 2 * delay}, now);
      drain(x);
    }
  }
  void unlink(std::uint32_t a, std::uint32_t b) {
    if (nodes[a].links.erase(b) == 0) return;
    nodes[b].links.erase(a);
    ++generation_[{std::min(a, b), std::max(a, b)}];
    for (auto [x, y] : {std::pair{a, b}, std::pair{b, a}}) {
      if (nodes[x].stopped) continue;
      nodes[x].tree->peer_down(peer(y), now);
      drain(x);
    }
  }
  /// Ring and chords: node i is linked to i+1 and i+`step`.
  void ring(std::uint32_t step = 0) {
    const auto n = static_cast<std::uint32_t>(nodes.size());
    for (std::uint32_t i = 0; i < n; ++i) {
      if (nodes[i].links.count((i + 1) % n) == 0 && n > 1) link(i, (i + 1) % n);
      if (step > 1 && nodes[i].links.count((i + step) % n) == 0 && (i + step) % n != i) link(i, (i + step) % n);
    }
  }
  void members(std::uint64_t dead = 0) {
    TreeMembers all;
    for (std::uint32_t i = 0; i < nodes.size(); ++i) {
      if (!nodes[i].stopped) all.alive.push_back(instance(i));
    }
    all.dead = dead;
    for (std::uint32_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i].stopped) continue;
      nodes[i].tree->set_members(all, now);
      drain(i);
    }
  }
  void crash(std::uint32_t n) {
    nodes[n].stopped = true;
    const auto links = nodes[n].links;
    for (const auto other : links) unlink(n, other);
  }

  Sequence publish(std::uint32_t n, std::string text = "x", std::string topic = "default") {
    const Sequence sequence = ++nodes[n].published;
    nodes[n].tree->publish(sequence, std::move(topic), Bytes::copy_of(text), false, now);
    drain(n);
    return sequence;
  }

  /// All of them at one time, as a run.
  SequenceRange publish_run(std::uint32_t n, const std::vector<std::string>& texts, std::string topic = "default") {
    std::vector<Bytes> payloads;
    for (const std::string& text : texts) payloads.push_back(Bytes::copy_of(text));
    const SequenceRange range{nodes[n].published + 1, nodes[n].published + texts.size()};
    nodes[n].published = range.last;
    nodes[n].tree->publish(range.first, std::move(topic), frame::join(payloads), false, now);
    drain(n);
    return range;
  }

  /// Handles everything until `now + duration`.
  void run(Duration duration) {
    const Timestamp end = now + duration;
    for (;;) {
      Timestamp next = events_.empty() ? kNever : events_.begin()->first.first;
      std::uint32_t due = UINT32_MAX;
      for (std::uint32_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i].stopped || nodes[i].armed >= next) continue;
        next = nodes[i].armed;
        due = i;
      }
      if (next > end) break;
      now = std::max(now, next);
      if (due != UINT32_MAX) {
        nodes[due].tree->handle_timeout(now);
        drain(due);
        REQUIRE(nodes[due].armed > now);
        continue;
      }
      Event event = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      if (event.generation != generation_[{std::min(event.from, event.to), std::max(event.from, event.to)}]) continue;
      if (nodes[event.to].links.count(event.from) == 0) continue;
      if (nodes[event.to].stopped) {
        nodes[event.to].inbox.emplace_back(event.from, std::move(event.frame));
        continue;
      }
      nodes[event.to].tree->handle_frame(peer(event.from), std::move(event.frame), now);
      drain(event.to);
    }
    now = end;
  }

  void drain(std::uint32_t n) {
    Node& node = nodes[n];
    while (auto output = node.tree->poll_output()) {
      if (auto* send = std::get_if<tree::Send>(&*output)) {
        for (const PeerId to : send->to) {
          if (send->no_room) node.tree->dropped(to, {std::get<frame::Gossip>(send->frame).id}, now);
          else transmit(n, static_cast<std::uint32_t>(to), send->frame);
        }
      } else if (auto* deliver = std::get_if<tree::Deliver>(&*output)) {
        tree::Deliver one = *deliver;
        one.run = {};
        for (frame::RunCutter cutter{deliver->run, deliver->payload}; !cutter.done(); ++one.id.sequence) {
          one.payload = cutter.next();
          node.delivered[static_cast<std::uint64_t>(one.id.origin)].push_back(one.id.sequence);
          node.messages.push_back(one);
          node.order.emplace_back(one.topic, one.id.sequence);
        }
      } else if (auto* judged = std::get_if<tree::Judge>(&*output)) {
        node.tree->judged(judged->message.id, judge ? judge(n, judged->message) : Verdict::accept, now);
      } else if (auto* receipt = std::get_if<tree::Receipted>(&*output)) {
        node.receipts.push_back(*receipt);
      } else if (auto* asked = std::get_if<tree::Asked>(&*output)) {
        node.asked.push_back(*asked);
        if (answer) node.tree->answer(asked->origin, asked->number, answer(n, *asked), now);
      } else if (auto* inquired = std::get_if<tree::Inquired>(&*output)) {
        node.inquired.push_back(*inquired);
      } else if (auto* lost = std::get_if<tree::Lost>(&*output)) {
        node.lost.push_back(*lost);
      } else if (auto* log = std::get_if<tree::Log>(&*output)) {
        node.logs.push_back(log->record.text);
      } else if (auto* acked = std::get_if<tree::Acked>(&*output)) {
        node.acked.push_back(acked->up_to);
      } else if (auto* role = std::get_if<tree::RoleChanged>(&*output)) {
        node.roles.push_back(*role);
      } else if (auto* bad = std::get_if<tree::Misbehaved>(&*output)) {
        node.misbehaved.push_back(bad->what);
      }
    }
    node.armed = node.tree->next_timeout();
    const auto broken = node.tree->check_invariants();
    INFO((broken.empty() ? std::string{} : "n" + std::to_string(n) + ": " + broken.front()));
    REQUIRE(broken.empty());
  }

  [[nodiscard]] std::vector<Sequence> got(std::uint32_t n, std::uint32_t origin) const {
    const auto it = nodes[n].delivered.find(static_cast<std::uint64_t>(instance(origin)));
    return it == nodes[n].delivered.end() ? std::vector<Sequence>{} : it->second;
  }
  /// Every running node but the origin has exactly 1..`last`, each once.
  [[nodiscard]] bool all_have(std::uint32_t origin, Sequence last) const {
    for (std::uint32_t i = 0; i < nodes.size(); ++i) {
      if (i == origin || nodes[i].stopped) continue;
      auto sequences = got(i, origin);
      std::sort(sequences.begin(), sequences.end());
      if (sequences.size() != last) return false;
      for (Sequence s = 1; s <= last; ++s) {
        if (sequences[s - 1] != s) return false;
      }
    }
    return true;
  }
  TreeStats stats(std::uint32_t n) { return nodes[n].tree->stats(now); }
  std::uint64_t sum(std::uint64_t TreeStats::*field) {
    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < nodes.size(); ++i) total += stats(i).*field;
    return total;
  }

  std::vector<Node> nodes;
  Timestamp now = at(Duration{0});
  Duration delay = milliseconds{1};
  double loss = 0;
  Watch watch;                                                    ///< sees each frame sent
  std::function<Verdict(std::uint32_t node, const tree::Deliver&)> judge;
  /// What a node says to a question; without it nobody answers.
  std::function<Bytes(std::uint32_t node, const tree::Asked&)> answer;
  std::vector<std::string> validated;                             ///< topics that nodes added from now on judge
  std::function<bool(std::uint32_t, std::uint32_t, const Frame&)> drop;  ///< true: this frame is lost

 private:
  struct Event {
    std::uint32_t from = 0, to = 0;
    std::uint64_t generation = 0;
    Frame frame;
  };
  void transmit(std::uint32_t from, std::uint32_t to, const Frame& frame) {
    if (nodes[from].links.count(to) == 0) return;
    if (watch) watch(from, to, frame);
    if (loss > 0 && rng_.chance(loss)) return;
    if (drop && drop(from, to, frame)) return;
    const auto generation = generation_[{std::min(from, to), std::max(from, to)}];
    events_.emplace(std::pair{now + delay, ++counter_}, Event{from, to, generation, frame});
  }

  Rng rng_;
  TopicConfigs topics_;
  std::map<std::pair<Timestamp, std::uint64_t>, Event> events_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> generation_;
  std::uint64_t counter_ = 0;
};

}  // namespace plumvine::test
