#include "stateless.hpp"

#include <array>

#include "ngtcp2.hpp"

namespace plumvine::quic {
namespace {

constexpr ngtcp2_duration kRetryLife = 10 * NGTCP2_SECONDS;
constexpr ngtcp2_duration kTokenLife = 24 * 3600 * NGTCP2_SECONDS;

std::uint8_t* writable(PacketBytes& bytes) {
  return reinterpret_cast<std::uint8_t*>(bytes.data());
}

void cut(PacketBytes& bytes, ngtcp2_ssize size) {
  bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
}

}  // namespace

Outside look_at(BytesView packet) {
  if (packet.empty()) return {};  // the library takes that for a mistake of ours
  ngtcp2_version_cid ids{};
  const int status = ngtcp2_pkt_decode_version_cid(&ids, raw(packet), packet.size(), Cid::kOurs);
  if (status != 0 && status != NGTCP2_ERR_VERSION_NEGOTIATION) return {};
  Outside outside;
  outside.dcid = Cid::of({reinterpret_cast<const std::byte*>(ids.dcid), ids.dcidlen});
  if (status != 0)
    outside.kind = Outside::Kind::other_version;
  else
    outside.kind = ids.version == 0 && ids.scid == nullptr ? Outside::Kind::short_header : Outside::Kind::long_header;
  return outside;
}

std::optional<FirstPacket> first_packet(BytesView packet) {
  ngtcp2_pkt_hd head{};
  if (packet.size() < kFirstMin || ngtcp2_accept(&head, raw(packet), packet.size()) != 0 ||
      head.type != NGTCP2_PKT_INITIAL)
    return std::nullopt;
  FirstPacket first;
  first.version = head.version;
  first.dcid = from_library(head.dcid);
  first.scid = from_library(head.scid);
  if (head.token.len > 0)
    first.token = Bytes::copy_of(BytesView{reinterpret_cast<const std::byte*>(head.token.base), head.token.len});
  return first;
}

TokenVerdict check_token(FirstPacket& first, const Endpoint& remote, const std::string& secret, Timestamp now) {
  if (first.token.empty()) return TokenVerdict::none;
  LibraryAddress address(remote);
  const ngtcp2_addr view = address.view();
  const BytesView token = first.token.view();
  if (token.front() == std::byte{NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY}) {
    const ngtcp2_cid dcid = to_library(first.dcid);
    ngtcp2_cid odcid{};
    if (ngtcp2_crypto_verify_retry_token(&odcid, raw(token), token.size(), raw(as_bytes(secret)), secret.size(),
                                         first.version, view.addr, view.addrlen, &dcid, kRetryLife, stamp(now)) != 0)
      return TokenVerdict::bad;
    first.odcid = from_library(odcid);
    return TokenVerdict::good;
  }
  if (token.front() == std::byte{NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR} &&
      ngtcp2_crypto_verify_regular_token(raw(token), token.size(), raw(as_bytes(secret)), secret.size(), view.addr,
                                         view.addrlen, kTokenLife, stamp(now)) == 0)
    return TokenVerdict::good;
  first.token = {};
  return TokenVerdict::stale;
}

PacketBytes retry_packet(const FirstPacket& first, const Endpoint& remote, const std::string& secret,
                         const Random& random, Timestamp now) {
  LibraryAddress address(remote);
  const ngtcp2_addr view = address.view();
  Cid fresh;
  fresh.size = Cid::kOurs;
  random({fresh.bytes.data(), fresh.size});
  const ngtcp2_cid ours = to_library(fresh), theirs = to_library(first.scid), odcid = to_library(first.dcid);
  std::array<std::uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN> token{};
  const ngtcp2_ssize size =
      ngtcp2_crypto_generate_retry_token(token.data(), raw(as_bytes(secret)), secret.size(), first.version, view.addr,
                                         view.addrlen, &ours, &odcid, stamp(now));
  if (size < 0) return {};
  PacketBytes out(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  cut(out, ngtcp2_crypto_write_retry(writable(out), out.size(), first.version, &theirs, &ours, &odcid, token.data(),
                                     static_cast<std::size_t>(size)));
  return out;
}

PacketBytes version_packet(BytesView packet, const Random& random) {
  ngtcp2_version_cid ids{};
  if (ngtcp2_pkt_decode_version_cid(&ids, raw(packet), packet.size(), Cid::kOurs) != NGTCP2_ERR_VERSION_NEGOTIATION)
    return {};
  std::byte unused{};
  random({&unused, 1});
  constexpr std::array<std::uint32_t, 1> kSpoken{NGTCP2_PROTO_VER_V1};
  PacketBytes out(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  cut(out, ngtcp2_pkt_write_version_negotiation(writable(out), out.size(), static_cast<std::uint8_t>(unused), ids.scid,
                                                ids.scidlen, ids.dcid, ids.dcidlen, kSpoken.data(), kSpoken.size()));
  return out;
}

PacketBytes refusal_packet(const FirstPacket& first, bool refused) {
  const ngtcp2_cid theirs = to_library(first.scid), ours = to_library(first.dcid);
  PacketBytes out(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  cut(out, ngtcp2_crypto_write_connection_close(writable(out), out.size(), first.version, &theirs, &ours,
                                                refused ? kConnectionRefused : kInvalidToken, nullptr, 0));
  return out;
}

PacketBytes reset_packet(const Cid& dcid, std::size_t answered_size, const std::string& secret, const Random& random) {
  constexpr std::size_t kShortest = NGTCP2_STATELESS_RESET_TOKENLEN + NGTCP2_MIN_STATELESS_RESET_RANDLEN;
  if (answered_size <= kShortest) return {};
  const std::size_t size = std::min(answered_size - 1, kResetMax);
  const ngtcp2_cid cid = to_library(dcid);
  std::array<std::uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> token{};
  if (ngtcp2_crypto_generate_stateless_reset_token(token.data(), raw(as_bytes(secret)), secret.size(), &cid) != 0)
    return {};
  std::array<std::byte, kResetMax> noise{};
  const std::size_t noise_size = size - NGTCP2_STATELESS_RESET_TOKENLEN;
  random({noise.data(), noise_size});
  PacketBytes out(kResetMax);
  cut(out, ngtcp2_pkt_write_stateless_reset(writable(out), out.size(), token.data(),
                                            reinterpret_cast<const std::uint8_t*>(noise.data()), noise_size));
  return out;
}

}  // namespace plumvine::quic
