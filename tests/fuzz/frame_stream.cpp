// A link's byte stream, cut into pieces as sockets do. Input: a byte that seeds the cuts, a byte that puts large valid
// frames in front (so that chunks fill up), then the stream: preface and frames.
// May hold the chunk of 64 KiB and a spare, one frame of at most 128 KiB, a payload of at most 64 KiB, and the decoded
// frames: 1 MiB besides what the test itself keeps.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <plumtree/wire.hpp>
#include <plumvine/detail/rng.hpp>
#include <transport/frame_decoder.hpp>

#include "limit.hpp"

using namespace plumvine;

namespace {

constexpr std::size_t kMessageMax = 64 * 1024;

struct Outcome {
  std::vector<Frame> frames;
  std::size_t unknown = 0;
  bool failed = false;
};

/// What must come out: the stream cut by its lengths, each body decoded on its own.
Outcome reference(BytesView stream) {
  Outcome out;
  const Bytes preface = wire::preface();
  const std::size_t given = std::min(stream.size(), preface.size());
  if (given < preface.size()) return out;
  out.failed = !std::equal(preface.data(), preface.data() + preface.size(), stream.data());
  stream = stream.subspan(preface.size());
  while (!out.failed && stream.size() >= wire::kLengthSize) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < wire::kLengthSize; ++i) length = length << 8 | static_cast<std::size_t>(stream[i]);
    if (length > wire::kHeadMax + std::min<std::size_t>(kMessageMax, frame::kPartSize)) out.failed = true;
    if (out.failed || stream.size() - wire::kLengthSize < length) break;
    FrameReject reason = FrameReject::count_;
    auto frame = wire::decode(Bytes::copy_of(stream.subspan(wire::kLengthSize, length)), kMessageMax, &reason);
    if (frame) out.frames.push_back(*std::move(frame));
    else if (reason == FrameReject::unknown_type) ++out.unknown;
    else out.failed = true;
    stream = stream.subspan(wire::kLengthSize + length);
  }
  return out;
}

Outcome decoded(BytesView stream, Rng rng) {
  Outcome out;
  ChunkPool pool;
  FrameDecoder decoder(pool, kMessageMax);
  decoder.expect_preface();
  // Long streams are not read byte by byte, that would only take time.
  const std::size_t least = stream.size() > 16 * 1024 ? 12 : 0;
  const std::size_t step = std::size_t{1} << (least + rng.below(18 - least));
  while (!stream.empty() && !out.failed) {
    const auto room = decoder.buffer();
    fuzz::require(!room.empty(), "there is always room to read");
    const std::size_t n = std::min({room.size(), stream.size(), static_cast<std::size_t>(1 + rng.below(step))});
    std::memcpy(room.data(), stream.data(), n);
    decoder.advance(n);
    stream = stream.subspan(n);
    FrameReject reason = FrameReject::count_;
    while (auto next = decoder.next(reason)) {
      if (*next) {
        out.frames.push_back(*std::move(*next));
        continue;
      }
      fuzz::require(reason != FrameReject::count_, "a refusal has a reason");
      if (reason != FrameReject::unknown_type) {
        out.failed = true;
        break;
      }
      ++out.unknown;
    }
  }
  return out;
}

/// Valid frames of some size in front of what the fuzzer made.
std::string with_fillers(std::uint8_t choice, BytesView input) {
  std::string stream{as_text(input.first(std::min(input.size(), wire::kPrefaceSize)))};
  frame::Gossip filler;
  filler.id = {InstanceId{1}, 1};
  if ((choice & 0x30U) == 0x30U) filler.payload = Bytes::copy_of(std::string(std::size_t{choice & 15U} * 3000, 'f'));
  const auto encoded = wire::encode(filler);
  // Mostly none: they cost more than all the rest.
  const unsigned fillers = (choice & 0x30U) == 0x30U ? choice >> 6 : 0;
  for (unsigned i = 0; i < fillers; ++i) {
    stream += encoded.head.text();
    stream += encoded.payload.text();
  }
  stream += as_text(input.subspan(std::min(input.size(), wire::kPrefaceSize)));
  return stream;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 256 * 1024) return 0;
  const BytesView input{reinterpret_cast<const std::byte*>(data + 2), size - 2};
  const std::string stream = with_fillers(data[1], input);
  const auto expected = reference(as_bytes(stream));
  const auto got = [&] {
    // Frames that were cut out small own copies, so the output may be as large as the input once more.
    fuzz::AllocationLimit limit{1024 * 1024 + 16 * stream.size()};
    return decoded(as_bytes(stream), Rng{data[0]});
  }();
  fuzz::require(got.frames == expected.frames, "cuts do not matter: frames");
  fuzz::require(got.unknown == expected.unknown, "cuts do not matter: unknown frames");
  fuzz::require(got.failed || !expected.failed, "cuts do not matter: the failure");
  return 0;
}
