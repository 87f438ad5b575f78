#pragma once

#include <string_view>

namespace plumvine::tls {

/// What a connection is for, told in the handshake (ALPN).
inline constexpr std::string_view kStreams = "plumvine";
inline constexpr std::string_view kPackets = "plumvine-packets";

}  // namespace plumvine::tls
