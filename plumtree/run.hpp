#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <plumvine/bytes.hpp>

namespace plumvine::frame {

/// Messages of one origin and topic with consecutive sequences that travel as one: they have one head, are seen, stored, forwarded and
/// announced as a range, and are cut where they are handed to the user. So small messages cost what their bytes cost.
///
/// Their payloads lie one after the other. Where they are not of one size, the sizes come first, two bytes each, big-endian.
struct Run {
  std::uint32_t count = 1;
  bool alike = true;       ///< all payloads have the same size
  friend bool operator==(const Run&, const Run&) = default;
};

/// Bounds on a run. Its bytes with the sizes fit one frame (`kPartSize`).
inline constexpr std::uint32_t kRunMessagesMax = 1024;
inline constexpr std::size_t kRunMessageBytesMax = 16 * 1024;

/// Bytes of the largest message of the run. Nothing: these bytes are none of such a run.
[[nodiscard]] std::optional<std::size_t> largest_in(const Run& run, BytesView bytes) noexcept;

/// What of the bytes of a run is of one message.
[[nodiscard]] std::size_t bytes_of(const Run& run, const Bytes& bytes, std::uint32_t index) noexcept;
/// What is of those behind the first `passed`, which are not all.
[[nodiscard]] std::size_t bytes_behind(const Run& run, const Bytes& bytes, std::uint32_t passed) noexcept;

/// A run and its bytes; or one message, of a run of one.
struct Joined {
  Run run;
  Bytes bytes;
};

/// Gives memory of at least so many bytes, in which anything may be.
using BlockSource = std::function<std::shared_ptr<std::byte[]>(std::size_t)>;
inline std::shared_ptr<std::byte[]> heap_block(std::size_t bytes) { return std::make_shared_for_overwrite<std::byte[]>(bytes); }

/// What publishers put into one run at most. A relay hands a run on when it has all of it, so it is less than a frame can have.
struct RunBounds {
  std::uint32_t messages = kRunMessagesMax;
  std::size_t bytes = 64 * 1024;  ///< sizes included
};

/// Makes a run of what comes one by one. The first payload is kept as it is until there is a second one.
class RunBuilder {
 public:
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }  ///< of payloads
  /// There is room for one more payload of so many bytes, of at most `kRunMessageBytesMax`.
  [[nodiscard]] bool fits(std::size_t bytes, const RunBounds& bounds) const noexcept {
    return count_ == 0 || (count_ < bounds.messages && kSizes * (count_ + 1) + bytes_ + bytes <= bounds.bytes);
  }
  /// It fits.
  void add(Bytes payload, const BlockSource& source = heap_block);
  /// What was added, as one; it is empty again.
  [[nodiscard]] Joined take();

 private:
  static constexpr std::size_t kSizes = 2;
  /// In front of the payloads, for their sizes.
  static constexpr std::size_t kFront = kSizes * kRunMessagesMax;
  static constexpr std::size_t kBlock = kFront + RunBounds{}.bytes;
  void put(BytesView payload);

  Bytes first_;
  std::shared_ptr<std::byte[]> block_;
  std::uint32_t count_ = 0;
  std::size_t bytes_ = 0;
  bool alike_ = true;
};

/// Takes the payloads of a run out of its bytes, front to back. They share the memory of the run.
class RunCutter {
 public:
  RunCutter(const Run& run, const Bytes& bytes) noexcept;
  /// Bytes of the next payload; there is one.
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] bool done() const noexcept { return index_ == run_.count; }
  /// The next payload; there is one.
  [[nodiscard]] Bytes next();
  void skip() noexcept;

 private:
  Run run_;
  const Bytes* bytes_;
  std::uint32_t index_ = 0;
  std::size_t offset_;
  std::size_t each_;
};

}  // namespace plumvine::frame
