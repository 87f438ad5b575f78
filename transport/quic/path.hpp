#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <plumvine/bytes.hpp>
#include <plumvine/types.hpp>

namespace plumvine::quic {

/// The way of a packet: our address and the other end's, both with ports. IPv4 is kept in its mapped form, as
/// everywhere.
struct Path {
  Endpoint local;
  Endpoint remote;
  friend bool operator==(const Path&, const Path&) = default;
};

/// Explicit congestion notification: the two low bits of an IP header's traffic class.
enum class Ecn : std::uint8_t { none = 0, ect1 = 1, ect0 = 2, congested = 3 };

/// A connection id: what names a connection in its packets, whatever addresses they come from. At most 20 bytes.
struct Cid {
  static constexpr std::size_t kMax = 20;
  /// Of all that we choose.
  static constexpr std::size_t kOurs = 8;
  std::array<std::byte, kMax> bytes{};
  std::uint8_t size = 0;

  static Cid of(BytesView view) {
    Cid cid;
    cid.size = static_cast<std::uint8_t>(std::min(view.size(), kMax));
    std::copy_n(view.begin(), cid.size, cid.bytes.begin());
    return cid;
  }
  [[nodiscard]] BytesView view() const noexcept { return {bytes.data(), size}; }
  friend auto operator<=>(const Cid&, const Cid&) = default;
};

/// Where packets go. Takes whatever it is given; false: it has no room for more now, and says when it has again.
class PacketSink {
 public:
  virtual ~PacketSink() = default;
  /// `packets` are datagrams of `segment` bytes each, one behind the other; the last one may be shorter. The bytes are
  /// the sender's again after the call.
  virtual bool send(const Path& path, Ecn ecn, BytesView packets, std::size_t segment) = 0;
};

}  // namespace plumvine::quic
