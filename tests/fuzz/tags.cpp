// Serf's tag format. Input: the metadata of a member. May hold 64 KiB for metadata of at most 1 KiB.
#include <plumvine/types.hpp>

#include "limit.hpp"

using namespace plumvine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1024) return 0;
  fuzz::AllocationLimit limit{64 * 1024};
  const Tags tags = decode_tags(BytesView{reinterpret_cast<const std::byte*>(data), size});
  const Bytes again = encode_tags(tags);
  fuzz::require(decode_tags(again.view()) == tags, "tags are read as they are written");
  return 0;
}
