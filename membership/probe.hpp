#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answers.hpp"
#include "core.hpp"
#include "member_table.hpp"
#include "packet_paths.hpp"

namespace plumvine::swim {

/// Failure detection: one member is probed at a time, directly, then through others and over a stream
/// (SWIM, section 3.1; Lifeguard's nacks, section IV-A). A probe without any answer starts a suspicion.
///
/// A wake-up that comes late is our own fault: deadlines are counted from when we really acted.
class Probe {
 public:
  Probe(Core& core, MemberTable& table, Answers& answers, PacketPaths& paths, StreamPing stream_ping)
      : core_(core), table_(table), answers_(answers), paths_(paths), stream_ping_(std::move(stream_ping)) {}

  /// Probing begins, or has another period.
  void start(Timestamp now);
  /// One probe interval is over.
  void tick(Timestamp now);
  /// The running probe waited long enough.
  void phase_due(Timestamp now);
  /// The member whose direct ping has this number, and how long it took; nullopt where that is not being waited for.
  [[nodiscard]] std::optional<std::pair<std::string, Duration>> round_trip(std::uint32_t sequence, Timestamp now) const;
  /// True if the number belongs to the running probe.
  bool answered(std::uint32_t sequence, const Endpoint& from, Timestamp now);
  bool nacked(std::uint32_t sequence, Timestamp now);
  bool stream_answered(std::uint32_t sequence, Timestamp now);
  void stream_failed(std::uint32_t sequence, Timestamp now);
  /// Its link broke off without a farewell, or another run claims its name: it is probed next, at once if no probe is running. Others are asked with the
  /// first ping, and when all of them hear nothing and its port is closed the probe has failed.
  void hurry(std::string_view name, Timestamp now);
  /// Another channel proved that the member lives. Before `until` silence there proves nothing: a probe that found nothing waits for that.
  void seen_alive(std::string_view name, Timestamp until, Timestamp now);
  /// One ping of a suspect whose time is nearly over; the answer goes to `MemberTable::suspect_answered`.
  void ask_suspect(Record& target, Timestamp now);
  /// We were stalled: the answer may be here, unread.
  void extend(Duration by);

 private:
  enum class Phase : std::uint8_t { idle, direct, indirect };

  /// Members to be hurried, at most: further ones wait for their turn as all do.
  static constexpr std::size_t kHurriedMax = 64;

  void begin(Timestamp now);
  Record* take_hurried();
  /// Nobody is left who could answer a hurried probe.
  void all_said_no(Timestamp now);
  void ping_directly(const Record& target, std::uint32_t sequence, Timestamp now);
  void ask_others(const Record& target, Timestamp now);
  void succeed(ProbeResult how, Timestamp now);
  void fail(Timestamp now);
  void finish(Timestamp now);
  void measure(Timestamp now);
  /// The target answered: by packet, or only in another way.
  void judge_packets(bool by_packet, Timestamp now);

  Core& core_;
  MemberTable& table_;
  Answers& answers_;
  PacketPaths& paths_;
  StreamPing stream_ping_;
  Phase phase_ = Phase::idle;
  std::string target_;
  Endpoint endpoint_;
  std::uint32_t incarnation_ = 0;
  std::uint32_t sequence_ = 0;
  Timestamp started_;
  Timestamp due_;
  Timestamp next_tick_;
  Duration interval_{0};
  std::uint32_t nacks_expected_ = 0;
  std::uint32_t nacks_received_ = 0;
  std::size_t helpers_asked_ = 0;
  std::vector<std::string> hurried_;  ///< oldest first
  bool hurry_ = false;         ///< the running probe is one of those
  bool stream_tried_ = false;
  bool stream_failed_ = false;
  bool grace_given_ = false;
  bool owed_ = false;  ///< an interval passed while a probe was running
};

/// Pings that we do for others. Only members we know are pinged: nobody can make us send to strangers.
/// Bounds: `kRelaysMax` at once; further requests are dropped, as if they were lost.
class Relays {
 public:
  static constexpr std::size_t kRelaysMax = 1024;

  Relays(Core& core, const MemberTable& table) : core_(core), table_(table) {}

  void request(const wire::IndirectPing& request, const Endpoint& answer_to, Timestamp now);
  bool answered(std::uint32_t sequence);
  void due(std::uint32_t sequence);

 private:
  struct Relay {
    Endpoint to;
    std::uint32_t sequence;
    bool nack;
  };
  Core& core_;
  const MemberTable& table_;
  std::map<std::uint32_t, Relay> relays_;
};

}  // namespace plumvine::swim
