#pragma once

// The QUIC library, for the sources of this folder that need it and nobody else: its interface of before 1.0 was
// renamed since.
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#if NGTCP2_VERSION_NUM < 0x000c00 || NGTCP2_VERSION_NUM >= 0x000d00
#error "written for ngtcp2 0.12"
#endif

#include <cstring>
#include <plumvine/time.hpp>

#include "path.hpp"

namespace plumvine::quic {

inline ngtcp2_cid to_library(const Cid& cid) {
  ngtcp2_cid out;
  ngtcp2_cid_init(&out, reinterpret_cast<const std::uint8_t*>(cid.bytes.data()), cid.size);
  return out;
}
inline Cid from_library(const ngtcp2_cid& cid) {
  return Cid::of({reinterpret_cast<const std::byte*>(cid.data), cid.datalen});
}

/// Error codes of the transport that are looked at or sent here (RFC 9000, section 20.1).
inline constexpr std::uint64_t kConnectionRefused = 0x02, kInvalidToken = 0x0b, kApplicationError = 0x0c,
                               kCryptoError = 0x100;

inline ngtcp2_tstamp stamp(Timestamp now) {
  return static_cast<ngtcp2_tstamp>(now.ns);
}
inline const std::uint8_t* raw(BytesView bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

/// An address in the library's terms: always of the IPv6 kind, so that the mapped form of IPv4 compares as it does
/// here.
struct LibraryAddress {
  ngtcp2_sockaddr_in6 in{};

  explicit LibraryAddress(const Endpoint& endpoint) {
    in.sin6_family = AF_INET6;
    in.sin6_port = static_cast<std::uint16_t>(
        endpoint.port << 8 | endpoint.port >> 8);  // big-endian; this library runs on little-endian machines
    std::memcpy(&in.sin6_addr, endpoint.address.data(), endpoint.address.size());
  }
  [[nodiscard]] ngtcp2_addr view() { return {reinterpret_cast<ngtcp2_sockaddr*>(&in), sizeof in}; }
  static Endpoint endpoint(const ngtcp2_addr& address) {
    ngtcp2_sockaddr_in6 in6;
    std::memcpy(&in6, address.addr, sizeof in6);
    Endpoint out;
    out.port = static_cast<std::uint16_t>((in6.sin6_port & 0xffU) << 8 | in6.sin6_port >> 8);
    std::memcpy(out.address.data(), &in6.sin6_addr, out.address.size());
    return out;
  }
};

struct LibraryPath {
  LibraryAddress local, remote;
  explicit LibraryPath(const Path& path) : local(path.local), remote(path.remote) {}
  [[nodiscard]] ngtcp2_path view() { return {local.view(), remote.view(), nullptr}; }
};

inline Path from_library(const ngtcp2_path& path) {
  return {LibraryAddress::endpoint(path.local), LibraryAddress::endpoint(path.remote)};
}

}  // namespace plumvine::quic
