#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/stats.hpp>

#include "codec.hpp"
#include "packet.hpp"

namespace plumvine::swim::wire {

/// Bounds of one stream; the numbers are memberlist's.
inline constexpr std::size_t kStreamMax = std::size_t{40} << 20;  ///< plain or decompressed bytes
inline constexpr std::size_t kSealedStreamMax = std::size_t{20} << 20;
inline constexpr std::int64_t kStreamNodesMax = 1 << 20;
inline constexpr std::int64_t kUserStateMax = std::int64_t{20} << 20;
/// A user message that is handed up, at most; a longer one is read and dropped.
inline constexpr std::int64_t kUserMessageKeptMax = std::int64_t{64} << 10;
/// One row of a table, or one header: far more than the field bounds allow to be useful.
inline constexpr std::size_t kStreamObjectMax = std::size_t{64} << 10;

/// Reads the one message of one direction of a membership stream, as its bytes come in. Plain streams have no
/// overall length: the end is where the counts of the header are satisfied. Sealed ones come in one envelope, which
/// is opened when it is whole. One level of compression is undone.
/// Not more memory than the message; nothing is read twice.
class StreamReader {
 public:
  enum class Progress : std::uint8_t { more, done, failed };

  /// The accepting side expects the label header (nothing for an empty label); replies carry none.
  StreamReader(bool expect_label, const Opening& opening)
      : label_(opening.label), keyring_(opening.keyring), verify_(opening.verify), labelled_(!expect_label) {}
  StreamReader(bool expect_label, std::string_view label) : StreamReader(expect_label, Opening{label}) {}
  StreamReader(StreamReader&&) = default;
  StreamReader& operator=(StreamReader&&) = default;

  /// Takes the next bytes. After `done` or `failed` the state stays; later bytes are ignored.
  Progress feed(BytesView data);

  [[nodiscard]] PacketReject failure() const noexcept { return failure_; }
  /// It came in clear although there is a key, accepted or not.
  [[nodiscard]] bool in_clear() const noexcept { return in_clear_; }
  /// The key that opened it; empty: it came in clear, or none fits.
  [[nodiscard]] const Bytes& opened_by() const noexcept { return opened_by_; }
  [[nodiscard]] MessageType type() const noexcept { return type_; }
  /// The message without its type byte, once `done`. Of a user message its payload; empty if that was too long to keep.
  [[nodiscard]] BytesView body() const noexcept { return body_; }
  [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size() + opened_.size() + plain_.size(); }
  /// Bytes arrived, but not the whole message.
  [[nodiscard]] bool started() const noexcept { return progress_ == Progress::more && !buffer_.empty(); }

 private:
  enum class Stage : std::uint8_t { type, object, rows, user_state, user_message };

  Progress advance();
  Progress start(BytesView message);
  Progress decrypt(BytesView message);
  Progress whole(BytesView message);
  Progress scan(BytesView message);
  Progress scan_digest(BytesView message);
  Progress scan_rows(BytesView message);
  Progress inflate(BytesView message);
  Progress fail(PacketReject why);
  Progress need_more(std::size_t held);

  std::string label_;
  Keyring* keyring_;
  bool verify_;
  bool labelled_;
  bool judged_ = false;  ///< sealed or in clear: known and accepted
  bool in_clear_ = false;
  Bytes opened_by_;
  Progress progress_ = Progress::more;
  PacketReject failure_ = PacketReject::malformed;
  Stage stage_ = Stage::type;
  MessageType type_ = MessageType::error;
  bool sealed_ = false;
  bool compressed_ = false;
  Buffer buffer_;
  Buffer opened_;             ///< out of the envelope
  Buffer plain_;              ///< decompressed message
  std::size_t start_ = 0;     ///< where the message begins, behind the label
  std::size_t scanned_ = 0;   ///< bytes of the message that are understood
  std::int64_t rows_left_ = 0;
  std::int64_t bytes_left_ = 0;
  BytesView body_;
  Scratch scratch_;
};

/// The rows of a complete push/pull message, one after another: a hostile count costs no memory. A row that is whole but
/// breaks the bounds of its fields is passed over.
class PushPullRows {
 public:
  PushPullRows(BytesView body, Scratch& scratch);

  /// The next row; nullopt after the last one or at a mistake. Views live until the next call, and as long as body and scratch.
  std::optional<PushNodeState> next();
  /// No mistake so far; after the last row also that the user state is whole.
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// Rows that were passed over so far.
  [[nodiscard]] std::size_t passed_over() const noexcept { return passed_over_; }
  [[nodiscard]] const PushPullHeader& header() const noexcept { return header_; }
  [[nodiscard]] BytesView user_state() const noexcept { return user_state_; }

 private:
  MsgpackReader reader_;
  Scratch& scratch_;
  PushPullHeader header_;
  std::int64_t left_ = 0;
  std::size_t passed_over_ = 0;
  BytesView user_state_;
  bool ok_ = true;
};

/// All bytes of one direction of a stream that carries `message`. The dialling side says the label.
Bytes wrap_stream(const Layers& layers, bool dialling, BytesView message);

}  // namespace plumvine::swim::wire
