#pragma once

#include <plumvine/result.hpp>
#include <string>
#include <string_view>

#include "plumtree/signature.hpp"

namespace plumvine {

/// A new Ed25519 key from the system's random numbers, as PEM (PKCS #8).
[[nodiscard]] std::string make_origin_key();
/// The same from 32 bytes, for tests and the simulator: the same bytes give the same key.
[[nodiscard]] std::string make_origin_key(const std::array<std::byte, 32>& seed);

/// Signing with a key in PEM, as `make_origin_key` or `openssl genpkey -algorithm ed25519` writes it.
/// Errc::invalid_argument for anything else. Everything that is signed names `cluster`.
[[nodiscard]] Result<frame::SignTools> make_sign_tools(std::string_view pem, std::uint64_t epoch, std::string cluster);
/// Hashes and judges; signs nothing.
[[nodiscard]] frame::SignTools make_judging_tools(std::string cluster);

}  // namespace plumvine
