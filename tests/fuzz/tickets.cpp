// The file of tickets: as it lies on the disk, and what is under its seal. Input: a byte of choices, then the bytes.
// May hold 2 MiB and 16 times the input.
#include <transport/quic/tickets.hpp>

#include "limit.hpp"

using namespace plumvine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 64 * 1024) return 0;
  constexpr std::int64_t kNow = 1'800'000'000;
  const BytesView bytes{reinterpret_cast<const std::byte*>(data + 1), size - 1};
  fuzz::AllocationLimit limit{2 * 1024 * 1024 + 16 * size};
  if ((data[0] & 1) != 0) {
    const auto opened = quic::open_tickets(as_text(bytes), "a secret", kNow);
    fuzz::require(!opened, "nobody else can make the seal");
    return 0;
  }
  const auto read = quic::parse_tickets(bytes, kNow);
  if (!read) {
    fuzz::require(!read.error().message.empty(), "it says why");
    return 0;
  }
  fuzz::require(read->size() <= quic::kKnownEndsMax, "a bound");
  // What is read is written and read as the same.
  const std::string again = quic::format_tickets(*read, kNow);
  fuzz::require(again.substr(8) == as_text(bytes.subspan(8)), "written as read");
  const auto sealed = quic::open_tickets(quic::seal_tickets(*read, "a secret", kNow), "a secret", kNow);
  fuzz::require(sealed && sealed->size() == read->size(), "read under the seal");
  return 0;
}
