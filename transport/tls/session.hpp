#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <plumvine/bytes.hpp>
#include <plumvine/stats.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "credentials.hpp"

namespace plumvine::tls {

/// Where a session's ciphertext goes. One for all sessions of a thread: whoever calls a session empties it afterwards.
class Sink {
 public:
  void append(BytesView bytes);
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// What was appended, without a copy; `clear` before the next use of the sink, and no `Bytes` of it after that.
  [[nodiscard]] Bytes content() const { return Bytes::adopt(block_, 0, size_); }
  void clear() noexcept { size_ = 0; }

 private:
  std::shared_ptr<std::byte[]> block_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// The key of session tickets, one per process; the library derives a new one from it every few hours.
class TicketKey {
 public:
  TicketKey();
  ~TicketKey();
  TicketKey(const TicketKey&) = delete;
  TicketKey& operator=(const TicketKey&) = delete;
  [[nodiscard]] std::string_view bytes() const noexcept { return key_; }

 private:
  std::string key_;
};

/// Judges the other end's chain (DER).
using Judge = std::function<Judgement(const std::vector<std::string>& chain_der, Role peer)>;

struct SessionOptions {
  Role role = Role::client;
  /// What the connection is for (ALPN): a client offers the first, a server knows all.
  std::vector<std::string> protocols;
  const TicketKey* tickets = nullptr;  ///< server; outlives the session
  Bytes resume = {};  ///< client: `Session::ticket` of an earlier session with the same end, or nothing
  Judge judge;
};

/// One TLS 1.3 connection as a filter, without its connection: ciphertext in by `feed`, out through the sink; plaintext
/// out by `read`, in by `write`. Both ends show certificates, also where a ticket shortens the handshake: what the
/// ticket remembers of the other end is judged anew.
///
/// A client is not `up` when its own handshake is done, for then the server has not judged it yet, but when the
/// server's first ticket has come, which is that judgement. Not thread-safe. Bounds: one record of 16 KiB beside what
/// `feed` was given and `advance` and `read` have not used up.
class Session {
 public:
  enum class State : std::uint8_t {
    handshaking,
    up,
    ended,   ///< the other end said that nothing follows
    failed,  ///< `failure` says why; an alert is in the sink
  };

  /// Bytes of plaintext in one record at most (RFC 8446, section 5.1).
  static constexpr std::size_t kRecordMax = 16384;

  Session(std::shared_ptr<const Credentials> credentials, SessionOptions options, Sink& sink);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Hands over ciphertext: whatever `advance` and `read` leave of it is kept.
  void feed(BytesView ciphertext);
  /// Keeps what is left of the last `feed`, whose bytes end to be good.
  void keep_rest();
  /// Goes on with the handshake.
  State advance();
  /// Plaintext into `room`; 0: no more of it now, or the state changed.
  std::size_t read(std::span<std::byte> room);
  /// Encrypts all of it, in records of at most 16 KiB. Only in state `up`; false where the session failed.
  bool write(BytesView plaintext);
  /// Says that nothing follows from here.
  void end();
  /// Tells the other end that its certificate is not good any more, and fails.
  void revoke(const Judgement& judgement);

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] Role role() const noexcept { return options_.role; }
  /// Where the state is `failed`.
  [[nodiscard]] TlsReject failure() const noexcept { return failure_; }
  [[nodiscard]] const std::string& failure_text() const noexcept { return failure_text_; }
  /// Of the other end, once `up`.
  [[nodiscard]] const Judgement& peer() const noexcept { return peer_; }
  [[nodiscard]] const std::vector<std::string>& peer_chain() const noexcept { return peer_chain_; }
  [[nodiscard]] const std::string& protocol() const noexcept { return protocol_; }
  [[nodiscard]] bool resumed() const noexcept { return resumed_; }
  /// For a later session with the same end: the newest ticket, once; nothing where there is none.
  [[nodiscard]] Bytes take_ticket();
  [[nodiscard]] const Credentials& credentials() const noexcept { return *credentials_; }

 private:
  struct Library;

  void fail(TlsReject why, std::string text);
  void fail_with(int status);
  void shaken();
  bool judge_peer();
  std::size_t pull(std::span<std::byte> room);

  std::shared_ptr<const Credentials> credentials_;
  SessionOptions options_;
  Sink& sink_;
  std::unique_ptr<Library> library_;
  std::vector<std::byte> kept_;  ///< ciphertext from before the last `feed`
  std::size_t kept_at_ = 0;
  BytesView fresh_;
  State state_ = State::handshaking;
  bool shaken_ = false;  ///< our part of the handshake is done
  bool judged_ = false;
  bool ticket_came_ = false;
  bool resumed_ = false;
  TlsReject failure_ = TlsReject::protocol;
  std::string failure_text_;
  Judgement peer_;
  std::vector<std::string> peer_chain_;
  std::string protocol_;
};

}  // namespace plumvine::tls
