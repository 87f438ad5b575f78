#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace plumvine {

/// A view of bytes that somebody else owns. Valid inside one call only; keep `Bytes` to keep the memory.
using BytesView = std::span<const std::byte>;

/// The bytes of `text`, without a copy.
inline BytesView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// `bytes` as text, without a copy and without any check of its encoding.
inline std::string_view as_text(BytesView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// An immutable, reference-counted slice of memory. Copying shares the block, slicing costs one
/// reference; nobody writes into a `Bytes` that has been handed out. Copies may be used and destroyed
/// on any thread; one object is not for two threads at once.
class Bytes {
 public:
  Bytes() = default;

  /// Copies `view` into a block of its own.
  static Bytes copy_of(BytesView view) {
    if (view.empty()) return {};
    std::shared_ptr<std::byte[]> block = std::make_shared_for_overwrite<std::byte[]>(view.size());
    std::memcpy(block.get(), view.data(), view.size());
    return Bytes{std::move(block), 0, view.size()};
  }
  static Bytes copy_of(std::string_view text) { return copy_of(as_bytes(text)); }

  /// Takes over a block that the caller filled and will not write to again.
  static Bytes adopt(std::shared_ptr<std::byte[]> block, std::size_t offset, std::size_t size) {
    return Bytes{std::move(block), offset, size};
  }

  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] BytesView view() const noexcept { return {data_, size_}; }
  [[nodiscard]] std::string_view text() const noexcept { return as_text(view()); }

  /// The part [offset, offset + length), sharing the block. The range is cut to what there is.
  [[nodiscard]] Bytes slice(std::size_t offset, std::size_t length = SIZE_MAX) const {
    Bytes part = *this;
    const std::size_t start = offset < size_ ? offset : size_;
    part.data_ += start;
    part.size_ = length < size_ - start ? length : size_ - start;
    return part;
  }

  /// Compares contents, not addresses.
  friend bool operator==(const Bytes& a, const Bytes& b) noexcept {
    return a.size_ == b.size_ && (a.size_ == 0 || std::memcmp(a.data_, b.data_, a.size_) == 0);
  }

 private:
  Bytes(std::shared_ptr<std::byte[]> block, std::size_t offset, std::size_t size)
      : block_(std::move(block)), data_(block_.get() + offset), size_(size) {}

  std::shared_ptr<const std::byte[]> block_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace plumvine
