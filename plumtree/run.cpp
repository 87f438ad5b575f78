#include "run.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

namespace plumvine::frame {

namespace {
constexpr std::size_t kSize = 2;

std::size_t size_at(const std::byte* sizes, std::size_t index) noexcept {
  return std::to_integer<std::size_t>(sizes[kSize * index]) << 8 | std::to_integer<std::size_t>(sizes[kSize * index + 1]);
}
}  // namespace

std::optional<std::size_t> largest_in(const Run& run, BytesView bytes) noexcept {
  if (run.count < 2 || run.count > kRunMessagesMax) return std::nullopt;
  std::size_t largest = 0;
  if (run.alike) {
    if (bytes.size() % run.count != 0) return std::nullopt;
    largest = bytes.size() / run.count;
  } else {
    std::size_t sum = kSize * run.count;
    if (bytes.size() < sum) return std::nullopt;
    std::size_t least = SIZE_MAX;
    for (std::size_t i = 0; i < run.count; ++i) {
      const std::size_t size = size_at(bytes.data(), i);
      largest = std::max(largest, size);
      least = std::min(least, size);
      sum += size;
    }
    if (sum != bytes.size() || least == largest) return std::nullopt;  // one form for each run
  }
  return largest <= kRunMessageBytesMax ? std::optional{largest} : std::nullopt;
}

void RunBuilder::put(BytesView payload) {
  std::byte* size = block_.get() + kSizes * count_;
  size[0] = static_cast<std::byte>(payload.size() >> 8);
  size[1] = static_cast<std::byte>(payload.size());
  if (!payload.empty()) std::memcpy(block_.get() + kFront + bytes_, payload.data(), payload.size());
  bytes_ += payload.size();
  ++count_;
}

void RunBuilder::add(Bytes payload, const BlockSource& source) {
  if (count_ == 0) {
    first_ = std::move(payload);
    count_ = 1;
    bytes_ = first_.size();
    return;
  }
  if (count_ == 1) {
    block_ = source(kBlock);
    count_ = 0;
    bytes_ = 0;
    put(first_.view());
  }
  alike_ = alike_ && payload.size() == first_.size();
  put(payload.view());
}

Joined RunBuilder::take() {
  Joined out{{std::exchange(count_, 0), std::exchange(alike_, true)}, {}};
  const std::size_t bytes = std::exchange(bytes_, 0);
  Bytes first = std::exchange(first_, Bytes{});
  if (out.run.count <= 1) {
    out.bytes = std::move(first);
    return out;
  }
  // The sizes move up to the payloads; a run that fills little of the block does not keep all of it.
  const std::size_t sizes = out.run.alike ? 0 : kSizes * out.run.count;
  std::shared_ptr<std::byte[]> block = std::exchange(block_, nullptr);
  if (sizes > 0) std::memmove(block.get() + kFront - sizes, block.get(), sizes);
  out.bytes = Bytes::adopt(std::move(block), kFront - sizes, sizes + bytes);
  if (sizes + bytes < kBlock / 2) out.bytes = Bytes::copy_of(out.bytes.view());
  return out;
}

std::size_t bytes_of(const Run& run, const Bytes& bytes, std::uint32_t index) noexcept {
  return run.alike ? bytes.size() / run.count : kSize + size_at(bytes.data(), index);
}

std::size_t bytes_behind(const Run& run, const Bytes& bytes, std::uint32_t passed) noexcept {
  std::size_t sum = 0;
  for (std::uint32_t i = passed; i < run.count; ++i) sum += bytes_of(run, bytes, i);
  return sum;
}

RunCutter::RunCutter(const Run& run, const Bytes& bytes) noexcept
    : run_(run), bytes_(&bytes), offset_(run.alike ? 0 : kSize * run.count), each_(run.alike ? bytes.size() / run.count : 0) {}

std::size_t RunCutter::size() const noexcept { return run_.alike ? each_ : size_at(bytes_->data(), index_); }

void RunCutter::skip() noexcept {
  offset_ += size();
  ++index_;
}

Bytes RunCutter::next() {
  Bytes out = bytes_->slice(offset_, size());
  skip();
  return out;
}

}  // namespace plumvine::frame
