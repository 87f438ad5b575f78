#include "overlay.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include <plumvine/detail/outbox.hpp>

namespace plumvine {

namespace overlay {

std::uint64_t ring_position(InstanceId instance, std::string_view name) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a over the name, then both scrambled
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return mix64(hash ^ mix64(static_cast<std::uint64_t>(instance)));
}

std::uint64_t chord_weight(std::uint64_t chooser, std::uint64_t other) noexcept { return mix64(mix64(chooser) ^ other); }

}  // namespace overlay

namespace {

using overlay::chord_weight;
using overlay::kSample;

/// Links above the target that are left alone when the choice has moved on: closing costs more than keeping.
constexpr std::size_t kSpareLinks = 2;
/// Chords are tried down to this many times the number to dial, as long as there is any link. Nine tenths of all members
/// may be unreachable and the place of each failed chord is still filled; a cut-off node does not dial everybody.
constexpr std::size_t kReach = 20;
/// So many dials in a row may fail before dials are paced.
constexpr std::uint32_t kUnpaced = 64;
/// After so many the places left are tried in parallel.
constexpr std::uint32_t kFailing = 2;
/// Ticks of maintenance between two looks at the round trips, at most.
constexpr std::uint32_t kQuietTicksMax = 15;
/// What a near link must save: against the median of the sample, or a nearer one against it.
constexpr Duration kNearGain = std::chrono::milliseconds{2};
/// So many near links may be given up for nearer ones in a row, then one in each such time: distances change rarely. Where processors are
/// short round trips are noise, and each change of links costs time that is short.
constexpr std::uint32_t kNearChanges = 6;
constexpr Duration kNearChangeEvery = std::chrono::minutes{5};

}  // namespace

class Overlay::Impl {
 public:
  Impl(TreeConfig tree, LinkConfig link, InstanceId self, const std::string& name, Rng rng)
      : tree_(std::move(tree)), link_(link), self_(overlay::ring_position(self, name)), rng_(rng) {}

  void set_candidates(std::vector<Candidate> candidates, Timestamp now);
  void set_rtts(std::map<PeerId, Duration> rtts, Timestamp now);
  void configure(const TreeConfig& tree, const LinkConfig& link, Timestamp now);
  void link_up(PeerId peer, bool outbound, Timestamp now);
  void link_down(PeerId peer, Timestamp now);
  void dial_failed(PeerId peer, Timestamp now);
  void handle_timeout(Timestamp now);

  std::optional<overlay::Output> poll_output() { return outbox_.poll(); }
  [[nodiscard]] Timestamp next_timeout() const { return wake_; }

  [[nodiscard]] std::vector<PeerId> sample() const { return sample_; }
  [[nodiscard]] std::vector<PeerId> protected_neighbors() const;
  [[nodiscard]] bool accepts(PeerId peer) const;
  [[nodiscard]] std::vector<PeerId> targets();

 private:
  struct Node {
    PeerId peer{};
    InstanceId instance{};
    std::uint64_t position = 0;
    std::uint64_t weight = 0;
  };
  struct Link {
    bool outbound = false;
    bool closing = false;  ///< dropped by us, not down yet
    Timestamp since;
  };
  /// A peer that failed: how often in a row, and not before when it is dialled again.
  struct Trouble {
    std::uint32_t failures = 0;
    Timestamp until;
  };

  [[nodiscard]] std::size_t target() const { return std::size_t{tree_.eager_fanout} + tree_.lazy_fanout; }
  [[nodiscard]] std::size_t dials() const { return (target() + 1) / 2; }
  [[nodiscard]] std::size_t near_max() const { return dials() < 3 ? 0 : dials() / 2; }
  [[nodiscard]] std::size_t open_links() const;
  [[nodiscard]] const Node* find(PeerId peer) const;
  [[nodiscard]] bool is_ring(PeerId peer) const { return peer == successor_ || peer == predecessor_; }
  [[nodiscard]] bool is_protected(PeerId peer) const;
  [[nodiscard]] bool is_target(PeerId peer);
  [[nodiscard]] bool chooses_us(PeerId peer) const;
  [[nodiscard]] bool has_room() const;

  std::optional<PeerId> preference(std::size_t index);
  void choose(Timestamp now);
  /// Puts all but the successor into `order_`, the first of them sorted.
  void order_chords();
  void leave_near_out();
  void sort_chords(std::size_t upto);
  std::size_t last_untried(std::size_t count);
  void choose_near(Timestamp now);
  bool may_change_near(Timestamp now);
  void failed(PeerId peer, Timestamp now);
  void maintain(Timestamp now);
  void drop_least_needed(bool unwanted_only);
  void plan(Timestamp now);
  bool dial(PeerId peer, Timestamp now);

  TreeConfig tree_;
  LinkConfig link_;
  std::uint64_t self_;
  Rng rng_;
  Outbox<overlay::Output> outbox_;

  std::vector<Node> nodes_;           ///< candidates by `PeerId`
  std::vector<std::uint32_t> order_;  ///< indices into `nodes_`; the first `sorted_` by falling weight; chords only
  std::size_t sorted_ = 0;
  std::vector<PeerId> sample_;
  std::uint32_t ticks_ = 0;           ///< of maintenance, since round trips were asked for
  std::uint32_t quiet_ticks_ = 0;     ///< so many go by before the next time
  std::vector<PeerId> near_;          ///< chosen for their round trips, nearest first
  std::uint32_t near_changes_ = 0;    ///< not forgiven yet, as of `near_forgiven_`
  Timestamp near_forgiven_;
  std::map<PeerId, Duration> rtts_;
  std::optional<PeerId> successor_;
  std::optional<PeerId> predecessor_;

  std::map<PeerId, Link> links_;
  std::map<PeerId, Timestamp> dialing_;  ///< until when an answer must have come
  std::map<PeerId, Trouble> troubles_;   ///< candidates only
  std::uint32_t failures_in_a_row_ = 0;  ///< over all peers
  Timestamp paced_until_{};              ///< no dial before
  std::size_t extra_ = 0;                ///< chords dialled beyond the usual number, as too few members dial us
  Timestamp tick_ = kNever;
  Timestamp wake_ = kNever;
};

// ---- The choice

const Overlay::Impl::Node* Overlay::Impl::find(PeerId peer) const {
  const auto it = std::lower_bound(nodes_.begin(), nodes_.end(), peer,
                                   [](const Node& node, PeerId wanted) { return node.peer < wanted; });
  return it != nodes_.end() && it->peer == peer ? &*it : nullptr;
}

void Overlay::Impl::set_candidates(std::vector<Candidate> candidates, Timestamp now) {
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.peer < b.peer; });
  std::vector<Node> nodes;
  nodes.reserve(candidates.size());
  auto old = nodes_.begin();
  for (const auto& candidate : candidates) {
    if (!nodes.empty() && nodes.back().peer == candidate.peer) continue;
    while (old != nodes_.end() && old->peer < candidate.peer) ++old;
    if (old != nodes_.end() && old->peer == candidate.peer && old->instance == candidate.instance) {
      nodes.push_back(*old);
      continue;
    }
    const std::uint64_t position = overlay::ring_position(candidate.instance, candidate.name);
    nodes.push_back({candidate.peer, candidate.instance, position, chord_weight(self_, position)});
  }
  nodes_ = std::move(nodes);
  std::erase_if(troubles_, [this](const auto& entry) { return find(entry.first) == nullptr; });
  choose(now);
  if (nodes_.empty()) tick_ = kNever;
  else if (tick_ == kNever) tick_ = now + tree_.maintenance_interval + rng_.jitter(tree_.maintenance_jitter);
  plan(now);
}

void Overlay::Impl::configure(const TreeConfig& tree, const LinkConfig& link, Timestamp now) {
  tree_ = tree;
  link_ = link;
  if (tick_ != kNever) tick_ = std::min(tick_, now + tree_.maintenance_interval);
  choose(now);
  plan(now);
}

void Overlay::Impl::set_rtts(std::map<PeerId, Duration> rtts, Timestamp now) {
  if (rtts.empty() && rtts_.empty()) return;
  rtts_ = std::move(rtts);
  const std::vector<PeerId> before = near_;
  choose_near(now);
  if (std::is_permutation(near_.begin(), near_.end(), before.begin(), before.end())) {
    quiet_ticks_ = std::min(quiet_ticks_ * 2 + 1, kQuietTicksMax);
    return;
  }
  quiet_ticks_ = 0;
  order_chords();
  leave_near_out();
  plan(now);
}

/// Finds the ring neighbours, the sample and the near ones in it, and starts the order of chords afresh.
void Overlay::Impl::choose(Timestamp now) {
  successor_.reset();
  predecessor_.reset();
  sample_.clear();
  if (nodes_.empty()) {
    order_chords();
    return near_.clear();
  }
  std::size_t next = 0;
  std::size_t previous = 0;
  // Distances around the ring wrap at 2^64. Equal positions: the smaller `PeerId` wins, as it comes first.
  for (std::size_t i = 1; i < nodes_.size(); ++i) {
    if (nodes_[i].position - self_ < nodes_[next].position - self_) next = i;
    if (self_ - nodes_[i].position < self_ - nodes_[previous].position) previous = i;
  }
  if (tree_.use_hash_ring) {
    successor_ = nodes_[next].peer;
    predecessor_ = nodes_[previous].peer;
  }
  order_chords();
  for (std::size_t i = 0; i < sorted_; ++i) sample_.push_back(nodes_[order_[i]].peer);
  choose_near(now);
  leave_near_out();
  quiet_ticks_ = 0;
}

void Overlay::Impl::order_chords() {
  order_.clear();
  sorted_ = 0;
  order_.reserve(nodes_.size());
  for (std::uint32_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i].peer != successor_) order_.push_back(i);
  sort_chords(std::min(order_.size(), kSample));
}

void Overlay::Impl::leave_near_out() {
  const auto taken = std::erase_if(order_, [this](std::uint32_t i) {
    return std::find(near_.begin(), near_.end(), nodes_[i].peer) != near_.end();
  });
  sorted_ -= taken;  // near ones are of the sample, which is sorted
}

/// Half of the dials go to the nearest of the sample, as far as that saves something.
void Overlay::Impl::choose_near(Timestamp now) {
  std::vector<std::pair<Duration, PeerId>> known;
  for (const PeerId peer : sample_)
    if (const auto it = rtts_.find(peer); it != rtts_.end()) known.emplace_back(it->second, peer);
  std::vector<PeerId> before = std::exchange(near_, {});
  if (known.size() < 4) return;
  std::sort(known.begin(), known.end());
  const Duration median = known[known.size() / 2].first;
  // Who is near already counts as nearer than it is.
  const auto was_near = [&](PeerId peer) { return std::find(before.begin(), before.end(), peer) != before.end(); };
  for (auto& [rtt, peer] : known)
    if (was_near(peer)) rtt = rtt * 4 / 5 - kNearGain;
  std::sort(known.begin(), known.end());
  for (const auto& [rtt, peer] : known) {
    if (near_.size() >= near_max() || rtt + kNearGain > median) break;
    near_.push_back(peer);
  }
  std::erase_if(before, [&](PeerId peer) { return std::find(sample_.begin(), sample_.end(), peer) == sample_.end(); });
  const bool gives_up = std::any_of(before.begin(), before.end(), [&](PeerId peer) { return std::find(near_.begin(), near_.end(), peer) == near_.end(); });
  if (gives_up && !may_change_near(now)) near_ = std::move(before);
}

/// Takes one of the changes that are allowed, if there is one left.
bool Overlay::Impl::may_change_near(Timestamp now) {
  const std::int64_t forgiven = std::min<std::int64_t>((now - near_forgiven_) / kNearChangeEvery, near_changes_);
  near_forgiven_ = near_changes_ == forgiven ? now : near_forgiven_ + forgiven * kNearChangeEvery;
  near_changes_ -= static_cast<std::uint32_t>(forgiven);
  if (near_changes_ >= kNearChanges) return false;
  ++near_changes_;
  return true;
}

void Overlay::Impl::sort_chords(std::size_t upto) {
  const auto at = [this](std::size_t i) { return order_.begin() + static_cast<std::ptrdiff_t>(i); };
  std::partial_sort(at(sorted_), at(upto), order_.end(), [this](std::uint32_t a, std::uint32_t b) {
    return nodes_[a].weight != nodes_[b].weight ? nodes_[a].weight > nodes_[b].weight : a < b;
  });
  sorted_ = upto;
}

/// The member that comes at `index` in our order of liking: the successor, near ones, then chords by weight. Only as
/// much of the order is sorted as is asked for.
std::optional<PeerId> Overlay::Impl::preference(std::size_t index) {
  if (successor_) {
    if (index == 0) return successor_;
    --index;
  }
  if (index < near_.size()) return near_[index];
  index -= near_.size();
  if (index >= order_.size()) return std::nullopt;
  if (index >= sorted_) sort_chords(std::min(order_.size(), std::max(index + 1, 2 * sorted_)));
  return nodes_[order_[index]].peer;
}

std::vector<PeerId> Overlay::Impl::targets() {
  std::vector<PeerId> out;
  for (std::size_t i = 0; i < dials(); ++i) {
    const auto peer = preference(i);
    if (!peer) break;
    out.push_back(*peer);
  }
  return out;
}

bool Overlay::Impl::is_target(PeerId peer) {
  for (std::size_t i = 0; i < dials() + extra_; ++i)
    if (preference(i) == peer) return true;
  return false;
}

/// Would the peer dial us, if it knows the members we know? O(members).
bool Overlay::Impl::chooses_us(PeerId peer) const {
  if (peer == predecessor_) return true;
  const Node* chooser = find(peer);
  if (chooser == nullptr) return false;
  const std::uint64_t ours = chord_weight(chooser->position, self_);
  // How many of its dials go to near members is its own matter; most likely as many as of ours.
  const std::size_t chords = dials() - near_.size() - (tree_.use_hash_ring && dials() > 0 ? 1 : 0);
  // The peer's own successor takes no place among its chords.
  std::uint64_t best = self_ - chooser->position;
  const Node* its_successor = nullptr;
  std::size_t before_us = 0;
  for (const auto& node : nodes_) {
    if (node.peer == peer) continue;
    if (chord_weight(chooser->position, node.position) > ours) ++before_us;
    if (node.position - chooser->position < best) {
      best = node.position - chooser->position;
      its_successor = &node;
    }
  }
  if (tree_.use_hash_ring && its_successor != nullptr &&
      chord_weight(chooser->position, its_successor->position) > ours)
    --before_us;
  return before_us < chords;
}

// ---- Links

std::size_t Overlay::Impl::open_links() const {
  return static_cast<std::size_t>(
      std::count_if(links_.begin(), links_.end(), [](const auto& entry) { return !entry.second.closing; }));
}

bool Overlay::Impl::has_room() const { return tree_.max_peers == 0 || open_links() < tree_.max_peers; }

bool Overlay::Impl::accepts(PeerId peer) const { return has_room() || is_ring(peer) || links_.contains(peer); }

std::vector<PeerId> Overlay::Impl::protected_neighbors() const {
  std::vector<PeerId> out;
  if (!tree_.protect_ring_neighbors) return out;
  for (const auto& peer : {successor_, predecessor_}) {
    if (out.size() >= tree_.max_protected_neighbors) break;
    if (peer && links_.contains(*peer) && std::find(out.begin(), out.end(), *peer) == out.end()) out.push_back(*peer);
  }
  return out;
}

bool Overlay::Impl::is_protected(PeerId peer) const {
  const auto list = protected_neighbors();
  return std::find(list.begin(), list.end(), peer) != list.end();
}

void Overlay::Impl::link_up(PeerId peer, bool outbound, Timestamp now) {
  dialing_.erase(peer);
  links_[peer] = Link{outbound, false, now};
  failures_in_a_row_ = 0;
  paced_until_ = now;
  if (tree_.max_peers != 0 && open_links() > tree_.max_peers) drop_least_needed(false);
  plan(now);
}

void Overlay::Impl::link_down(PeerId peer, Timestamp now) {
  const auto it = links_.find(peer);
  if (it == links_.end()) return;
  const Link link = it->second;
  links_.erase(it);
  if (find(peer) != nullptr && !link.closing) {
    // A link that lived long enough starts with a clean record; one that keeps breaking backs off like a failed dial.
    if (now - link.since >= link_.backoff_max) troubles_.erase(peer);
    failed(peer, now);
  }
  plan(now);
}

void Overlay::Impl::dial_failed(PeerId peer, Timestamp now) {
  if (dialing_.erase(peer) == 0) return;
  if (!links_.contains(peer)) {
    if (find(peer) != nullptr) failed(peer, now);
    // Place after place that fails means that the trouble is ours: slow down instead of dialling everybody at once.
    if (++failures_in_a_row_ >= kUnpaced) paced_until_ = now + link_.backoff_min;
  }
  plan(now);
}

void Overlay::Impl::failed(PeerId peer, Timestamp now) {
  Trouble& trouble = troubles_[peer];
  Duration wait = link_.backoff_min;
  for (std::uint32_t i = 0; i < trouble.failures && wait < link_.backoff_max; ++i) wait *= 2;
  wait = std::min(wait, link_.backoff_max);
  if (trouble.failures < UINT32_MAX) ++trouble.failures;
  trouble.until = now + wait / 2 + rng_.jitter(wait / 2 + Duration{1});
}

// ---- Time

void Overlay::Impl::handle_timeout(Timestamp now) {
  for (auto it = dialing_.begin(); it != dialing_.end();) {
    if (it->second > now) {
      ++it;
      continue;
    }
    const PeerId peer = it->first;
    it = dialing_.erase(it);
    if (find(peer) != nullptr && !links_.contains(peer)) failed(peer, now);
  }
  if (now >= tick_) {
    tick_ = now + tree_.maintenance_interval + rng_.jitter(tree_.maintenance_jitter);
    maintain(now);
  }
  plan(now);
}

/// Compares the links there are with the target: a few too few are dialled, those too many that nobody chose are let go.
void Overlay::Impl::maintain(Timestamp) {
  const std::size_t links = open_links();
  const std::size_t least = std::min(nodes_.size(), dials() + 1);
  if (links + dialing_.size() < least) extra_ = 1;
  else if (links > least) extra_ = 0;
  if (links > target() + kSpareLinks) drop_least_needed(true);
  // Where round trips change nothing they are asked for less and less often.
  if (++ticks_ <= quiet_ticks_) return;
  ticks_ = 0;
  outbox_.push(overlay::AskRtts{});
}

/// Lets one link go that neither end would choose today. With `unwanted_only` only one that we dialled: the other end
/// looks after its own. Without it there are too many links, and the one liked least goes whoever chose it.
void Overlay::Impl::drop_least_needed(bool unwanted_only) {
  std::optional<PeerId> least;
  std::pair<int, std::uint64_t> least_need{};
  for (const auto& [peer, link] : links_) {
    if (link.closing || is_protected(peer)) continue;
    const Node* node = find(peer);
    const bool wanted = is_target(peer);
    if (unwanted_only && (!link.outbound || wanted || chooses_us(peer))) continue;
    const std::pair need{(wanted ? 2 : 0) + (chooses_us(peer) ? 1 : 0), node == nullptr ? 0 : node->weight};
    if (!least || need < least_need) {
      least = peer;
      least_need = need;
    }
  }
  if (!least) return;
  links_[*least].closing = true;
  outbox_.push(overlay::Drop{*least});
}

/// The last in the first `count` of our order of liking that has neither a link nor failed of late; 0 when there is none.
std::size_t Overlay::Impl::last_untried(std::size_t count) {
  std::size_t last = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto peer = preference(i);
    if (!peer) break;
    if (!links_.contains(*peer) && !dialing_.contains(*peer) && !troubles_.contains(*peer)) last = i;
  }
  return last;
}

/// Walks down the order of liking until enough members hold or get a link; who failed lately is passed over, so the
/// next takes the place. Sets the next wake-up.
void Overlay::Impl::plan(Timestamp now) {
  wake_ = tick_;
  for (const auto& [peer, deadline] : dialing_) wake_ = std::min(wake_, deadline);
  const std::size_t goal = dials() + extra_;
  const bool cut_off = links_.empty();
  // Where dials fail one after the other a dial is no place yet, or the last places would be tried one at a time.
  const bool failing = failures_in_a_row_ >= kFailing && open_links() < goal;
  const std::size_t untried = failing ? last_untried(cut_off ? order_.size() + goal : kReach * dials()) : 0;
  std::size_t places = 0;
  for (std::size_t i = 0; places < goal && (cut_off || i < kReach * dials()); ++i) {
    const auto peer = preference(i);
    if (!peer) break;
    if (const auto it = links_.find(*peer); it != links_.end() || dialing_.contains(*peer)) {
      if (it == links_.end() ? !failing : !it->second.closing) ++places;
      continue;
    }
    if (const auto it = troubles_.find(*peer); it != troubles_.end()) {
      // Who failed is tried again only after those that were not tried at all.
      const Timestamp until = failing && i < untried ? std::max(it->second.until, now + link_.backoff_min) : it->second.until;
      if (until > now) {
        wake_ = std::min(wake_, until);
        continue;
      }
    }
    if (!dial(*peer, now)) break;
    if (!failing) ++places;
  }
}

/// Dials unless a bound says no; then a later event or wake-up plans again.
bool Overlay::Impl::dial(PeerId peer, Timestamp now) {
  if (dialing_.size() >= std::max<std::uint32_t>(1, link_.parallel_dials)) return false;
  if (now < paced_until_) {
    wake_ = std::min(wake_, paced_until_);
    return false;
  }
  if (tree_.max_peers != 0 && open_links() + dialing_.size() >= tree_.max_peers && !is_ring(peer)) return false;
  // The engine ends every dial by `handshake_timeout`; should it not, the place must not stay taken.
  const Timestamp deadline = now + 2 * link_.handshake_timeout;
  dialing_[peer] = deadline;
  wake_ = std::min(wake_, deadline);
  outbox_.push(overlay::Dial{peer});
  return true;
}

// ---- The public face

Overlay::Overlay(TreeConfig tree, LinkConfig link, InstanceId self, std::string name, Rng rng)
    : impl_(std::make_unique<Impl>(std::move(tree), link, self, name, rng)) {}
Overlay::~Overlay() = default;
Overlay::Overlay(Overlay&&) noexcept = default;
Overlay& Overlay::operator=(Overlay&&) noexcept = default;

void Overlay::set_candidates(std::vector<Candidate> candidates, Timestamp now) {
  impl_->set_candidates(std::move(candidates), now);
}
void Overlay::set_rtts(std::map<PeerId, Duration> rtts, Timestamp now) { impl_->set_rtts(std::move(rtts), now); }
void Overlay::configure(const TreeConfig& tree, const LinkConfig& link, Timestamp now) { impl_->configure(tree, link, now); }
void Overlay::link_up(PeerId peer, bool outbound, Timestamp now) { impl_->link_up(peer, outbound, now); }
void Overlay::link_down(PeerId peer, Timestamp now) { impl_->link_down(peer, now); }
void Overlay::dial_failed(PeerId peer, Timestamp now) { impl_->dial_failed(peer, now); }
void Overlay::handle_timeout(Timestamp now) { impl_->handle_timeout(now); }
std::optional<overlay::Output> Overlay::poll_output() { return impl_->poll_output(); }
Timestamp Overlay::next_timeout() const { return impl_->next_timeout(); }
std::vector<PeerId> Overlay::sample() const { return impl_->sample(); }
std::vector<PeerId> Overlay::protected_neighbors() const { return impl_->protected_neighbors(); }
bool Overlay::accepts(PeerId peer) const { return impl_->accepts(peer); }
std::vector<PeerId> Overlay::targets() const { return impl_->targets(); }

}  // namespace plumvine
