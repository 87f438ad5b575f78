#pragma once

#include <functional>
#include <memory>
#include <span>

#include "membership/wire/aead.hpp"

namespace plumvine {

/// AES-GCM and HKDF by GnuTLS. `random` replaces the library's random device; the simulator gives a seeded one.
std::shared_ptr<Aead> make_gnutls_aead(std::function<void(std::span<std::byte>)> random = {});

}  // namespace plumvine
