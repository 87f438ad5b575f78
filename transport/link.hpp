#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <plumvine/config.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

#include "clock_filter.hpp"
#include "frame_decoder.hpp"
#include "link_seal.hpp"
#include "plumtree/frames.hpp"

namespace plumvine {

/// What a greeting says about the other end.
enum class Greeting : std::uint8_t { good, wrong_cluster, other_version, other_member, ourselves };

/// Who we are to the other end of a link.
struct LinkIdentity {
  std::string name;
  InstanceId instance{};
  std::string cluster;
};

/// One link as a state machine, without its connection: dialling (outbound only), greeting, up, draining; `visiting` in place
/// of up where it is for direct messages only. It decodes what arrives, judges the greeting, keeps the link alive and
/// measures it. `Engine` decides between links and does the rest.
class Link {
 public:
  /// A frame body before the greeting is done can only be a Hello or a Bye.
  static constexpr std::size_t kGreetingMax = 1024;
  /// How long the end of a conversation may take: the other end reads what is queued and closes.
  static constexpr Duration kDrainTime = std::chrono::seconds{2};

  Link(const LinkConfig& config, bool outbound, ChunkPool& pool, std::size_t max_message_size, Timestamp now);

  /// The connection of an outbound link stands.
  void connected(Timestamp now);
  [[nodiscard]] Greeting judge(const frame::Hello& hello, const LinkIdentity& self) const;
  /// The greeting is done: frames of every size may come, pings start.
  void go_up(PeerId id, Timestamp now);
  /// The greeting is done: direct messages may come, nothing else.
  void go_visiting(Timestamp now);
  void drain(Timestamp now);

  /// Bytes arrived: the other end lives.
  void received(std::size_t bytes, Timestamp now);
  /// Nothing was heard for the idle timeout.
  [[nodiscard]] bool is_idle(Timestamp now) const;
  /// The next ping, or none yet. Call it when `deadline()` has come while the link is up.
  std::optional<frame::Ping> next_ping(Timestamp now, std::int64_t wall_us);
  /// The next ping before its time, where it is due within half of `ping_interval`: it goes along with frames that are small, so that both ends are woken once.
  std::optional<frame::Ping> ping_along(Timestamp now, std::int64_t wall_us);
  /// A ping out of turn; the next one follows after `ping_interval` less `earlier`.
  frame::Ping ping(Timestamp now, std::int64_t wall_us, Duration earlier = Duration{0});
  /// Answers the peer's. Once round trips are well known the ends take turns: each pings in every other `ping_interval`, one interval
  /// after the other, so something is heard as often as before, and pings, most of what a link at rest carries, halve.
  frame::Pong pong(const frame::Ping& ping, Timestamp now, std::int64_t wall_us);
  /// Takes the measurement of an answered ping; false when it answers none of ours.
  bool answered(const frame::Pong& pong, Timestamp now, std::int64_t wall_us);
  /// When something is due: handshake or drain limit, next ping.
  [[nodiscard]] Timestamp deadline() const noexcept { return deadline_; }
  void set_deadline(Timestamp deadline) noexcept { deadline_ = deadline; }

  [[nodiscard]] LinkState state() const noexcept { return state_; }
  [[nodiscard]] bool outbound() const noexcept { return outbound_; }
  [[nodiscard]] bool greeted() const noexcept {
    return state_ == LinkState::up || state_ == LinkState::draining || state_ == LinkState::visiting;
  }
  [[nodiscard]] const ClockFilter& clock() const noexcept { return clock_; }
  /// From connecting to the greeting: a first idea of the round trip. 0 for inbound links.
  [[nodiscard]] Duration greeting_rtt() const noexcept { return greeting_rtt_; }
  [[nodiscard]] Timestamp connected_at() const noexcept { return connected_at_; }
  /// kNever before that.
  [[nodiscard]] Timestamp greeted_at() const noexcept { return greeted_at_; }
  [[nodiscard]] Timestamp last_received() const noexcept { return last_received_; }
  [[nodiscard]] std::uint64_t received_bytes() const noexcept { return received_bytes_; }
  /// 1 = well; falls with silence and congestion.
  [[nodiscard]] double score(Timestamp now, bool congested) const;

  /// May frames be sent? Not before the key of a sealed link is known.
  [[nodiscard]] bool may_send() const noexcept { return !seal || seal->ready() || seal->in_clear(); }

  FrameDecoder decoder;
  std::shared_ptr<LinkSeal> seal;      ///< null: in clear; the send queue shares it
  std::string name;                    ///< expected (outbound) or greeted
  InstanceId instance{};
  std::optional<PeerId> peer;          ///< set for outbound links and once accepted
  std::optional<frame::Hello> waiting; ///< greeted by a member that is not known yet
  Timestamp leave_at = kNever;         ///< the member left: the link ends then
  std::uint64_t sent_bytes = 0;
  std::int64_t credit = INT64_MAX;     ///< mirror of what the tree may still send
  std::uint64_t forgets_sent = 0;      ///< number of the last order to forget that went over this link
  bool visit = false;                  ///< for direct messages only
  bool superseded = false;             ///< lost against a second link: frames still count

 private:
  [[nodiscard]] Duration ping_interval() const;
  /// The next deadline of a link that is up: its ping, or the end of the idle timeout.
  void plan(Timestamp now);

  const LinkConfig* config_;
  LinkState state_;
  bool outbound_;
  Timestamp deadline_;
  Timestamp ping_at_ = kNever;
  Timestamp pinged_at_{INT64_MIN / 2};
  bool takes_turns_ = false;           ///< the peer has pinged since our last ping
  Timestamp connected_at_;
  Timestamp greeted_at_ = kNever;
  Timestamp last_received_;
  Duration greeting_rtt_{0};
  std::uint64_t received_bytes_ = 0;
  std::uint64_t nonce_ = 0;
  ClockFilter clock_;
};

}  // namespace plumvine
