#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/stats.hpp>

#include "membership/keyring.hpp"

namespace plumvine {

/// What lies around the frames of one link where there is a keyring: proof of the key and sealed records.
///
/// The dialling side sends a preface and 32 random bytes, the accepting side answers with 32 of its own. From the
/// dialler's primary key and both randoms each direction gets a key of its own; nothing recorded on another connection
/// opens here. The accepting side finds out by the first record which of its keys the dialler used. Nonces count, so
/// that a record opens once, in its place, and in its direction only. After `kRekeyRecords` records of a direction its
/// key is replaced by one derived from it, and forgotten: who gets hold of the new one cannot read back. Who has the
/// gossip key and a record of the handshake can. Both ends say in their randoms that they do this (as TLS 1.3 marks a
/// version in its random, RFC 8446 4.1.3); with one of before, which does not, the first key stays. Randoms are in the
/// keys, so who changes one on the way ends the link.
///
/// Bounds: one record of at most `kRecordMax` bytes of text in memory. Not thread-safe; one per link.
class LinkSeal {
 public:
  static constexpr std::size_t kRandomSize = 32;
  static constexpr std::size_t kRecordMax = 64 * 1024;
  /// Length and tag around the text of a record.
  static constexpr std::size_t kRecordOverhead = 4 + AeadKey::kTagSize;

  /// So many records are sealed with one key: 4 GiB at most.
  static constexpr std::uint64_t kRekeyRecords = 65536;
  /// The last bytes of the random of an end that changes keys.
  static constexpr std::string_view kRekeyMark = "pvrekey1";

  /// An accepting side with `plain_allowed` also takes links in clear (`gossip_verify_incoming = false`).
  /// `rekey_records` is for tests; both ends need the same. 0: as a version of before, which never changes keys.
  LinkSeal(std::shared_ptr<Keyring> keyring, bool outbound, bool plain_allowed,
           std::uint64_t rekey_records = kRekeyRecords);
  ~LinkSeal();
  LinkSeal(const LinkSeal&) = delete;
  LinkSeal& operator=(const LinkSeal&) = delete;

  /// Takes bytes that arrived. Appends to `text` what came out of records, to `answer` what is to be sent as it is.
  /// False: the connection cannot be used; `failure()` says why.
  [[nodiscard]] bool receive(BytesView bytes, std::vector<std::byte>& text, std::vector<std::byte>& answer);
  /// What the dialling side sends first, as it is.
  [[nodiscard]] std::vector<std::byte> opening() const;

  /// Both randoms and the key are known: from here on everything is sealed.
  [[nodiscard]] bool ready() const noexcept { return seal_.key != nullptr; }
  /// Both ends change keys.
  [[nodiscard]] bool rekeys() const noexcept { return rekeys_; }
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
  /// One direction: its key, and the number of its next record under it.
  struct Way {
    std::array<std::byte, 32> secret{};
    std::unique_ptr<AeadKey> key;
    std::uint64_t next = 0;
  };
  [[nodiscard]] Way derive(const Bytes& secret, bool from_dialler) const;
  /// The nonce of the next record, under a new key when the old one has sealed enough.
  std::array<std::byte, AeadKey::kNonceSize> advance(Way& way) const;
  bool fail(FrameReject why);

  std::shared_ptr<Keyring> keyring_;
  bool outbound_;
  bool plain_allowed_;
  Stage stage_;
  FrameReject failure_ = FrameReject::malformed;
  Random own_{};
  Random theirs_{};
  Bytes secret_;
  Way seal_;
  Way open_;
  std::uint64_t rekey_records_;
  bool rekeys_ = false;
  [[nodiscard]] BytesView rest() const noexcept { return BytesView(buffer_).subspan(taken_); }
  std::vector<std::byte> buffer_;
  std::size_t taken_ = 0;  ///< bytes of the buffer that are done with
};

}  // namespace plumvine
