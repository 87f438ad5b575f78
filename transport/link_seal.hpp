#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/stats.hpp>

#include "membership/keyring.hpp"

namespace plumvine {

/// What lies around the frames of one link where there is a keyring: proof of the key and sealed records.
///
/// The dialling side sends a preface and 32 random bytes, the accepting side answers with 32 of its own. From the
/// dialler's primary key and both randoms each direction gets a key of its own; nothing recorded on another connection
/// opens here. The accepting side finds out by the first record which of its keys the dialler used. Nonces count.
///
/// Bounds: one record of at most `kRecordMax` bytes of text in memory. Not thread-safe; one per link.
class LinkSeal {
 public:
  static constexpr std::size_t kRandomSize = 32;
  static constexpr std::size_t kRecordMax = 64 * 1024;
  /// Length and tag around the text of a record.
  static constexpr std::size_t kRecordOverhead = 4 + AeadKey::kTagSize;

  /// An accepting side with `plain_allowed` also takes links in clear (`gossip_verify_incoming = false`).
  LinkSeal(std::shared_ptr<Keyring> keyring, bool outbound, bool plain_allowed);

  /// Takes bytes that arrived. Appends to `text` what came out of records, to `answer` what is to be sent as it is.
  /// False: the connection cannot be used; `failure()` says why.
  [[nodiscard]] bool receive(BytesView bytes, std::vector<std::byte>& text, std::vector<std::byte>& answer);
  /// What the dialling side sends first, as it is.
  [[nodiscard]] std::vector<std::byte> opening() const;

  /// Both randoms and the key are known: from here on everything is sealed.
  [[nodiscard]] bool ready() const noexcept { return seal_ != nullptr; }
  /// The dialler speaks in clear, which is allowed here: pass everything on as it is.
  [[nodiscard]] bool in_clear() const noexcept { return stage_ == Stage::in_clear; }
  [[nodiscard]] FrameReject failure() const noexcept { return failure_; }
  /// The key of the ring that this link rests on, once `ready()`.
  [[nodiscard]] const Bytes& secret() const noexcept { return secret_; }

  /// Seals a batch into records. Only when `ready()`.
  [[nodiscard]] Bytes seal(std::span<const Bytes> pieces);

 private:
  enum class Stage : std::uint8_t { preface, random, records, in_clear, failed };
  using Random = std::array<std::byte, kRandomSize>;

  bool step(std::vector<std::byte>& text, std::vector<std::byte>& answer, bool& again);
  bool read_preface(std::vector<std::byte>& text, bool& again);
  bool read_random(std::vector<std::byte>& answer, bool& again);
  bool read_record(std::vector<std::byte>& text, bool& again);
  bool open_first(BytesView header, BytesView sealed, std::byte* out);
  void choose(const Bytes& secret);
  [[nodiscard]] std::unique_ptr<AeadKey> derive(const Bytes& secret, bool from_dialler) const;
  bool fail(FrameReject why);

  std::shared_ptr<Keyring> keyring_;
  bool outbound_;
  bool plain_allowed_;
  Stage stage_;
  FrameReject failure_ = FrameReject::malformed;
  Random own_{};
  Random theirs_{};
  Bytes secret_;
  std::unique_ptr<AeadKey> seal_;
  std::unique_ptr<AeadKey> open_;
  std::uint64_t sealed_ = 0;
  std::uint64_t opened_ = 0;
  [[nodiscard]] BytesView rest() const noexcept { return BytesView(buffer_).subspan(taken_); }
  std::vector<std::byte> buffer_;
  std::size_t taken_ = 0;  ///< bytes of the buffer that are done with
};

}  // namespace plumvine
