#include "run.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

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

Joined join(std::span<const Bytes> payloads) {
  Joined out;
  out.run.count = static_cast<std::uint32_t>(payloads.size());
  std::size_t sum = 0;
  for (const Bytes& payload : payloads) {
    out.run.alike = out.run.alike && payload.size() == payloads.front().size();
    sum += payload.size();
  }
  const std::size_t size = joined_size(payloads.size(), sum, out.run.alike);
  auto block = std::make_shared_for_overwrite<std::byte[]>(std::max<std::size_t>(1, size));
  std::byte* at = block.get();
  if (!out.run.alike) {
    for (const Bytes& payload : payloads) {
      *at++ = static_cast<std::byte>(payload.size() >> 8);
      *at++ = static_cast<std::byte>(payload.size());
    }
  }
  for (const Bytes& payload : payloads) {
    if (payload.empty()) continue;
    std::memcpy(at, payload.data(), payload.size());
    at += payload.size();
  }
  out.bytes = Bytes::adopt(std::move(block), 0, size);
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
