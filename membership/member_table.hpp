#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/handlers.hpp>
#include <plumvine/types.hpp>

#include "accusers.hpp"
#include "core.hpp"
#include "departed.hpp"
#include "name_index.hpp"
#include "suspicion.hpp"
#include "tombstones.hpp"

namespace plumvine::swim {

/// A member and what only we know of it.
struct Record {
  [[nodiscard]] std::string_view index_name() const noexcept { return member.name; }

  Member member;
  Endpoint endpoint;              ///< of `member`, for sockets
  std::uint8_t address_size = 0;  ///< of the raw address: 4 or 16
  bool died = false;              ///< the last end was a death that nobody refuted yet
  std::uint64_t id = 0;           ///< of this record, never used again
  std::unique_ptr<Suspicion> suspicion;
  std::string accuser;            ///< who said dead; empty otherwise
  InstanceId instance{};          ///< of the `pvi` tag; 0 for foreign members
  bool digests = false;           ///< compares tables by digest, says its `pvd` tag
  Timestamp whole_until{INT64_MIN};  ///< until then it gets whole tables: it refused a digest
  Duration rtt{0};                ///< smoothed; 0 = unknown
  Timestamp alive_since;          ///< when it last became alive here
  Timestamp seen_at{INT64_MIN};   ///< proof of life of another kind
  Timestamp seen_until{INT64_MIN};  ///< while it lives, more of that is to come by then
  Timestamp told_at{INT64_MIN};   ///< when we last told it that its news of itself or of us is stale
  Timestamp conflict_at{INT64_MIN};  ///< when its name was last claimed by somebody else
  InstanceId former{};            ///< the run that lost the name to this one, at another address
  Timestamp former_at{};          ///< when it did
  Bytes claim;                    ///< the alive message of another run that says it has this name now; empty = none
  Timestamp packet_at{INT64_MIN / 4};  ///< when a ping of its own last came by packet
  PacketPath packets = PacketPath::open;
  StreamContact contact = StreamContact::unknown;
  std::uint32_t packet_misses = 0;   ///< probes in a row that it answered, but not by packet
  Timestamp missing_since;           ///< when the first of them was sent
  std::string incompatible;          ///< why its versions do not go with ours: kept out of table exchanges
  std::uint32_t flaps = 0;           ///< suspicions and deaths that it refuted of late
  Timestamp flapped_at;
};

/// Hears of every change of a member's state, after it was made. `before` is nullopt for a new member.
using MemberObserver = std::function<void(const Record& record, std::optional<MemberState> before)>;

/// Hears that nothing is to be known of a member any more.
using ForgetObserver = std::function<void(std::string_view name)>;

/// Hears that another run claims the name of a member that counts as alive: it is to be probed.
using ClaimObserver = std::function<void(std::string_view name, Timestamp now)>;

/// The instance in our members' metadata; 0 for foreign ones.
InstanceId instance_of(BytesView meta);
/// The message that says all we know of a living member.
Bytes encode_alive(const Member& member);

/// What became of an alive message. `older`: we hold the same or newer news of the member.
enum class AliveOutcome : std::uint8_t { ignored, older, accepted, refuted };

/// All members and the rules by which news of them is believed (SWIM, section 4.2; memberlist's handlers).
///
/// The table is what everything else reads. It queues news for gossip, runs suspicions, raises events and
/// counts; it sends nothing itself. Our own record is in it like any other; nobody else can change it.
/// Bounds: `members_max` records; alive messages about further members are dropped and counted. Metadata above the 512 bytes that
/// memberlist's senders allow is taken up to `kMetaTakenMax` a member and `kMetaExcessMax` beyond 512 in all.
class MemberTable {
 public:
  static constexpr std::size_t kMetaExcessMax = std::size_t{16} << 20;

  explicit MemberTable(Core& core);

  void observe(MemberObserver observer) { observer_ = std::move(observer); }
  void observe_claims(ClaimObserver observer) { claim_observer_ = std::move(observer); }

  // News, from packets and table exchanges.
  AliveOutcome alive(const wire::Alive& news, Timestamp now) { return alive(news, false, now); }
  void suspect(const wire::Suspect& news, Timestamp now, Accusation source = Accusation::gossip, std::string why = {});
  void dead(const wire::Dead& news, Timestamp now, std::string why = {});
  /// A dead member is known to have wanted that.
  void believe_left(std::string_view name, Timestamp now);
  /// One row of another member's table: nobody else's word is taken for a death, it becomes a suspicion of ours.
  /// `teller` is whose table it is: a name or an address.
  void merge(const wire::PushNodeState& row, Timestamp now, std::string_view teller = {});
  /// Whether alive members that become known are news to others. A newcomer's first table is not: those who
  /// gave it have spread it, and a thousand newcomers would each repeat a thousand messages.
  void spread_merged(bool spread) noexcept { spread_ = spread; }

  // Ourselves.
  /// Announces us with the next incarnation and this metadata: at start, with new metadata, after a leave.
  void announce_self(Bytes meta, Timestamp now);
  void leave(Timestamp now);
  void come_back() noexcept { left_ = false; }
  [[nodiscard]] bool has_left() const noexcept { return left_; }
  /// Handles only what `row` says about us, so that an answer can already carry the refutation.
  void merge_own(const wire::PushNodeState& row, Timestamp now, std::string_view teller = {});

  /// Who accused too many of late.
  [[nodiscard]] std::vector<AccuserInfo> accusers(Timestamp now) const { return accusers_.infos(now); }

  /// Whether `cidrs_allowed` lets members be at this address.
  [[nodiscard]] bool allowed(const Endpoint& endpoint) const;

  // Forgetting on somebody's order.
  /// The order was given here. Errc::not_found for an unknown name, invalid_argument for a member that lives.
  Status forget(std::string_view name, Timestamp now);
  /// The order was given elsewhere.
  void forget_told(const Forget& order, Timestamp now);
  void observe_forgotten(ForgetObserver observer) { forget_observer_ = std::move(observer); }
  [[nodiscard]] Tombstones& tombstones() noexcept { return tombstones_; }

  // Suspicions.
  /// Ends the suspicion, or returns the suspect that is to be asked first (`Probe::ask_suspect`).
  [[nodiscard]] Record* suspicion_due(std::uint64_t id, Timestamp now);
  /// A suspect that was asked answers: it lives, whatever became of its refutation. False if it is no such answer.
  bool suspect_answered(std::uint32_t sequence, const Endpoint& from, Timestamp now);
  /// A probe found the member where we know it: whoever claims its name meanwhile is refused.
  void found(Record& record, Timestamp now);
  /// Something came in from another member: we are not cut off.
  void heard(Timestamp now);
  void packet_heard(const Endpoint& from, Timestamp now);
  /// A probe of ours was answered.
  void answered() noexcept { answered_ = true; }
  void extend_suspicions(Duration by);

  // Queries.
  [[nodiscard]] Record* find(std::string_view name);
  [[nodiscard]] const Record* find(std::string_view name) const;
  [[nodiscard]] const Record& self() const { return *self_; }
  [[nodiscard]] bool is_self(std::string_view name) const { return name == core_.identity.name; }
  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }
  [[nodiscard]] std::size_t alive_count() const noexcept { return alive_; }
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }
  [[nodiscard]] std::uint32_t local_incarnation() const noexcept { return incarnation_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Record>>& records() const noexcept { return order_; }
  /// Those that the table dropped and people still see.
  [[nodiscard]] const Departed& departed() const noexcept { return departed_; }
  /// Members that exchanges of tables, not gossip, made known.
  [[nodiscard]] std::uint64_t merged() const noexcept { return merged_; }
  /// An alive or suspect member other than us at this address.
  [[nodiscard]] const Record* living_at(const Endpoint& endpoint) const;
  /// In the last table that knew our name as alive it was that of a member at another address.
  [[nodiscard]] bool name_taken() const noexcept { return name_holder_.port != 0; }
  /// The address of that member; nothing where the name is ours, or where that may be our own run before this one.
  [[nodiscard]] std::optional<Endpoint> name_holder(Timestamp now) const;
  /// It may still be our own run before this one: tables are compared more often, to have the name soon.
  [[nodiscard]] bool awaits_name(Timestamp now) const;
  /// Somebody's table has our name with us.
  void known_as_we_are() noexcept { name_holder_ = {}; }
  /// Ticket of the broadcast that says we left; 0 where there is none.
  [[nodiscard]] BroadcastQueue::Ticket leave_ticket() const noexcept { return leave_ticket_; }

  /// Up to `count` different random members other than us that `fits`, all of them if there are few.
  std::vector<Record*> random(std::size_t count, const std::function<bool(const Record&)>& fits);
  /// The next member to probe: each once per pass, in an order shuffled for every pass. Drops the long dead
  /// when a pass is over. Null if there is nobody.
  Record* next_to_probe(Timestamp now);
  /// Everything that goes into a table exchange: a row for each member but the incompatible ones, and us once we left a name
  /// that is another's.
  void each_row(const std::function<void(const wire::PushNodeState&)>& take) const;
  /// Why a member of these versions does not go with ours; empty where it does.
  [[nodiscard]] std::string version_problem(std::string_view name, BytesView versions, bool alive) const;

 private:
  AliveOutcome alive(const wire::Alive& news, bool bootstrap, Timestamp now);
  /// Counts news of a member that nobody can dial, and says so once for each name and address.
  void bad_address(const wire::Alive& news, const char* problem);
  Record* insert(const wire::Alive& news);
  void accept_alive(Record& record, const wire::Alive& news, bool replaced, Timestamp now);
  [[nodiscard]] bool outlives(const wire::Alive& news) const;
  [[nodiscard]] static bool is_of_former_run(const Record& record, const wire::Alive& news, Timestamp now);

  // claims.cpp: one name, two addresses.
  [[nodiscard]] bool may_replace(const Record& record, const wire::Alive& news, Timestamp now) const;
  /// Keeps the word of another run of our software until it is known whether the old one still answers. False: it is no such claim.
  bool claim(Record& record, const wire::Alive& news, Timestamp now);
  /// The member is missed: whoever claims its name gets it. False: nobody does.
  bool settle_claim(Record& record, Timestamp now);
  void conflict(Record& record, const wire::Alive& news, Timestamp now);

  [[nodiscard]] bool shown(const Record& record) const;
  /// `troubled`: it may be this member's own fault that it was accused (Lifeguard, section IV-A).
  void refute(std::uint32_t accused, bool troubled = true);
  /// Says what is claimed of us and refutes it. In a table it is not told who began with that, only whose table it is.
  void answer_accusation(std::uint32_t accused, std::string_view accuser, std::string_view teller, std::string_view of);
  void broadcast_self();
  void start_suspicion(Record& record, std::string_view accuser, Timestamp now);
  void flapped(Record& record, Timestamp now);
  /// How many times longer a suspicion of it lasts.
  [[nodiscard]] std::uint32_t damping(Record& record, Timestamp now);
  void end_suspicion(Record& record);
  /// We alone accuse it, in all the time there was, we are unwell ourselves, and packets come from as many others as should have confirmed it:
  /// then it is more likely that we cannot be heard than that the member is dead. Those who are well will find out.
  [[nodiscard]] bool doubtful(const Suspicion& suspicion, Timestamp now) const;
  /// Nobody is to be heard, and somebody was, who answered: an answer could not come through now.
  [[nodiscard]] bool silent(Timestamp now) const;
  void set_state(Record& record, MemberState state, Timestamp now);
  void notify(MemberEvent::Kind kind, const Member& member, std::string_view from, std::string reason = {});
  void changed(const Record& record, std::optional<MemberState> before);
  void drop_dead(Timestamp now);
  /// It leaves the table: what only the table counts does not go along.
  void drop_excess(Member& member);
  void forgotten(const std::optional<Member>& member, std::string_view by = {});
  /// Takes the member out of everything.
  void erase(std::string_view name, std::string_view by);

  Core& core_;
  MemberObserver observer_;
  ClaimObserver claim_observer_;
  ForgetObserver forget_observer_;
  std::vector<std::unique_ptr<Record>> order_;  ///< the probe order
  NameIndex<Record> by_name_;
  std::vector<Record*> suspects_;
  Departed departed_;
  Tombstones tombstones_;
  Record* self_ = nullptr;
  std::size_t next_probe_ = 0;
  std::set<std::string> bad_addresses_told_;
  std::size_t meta_excess_ = 0;  ///< bytes of metadata beyond 512 each
  std::size_t alive_ = 0;
  std::uint64_t last_id_ = 0;
  std::uint64_t version_ = 0;
  std::uint64_t merged_ = 0;
  std::uint32_t incarnation_ = 0;  ///< our own counter, beside our record's field
  BroadcastQueue::Ticket leave_ticket_ = 0;
  /// So long the others may take to find out that our run before this one is gone.
  [[nodiscard]] Duration takeover_time() const;

  Endpoint name_holder_;           ///< port 0: nobody but us
  Timestamp name_held_since_;
  /// Whether others are told what `accuser` says: an observer accuses nobody itself.
  [[nodiscard]] bool may_accuse(std::string_view accuser) const { return !core_.config.observe || accuser != core_.identity.name; }
  /// An accusation by another member. False: it has accused too many to be believed.
  bool believable(std::string_view accuser, std::string_view accused, Timestamp now);

  Timestamp answered_doubted_{INT64_MIN / 2};  ///< when we last refuted one who is not believed
  Accusers accusers_;       ///< by the author that messages name
  Accusers tellers_{3, 3};  ///< by whose table it is; nobody is named for it, a partition that heals makes such tables
  Timestamp heard_{INT64_MIN};
  struct Voice {
    Endpoint endpoint;
    Timestamp at;
  };
  static constexpr std::size_t kVoicesMax = 8;
  std::vector<Voice> voices_;  ///< alive members whose packets came while any other was suspected; the one silent for longest goes
  bool answered_ = false;  ///< at any time
  bool left_ = false;
  bool spread_ = true;
};

/// Checks two tables against each other as memberlist does before it merges them: every member, whatever its
/// state, must speak what all alive ones understand. Give all rows to `add`, then all again to `check`.
class VersionCheck {
 public:
  void add(BytesView versions, bool alive, bool remote);
  /// The reason, naming the culprit, or nullopt.
  [[nodiscard]] std::optional<std::string> check(std::string_view name, BytesView versions) const;

 private:
  struct Range {
    std::uint8_t low = 0;
    std::uint8_t high = 255;
  };
  Range protocol_;
  Range delegate_;
};

}  // namespace plumvine::swim
