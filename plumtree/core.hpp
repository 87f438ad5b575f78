#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/detail/interval_set.hpp>
#include <plumvine/detail/outbox.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

#include "frames.hpp"
#include "lazy_queue.hpp"
#include "message_store.hpp"
#include "output.hpp"
#include "seen.hpp"
#include "topics.hpp"
#include "tree.hpp"

namespace plumvine::tree {

/// What is owed to a neighbour, or wanted of it: sequences by origin, in order.
using OriginSets = std::map<OriginIndex, IntervalSet>;

inline constexpr std::size_t kPriorities = static_cast<std::size_t>(Priority::count_);

/// A token bucket that is full at first. `per_second` 0: no limit.
struct Bucket {
  double used = 0;
  Timestamp at{INT64_MIN / 2};
  [[nodiscard]] bool take(double per_second, double burst, Timestamp now) {
    if (per_second <= 0) return true;
    used = std::max(0.0, used - per_second * to_seconds(now - at));
    at = now;
    if (used + 1 > burst) return false;
    used += 1;
    return true;
  }
};
/// So many frames or origins above a limit are one mark against the neighbour.
inline constexpr std::uint64_t kOverMark = 256;

/// One neighbour's link.
struct Link {
  PeerId peer{};
  PeerTraits traits;
  bool up = false;
  bool eager = false;              ///< role over all trees, as last reported
  bool promoted = false;           ///< by order: eager in every tree but our own
  Duration rtt{};
  std::uint64_t cost_us = 0;       ///< one way, near the smallest measured; at least `kCostMin`
  std::uint64_t noise_us = 0;      ///< by how much one way varies from measurement to measurement, a running mean that few odd ones do not move
  double delayed = 0;              ///< share of round trips that took much longer than the shortest: their mean, a running one from `kDelayedSpan` on
  std::uint32_t round_trips = 0;   ///< measured, up to `kDelayedSpan`
  std::int64_t offset_us = 0;      ///< peer's clock minus ours
  bool measured = false;           ///< round trip and clock are known; until then `cost_us` is a guess and times of the peer mean nothing
  bool limited = false;            ///< credit was given at least once
  std::int64_t credit = 0;
  std::int64_t credit_max = 0;     ///< the most that was ever given
  Timestamp choked = kNever;       ///< since when something has had to wait for credit
  std::array<OriginSets, kPriorities> owed;  ///< not pushed for lack of credit, by priority
  OriginSets owed_pulls;           ///< asked for, not sent for lack of credit
  OriginSets dropped;              ///< not pushed as their topics want it; announced when there is credit
  OriginIndex served = 0;          ///< the origin that had its turn last
  std::uint64_t unlooked = 0;       ///< broadcasts with wrong signatures that came from it, if it does not look at them
  Timestamp hint_until{INT64_MIN}; ///< it sent parts that were here: until then it is told at once of those that come
  std::size_t owed_ranges = 0;     ///< in all of these; at most `kOwedRangesMax`
  bool owed_overflow = false;      ///< more was owed than fits: a digest tells at drain
  LazyQueue lazy;
  Arrival marked_from = UINT64_MAX;  ///< no older message has this link's bit
  std::vector<Sequence> has;       ///< by origin: the far end has everything up to here
  std::vector<Sequence> claims;    ///< by origin: the highest sequence that the far end has ever said exists
  std::vector<Sequence> doubted;   ///< by origin: what it alone tells of up to here is not heard again
  Bucket control;                  ///< frames beside payloads
  Bucket strangers;                ///< origins that are no members, heard of through it for the first time
  std::uint64_t over = 0;          ///< frames and origins above these; each `kOverMark`th is a mark against the neighbour
  double graft_tokens = 0;
  Timestamp tokens_at;
  Timestamp replied_at{INT64_MIN / 2};  ///< last digest sent because it was asked for
  std::optional<Timestamp> digest_at;   ///< its last whole digest came

  /// Urgent payloads may overdraw, so that a full queue does not keep them out; the lowest leave something to others.
  [[nodiscard]] bool has_credit(Priority priority) const noexcept {
    const std::int64_t quarter = credit_max / 4;
    const std::int64_t least = priority == Priority::critical ? -2 * quarter
                               : priority == Priority::high   ? -quarter
                               : priority == Priority::low    ? quarter
                                                              : 0;
    return !limited || credit > least;
  }
  [[nodiscard]] bool owes() const noexcept { return owed_ranges > 0 || owed_overflow; }
  template <class Self, class Use>
  static void each_owed(Self& link, Use use) {
    for (auto& sets : link.owed) use(sets);
    use(link.owed_pulls);
    use(link.dropped);
  }
  void note_claim(OriginIndex origin, Sequence highest) {
    if (claims.size() <= origin) claims.resize(origin + std::size_t{1});
    claims[origin] = std::max(claims[origin], highest);
  }
  void note_doubted(OriginIndex origin, Sequence upto) {
    if (doubted.size() <= origin) doubted.resize(origin + std::size_t{1});
    doubted[origin] = std::max(doubted[origin], upto);
  }
  /// The far end tells nothing of this origin any more.
  void forget(OriginIndex origin) {
    for (auto* told : {&has, &claims, &doubted}) {
      if (origin < told->size()) (*told)[origin] = 0;
    }
  }
  [[nodiscard]] Sequence has_upto(OriginIndex origin) const noexcept { return origin < has.size() ? has[origin] : 0; }
  [[nodiscard]] Sequence claimed(OriginIndex origin) const noexcept {
    return std::max(has_upto(origin), origin < claims.size() ? claims[origin] : 0);
  }
  void note_has(OriginIndex origin, Sequence upto) {
    if (upto == 0) return;
    if (has.size() <= origin) has.resize(origin + 1);
    has[origin] = std::max(has[origin], upto);
  }
};

inline constexpr std::size_t kOwedRangesMax = 1024;
inline constexpr std::uint64_t kCostMin = 50;  ///< microseconds; so that hops count
/// A link that delays more round trips than this loses packets, and what is behind a lost one waits.
inline constexpr double kLossy = 0.01;
/// So many round trips count. Of fewer, a link that loses as much as `kLossy` and more would too often have delayed none.
inline constexpr std::uint32_t kDelayedSpan = 128;
/// Messages younger than this may still be on their way somewhere.
inline constexpr Duration kInFlight = std::chrono::seconds{2};
/// Whoever has sent a part twice is told at once of each part for so long.
inline constexpr Duration kHintFor = std::chrono::seconds{1};
inline constexpr Duration kLateStart = std::chrono::milliseconds{50};
/// Payloads of one origin that come closer together than this are one flow.
inline constexpr Duration kFlowPause = std::chrono::milliseconds{20};
inline constexpr OriginIndex kSelf = 0;        ///< our own origin's index

/// What the parts of a `Tree` share: links, messages, outputs, counters.
class Core {
 public:
  Core(TreeConfig config_, InstanceId self_, std::string name_, Rng rng_, LogLevel level_, const TopicConfigs& topics_)
      : config(std::move(config_)), self(self_), name(std::move(name_)), rng(rng_), level(level_),
        seen(config.origins_max), store(config), topics(topics_, config.topics_max) {}
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  void send(Slot to, Frame frame) { out.push(Send{{links[to].peer}, std::move(frame)}); }
  /// To each of `to`, one frame for all. Nothing when there is nobody.
  void send(const std::vector<Slot>& to, Frame frame) {
    if (to.empty()) return;
    Send output{{}, std::move(frame)};
    output.to.reserve(to.size());
    for (const Slot slot : to) output.to.push_back(links[slot].peer);
    out.push(std::move(output));
  }
  void log(LogLevel at, std::string_view code, std::string text, LogFields fields = {}) {
    if (at <= level) out.push(Log{{at, "tree", code, std::move(text), std::move(fields)}});
  }
  void reject(Slot from, FrameReject what) {
    stats.frames_rejected.add(what);
    out.push(Misbehaved{links[from].peer, what});
  }

  /// More than a neighbour may send came from it.
  void over_limit(Slot from, RateLimited what) {
    stats.rate_limited.add(what);
    if (++links[from].over % kOverMark == 0) reject(from, FrameReject::rate);
  }
  /// How far others bear out what is said of an origin: the second highest claim of neighbours, or the only neighbour's, or what
  /// the origin itself says. What only one neighbour claims may never have existed.
  [[nodiscard]] Sequence attested(OriginIndex origin) const {
    Sequence best = 0, second = 0;
    for (const Slot slot : up) {
      const Sequence claim = links[slot].claimed(origin);
      if (links[slot].traits.instance == seen[origin].instance) second = std::max(second, claim);
      if (claim > best) second = std::max(second, std::exchange(best, claim));
      else second = std::max(second, claim);
    }
    return up.size() < 2 ? UINT64_MAX : second;
  }

  /// How much of what a neighbour tells of an origin is heard: what it told once before, and nobody else knew, is not.
  [[nodiscard]] Sequence heard_from(Slot from, OriginIndex origin, Sequence upto) const {
    const std::vector<Sequence>& doubted = links[from].doubted;
    if (origin >= doubted.size() || upto > doubted[origin] || attested(origin) >= upto) return upto;
    return std::min(upto, seen[origin].highest);
  }

  [[nodiscard]] std::optional<Slot> slot_of(PeerId peer) const {
    const auto it = std::find(peers_up_.begin(), peers_up_.end(), peer);
    return it == peers_up_.end() ? std::nullopt : std::optional{up[static_cast<std::size_t>(it - peers_up_.begin())]};
  }
  void add_up(Slot slot, PeerId peer) {
    const auto at = std::upper_bound(up.begin(), up.end(), slot);
    peers_up_.insert(peers_up_.begin() + (at - up.begin()), peer);
    up.insert(at, slot);
  }
  void remove_up(Slot slot) {
    const auto at = std::lower_bound(up.begin(), up.end(), slot);
    peers_up_.erase(peers_up_.begin() + (at - up.begin()));
    up.erase(at);
  }
  /// The lane of a copy. What gave way to newer messages and is pulled after all does not get in front of them again.
  [[nodiscard]] static Priority lane_of(const StoredMessage& message, bool pulled) {
    return pulled && message.agreed->drops() ? Priority::low : lane_of(*message.agreed, message.is_part());
  }
  /// Parts go one lane below their topic's, so that small messages overtake a large one.
  [[nodiscard]] static Priority lane_of(const Topic& topic, bool part) {
    const Priority lane = topic.policy.priority;
    return part && lane != Priority::low ? static_cast<Priority>(static_cast<int>(lane) + 1) : lane;
  }
  /// The far end has the message, or it is on its way there. Whoever published it has it.
  [[nodiscard]] bool known(const StoredMessage& message, Slot slot) const {
    const Link& link = links[slot];
    return ((message.known | message.sent) & bit(slot)) != 0 || link.traits.instance == frame::publisher_of(message.id.origin) ||
           link.has_upto(message.origin) >= message.range().last;
  }
  void mark_known(StoredMessage& message, Arrival arrival, Slot slot) {
    message.known |= bit(slot);
    links[slot].marked_from = std::min(links[slot].marked_from, arrival);
  }
  /// Calls `use(arrival, message)` with each message, or run, that has something of `range`, all of which is held; until it returns
  /// false, which is what is returned then.
  template <class Use>
  bool each_held(OriginIndex origin, SequenceRange range, Use use) {
    while (range.first <= range.last) {
      const Arrival arrival = *store.arrival_of(origin, range.first);
      StoredMessage& message = *store.at(arrival);
      range.first = message.range().last + 1;
      if (!use(arrival, message)) return false;
    }
    return true;
  }
  [[nodiscard]] IntervalSet& in_flight(OriginIndex origin) {
    if (in_flight_.size() <= origin) in_flight_.resize(origin + 1);
    return in_flight_[origin];
  }
  /// Requests without an answer, over all origins.
  [[nodiscard]] std::uint64_t asked_for() const {
    std::uint64_t sum = 0;
    for (const IntervalSet& ids : in_flight_) sum += ids.count();
    return sum;
  }
  /// Everything up to here was delivered here (or reported lost, or lies below the start).
  [[nodiscard]] Sequence delivered(OriginIndex origin) const {
    const Sequence watermark = seen[origin].watermark;
    const auto it = undelivered.find(origin);
    return it == undelivered.end() || it->second.empty() ? watermark : std::min(watermark, it->second.front().first - 1);
  }
  /// It was handed to the user, or is about to be.
  [[nodiscard]] bool is_delivered(OriginIndex origin, Sequence sequence) const {
    if (!seen.contains(origin, sequence)) return false;
    for (const OriginSets* sets : {&undelivered, &ordered, &judging, &assembling}) {
      if (const auto it = sets->find(origin); it != sets->end() && it->second.contains(sequence)) return false;
    }
    return true;
  }
  /// The message, or the run that it is in, while it is in the store.
  [[nodiscard]] StoredMessage* stored(const MessageId& id) {
    const auto origin = seen.find(id.origin);
    return origin ? store.find(*origin, id.sequence) : nullptr;
  }
  [[nodiscard]] const StoredMessage* stored(const MessageId& id) const { return const_cast<Core*>(this)->stored(id); }
  [[nodiscard]] bool is_own(OriginIndex origin) const noexcept { return origin == kSelf || origin == own_parts; }
  [[nodiscard]] Duration largest_rtt() const {
    Duration largest{0};
    for (const Slot slot : up) largest = std::max(largest, links[slot].rtt);
    return largest;
  }

  TreeConfig config;
  InstanceId self;
  std::string name;
  Rng rng;
  LogLevel level;
  Outbox<Output> out;
  TreeStats stats;
  std::vector<Link> links;    ///< by slot
  std::vector<Slot> up;       ///< slots of links that are up, ascending
  SeenSet seen;
  MessageStore store;
  std::vector<InstanceId> alive;   ///< members that speak links, ourselves included; sorted
  std::uint64_t dead_members = 0;  ///< that speak links
  Topics topics;
  OriginSets undelivered;     ///< received while delivery is paused
  OriginSets ordered;         ///< on ordered topics, waiting for an earlier one of their origin
  OriginSets judging;         ///< a validator has them
  OriginSets assembling;      ///< messages of whose payloads parts are missing
  OriginSets fetching;        ///< of these, those whose parts are fetched
  OriginSets held_for_all;    ///< in the store, on topics with the policy `hold`
  OriginSets unpaced;         ///< in the store, on topics that nobody waits for
  std::optional<OriginIndex> own_parts;  ///< the origin of our own large payloads' parts, from the first one on
  bool synced = false;
  std::vector<Slot> repairing;  ///< became a parent because another link broke: is told what we have of late
  /// The last payload of an origin that the tree itself brought, by priority. Each lane of a link is ordered, so an
  /// announced message with a higher sequence is still on its way while these come; one that every lane has passed will not come.
  struct Flow {
    Sequence sequence = 0;
    Timestamp at{INT64_MIN / 2};
    Slot from = kNoSlot;
  };
  using Flows = std::array<Flow, kPriorities>;
  [[nodiscard]] Flows& flows(OriginIndex origin) {
    if (flows_.size() <= origin) flows_.resize(origin + std::size_t{1});
    return flows_[origin];
  }
  void flow_ends(Slot slot) {
    for (Flows& lanes : flows_) {
      for (Flow& flow : lanes) {
        if (flow.from == slot) flow.from = kNoSlot;
      }
    }
  }
  /// What of the origin the tree may be expected to bring by itself: sequences above `passed`, until then.
  struct Coming {
    Sequence passed = UINT64_MAX;
    Timestamp until{INT64_MIN};
  };
  [[nodiscard]] Coming coming(OriginIndex origin, Timestamp now) {
    Coming found;
    for (const Flow& flow : flows(origin)) {
      const Timestamp until = flow.at + std::max<Duration>(kFlowPause, late * 11 / 10);
      if (flow.from == kNoSlot || until <= now) continue;
      found.passed = std::min(found.passed, flow.sequence);
      found.until = std::max(found.until, until);
    }
    return found;
  }
  /// How late a payload comes after its first announcement: a running 90th percentile. Before the first sample two of
  /// the longest round trips, or the first payloads of a new tree would be pulled; payloads that come first wear that off.
  Duration late = kLateStart;
  bool measured_lateness = false;

 private:
  std::vector<PeerId> peers_up_;        // of `up`, one after the other: looked up for each frame
  std::vector<Flows> flows_;            // by origin
  std::vector<IntervalSet> in_flight_;  // by origin: asked for, at most one request for an id
};

/// Removes what of a range is kept of an origin; false if nothing was there.
bool take(OriginSets& sets, OriginIndex origin, SequenceRange range);
constexpr bool covers(SequenceRange all, SequenceRange part) noexcept { return all.first <= part.first && part.last <= all.last; }
/// The parts of `range` that are in `set`, ascending.
std::vector<SequenceRange> common(const IntervalSet& set, SequenceRange range);
/// Collects ranges by origin and cuts them into frames that the wire accepts.
class IdLists {
 public:
  static constexpr std::size_t kEntriesMax = 512;
  static constexpr std::size_t kRangesMax = 2048;
  void add(InstanceId origin, SequenceRange range);
  [[nodiscard]] bool empty() const noexcept { return lists_.empty(); }
  [[nodiscard]] std::vector<std::vector<frame::OriginRanges>> take() { return std::exchange(lists_, {}); }

 private:
  std::vector<std::vector<frame::OriginRanges>> lists_;
  std::size_t ranges_ = 0;
};

}  // namespace plumvine::tree
