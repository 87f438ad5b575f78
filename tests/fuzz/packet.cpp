// Datagrams of memberlist's protocol into a member of a small cluster. Input: a byte of choices, then packets, each with
// its length in two bytes in front (the last one may be cut).
// May hold 32 MiB: a packet has at most 64 KiB, what it unpacks to at most 4 MiB, and each part may become a member.
#include "swim_fixture.hpp"

using namespace plumvine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  Timestamp now{1'000'000'000};
  const std::uint8_t choices = data[0];
  fuzz::AllocationLimit limit{32 * 1024 * 1024};
  auto swim = fuzz::small_cluster(now, (choices & 1) != 0 ? "label" : "");
  BytesView rest{reinterpret_cast<const std::byte*>(data + 1), size - 1};
  for (int packets = 0; rest.size() > 2 && packets < 64; ++packets) {
    const std::size_t length = static_cast<std::size_t>(rest[0]) << 8 | static_cast<std::size_t>(rest[1]);
    rest = rest.subspan(2);
    const std::size_t n = std::min(length, rest.size());
    swim.handle_packet(fuzz::address(choices >> 6), rest.first(n), now);
    fuzz::drain(swim);
    rest = rest.subspan(n);
    if ((choices & 2) != 0) fuzz::pass(swim, now, std::chrono::milliseconds{300});
  }
  fuzz::check(swim);
  if ((choices & 4) == 0) return 0;
  fuzz::pass(swim, now, std::chrono::seconds{3});
  fuzz::check(swim);
  return 0;
}
