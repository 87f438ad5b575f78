#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core.hpp"
#include "exchange.hpp"
#include "inquiries.hpp"
#include "missing.hpp"
#include "pacing.hpp"
#include "receipts.hpp"
#include "shape.hpp"
#include "signing.hpp"
#include "tree.hpp"

namespace plumvine {

/// The steps of the protocol. `tree.cpp`: links, time and queries; `gossip.cpp`: payloads and announcements;
/// `delivery.cpp`: to the user, with validators and order; `parts.cpp` and `fetch.cpp`: large payloads on that way;
/// `origins.cpp`: whether it is from whom it says; `repair.cpp`: grafts, digests, the first sync, loss.
class Tree::Impl {
 public:
  using Slot = tree::Slot;
  using Arrival = tree::Arrival;
  using OriginIndex = tree::OriginIndex;
  using StoredMessage = tree::StoredMessage;
  using Link = tree::Link;

  Impl(TreeConfig config, InstanceId self, std::string name, Rng rng, LogLevel level, const TopicConfigs& topics,
       frame::LargeTools large, frame::SignTools sign);

  // tree.cpp
  void start_from(TreeStart start, Timestamp now);
  void start_alone(Timestamp now);
  void handle_frame(PeerId from, Frame&& frame, Timestamp now);
  void peer_up(PeerId peer, PeerTraits traits, Timestamp now);
  void peer_down(PeerId peer, Timestamp now);
  void set_rtt(PeerId peer, Duration rtt, Duration last, Duration clock_offset, Timestamp now);
  std::size_t resync(std::optional<PeerId> peer, Timestamp now);
  void set_members(const TreeMembers& members, Timestamp now);
  Trimmed trim(Timestamp now);
  void configure(TreeConfig config, LogLevel level, Timestamp now);
  void handle_timeout(Timestamp now);
  std::optional<tree::Output> poll_output();
  [[nodiscard]] Timestamp next_timeout() const;
  [[nodiscard]] Duration graft_timeout(Slot slot) const;
  const TreeStats& stats(Timestamp now);
  [[nodiscard]] std::vector<OriginInfo> origins() const;
  [[nodiscard]] Cursor position() const;
  [[nodiscard]] std::vector<MessageId> held_ids(bool own) const;
  [[nodiscard]] std::optional<HeldMessage> held(const MessageId& id) const;
  [[nodiscard]] PathInfo path(const MessageId& id) const;
  [[nodiscard]] std::vector<std::string> check_invariants() const;

  // gossip.cpp
  void publish(Sequence sequence, std::string topic, frame::Payload payload, bool deliver_local, Timestamp now);
  void on_gossip(Slot from, frame::Gossip&& gossip, Timestamp now);
  void set_credit(PeerId peer, std::int64_t bytes, Timestamp now);
  void dropped(PeerId peer, const std::vector<MessageId>& ids, Timestamp now);
  void want_receipt(Sequence sequence, std::uint32_t acks, Duration timeout, Timestamp now);
  void ask(std::uint64_t number, std::uint8_t kind, Bytes question, Duration timeout, Timestamp now);
  void answer(InstanceId origin, std::uint64_t number, Bytes text, Timestamp now);

  [[nodiscard]] std::vector<LargeInfo> large(Timestamp now) const { return assemblies_.infos(now); }

  // origins.cpp
  void set_wall(std::int64_t wall_us, Timestamp now) { signing_.set_wall(wall_us, now); }
  void origin_key(std::string_view member, const frame::OriginKey& key, bool proven, Timestamp now);
  bool forget_key(std::string_view member) { return signing_.forget_key(member); }
  void recall_key(const frame::KeptKey& kept, Timestamp now) { signing_.recall_key(kept, now); }
  bool forget_recalled_key(std::string_view member, Timestamp given);
  [[nodiscard]] std::vector<frame::KeptKey> keep_keys(Timestamp now) { return signing_.keep_keys(now); }
  [[nodiscard]] std::uint64_t keys_version() const { return signing_.keys_version(); }
  [[nodiscard]] std::vector<RefusedOriginInfo> refused_origins(Timestamp now) const { return signing_.refused(now); }

  // delivery.cpp
  void undecodable(const MessageId& id, Timestamp now);
  void pause_delivery(bool paused, Timestamp now);
  void judged(MessageId id, Verdict verdict, Timestamp now);

  tree::Core core;
  std::unique_ptr<tree::Shape> shape;

 private:
  // tree.cpp
  void enter(Timestamp now);
  /// An earlier run of this member.
  [[nodiscard]] bool is_former_self(InstanceId origin) const {
    return std::find(start_.own.begin(), start_.own.end(), origin) != start_.own.end();
  }
  void push_in_flight(Slot lost, Timestamp now);
  void clear_bits(Slot slot);
  /// Makes room for a new one if it must; `keep` stays then.
  [[nodiscard]] std::optional<OriginIndex> origin_of(Slot from, InstanceId instance, std::string_view name, Timestamp now,
                                                     OriginIndex keep = tree::kSelf);
  bool make_room_for_origin(OriginIndex keep, bool stranger);
  /// May `sequence` exist, as far as we can tell?
  [[nodiscard]] bool plausible(OriginIndex origin, Sequence sequence) const;

  // gossip.cpp
  /// Our own: into the store, to the user, to the tree.
  void publish_stored(StoredMessage message, bool deliver_local, Timestamp now);
  void first_copy(Slot from, OriginIndex origin, frame::Gossip&& gossip, bool asked, Timestamp now);
  void observe_sizes(const frame::Run& run, const Bytes& bytes, std::uint64_t size);
  /// On reserved topics each message is looked at for itself.
  [[nodiscard]] static bool takes_run(std::string_view topic, const tree::Topic& agreed);
  /// Messages of a run that cannot stay one here, or of which some were seen.
  void take_apart(Slot from, OriginIndex origin, const frame::Gossip& run, bool asked, Timestamp now);
  void on_copy(Slot from, OriginIndex origin, const frame::Gossip& gossip, Timestamp now);
  void spread(StoredMessage& message, tree::Arrival arrival, Slot from, Timestamp now);
  void push(StoredMessage& message, tree::Arrival arrival, const std::vector<Slot>& to, bool pulled, Timestamp now);
  /// Looks up the topic and notes what follows from it.
  void agree(StoredMessage& message, std::uint64_t tree::Topic::*count, Timestamp now);
  /// There is no credit for a payload that is to be pushed. True: it goes out nevertheless, and something gives way.
  bool without_credit(Link& link, const StoredMessage& message, bool pulled, Timestamp now);
  [[nodiscard]] frame::Gossip gossip_of(StoredMessage& message, bool pulled);
  void owe(Link& link, tree::OriginSets& owed, const StoredMessage& message);
  void drain(Slot slot, Timestamp now);
  bool drain_owed(Slot slot, std::vector<tree::Arrival>& announce, Timestamp now);
  /// Sends what is owed while there is credit above `floor`; true: all of it.
  bool drain_set(Slot slot, tree::OriginSets& owed, bool pulls, std::int64_t floor, std::vector<tree::Arrival>& announce, Timestamp now);
  /// One origin's turn; false: there is no credit for more.
  bool drain_turn(Slot slot, OriginIndex origin, IntervalSet& owed, bool pulls, std::int64_t floor, std::vector<tree::Arrival>& announce,
                  Timestamp now);
  void announce_later(Slot slot, const StoredMessage& message, tree::Arrival arrival, Timestamp now);
  void flush_lazy(Slot slot, Timestamp upto);
  void announce(Slot slot, const std::vector<tree::Arrival>& arrivals);
  void sample_lateness(Duration late);

  // origins.cpp: signatures of those who publish.
  /// It comes from the member that it names, as far as is asked here. False: it was refused, or waits for a key.
  bool authentic(Slot from, frame::Gossip& gossip, Timestamp now);
  enum class Fault : std::uint8_t { neighbour, origin };
  void refuse_origin(Slot from, const frame::Gossip& gossip, OriginRefused why, Timestamp now,
                     Fault whose = Fault::neighbour);
  void keys_overdue(Timestamp now);

  // delivery.cpp
  void judge(const StoredMessage& message, Timestamp now);
  void deliver(StoredMessage& message, tree::Arrival arrival, Timestamp now);
  void deliver_next(StoredMessage& message, tree::Arrival arrival, Timestamp now);
  void emit(StoredMessage& message, Timestamp now);
  void note_future(const StoredMessage& message, Timestamp now);
  [[nodiscard]] tree::Deliver delivery_of(const StoredMessage& message, Timestamp now) const;
  void deliver_backlog();
  /// While delivery is paused, on a topic that drops: room for this one, or it is given up. True: it may wait.
  bool make_backlog_room(const StoredMessage& message);
  /// Messages on ordered topics up to here wait for nothing.
  [[nodiscard]] Sequence ordered_upto(OriginIndex origin) const;
  /// Delivers what waited for the order of its topic and need not any more.
  void release(OriginIndex origin, Timestamp now);
  void on_evicted(const StoredMessage& message);
  void overrun(OriginIndex origin, SequenceRange range, LossReason reason) { overrun_[{origin, reason}].add(range); }

  // parts.cpp
  /// `message` says everything but the payload, which is encoded or goes in parts.
  void publish_whole(StoredMessage message, const frame::Payload& payload, bool deliver_local, Timestamp now);
  /// Finds out of which payload the gossip tells, or of which one it is a part; false: it was refused.
  bool admit(Slot from, OriginIndex origin, const frame::Gossip& gossip, std::shared_ptr<tree::Whole>& whole, Timestamp now);
  [[nodiscard]] static bool fits(const tree::Whole& whole, Sequence part, std::string_view topic, const Bytes& payload);
  /// Puts the part of a partial payload into its place.
  void take_part(const std::shared_ptr<tree::Whole>& whole, StoredMessage& part);
  /// Takes the parts that came before their message, and sees to those that would not come.
  void gather_parts(const std::shared_ptr<tree::Whole>& whole, Timestamp now);
  /// The payload will not be put together here; its parts are only passed on, or asked for by others.
  void pass_by(const std::shared_ptr<tree::Whole>& whole, Timestamp now);
  void complete_if_all_here(const std::shared_ptr<tree::Whole>& whole, Timestamp now);
  /// What of a partial payload is still missing is not waited for any more; the caller reports the loss.
  void give_up_whole(tree::Whole& whole);
  /// Those that are in the store, in order.
  [[nodiscard]] std::vector<Arrival> parts_of(const tree::Whole& whole) const;
  /// Parts that waited for the verdict on their message, or were held back for want of it.
  void spread_parts(const tree::Whole& whole, Timestamp now);
  /// Tells those who may be about to send the part, too.
  void hint(Slot from, const StoredMessage& part, Arrival arrival);

  // fetch.cpp
  /// Asks for missing parts, of topics that fetch in the direction from which the message came if that is still known. False: there
  /// is nobody to ask.
  bool ask_for_parts(const tree::Whole& whole, SequenceRange range, Timestamp now);
  /// A neighbour asks for parts that are not here: it gets the range that is returned as soon as it comes. Empty: it cannot be had.
  [[nodiscard]] SequenceRange take_order(Slot from, OriginIndex origin, SequenceRange range, Timestamp now);
  void hand_on(StoredMessage& part, tree::Arrival arrival, Timestamp now);
  /// Parts that were asked for on behalf of neighbours will not come.
  void cannot_fetch(OriginIndex origin, SequenceRange range);
  void refuse_askers(tree::Whole& whole, SequenceRange range);
  void asker_down(Slot slot, Timestamp now);

  // repair.cpp
  void on_ihave(Slot from, const frame::IHave& ihave, Timestamp now);
  void on_announced(Slot from, const frame::IHave& ihave, OriginIndex origin, SequenceRange range, Timestamp now);
  /// The far end has all of `range`, of which `held` is in the store.
  void note_announced(Slot from, const frame::IHave& ihave, OriginIndex origin, SequenceRange range, std::span<const SequenceRange> held,
                      Timestamp now);
  void on_graft(Slot from, const frame::Graft& graft, Timestamp now);
  void on_gone(Slot from, const frame::Gone& gone, Timestamp now);
  void answer(Slot from, const std::vector<frame::OriginRanges>& ids, bool graft, Timestamp now);
  bool take_graft_token(Link& link, Timestamp now);
  void pull_missing(Timestamp now);
  /// When to look again at an id that the tree is probably about to bring; `now` if it is not.
  [[nodiscard]] Timestamp still_coming(const MessageId& id, const tree::MissingSet::Entry& entry, Timestamp now);
  /// Whom to ask next for the id, given how many were asked just now; none when it was given up.
  [[nodiscard]] Slot next_target(const MessageId& id, tree::MissingSet::Entry& entry, const std::map<Slot, std::size_t>& asked);
  void give_up(const MessageId& id);
  /// `graft_timeout` with jitter.
  [[nodiscard]] Duration pull_delay(Slot slot, TreeId tree);
  void on_digest(Slot from, frame::Digest digest, Timestamp now);
  [[nodiscard]] frame::DigestEntry digest_entry(OriginIndex index, std::size_t ranges) const;
  void send_recent(Timestamp now);
  void push_lacking(Slot to, const frame::Digest& recent, Timestamp now);
  void send_digest(const std::vector<Slot>& to, bool reply_wanted, Timestamp now);
  void ask_for_sync(Timestamp now);
  void gather(Slot from, frame::Digest digest, Timestamp now);
  void adopt(const std::vector<frame::DigestEntry>& entries, Slot from, bool provisional, Timestamp now);
  void finish_sync(Timestamp now);
  void take_start(Slot from, const frame::DigestEntry& entry, Timestamp now);
  void periodic_digest(Timestamp now);
  void check_loss(Timestamp now);
  void disbelieve(OriginIndex origin, Timestamp now);
  void lose(OriginIndex origin, SequenceRange range, LossReason reason, Timestamp now);
  /// Counts as seen, and nobody is asked for it.
  void no_longer_missing(OriginIndex origin, SequenceRange range);
  void lose_whole(tree::Whole& whole, LossReason reason, Timestamp now);
  void report_lost(OriginIndex origin, SequenceRange range, LossReason reason);

  tree::MissingSet missing_;
  tree::Exchange exchange_;
  tree::LossWatch losses_;
  tree::Pacing pacing_;
  tree::Receipts receipts_;
  tree::Inquiries inquiries_;
  tree::Assemblies assemblies_;
  tree::Signing signing_;
  Timestamp now_{INT64_MIN};       ///< of the last input
  Timestamp timeout_now_{INT64_MIN};
  Timestamp reset_at_{INT64_MIN / 2};  ///< an eager link broke

  bool paused_ = false;
  std::deque<tree::Arrival> backlog_;  ///< received and not delivered, in order
  /// By number of a topic that drops: what of it is in the backlog, and a little that was.
  std::map<std::uint32_t, std::deque<tree::Arrival>> backlogs_;
  std::map<std::pair<OriginIndex, LossReason>, IntervalSet> overrun_;  ///< will not be delivered; told in time
  std::set<OriginIndex> unblocked_;  ///< what waited for a message of theirs that left the store may go on

  TreeStart start_;
  /// A digest of a neighbour while we have no start of our own.
  struct Gathered {
    bool complete = false;
    bool synced = false;
    std::vector<frame::DigestEntry> entries;
  };
  std::map<Slot, Gathered> gathered_;
  std::vector<std::pair<Slot, frame::Gossip>> held_;  ///< came before the first sync
  std::uint64_t held_bytes_ = 0;
  Timestamp sync_deadline_ = kNever;   ///< from then on an unsynced neighbour will do
  Timestamp ask_at_ = kNever;
  std::size_t ask_next_ = 0;
  Timestamp provisional_until_{INT64_MIN};  ///< our start came from an unsynced neighbour
  Timestamp digest_at_ = kNever;
  /// The earliest deadline of all queues of announcements.
  [[nodiscard]] Timestamp lazy_at() const;
  mutable std::optional<Timestamp> lazy_at_;  ///< what it has found, until a queue changes
};

}  // namespace plumvine
