// Compressed payloads. Input: two bytes that say what the message claims to unfold to, then the frame.
// May hold 512 KiB for an input of at most 64 KiB.
#include <span>

#include "limit.hpp"
#include "transport/lz4_frame.hpp"

using namespace plumvine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 65536) return 0;
  const std::uint64_t claimed = static_cast<std::uint64_t>(data[0]) << 8 | data[1];
  const auto got = lz4::decompress(Bytes::copy_of(std::as_bytes(std::span{data + 2, size - 2})), claimed);
  if (!got) return 0;
  fuzz::require(got->size() == claimed, "a payload unfolds to what its message claims");
  if (const auto again = lz4::compress(*got)) fuzz::require(*lz4::decompress(*again, claimed) == *got, "compressing loses nothing");
  return 0;
}
