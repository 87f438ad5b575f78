#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/time.hpp>
#include <span>
#include <string>
#include <vector>

#include "path.hpp"
#include "transport/tls/session.hpp"

namespace plumvine::quic {

class AntiReplay;

/// Fills a span with random bytes that nobody can guess.
using Random = std::function<void(std::span<std::byte>)>;

/// What a client keeps of a connection for the next one to the same end. Opaque but for the judgement's input.
struct Ticket {
  Bytes session;                   ///< of TLS, with its secrets
  Bytes limits;                    ///< what the other end allowed, for early data
  std::vector<std::string> chain;  ///< the other end's certificates, DER
};

/// What all connections of a node have in common. Everything outlives the connections.
struct Common {
  Random random;
  tls::Judge judge;
  const tls::TicketKey* tickets = nullptr;
  AntiReplay* replays = nullptr;  ///< null: early data are refused
  std::string reset_secret;       ///< stateless reset tokens are derived from it
  std::string token_secret;       ///< address validation tokens are
  Duration handshake_timeout = std::chrono::seconds{5};
  Duration idle_timeout = std::chrono::seconds{15};
  Duration keep_alive = std::chrono::seconds{4};
  /// Batches that the other end may have on their way at once. 0: none, as with versions that did not know them.
  std::uint64_t batches_max = 256;
  /// Of the round trip, before it was measured.
  Duration initial_rtt = std::chrono::milliseconds{50};
};

/// Who wants to know which ids lead to a connection. Called inside calls of the connection; must not call it.
class CidObserver {
 public:
  virtual ~CidObserver() = default;
  virtual void cid_added(const Cid& cid) = 0;
  virtual void cid_retired(const Cid& cid) = 0;
};

/// The first packet of a client, as far as it was looked at.
struct FirstPacket {
  std::uint32_t version = 0;
  Cid dcid;                  ///< where it was sent to
  Cid scid;                  ///< where answers go
  std::optional<Cid> odcid;  ///< it follows a Retry: where the first one was sent to
  Bytes token;               ///< that was good; empty: none
};

/// One QUIC connection that carries one bidirectional stream, opened by the client, batches beside it, each of which is a
/// unidirectional stream, and datagrams; without sockets and clock. Everything that the QUIC library does is in here. Packets come in by `receive`, go out by `write`; after
/// either, and after `due`, whoever owns it looks at `state`, `readable` and so on. `expiry` is when it wants to be
/// woken.
///
/// Both ends judge each other as on TCP. A client counts as `up` when the server has confirmed the handshake, which it
/// does after it has judged the client; where a ticket remembers both, as soon as keys are there. Bounds: `kSendMax`
/// bytes kept until acknowledged and a batch, the receive window, `Common::batches_max` batches, `kDatagramsMax` datagrams
/// each way. Who goes beyond what it was given ends the connection. One thread; no call may come from within another.
class Connection {
 public:
  static constexpr std::size_t kSendMax = std::size_t{4} << 20;       ///< bytes not acknowledged
  static constexpr std::size_t kWaitingMax = std::size_t{256} << 10;  ///< of these not sent
  static constexpr std::size_t kWindow = std::size_t{1} << 20;        ///< what the other end may send at first
  static constexpr std::size_t kWindowMax = std::size_t{4} << 20;     ///< and when it is read as it comes
  static constexpr std::size_t kBatchMax = std::size_t{160} << 10;    ///< of one batch: the largest frame, and some
  static constexpr std::size_t kDatagramsMax = 64;
  /// Room for one burst of packets; `write` needs it.
  static constexpr std::size_t kBurst = 65536;

  enum class State : std::uint8_t {
    handshaking,
    up,
    closing,   ///< we have ended it: what comes is answered with the end
    draining,  ///< the other end has ended it, or nobody answers: nothing is sent
    gone,      ///< nothing of it can come any more
  };
  /// Why it is not up any more.
  struct End {
    Errc code = Errc::system;
    std::string text;
    TlsReject refused = TlsReject::count_;  ///< where TLS is the reason
    bool graceful = false;                  ///< all that was sent was read
    bool answered = true;                   ///< the other end was there: the handshake was done
  };

  /// Dials; packets follow with the first `write`. `ticket` may be null.
  static std::unique_ptr<Connection> dial(const Common& common, std::shared_ptr<const tls::Credentials> credentials,
                                          const Path& path, const Ticket* ticket, BytesView token,
                                          CidObserver& observer, Timestamp now);
  /// A client's first packet has come; it is handed to `receive` next. Null: it cannot be one.
  static std::unique_ptr<Connection> accept(const Common& common, std::shared_ptr<const tls::Credentials> credentials,
                                            const Path& path, const FirstPacket& first, CidObserver& observer,
                                            Timestamp now);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void receive(const Path& path, Ecn ecn, BytesView packet, Timestamp now);
  /// Sends whatever is due and the pace allows, through `room` of `kBurst` bytes. False: the sink is full.
  bool write(PacketSink& sink, std::span<std::byte> room, Timestamp now);
  [[nodiscard]] Timestamp expiry() const;
  void due(Timestamp now);

  // The stream.
  /// Takes bytes while there is room, front to back; how many.
  std::size_t push(std::span<const Bytes> batch);
  [[nodiscard]] bool has_room() const;
  std::size_t read(std::span<std::byte> room);
  [[nodiscard]] std::size_t readable() const;
  /// Something of the stream, or a batch, waits to be read.
  [[nodiscard]] bool unread() const;
  /// The other end has said that nothing follows, and everything was read.
  [[nodiscard]] bool at_end() const;
  // Batches: beside the stream, each on its own. As of `Transport`.
  [[nodiscard]] std::optional<std::size_t> batch_room(std::uint64_t after) const;
  void push_batch(std::span<const Bytes> batch);
  [[nodiscard]] bool batches_arrived() const;
  /// The next one that is whole.
  std::optional<Bytes> take_batch();
  /// Nothing follows from here; when the other end has everything, the connection ends.
  void finish();
  /// Ends it at once: in order, or (`reset`) not.
  void close(bool reset, Timestamp now);
  /// Ends it since it is not wanted here.
  void refuse(Timestamp now);
  /// Nobody is there: it ends without a word.
  void give_up(const char* why, Timestamp now);
  /// Ends it since the other end's certificate is not good any more.
  void revoke(const tls::Judgement& judgement, Timestamp now);

  // Datagrams: single packets that may be lost.
  /// False: it does not fit, the other end takes none, or too many wait.
  bool send_datagram(BytesView bytes);
  std::vector<Bytes> take_datagrams();

  /// Our address has changed: it goes on from the new one. A client follows a server there when it has heard from it,
  /// and the new way has answered. False: it cannot yet.
  bool migrate(const Endpoint& local, Timestamp now);

  [[nodiscard]] State state() const noexcept;
  [[nodiscard]] const End& end() const noexcept;
  [[nodiscard]] tls::Role role() const noexcept;
  [[nodiscard]] Path path() const;
  /// The names that the other end's certificate allows it, once up.
  [[nodiscard]] const std::vector<std::string>& peer_names() const;
  [[nodiscard]] const std::vector<std::string>& peer_chain() const;
  [[nodiscard]] bool resumed() const;
  /// It came up by early data, which both ends took.
  [[nodiscard]] bool early() const noexcept;
  /// Keys of both ends are there: nothing that comes can be a replay.
  [[nodiscard]] bool handshake_done() const;
  /// New tickets, for the client; an address token of the server's. Each once.
  std::optional<Ticket> take_ticket();
  Bytes take_token();
  struct Numbers {
    std::uint64_t migrations = 0;     ///< the other end's address changed and has answered, or ours changed
    std::uint64_t early_refused = 0;  ///< early data of ours that did not count
    std::uint64_t datagrams_dropped = 0;
    std::uint64_t batches_sent = 0;
    std::uint64_t batches_received = 0;
    std::uint64_t sent_bytes = 0;  ///< in packets
    Duration rtt{0};
  };
  [[nodiscard]] Numbers numbers() const;
  /// Bytes of batches that have come and were not taken, whole or not.
  [[nodiscard]] std::size_t batch_bytes() const;

  struct Library;

 private:
  explicit Connection(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace plumvine::quic
