// Writes first inputs for the fuzz targets, from our own encoders: `fuzz_seeds OUT [VECTORS]`. Each target gets the folder
// OUT/NAME. VECTORS is a folder of *.jsonl with golden packets and streams; every "hex" string in them becomes an input
// of `packet` or `stream`.
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <membership/wire/codec.hpp>
#include <plumtree/wire.hpp>
#include <plumvine/config.hpp>

#ifdef PLUMVINE_QUIC
#include <transport/quic/tickets.hpp>
#endif

#include "support/random_frame.hpp"

using namespace plumvine;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder(const fs::path& out, const std::string& name, std::string prefix = "seed-") : path_(out / name), prefix_(std::move(prefix)) {
    fs::create_directories(path_);
  }
  void add(std::string_view bytes) {
    std::ofstream(path_ / (prefix_ + std::to_string(number_++)), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  fs::path path_;
  std::string prefix_;
  std::size_t number_ = 0;
};

std::string on_wire(const Frame& frame) {
  const auto encoded = wire::encode(frame);
  return std::string(encoded.head.text()) + std::string(encoded.payload.text());
}

void frames(const fs::path& out) {
  Rng rng{1};
  Folder bodies(out, "frame");
  constexpr std::size_t kKinds = std::variant_size_v<Frame>;
  for (std::size_t i = 0; i < kKinds * 4; ++i) bodies.add("\x14" + on_wire(test::any_frame(rng, i, 2)).substr(wire::kLengthSize));
  Folder parts(out, "frame", "part-");
  for (std::size_t i = 0; i < 8;) {
    const std::string gossip = on_wire(test::any_frame(rng, 1, 2)).substr(wire::kLengthSize);
    if (gossip[1] != '\x14') continue;
    parts.add("\x14" + gossip);
    ++i;
  }
  Folder with_signature(out, "frame", "signed-");
  for (std::size_t i = 0; i < 16;) {
    const Frame frame = test::any_frame(rng, 1, 2);
    if (!std::get<frame::Gossip>(frame).signature) continue;
    with_signature.add("\x14" + on_wire(frame).substr(wire::kLengthSize));
    ++i;
  }
  Folder streams(out, "frame_stream");
  for (std::size_t first = 0; first < kKinds; ++first) {
    static constexpr std::array<unsigned char, 4> kFillers{0, 0xcf, 0x41, 0x85};
    std::string stream{static_cast<char>(first * 37), static_cast<char>(kFillers[first % 4])};
    stream += wire::preface().text();
    for (std::size_t i = 0; i < 4; ++i) stream += on_wire(test::any_frame(rng, first + 5 * i, 2));
    streams.add(stream);
  }
}

void texts(const fs::path& out) {
  Folder folder(out, "text");
  for (const auto* text : {"10.0.0.1:7946", "[fe80::1]:1", "::1", "srv+_p._tcp.example", "node1:80", "node1", "0123456789abcdef",
                           "0123456789abcdef-42", "200ms", "1.5s", "64KiB", "1GiB"})
    folder.add(text);
  Folder config(out, "config");
  for (const auto* text : {"join=a:1,[::1]:2,srv+b", "delegate_protocol=[2, 5, 4]", "tree_rule=classic", "log_level=debug", "unknown=1"})
    config.add(text);
  for (const auto& [key, value] : Config::wan("n1").describe()) config.add(key + "=" + value);
}

void tags(const fs::path& out) {
  Folder folder(out, "tags");
  folder.add(encode_tags({}).text());
  folder.add(encode_tags({{"pvi", "0123456789abcdef"}, {"pvl", "1"}, {"pvz", "east"}}).text());
  folder.add(encode_tags({{"role", std::string(300, 'x')}, {"", ""}}).text());
  Tags many;
  for (int i = 0; i < 40; ++i) many["k" + std::to_string(i)] = "v";
  folder.add(encode_tags(many).text());
  folder.add("plain role");
}

/// Steps of the whole node: members are met, links greeted, then anything.
void nodes(const fs::path& out) {
  Folder folder(out, "driver");
  Rng rng{2};
  for (int i = 0; i < 20; ++i) {
    std::string steps;
    const auto step = [&](std::initializer_list<std::uint64_t> bytes) {
      for (const auto b : bytes) steps += static_cast<char>(b);
    };
    for (std::uint64_t peer = 0; peer < 4; ++peer) {
      step({1, peer});
      step({2, peer});
      step({3, peer, peer});
    }
    // An empty digest from every link ends the first sync; then messages in order, twice.
    for (std::uint64_t conn = 0; conn < 8; ++conn) step({5, conn, 7, 0, 0, 0, 0, 0});
    step({9, 20});
    for (std::uint64_t sequence = 0; sequence < 4; ++sequence)
      for (std::uint64_t conn = 0; conn < 3; ++conn) step({5, conn, 1, 0, conn % 2, sequence, 1, 1, conn % 2, 3, 'a', 'b', 'c'});
    for (int k = 0; k < 30; ++k) {
      if (rng.chance(0.7)) step({5, rng.below(4)});
      else if (rng.chance(0.5)) step({9, rng.below(25)});
      else if (rng.chance(0.5)) step({10, 3, 'a', 'b', 'c'});
      for (std::uint64_t n = rng.below(12); n > 0; --n) step({rng.below(rng.chance(0.5) ? 8 : 256)});
    }
    folder.add(steps);
  }
}

/// Table exchanges by digest: what opens them, and what may answer.
void digests(const fs::path& out) {
  using namespace swim::wire;
  Folder whole(out, "stream", "digest-");
  Folder decoders(out, "decode", "digest-");
  const auto add = [&](const Buffer& message) {
    const std::string bytes(as_text(BytesView(message)));
    for (const char choices : {'\x01', '\x51'}) whole.add(choices + bytes);
    decoders.add('\x01' + bytes);
  };
  const auto text = [](Buffer& message, std::string_view more) {
    for (const char c : more) message.push_back(static_cast<std::byte>(c));
  };
  for (const std::size_t buckets : std::array<std::size_t, 4>{8, 16, 128, 1024}) {
    const Buffer hashes(buckets * kBucketHash, std::byte{0x5a});
    Buffer digest;
    encode(Digest{0x0123456789abcdef, hashes, 5}, digest);
    text(digest, "state");
    add(digest);
    const Bytes address = Bytes::copy_of(std::string("\x7f\0\0\x01", 4));
    const Buffer versions{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
    const Buffer differing(buckets / 8, std::byte{0x81});
    Buffer rows;
    encode(PushPullHeader{2, 5, false, differing}, rows);
    encode(PushNodeState{"node-a", address.view(), 7946, {}, 3, 1, versions}, rows);
    encode(PushNodeState{"node-d", address.view(), 7947, {}, 1, 0, versions}, rows);
    text(rows, "state");
    add(rows);
    Buffer both = digest;  // the rows too early
    both.insert(both.end(), rows.begin(), rows.end());
    add(both);
  }
}

std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return bytes;
}

void vectors(const fs::path& out, const fs::path& from) {
  Folder packets(out, "packet");
  Folder streams(out, "stream");
  Folder serf(out, "serf");
  unsigned number = 0;
  for (const auto& file : fs::directory_iterator(from)) {
    const std::string name = file.path().filename();
    const bool is_serf = name.starts_with("serf-");
    const bool is_stream = name.find("-streams") != std::string::npos;
    if (!is_stream && name.find("-packets") == std::string::npos && name.find("-ingest") == std::string::npos &&
        name.find("-messages") == std::string::npos)
      continue;
    std::ifstream in(file.path());
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    static constexpr std::string_view kKey = "\"hex\":\"";
    for (std::size_t at = text.find(kKey); at != std::string::npos; at = text.find(kKey, at)) {
      at += kKey.size();
      const std::size_t end = text.find('"', at);
      if (end == std::string::npos || end - at >= 2 * 4096) continue;
      const std::string bytes = from_hex(std::string_view(text).substr(at, end - at));
      const std::string length{static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size() & 0xff)};
      if (is_serf) {
        for (const char kind : {'\x05', '\x00', '\x09'}) serf.add(std::string(1, kind) + length + bytes);
        serf.add(std::string("\x02\x00\x08", 3) + "^we.web" + "\x05" + length + bytes);
      } else if (is_stream) streams.add(std::string(1, static_cast<char>(number++ * 37)) + bytes);
      else packets.add(std::string(1, static_cast<char>(number++ * 2)) + length + bytes);
    }
  }
}

#ifdef PLUMVINE_QUIC
/// A first message of TLS, as far as lists go; then what clients send without one.
void first_packets(const fs::path& out) {
  Folder folder(out, "quic");
  const auto piece = [](int kind, const std::string& bytes) {
    return std::string{static_cast<char>(kind), static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size() & 0xff)} + bytes;
  };
  const auto listed = [](int size_bytes, const std::string& bytes) {
    std::string size;
    for (int shift = 8 * (size_bytes - 1); shift >= 0; shift -= 8) size += static_cast<char>(bytes.size() >> shift & 0xff);
    return size + bytes;
  };
  const auto extension = [&](int type, const std::string& bytes) {
    return std::string{static_cast<char>(type >> 8), static_cast<char>(type & 0xff)} + listed(2, bytes);
  };
  const std::string hello = std::string("\x03\x03") + std::string(32, 'r') + listed(1, "") + listed(2, "\x13\x01\x13\x02\x13\x03") +
                            listed(1, std::string(1, '\0')) +
                            listed(2, extension(43, listed(1, "\x03\x04")) + extension(13, listed(2, "\x04\x03\x08\x04")) +
                                          extension(10, listed(2, std::string("\0\x1d", 2))) +
                                          extension(51, listed(2, std::string("\0\x1d", 2) + listed(2, std::string(32, 'k')))) +
                                          extension(16, listed(2, listed(1, "plumvine"))) +
                                          extension(57, std::string("\x04\x04\x80\x10\0\0\x05\x04\x80\x10\0\0\x0f\x08" "8 bytes.", 22)));
  const std::string message = std::string(1, '\x01') + listed(3, hello);
  const std::string frame = std::string("\x06\0", 2) + static_cast<char>(0x40 | message.size() >> 8) + static_cast<char>(message.size() & 0xff) + message;
  const std::string other_version = std::string("\xc0\x1a\x1a\x1a\x1a\x08", 6) + "dcid 8 b" + '\x08' + "scid 8 b";
  const std::string tail = piece(6, "\x10");
  // Answers to whoever dials: a ServerHello, a Retry, another version, the end.
  const std::string answer = std::string("\x03\x03") + std::string(32, 's') + listed(1, "") + std::string("\x13\x01\0", 3) +
                             listed(2, extension(43, "\x03\x04") + extension(51, std::string("\0\x1d", 2) + listed(2, std::string(32, 'k'))));
  const std::string server_hello = std::string(1, '\x02') + listed(3, answer);
  const std::string server_frame =
      std::string("\x06\0", 2) + static_cast<char>(0x40 | server_hello.size() >> 8) + static_cast<char>(server_hello.size() & 0xff) + server_hello;
  folder.add('\4' + piece(3, server_frame) + tail);
  folder.add('\4' + piece(3, std::string("\x02\0\0\0\0", 5) + server_frame.substr(0, 50)) + piece(3, server_frame) + piece(6, "\xff") + tail);
  folder.add('\4' + piece(3, std::string("\x1c\x02\x06\0", 4)) + tail);
  folder.add('\4' + piece(0, std::string("\xf0\0\0\0\x01\x08", 6) + "8 bytes." + "\x08" + "8 bytes." + std::string(40, 'r')) + piece(6, "\x40") + tail);
  for (const char choices : {'\0', '\1', '\2'}) {
    folder.add(choices + piece(2, frame) + tail);
    folder.add(choices + piece(2, frame.substr(0, 40)) + piece(10, frame) + piece(7, "") + tail);
    folder.add(choices + piece(2, "") + piece(5, std::string(8, '\0')) + tail);
    folder.add(choices + piece(2, "") + piece(5, std::string(8, '\x01')) + tail);
    folder.add(choices + piece(4, "\x36" + std::string(50, 't')) + piece(4, "\xb6" + std::string(60, 't')) + tail);
    folder.add(choices + piece(1, other_version) + piece(0, other_version) + tail);
    folder.add(choices + piece(0, "\x40" + std::string(60, 's')) + piece(2, "\x1c\x0a" + std::string(4, '\0')) + piece(2, std::string("\x02\x05\0\0\x05", 5)) + tail);
  }
}

void tickets(const fs::path& out) {
  Folder folder(out, "tickets");
  constexpr std::int64_t kNow = 1'800'000'000;
  std::vector<quic::KnownEnd> ends(3);
  for (std::size_t i = 0; i < 3; ++i) ends[i].address.port = static_cast<std::uint16_t>(i);
  ends[0].token = Bytes::copy_of(std::string_view{"token"});
  ends[1].ticket = quic::Ticket{Bytes::copy_of(std::string_view{"session"}), Bytes::copy_of(std::string_view{"limits"}), {"one", "two"}};
  ends[2] = ends[1];
  ends[2].token = ends[0].token;
  for (std::size_t i = 0; i <= 3; ++i) {
    const std::vector<quic::KnownEnd> some(ends.begin(), ends.begin() + static_cast<std::ptrdiff_t>(i));
    folder.add('\0' + quic::format_tickets(some, kNow));
    folder.add('\1' + quic::seal_tickets(some, "another secret", kNow));
  }
}
#endif

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: fuzz_seeds OUT [VECTORS]\n");
    return 2;
  }
  frames(argv[1]);
  texts(argv[1]);
  tags(argv[1]);
  nodes(argv[1]);
  digests(argv[1]);
#ifdef PLUMVINE_QUIC
  first_packets(argv[1]);
  tickets(argv[1]);
#endif
  if (argc > 2) vectors(argv[1], argv[2]);
  return 0;
}
