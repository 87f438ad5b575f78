#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

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

/// Bytes of a run of these payloads, in order. There are 2 to `kRunMessagesMax` of them, of at most `kRunMessageBytesMax` bytes each.
struct Joined {
  Run run;
  Bytes bytes;
};
[[nodiscard]] Joined join(std::span<const Bytes> payloads);
/// What `join` would need.
[[nodiscard]] constexpr std::size_t joined_size(std::size_t count, std::size_t bytes, bool alike) noexcept { return bytes + (alike ? 0 : 2 * count); }

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
