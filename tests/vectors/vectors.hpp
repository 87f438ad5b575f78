#pragma once

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <plumvine/bytes.hpp>

#include "membership/keyring.hpp"
#include "transport/crypto/gnutls_aead.hpp"

namespace plumvine::test {

using nlohmann::json;

inline std::vector<json> load(const std::string& file) {
  std::ifstream in(std::string(PLUMVINE_VECTORS) + "/" + file);
  std::vector<json> lines;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) lines.push_back(json::parse(line));
  INFO(file);
  REQUIRE(!lines.empty());
  return lines;
}

inline Bytes from_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
  return Bytes::copy_of(bytes);
}
inline Bytes bytes_of(const json& value) { return value.is_null() ? Bytes{} : from_hex(value.get<std::string>()); }

/// The same bytes as a view that keeps nil and empty apart, as decoded messages do.
inline BytesView view_of(const Bytes& bytes, const json& value) {
  static constexpr std::byte kSomewhere{};
  return value.is_null() || !bytes.empty() ? bytes.view() : BytesView{&kSomewhere, 0};
}

inline std::string to_hex(BytesView bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte b : bytes) {
    text += digits[static_cast<unsigned>(b) >> 4];
    text += digits[static_cast<unsigned>(b) & 15];
  }
  return text;
}

/// A ring of these keys, primary first, whose nonces are all `nonce`: what it seals can be compared.
inline std::shared_ptr<Keyring> ring_of(const std::vector<json>& keys, const Bytes& nonce = Bytes::copy_of("012345678901")) {
  auto ring = std::make_shared<Keyring>(make_gnutls_aead([nonce](std::span<std::byte> out) {
    REQUIRE(out.size() == nonce.size());
    std::copy_n(nonce.data(), nonce.size(), out.data());
  }));
  for (const json& key : keys) REQUIRE(ring->add(bytes_of(key)).has_value());
  return ring;
}
inline std::shared_ptr<Keyring> ring_of(const json& keys, const Bytes& nonce = Bytes::copy_of("012345678901")) {
  return ring_of(std::vector<json>(keys.begin(), keys.end()), nonce);
}

}  // namespace plumvine::test
