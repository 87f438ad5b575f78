#include "transport/frame_decoder.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "plumtree/wire.hpp"
#include "support/pch.hpp"

using namespace plumvine;

namespace {

frame::Gossip gossip(Sequence sequence, std::size_t size) {
  std::string payload(size, '\0');
  for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 31 + sequence);
  return {.tree = TreeId{1},
          .id = {InstanceId{7}, sequence},
          .round = 1,
          .published_us = 5,
          .topic = "t",
          .origin = "a",
          .payload = Bytes::copy_of(payload)};
}

void append(std::vector<std::byte>& out, const Frame& frame) {
  const wire::Encoded encoded = wire::encode(frame);
  out.insert(out.end(), encoded.head.data(), encoded.head.data() + encoded.head.size());
  out.insert(out.end(), encoded.payload.data(), encoded.payload.data() + encoded.payload.size());
}

struct Reader {
  ChunkPool pool;
  FrameDecoder decoder{pool, 1 << 20};
  std::vector<Frame> frames;
  std::vector<FrameReject> errors;
  std::size_t largest_buffer = 0;

  /// Reads `bytes` in pieces of at most `step`.
  void read(BytesView bytes, std::size_t step) {
    while (!bytes.empty()) {
      const auto room = decoder.buffer();
      REQUIRE_FALSE(room.empty());
      largest_buffer = std::max(largest_buffer, room.size());
      const std::size_t n = std::min({room.size(), bytes.size(), step});
      std::memcpy(room.data(), bytes.data(), n);
      decoder.advance(n);
      bytes = bytes.subspan(n);
      FrameReject reason{};
      while (auto next = decoder.next(reason)) {
        if (*next) {
          frames.push_back(std::move(**next));
        } else {
          errors.push_back(reason);
          if (reason != FrameReject::unknown_type) return;
        }
      }
    }
  }
};

}  // namespace

TEST_CASE("frames come out as they went in, however the stream is cut", "[decoder]") {
  std::vector<Frame> sent;
  Sequence sequence = 0;
  for (const std::size_t size : std::initializer_list<std::size_t>{0, 1, 100, 4000, 16383, 16384, 16385, 70000, 131072, 3, 65536}) {
    sent.emplace_back(gossip(++sequence, size));
    sent.emplace_back(frame::Prune{TreeId{9}});
    sent.emplace_back(frame::IHave{TreeId{1}, {{InstanceId{7}, {{1, 4}, {9, 9}}}}});
  }
  std::vector<std::byte> stream;
  for (const Frame& frame : sent) append(stream, frame);
  const std::size_t step = GENERATE(values<std::size_t>({1000, 16384, 33000, 65536, 1 << 21}));
  Reader reader;
  reader.read(stream, step);
  CHECK(reader.errors.empty());
  CHECK(reader.frames == sent);
}

TEST_CASE("single bytes make frames too", "[decoder]") {
  std::vector<Frame> sent{gossip(1, 20000), frame::Prune{TreeId{2}}, gossip(2, 10)};
  std::vector<std::byte> stream;
  for (const Frame& frame : sent) append(stream, frame);
  Reader reader;
  reader.read(stream, 1);
  CHECK(reader.frames == sent);
}

TEST_CASE("a large payload stays where it was read, and what comes next is read behind it", "[decoder]") {
  Reader reader;
  std::vector<std::byte> stream;
  append(stream, gossip(1, 20000));
  const std::byte* chunk = reader.decoder.buffer().data();
  reader.read(stream, 1000);
  REQUIRE(reader.frames.size() == 1);
  const auto payload = [&](std::size_t i) { return std::get<frame::Gossip>(reader.frames[i]).payload.data(); };
  CHECK((payload(0) > chunk && payload(0) < chunk + ChunkPool::kChunkSize));
  CHECK(reader.decoder.buffer().data() == chunk + stream.size());

  SECTION("small ones are copied out, and use none of the room behind it") {
    for (int i = 0; i < 100; ++i) {
      std::vector<std::byte> small;
      append(small, gossip(2, 1000));
      append(small, frame::Prune{TreeId{1}});
      reader.read(small, 5000);
    }
    CHECK(reader.frames.size() == 201);
    CHECK(reader.decoder.buffer().data() == chunk + stream.size());
  }
  SECTION("when nobody refers to it any more the chunk is read to from its start") {
    reader.frames.clear();
    CHECK(reader.decoder.buffer().data() == chunk);
  }
  SECTION("behind a chunk that is full comes a large one, and a small one when the flood has ebbed") {
    std::size_t chunks = 0;
    const std::byte* last = chunk;
    for (int i = 0; i < 40; ++i) {
      std::vector<std::byte> more;
      append(more, gossip(3, 60000));
      reader.read(more, 1 << 20);
      const std::byte* at = payload(reader.frames.size() - 1);
      if (at < last || at > last + 61000) ++chunks;
      last = at;
    }
    CHECK(chunks <= 1 + 40 / 4);
    reader.frames.clear();
    std::vector<std::byte> small;
    append(small, frame::Prune{TreeId{1}});
    reader.read(small, 1000);
    reader.read(small, 1000);
    CHECK(reader.decoder.buffer().size() == ChunkPool::kChunkSize);
  }
}

TEST_CASE("payloads of parts fill a large chunk, and hardly a byte is moved", "[decoder]") {
  Reader reader;
  std::vector<std::byte> stream;
  for (Sequence i = 1; i <= 32; ++i) append(stream, gossip(i, frame::kPartSize));
  reader.read(stream, 1 << 20);
  REQUIRE(reader.frames.size() == 32);
  std::size_t neighbours = 0;
  for (std::size_t i = 1; i < reader.frames.size(); ++i) {
    const Bytes& before = std::get<frame::Gossip>(reader.frames[i - 1]).payload;
    const Bytes& here = std::get<frame::Gossip>(reader.frames[i]).payload;
    const std::byte* end = before.data() + before.size();
    neighbours += here.data() > end && here.data() < end + 100 ? 1 : 0;
  }
  CHECK(neighbours >= 15);
}

TEST_CASE("dense reads share the chunk, sparse reads copy out", "[decoder]") {
  ChunkPool pool;
  std::vector<std::byte> stream;
  const std::size_t count = GENERATE(values<std::size_t>({2, 20}));
  for (std::size_t i = 1; i <= count; ++i) append(stream, gossip(i, 3000));
  FrameDecoder decoder{pool, 1 << 20};
  const auto room = decoder.buffer();
  std::memcpy(room.data(), stream.data(), stream.size());
  decoder.advance(stream.size());
  FrameReject reason{};
  const auto first = decoder.next(reason);
  REQUIRE((first && first->has_value()));
  const std::byte* data = std::get<frame::Gossip>(**first).payload.data();
  const bool shared = data >= room.data() && data < room.data() + room.size();
  CHECK(shared == (stream.size() >= ChunkPool::kChunkSize / 2));
}

TEST_CASE("a connection with nothing to read gives its chunk back", "[decoder]") {
  ChunkPool pool;
  FrameDecoder a{pool, 1 << 20};
  FrameDecoder b{pool, 1 << 20};
  std::vector<std::byte> stream;
  append(stream, frame::Prune{TreeId{1}});
  FrameReject reason{};
  const std::byte* chunk = a.buffer().data();
  std::memcpy(a.buffer().data(), stream.data(), stream.size());
  a.advance(stream.size());
  CHECK(a.next(reason).has_value());
  CHECK_FALSE(a.next(reason).has_value());
  CHECK(b.buffer().data() == chunk);
}

TEST_CASE("a length above the limit is refused before anything is allocated for it", "[decoder]") {
  std::vector<std::byte> stream{std::byte{0x7f}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
  Reader reader;
  reader.read(stream, 100);
  CHECK(reader.errors == std::vector{FrameReject::too_large});
  CHECK(reader.largest_buffer <= ChunkPool::kChunkSize);
}

TEST_CASE("a control frame cannot claim the size of a payload", "[decoder]") {
  std::vector<std::byte> stream;
  append(stream, frame::IHave{TreeId{1}, {{InstanceId{7}, {{1, 4}}}}});
  stream[1] = std::byte{0x02};
  Reader reader;
  reader.read(stream, 100);
  CHECK(reader.errors == std::vector{FrameReject::too_large});
}

TEST_CASE("before the greeting only small frames are taken", "[decoder]") {
  Reader reader;
  reader.decoder.set_body_limit(1024);
  std::vector<std::byte> stream;
  append(stream, gossip(1, 2000));
  reader.read(stream, 100);
  CHECK(reader.errors == std::vector{FrameReject::too_large});
}

TEST_CASE("a link begins with its preface", "[decoder]") {
  Reader reader;
  reader.decoder.expect_preface();
  std::vector<std::byte> stream;
  const Bytes preface = wire::preface();
  stream.assign(preface.data(), preface.data() + preface.size());
  append(stream, frame::Prune{TreeId{1}});
  SECTION("the right one") {
    reader.read(stream, 1);
    CHECK(reader.frames.size() == 1);
  }
  SECTION("another version") {
    stream[3] = std::byte{99};
    reader.read(stream, 10);
    CHECK(reader.errors == std::vector{FrameReject::bad_hello});
  }
  SECTION("something else") {
    stream[1] = std::byte{'x'};
    reader.read(stream, 10);
    CHECK(reader.errors == std::vector{FrameReject::malformed});
  }
}

TEST_CASE("frames of unknown types are passed over", "[decoder]") {
  std::vector<std::byte> stream{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{2}, std::byte{0x91}, std::byte{0x7f}};
  append(stream, frame::Prune{TreeId{1}});
  Reader reader;
  reader.read(stream, 100);
  CHECK(reader.errors == std::vector{FrameReject::unknown_type});
  CHECK(reader.frames == std::vector<Frame>{frame::Prune{TreeId{1}}});
}
