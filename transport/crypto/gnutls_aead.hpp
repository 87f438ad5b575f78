#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>

#include "membership/wire/aead.hpp"

namespace plumvine {

/// AES-GCM and HKDF by GnuTLS. `random` replaces the library's random device; the simulator gives a seeded one.
std::shared_ptr<Aead> make_gnutls_aead(std::function<void(std::span<std::byte>)> random = {});

/// The sum of a large payload and its parts (`plumtree/WIRE.md`): AES-128-GMAC with key and nonce of zeros.
std::array<std::byte, 16> gmac_checksum(BytesView bytes);

class Keyring;
/// A ring of these keys, primary first.
Result<std::shared_ptr<Keyring>> make_keyring(const std::vector<Bytes>& keys, std::function<void(std::span<std::byte>)> random = {});

}  // namespace plumvine
