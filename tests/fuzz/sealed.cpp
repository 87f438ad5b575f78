// Sealed packets, streams and links into a member with keys. Input: a byte of choices, then pieces, each with its length in
// two bytes in front (the last one may be cut). A choice says whether a piece arrives as it is or sealed with our key: the
// first tries the seals, the second what lies under them.
// May hold 96 MiB: a stream holds at most 20 MiB sealed and 40 MiB of plain bytes.
#include <membership/wire/stream.hpp>
#include <transport/crypto/gnutls_aead.hpp>
#include <transport/link_seal.hpp>

#include "swim_fixture.hpp"

using namespace plumvine;

namespace {

using Pieces = std::vector<BytesView>;

Pieces cut(BytesView rest) {
  Pieces pieces;
  while (rest.size() > 2 && pieces.size() < 64) {
    const std::size_t length = static_cast<std::size_t>(rest[0]) << 8 | static_cast<std::size_t>(rest[1]);
    rest = rest.subspan(2);
    pieces.push_back(rest.first(std::min(length, rest.size())));
    rest = rest.subspan(pieces.back().size());
  }
  return pieces;
}

std::shared_ptr<Keyring> ring() {
  return make_keyring({Bytes::copy_of("0123456789abcdef"), Bytes::copy_of("0123456789abcdef0123456789abcdef")},
                      [n = std::uint8_t{0}](std::span<std::byte> out) mutable { std::fill(out.begin(), out.end(), std::byte{n++}); })
      .value();
}

swim::Swim member(const std::shared_ptr<Keyring>& keys, bool verify, Timestamp now) {
  SwimConfig config;
  config.gossip_verify_incoming = verify;
  swim::Swim swim(config, {"node-b", fuzz::address(1).raw(), 7946, {}, "label", keys}, Rng{1});
  swim.start(now);
  return swim;
}

void packets(const Pieces& pieces, bool seal, bool verify, SealVersion version) {
  Timestamp now{1'000'000'000};
  const auto keys = ring();
  auto swim = member(keys, verify, now);
  for (const BytesView piece : pieces) {
    const Bytes packet = seal ? swim::wire::wrap_packet({"label", false, false, keys.get(), version}, piece) : Bytes::copy_of(piece);
    swim.handle_packet(fuzz::address(3), packet.view(), now);
    fuzz::drain(swim);
  }
  const SwimStats& stats = swim.stats();
  fuzz::require(stats.plaintext_frames >= stats.rejected[PacketReject::plaintext], "what is refused in clear is counted");
  if (!seal && verify) fuzz::require(swim.members().size() == 1, "nothing in clear changes anything");
  fuzz::pass(swim, now, std::chrono::seconds{3});
  fuzz::check(swim);
}

void streams(const Pieces& pieces, bool seal, bool verify, SealVersion version) {
  Timestamp now{1'000'000'000};
  const auto keys = ring();
  auto swim = member(keys, verify, now);
  const swim::StreamId id{2};
  swim.stream_accepted(id, fuzz::address(3), now);
  for (const BytesView piece : pieces) {
    const Bytes bytes = seal ? swim::wire::wrap_stream({"label", false, false, keys.get(), version}, true, piece) : Bytes::copy_of(piece);
    swim.stream_received(id, bytes.view(), now);
    fuzz::drain(swim);
  }
  if (!seal && verify) fuzz::require(swim.members().size() == 1, "nothing in clear changes anything");
  fuzz::pass(swim, now, std::chrono::seconds{12});
  fuzz::check(swim);
}

void links(const Pieces& pieces, bool seal, bool outbound, bool plain) {
  LinkSeal ours(ring(), outbound, plain), theirs(ring(), !outbound, plain);
  std::vector<std::byte> text, answer, nothing;
  if (seal) {  // a true handshake first, then records of the other end's
    LinkSeal& dialler = outbound ? ours : theirs;
    LinkSeal& acceptor = outbound ? theirs : ours;
    fuzz::require(acceptor.receive(dialler.opening(), text, answer) && dialler.receive(answer, nothing, nothing), "a handshake");
    if (!outbound) answer.clear();
  }
  text.clear();
  for (const BytesView piece : pieces) {
    const Bytes own = Bytes::copy_of(piece);
    const bool whole = seal && theirs.ready() && !piece.empty();
    const Bytes bytes = whole ? theirs.seal({&own, 1}) : own;
    const std::size_t before = text.size();
    const bool good = ours.receive(bytes.view(), text, answer);
    if (whole && !good) return;  // an earlier piece was none of theirs
    if (!seal && good && !ours.in_clear()) fuzz::require(text.size() - before <= 4, "only the preface comes out without a key");
    if (!good) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > 64 * 1024) return 0;
  fuzz::AllocationLimit limit{96 * 1024 * 1024};
  const std::uint8_t choices = data[0];
  const Pieces pieces = cut({reinterpret_cast<const std::byte*>(data + 1), size - 1});
  const bool seal = (choices & 4) != 0, second = (choices & 8) != 0, third = (choices & 16) != 0;
  switch (choices & 3) {
    case 0: packets(pieces, seal, second, third ? SealVersion::padded : SealVersion::bare); break;
    case 1: streams(pieces, seal, second, third ? SealVersion::padded : SealVersion::bare); break;
    default: links(pieces, seal, second, third); break;
  }
  return 0;
}
