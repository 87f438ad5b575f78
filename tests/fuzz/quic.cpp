// The port of QUIC of a member, before anybody has shown a certificate. Input: a byte of choices, then pieces, each
// with a kind and its length in two bytes in front (the last one may be cut). A piece is a datagram as it is, what a
// datagram says that is a true first packet (its frames, under the keys that everybody can derive), a token, or time
// that passes. May hold 24 MiB: up to 16 handshakes with their buffers.
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <ctime>
#include <transport/quic/endpoint.hpp>
#include <transport/quic/stateless.hpp>
#include <transport/tls/dev_ca.hpp>

#include "limit.hpp"

using namespace plumvine;

namespace {

using Packet = std::vector<std::byte>;

struct Piece {
  std::uint8_t kind;
  BytesView bytes;
};

std::vector<Piece> cut(BytesView rest) {
  std::vector<Piece> pieces;
  while (rest.size() > 3 && pieces.size() < 32) {
    const auto kind = std::to_integer<std::uint8_t>(rest[0]);
    const std::size_t length = std::to_integer<std::size_t>(rest[1]) << 8 | std::to_integer<std::size_t>(rest[2]);
    rest = rest.subspan(3);
    pieces.push_back({kind, rest.first(std::min(length, rest.size()))});
    rest = rest.subspan(pieces.back().bytes.size());
  }
  return pieces;
}

std::shared_ptr<const tls::Credentials> credentials() {
  static const auto one = [] {
    const auto now = static_cast<std::int64_t>(std::time(nullptr));
    const auto ca = tls::DevCa::create("fuzz", now - 3600, now + 360'000);
    const auto own = ca->issue({.name = "b", .from_s = now - 3600, .until_s = now + 360'000});
    return *tls::Credentials::load({own->cert, own->key, ca->own().cert}, {"b", {}});
  }();
  return one;
}

gnutls_datum_t datum(BytesView bytes) {
  return {reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data())), static_cast<unsigned>(bytes.size())};
}

Packet expand(BytesView secret, std::string_view label, std::size_t size) {
  std::string info{'\0', static_cast<char>(size), static_cast<char>(6 + label.size())};
  info += "tls13 ";
  info += label;
  info += '\0';
  Packet out(size);
  const gnutls_datum_t key = datum(secret), about = datum(as_bytes(info));
  fuzz::require(gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &about, out.data(), size) == 0, "HKDF");
  return out;
}

/// The ends of a packet that begins a connection, and by which id its keys are derived.
struct Ends {
  BytesView from, to, keys;
  std::string_view label;
};

/// A first packet with these frames and this token, as RFC 9001, section 5, protects it.
Packet initial(const Ends& ends, BytesView token, BytesView frames) {
  static constexpr std::array<std::uint8_t, 20> kSalt{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
                                                      0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
  Packet secret(32);
  const gnutls_datum_t id = datum(ends.keys), salt = datum(std::as_bytes(std::span{kSalt}));
  fuzz::require(gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &id, &salt, secret.data()) == 0, "HKDF");
  const Packet client = expand(secret, ends.label, 32);
  const Packet key = expand(client, "quic key", 16), iv = expand(client, "quic iv", 12),
               mask_key = expand(client, "quic hp", 16);

  Packet plain(frames.begin(), frames.end());
  const std::size_t head = 1 + 4 + 1 + ends.to.size() + 1 + ends.from.size() + 2 + token.size() + 2 + 1;
  constexpr std::size_t kTag = 16, kSample = 16;
  if (head + plain.size() + kTag < quic::kFirstMin) plain.resize(quic::kFirstMin - head - kTag);  // frames of padding
  Packet packet;
  const auto put = [&](std::size_t number, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
      packet.push_back(static_cast<std::byte>(number >> shift & 0xff));
  };
  const auto add = [&](BytesView bytes) { packet.insert(packet.end(), bytes.begin(), bytes.end()); };
  put(0xc0, 1);
  put(1, 4);
  put(ends.to.size(), 1);
  add(ends.to);
  put(ends.from.size(), 1);
  add(ends.from);
  put(0x4000 | token.size(), 2);
  add(token);
  put(0x4000 | (1 + plain.size() + kTag), 2);
  put(0, 1);  // its number
  const std::size_t number_at = packet.size() - 1;

  packet.resize(head + plain.size() + kTag);
  std::size_t sealed = plain.size() + kTag;
  const gnutls_datum_t raw_key = datum(key);
  gnutls_aead_cipher_hd_t aead = nullptr;
  fuzz::require(gnutls_aead_cipher_init(&aead, GNUTLS_CIPHER_AES_128_GCM, &raw_key) == 0, "AES");
  fuzz::require(gnutls_aead_cipher_encrypt(aead, iv.data(), iv.size(), packet.data(), head, kTag, plain.data(),
                                           plain.size(), packet.data() + head, &sealed) == 0,
                "AES-GCM");
  gnutls_aead_cipher_deinit(aead);

  // One block in CBC mode behind zeros is one block alone.
  Packet zeros(16), mask(packet.begin() + static_cast<std::ptrdiff_t>(number_at + 4),
                         packet.begin() + static_cast<std::ptrdiff_t>(number_at + 4 + kSample));
  const gnutls_datum_t raw_mask = datum(mask_key), raw_zeros = datum(zeros);
  gnutls_cipher_hd_t cipher = nullptr;
  fuzz::require(gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_128_CBC, &raw_mask, &raw_zeros) == 0, "AES");
  fuzz::require(gnutls_cipher_encrypt(cipher, mask.data(), mask.size()) == 0, "AES");
  gnutls_cipher_deinit(cipher);
  packet[0] ^= mask[0] & std::byte{0x0f};
  packet[number_at] ^= mask[1];
  return packet;
}

/// A client's, to this id.
Packet initial(BytesView dcid, BytesView token, BytesView frames) {
  return initial({as_bytes("8 bytes."), dcid, dcid, "client in"}, token, frames);
}

/// A member that nobody can prove anything to.
struct Door final : quic::PacketSink, quic::EndpointEvents {
  Timestamp now{1'000'000'000};
  std::uint8_t seed = 1;
  bool admits = true;
  bool dials = false;  ///< it may come to talk to itself, and then has shown a certificate
  Packet room = Packet(4096);
  std::size_t sent = 0, received = 0;
  Packet last;  ///< what it answered
  std::unique_ptr<quic::QuicEndpoint> endpoint;
  const quic::Path path{*Endpoint::parse("10.0.0.1:7947"), *Endpoint::parse("10.0.0.9:9")};

  explicit Door(quic::EndpointOptions options) {
    quic::Common common;
    common.random = [this](std::span<std::byte> out) {
      for (std::byte& byte : out) byte = static_cast<std::byte>(seed = static_cast<std::uint8_t>(seed * 109 + 57));
    };
    common.judge = [](const std::vector<std::string>& chain, tls::Role role) {
      return credentials()->judge(chain, role);
    };
    common.reset_secret = "reset";
    common.token_secret = "token";
    endpoint = std::make_unique<quic::QuicEndpoint>(std::move(common), options, credentials, *this, *this);
  }
  void take(BytesView datagram) {
    received += datagram.size();
    endpoint->receive(path, quic::Ecn::none, datagram, now);
    endpoint->flush(now);
    fuzz::require(dials || sent <= 3 * received, "nothing is amplified");
  }
  void pass(Duration time) {
    const Timestamp end = now + time;
    for (int turns = 0; turns < 1000 && endpoint->next() <= end; ++turns) {
      now = std::max(now, endpoint->next());
      endpoint->due(now);
    }
    now = end;
    fuzz::require(dials || sent <= 3 * received, "nothing is amplified");
  }

  bool send(const quic::Path&, quic::Ecn, BytesView packets, std::size_t) override {
    sent += packets.size();
    last.assign(packets.begin(), packets.end());
    return true;
  }
  bool quic_admits(const Endpoint&, bool) override { return admits; }
  void quic_up(ConnId, const Endpoint&, bool, const std::vector<std::string>&) override {
    fuzz::require(dials, "nobody has a certificate");
  }
  std::span<std::byte> quic_buffer(ConnId) override { return room; }
  void quic_read(ConnId, std::size_t) override { fuzz::require(dials, "nothing is read of whom nobody knows"); }
  void quic_batch(ConnId, Bytes) override { fuzz::require(dials, "no batch is taken of whom nobody knows"); }
  void quic_writable(ConnId) override {}
  void quic_datagram(ConnId, const Endpoint&, BytesView) override {
    fuzz::require(dials, "no datagram is taken of whom nobody knows");
  }
  void quic_ended(ConnId, const Endpoint&, bool, bool was_up, const quic::Connection::End&) override {
    fuzz::require(dials || !was_up, "nobody was up");
  }
  void quic_pending() override {}
};

/// The token of a Retry: what lies between its ids and its tag of 16 bytes.
Packet token_of(const Packet& retry) {
  constexpr std::size_t kIds = 1 + 4 + 1 + 8 + 1 + 8, kTag = 16;
  if (retry.size() <= kIds + kTag || (retry[0] & std::byte{0xf0}) != std::byte{0xf0}) return {};
  return {retry.begin() + kIds, retry.end() - kTag};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4 || size > 16 * 1024) return 0;
  (void)credentials();
  fuzz::AllocationLimit limit{24 * 1024 * 1024};
  const std::uint8_t choices = data[0];
  Door door({.half_open_max = 16, .retry_from = (choices & 1) != 0 ? std::size_t{0} : std::size_t{8}});
  door.admits = (choices & 2) == 0;
  std::array<std::byte, 8> dcid{};
  Packet first;  // of a member that dials, and what is answered to it
  if ((choices & 4) != 0) {
    door.dials = true;
    door.endpoint->dial(ConnId{1}, door.path, door.now);
    door.endpoint->flush(door.now);
    first = door.last;
    fuzz::require(first.size() >= quic::kFirstMin && first[5] == std::byte{16} && first[22] == std::byte{8},
                  "a first packet");
  }
  for (const Piece& piece : cut({reinterpret_cast<const std::byte*>(data + 1), size - 1})) {
    dcid[0] = static_cast<std::byte>(piece.kind >> 3);
    switch (piece.kind & 7) {
      case 0:
        door.take(piece.bytes);
        break;
      case 1: {
        Packet padded(piece.bytes.begin(), piece.bytes.end());
        padded.resize(std::max(padded.size(), quic::kFirstMin));
        door.take(padded);
        break;
      }
      case 2:
      case 3:
        door.take(initial(dcid, {}, piece.bytes.first(std::min<std::size_t>(piece.bytes.size(), 4000))));
        break;
      case 4:
        door.take(initial(dcid, piece.bytes.first(std::min<std::size_t>(piece.bytes.size(), 400)), {}));
        break;
      case 5: {  // the token of the last answer, changed where the piece is not zero; sent to the id that the answer
                 // gave
        Packet token = token_of(door.last);
        if (token.empty()) break;
        const Packet id(door.last.begin() + 15, door.last.begin() + 23);
        for (std::size_t i = 0; i < std::min(token.size(), piece.bytes.size()); ++i) token[i] ^= piece.bytes[i];
        door.take(initial(id, token, {}));
        break;
      }
      case 6:
        door.pass(std::chrono::milliseconds{piece.bytes.empty() ? 1 : 20 * std::to_integer<int>(piece.bytes[0])});
        break;
      default: {  // what it answered comes back
        const Packet back = door.last;
        if (!back.empty()) door.take(back);
        break;
      }
    }
  }
  door.pass(std::chrono::seconds{60});
  QuicStats stats;
  door.endpoint->count(stats);
  fuzz::require(stats.connections == 0, "nobody is connected");
  fuzz::require(!door.endpoint->knows(ConnId{1}), "a dial ends");
  fuzz::require(!door.endpoint->knows(ConnId{(std::uint64_t{1} << 62) + 2}), "the first one is forgotten");
  return 0;
}
