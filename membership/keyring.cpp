#include "keyring.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <plumvine/detail/check.hpp>

namespace plumvine {
namespace {

constexpr std::size_t kBlock = 16;

/// PKCS#7: 1 to 16 bytes, each of which says how many they are. 0 = wrong.
std::size_t padding_of(BytesView padded) {
  if (padded.empty() || padded.size() % kBlock != 0) return 0;
  const auto size = std::to_integer<std::size_t>(padded.back());
  if (size == 0 || size > kBlock) return 0;
  const BytesView padding = padded.last(size);
  return std::all_of(padding.begin(), padding.end(), [&](std::byte b) { return b == padded.back(); }) ? size : 0;
}

}  // namespace

std::vector<Keyring::Entry>::iterator Keyring::find(const Bytes& key) {
  return std::find_if(keys_.begin(), keys_.end(), [&](const Entry& entry) { return entry.secret == key; });
}

Result<Keyring::Entry> Keyring::make(const Bytes& secret) {
  Entry entry{secret, aead_->key(secret.view())};
  if (!entry.key)
    return {Errc::invalid_argument, fmt::format("the key has {} bytes, must have 16, 24 or 32", secret.size())};
  return entry;
}

Status Keyring::add(const Bytes& key) {
  auto entry = make(key);
  if (!entry) return entry.error();
  if (find(key) != keys_.end()) return {};
  if (keys_.size() >= kKeysMax) return {Errc::limit_reached, fmt::format("a keyring has at most {} keys", kKeysMax)};
  keys_.push_back(std::move(*entry));
  return {};
}

Status Keyring::use(const Bytes& key) {
  const auto it = find(key);
  if (it == keys_.end()) return {Errc::not_found, "the key is not in the keyring: install it first"};
  std::rotate(keys_.begin(), it, it + 1);
  return {};
}

Status Keyring::remove(const Bytes& key) {
  const auto it = find(key);
  if (it == keys_.end()) return {};
  if (it == keys_.begin()) return {Errc::invalid_argument, "the primary key cannot be removed: make another one primary first"};
  keys_.erase(it);
  return {};
}

Status Keyring::replace(const std::vector<Bytes>& keys) {
  Keyring fresh(aead_);
  for (const Bytes& key : keys)
    if (auto added = fresh.add(key); !added) return added;
  keys_ = std::move(fresh.keys_);
  return {};
}

std::vector<Bytes> Keyring::secrets() const {
  std::vector<Bytes> out;
  for (const Entry& entry : keys_) out.push_back(entry.secret);
  return out;
}

bool Keyring::contains(const Bytes& key) const {
  return std::any_of(keys_.begin(), keys_.end(), [&](const Entry& entry) { return entry.secret == key; });
}

std::string Keyring::name_of(const Bytes& key) const {
  std::array<std::byte, 4> id{};
  aead_->derive(key.view(), {}, as_bytes("plumvine key name"), id);
  std::string out;
  for (const std::byte b : id) out += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  return out;
}

void Keyring::seal(BytesView aad, BytesView plain, std::vector<std::byte>& out, SealVersion version, const Bytes& with) {
  PLUMVINE_CHECK(!keys_.empty(), "sealing needs a key");
  std::vector<std::byte> padded;
  if (version == SealVersion::padded) {
    const std::size_t padding = kBlock - plain.size() % kBlock;
    padded.reserve(plain.size() + padding);
    padded.assign(plain.begin(), plain.end());
    padded.resize(plain.size() + padding, static_cast<std::byte>(padding));
    plain = padded;
  }
  const std::size_t start = out.size();
  out.resize(start + kOverhead + plain.size());
  out[start] = static_cast<std::byte>(version);
  const std::span<std::byte> nonce(out.data() + start + 1, AeadKey::kNonceSize);
  aead_->random(nonce);
  const auto chosen = with.empty() ? keys_.end() : find(with);
  (chosen == keys_.end() ? keys_.front() : *chosen).key->seal(nonce, aad, plain, nonce.data() + nonce.size());
}

Bytes Keyring::open(BytesView aad, BytesView blob, std::vector<std::byte>& out) {
  if (blob.size() < kOverhead || std::to_integer<int>(blob[0]) > 1) return {};
  const auto version = static_cast<SealVersion>(blob[0]);
  if (version == SealVersion::padded && blob.size() < kOverhead + kBlock) return {};
  const BytesView nonce = blob.subspan(1, AeadKey::kNonceSize);
  const BytesView sealed = blob.subspan(1 + AeadKey::kNonceSize);
  const std::size_t start = out.size();
  out.resize(start + blob.size() - kOverhead);
  const auto fits = std::find_if(keys_.begin(), keys_.end(), [&](const Entry& entry) {
    return entry.key->open(nonce, aad, sealed, out.data() + start);
  });
  const bool opened = fits != keys_.end();
  std::size_t padding = 0;
  if (opened && version == SealVersion::padded) padding = padding_of(BytesView(out).subspan(start));
  const bool good = opened && (version == SealVersion::bare || padding != 0);
  out.resize(good ? out.size() - padding : start);
  return good ? fits->secret : Bytes{};
}

}  // namespace plumvine
