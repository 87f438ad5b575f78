// Membership streams: what others send us, and what they answer to our own exchange. Input: a byte of choices, then the
// bytes of the stream, which arrive in pieces.
// May hold 96 MiB: a stream holds at most 40 MiB of plain bytes, and as much again while its buffer grows.
#include "swim_fixture.hpp"

using namespace plumvine;

namespace {

/// Feeds the stream in pieces that `choices` selects.
void feed(swim::Swim& swim, swim::StreamId id, BytesView bytes, std::uint8_t choices, Timestamp now) {
  Rng cuts{choices};
  const std::size_t step = std::size_t{1} << (4 + choices % 13);
  while (!bytes.empty()) {
    const std::size_t n = std::min<std::size_t>(1 + cuts.below(step), bytes.size());
    swim.stream_received(id, bytes.first(n), now);
    fuzz::drain(swim);
    bytes = bytes.subspan(n);
  }
}

/// Our own exchange with a seed; returns its stream, not connected yet.
swim::StreamId join(swim::Swim& swim, Timestamp& now) {
  swim.join({*HostPort::parse("127.0.0.9:7946")}, now);
  for (int wakeups = 0; wakeups < 100; ++wakeups) {
    while (const auto output = swim.poll_output()) {
      if (const auto* resolve = std::get_if<swim::Resolve>(&*output)) swim.resolved(resolve->name, {fuzz::address(8)}, now);
      else if (const auto* open = std::get_if<swim::OpenStream>(&*output)) return open->id;
    }
    now = std::max(now, swim.next_timeout());
    swim.handle_timeout(now);
  }
  fuzz::require(false, "a join opens a stream");
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 64 * 1024) return 0;
  Timestamp now{1'000'000'000};
  const std::uint8_t choices = data[0];
  const BytesView bytes{reinterpret_cast<const std::byte*>(data + 1), size - 1};
  fuzz::AllocationLimit limit{96 * 1024 * 1024};
  auto swim = fuzz::small_cluster(now, (choices & 0x80) != 0 ? "label" : "");
  swim::StreamId id{2};
  if ((choices & 0x40) != 0) {
    id = join(swim, now);
    swim.stream_connected(id, now);
  } else {
    swim.stream_accepted(id, fuzz::address(3), now);
  }
  fuzz::drain(swim);
  feed(swim, id, bytes, choices, now);
  if ((choices & 0x20) != 0) swim.stream_closed(id, now);
  fuzz::drain(swim);
  fuzz::check(swim);
  if ((choices & 0x10) == 0) return 0;
  fuzz::pass(swim, now, std::chrono::seconds{12});
  fuzz::check(swim);
  return 0;
}
