#pragma once

// What the sources of a connection share; for them alone.
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "batches.hpp"
#include "connection.hpp"
#include "handshake.hpp"
#include "ngtcp2.hpp"
#include "stream_buffers.hpp"

namespace plumvine::quic {

/// What a packet has at most; where the way takes that is found out (RFC 9000, section 14.3).
inline constexpr std::size_t kPacketMax = 1452;
/// What a packet with a datagram needs beside it, at most: header, id, number, frame, tag.
inline constexpr std::size_t kDatagramHead = 64;
inline constexpr std::size_t kDatagramFrameMax = 1500;
/// Bytes that the system takes in one call.
inline constexpr std::size_t kCallMax = 64'000;
inline constexpr std::uint64_t kActiveIds = 7;
inline constexpr std::uint64_t kDone = 0, kReset = 1;  ///< application error codes

inline ngtcp2_duration span_of(Duration duration) {
  return static_cast<ngtcp2_duration>(duration.count());
}

/// The object that the QUIC library calls back.
struct Connection::Library {
  const Common& common;
  CidObserver& observer;
  tls::Role role;
  Handshake handshake;
  ngtcp2_conn* conn = nullptr;

  State state = State::handshaking;
  End end;
  std::int64_t stream = -1;
  SendBuffer out;
  ReceiveBuffer in;
  std::uint64_t arrived = 0;  ///< bytes of the stream that the other end has
  BatchesOut batches_out;
  BatchesIn batches_in;
  bool fin_wanted = false;
  bool fin_sent = false;
  bool fin_came = false;
  bool tried_early = false;
  bool early = false;
  bool forgotten = false;                ///< a stateless reset has come
  std::vector<std::string> early_names;  ///< whom the ticket that early data went by remembers
  std::deque<Bytes> datagrams_out;
  std::vector<Bytes> datagrams_in;
  Bytes token;
  Endpoint remote;
  Endpoint local;             ///< where our packets go from
  Endpoint known_local;       ///< of a server: what the library takes that for, whatever it becomes
  std::optional<Path> tried;  ///< of a client, as the library sees it: the way to where the server seems to be now
  Timestamp next_try;
  std::int64_t newest = -1;  ///< the highest number of a packet that could be opened, of those after the handshake
  bool newest_came = false;
  Timestamp announced_until;  ///< of a server that the client has to hear from at its new address; 0: of none
  Numbers numbers;
  std::vector<std::uint8_t> last_words;  ///< the packet that ends it
  Path last_path;
  bool say_last = false;
  std::uint32_t came_after = 0;  ///< packets since it was ended
  Timestamp gone_at = kNever;
  Timestamp clock;  ///< of the call in progress

  Library(const Common& shared, CidObserver& watcher, std::shared_ptr<const tls::Credentials> credentials,
          HandshakeOptions options)
      : common(shared), observer(watcher), role(options.role), handshake(std::move(credentials), std::move(options)) {}
  ~Library() {
    if (conn != nullptr) ngtcp2_conn_del(conn);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  [[nodiscard]] bool server() const { return role == tls::Role::server; }
  [[nodiscard]] bool alive() const { return state == State::handshaking || state == State::up; }

  Cid new_cid() const {
    Cid cid;
    cid.size = Cid::kOurs;
    common.random({cid.bytes.data(), cid.size});
    return cid;
  }
  [[nodiscard]] ngtcp2_callbacks callbacks() const;
  [[nodiscard]] ngtcp2_settings settings(Timestamp now, BytesView with_token) const;
  [[nodiscard]] ngtcp2_transport_params params() const;
  void attach(const Path& path);
  bool try_early(const Ticket& ticket);

  // Ways. The library lets only a client change its address. That a server may, too, stays between the ends' sockets
  // and the library: it never sees a server's own address change, and a client's port is a number for it that tells the
  // ways to different addresses of the server apart.
  /// A packet's way as the library is to see it; nothing: it cannot be of the other end.
  [[nodiscard]] std::optional<Path> inward(const Path& real) const;
  [[nodiscard]] Path outward(const ngtcp2_path& seen) const;
  /// A packet that only the server can have made came from there.
  void follow(const Endpoint& where, Timestamp now);
  void announce(bool heard, Timestamp now);

  // What the library calls.
  void opened(BytesView header);
  void validated(const Path& seen, bool good);
  int shaken();
  int confirmed();
  int received(std::int64_t id, std::uint32_t flags, BytesView data);
  int batch_over(std::int64_t id, bool broken);

  int read(const Path& seen, Ecn ecn, BytesView packet, Timestamp now);
  void open_stream();
  bool open_batch();
  [[nodiscard]] std::size_t waiting() const { return out.waiting() + batches_out.waiting(); }
  [[nodiscard]] std::size_t held() const { return out.held() + batches_out.held(); }
  /// What of the stream, or else of a batch, is to be sent next.
  struct Offer {
    std::int64_t stream = -1;  ///< -1: nothing
    bool last = false;         ///< that ends it
    std::size_t count = 0, bytes = 0;
    std::array<BytesView, 16> views;
  };
  [[nodiscard]] Offer next_offer(bool stream_blocked, bool batches_blocked);
  void went(const Offer& offer, std::size_t taken);
  ngtcp2_ssize write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* to, std::size_t room,
                            Timestamp now);
  void fail(int status, Timestamp now);
  void ended_by_peer(Timestamp now);
  void say_end(const ngtcp2_connection_close_error& error, End why, Timestamp now);
  void stop(State next, End why, Timestamp now);
  void finish_if_done(Timestamp now);
};

}  // namespace plumvine::quic
