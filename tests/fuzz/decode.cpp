// The decoders of memberlist's packets and streams alone, without the machine behind them, so that many more inputs are
// tried than `packet` and `stream` can. Input: a byte of choices, then one datagram or the bytes of one stream.
// May hold 16 MiB: a packet of at most 64 KiB unpacks to at most 4 MiB, which may be kept twice while it is read.
#include <algorithm>

#include <membership/wire/codec.hpp>
#include <membership/wire/packet.hpp>
#include <membership/wire/stream.hpp>
#include <plumvine/detail/rng.hpp>

#include "limit.hpp"

using namespace plumvine;
using namespace plumvine::swim::wire;

namespace {

/// What was decoded is written in our own form, and that is read as the same.
template <class Message>
void round_trip(BytesView body) {
  Scratch scratch;
  Message message{};
  if (!decode_body(body, message, scratch)) return;
  const Bytes written = encoded(message);
  Message again{};
  Scratch other;
  fuzz::require(decode_body(written.view().subspan(1), again, other), "what was written can be read");
  fuzz::require(encoded(again) == written, "what was written is read as the same");
}

void packet(BytesView input, std::string_view label) {
  CountedReasons<PacketReject> rejected;
  Unpacker unpacker;
  for (const Part& part : unpacker.unpack(input, label, rejected)) {
    switch (part.type) {
      case MessageType::ping: round_trip<Ping>(part.body); break;
      case MessageType::indirect_ping: round_trip<IndirectPing>(part.body); break;
      case MessageType::ack: round_trip<Ack>(part.body); break;
      case MessageType::nack: round_trip<Nack>(part.body); break;
      case MessageType::suspect: round_trip<Suspect>(part.body); break;
      case MessageType::alive: round_trip<Alive>(part.body); break;
      case MessageType::dead: round_trip<Dead>(part.body); break;
      default: break;
    }
  }
}

void stream(BytesView input, std::string_view label, Rng rng) {
  using Progress = StreamReader::Progress;
  StreamReader whole(!label.empty(), label);
  const Progress at_once = whole.feed(input);
  StreamReader reader(!label.empty(), label);
  Progress progress = Progress::more;
  for (BytesView rest = input; !rest.empty() && progress == Progress::more;) {
    const std::size_t n = std::min<std::size_t>(rest.size(), 1 + rng.below(256));
    progress = reader.feed(rest.first(n));
    rest = rest.subspan(n);
  }
  fuzz::require(progress == at_once || input.empty(), "pieces do not matter: how it ends");
  if (progress == Progress::failed) fuzz::require(reader.failure() == whole.failure(), "pieces do not matter: the reason");
  if (progress != Progress::done) return;
  fuzz::require(reader.type() == whole.type(), "pieces do not matter: the type");
  fuzz::require(std::ranges::equal(reader.body(), whole.body()), "pieces do not matter: the message");
  if (reader.type() == MessageType::digest) return round_trip<Digest>(reader.body());
  if (reader.type() != MessageType::push_pull) return round_trip<Ping>(reader.body());
  round_trip<PushPullHeader>(reader.body());
  Scratch scratch;
  PushPullRows rows(reader.body(), scratch);
  Buffer again;
  while (const auto row = rows.next()) encode(*row, again);
  if (rows.ok()) fuzz::require(rows.user_state().size() <= reader.body().size(), "the user state is in the message");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > kPacketMax) return 0;
  fuzz::AllocationLimit limit{16 * 1024 * 1024};
  const BytesView input{reinterpret_cast<const std::byte*>(data + 1), size - 1};
  const std::string_view label = (data[0] & 2) != 0 ? "label" : "";
  (data[0] & 1) != 0 ? stream(input, label, Rng{data[0]}) : packet(input, label);
  return 0;
}
