#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <plumvine/bytes.hpp>

namespace plumvine::wire {

/// A bounded cursor over msgpack bytes: reads one expected form after another, builds no tree, allocates nothing.
///
/// The first thing that does not fit is kept as the fault; from then on every read gives zero or nothing. A fault
/// is *truncated* when only bytes were missing. Integers are taken in any width that msgpack has for them.
class Reader {
 public:
  explicit Reader(BytesView bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] bool good() const noexcept { return fault_ == nullptr; }
  [[nodiscard]] bool truncated() const noexcept { return truncated_; }
  /// What did not fit, or null. A literal.
  [[nodiscard]] const char* fault() const noexcept { return fault_; }
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - position_; }

  /// Records a fault unless there is one already.
  void fail(const char* what) noexcept {
    if (fault_ == nullptr) fault_ = what;
  }

  /// Header of an array: how many elements follow.
  std::size_t array() noexcept;
  /// Header of an array that must have `count` elements.
  void array_of(std::size_t count) noexcept {
    if (array() != count) fail("an array of another length");
  }
  /// Good, and the bytes left can hold `count` elements of at least `bytes` bytes each. Asked before allocating.
  [[nodiscard]] bool enough_for(std::size_t count, std::size_t bytes = 1) noexcept;
  std::uint64_t uint(std::uint64_t max = UINT64_MAX) noexcept;
  std::int64_t sint() noexcept;
  bool boolean() noexcept;
  /// A text of at most `max` bytes; it lies in the bytes read.
  std::string_view str(std::size_t max) noexcept;
  /// Header of a binary; its bytes are not skipped.
  std::size_t bin_header() noexcept;
  /// The next `size` bytes.
  BytesView take(std::size_t size) noexcept;
  /// All that is left.
  BytesView rest() noexcept {
    const BytesView rest = bytes_.subspan(position_);
    position_ = bytes_.size();
    return rest;
  }

 private:
  std::uint8_t byte() noexcept;
  std::uint64_t number(std::size_t size) noexcept;

  BytesView bytes_;
  std::size_t position_ = 0;
  const char* fault_ = nullptr;
  bool truncated_ = false;
};

}  // namespace plumvine::wire
