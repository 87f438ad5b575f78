#include "link_seal.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include <plumvine/detail/check.hpp>

#include "plumtree/wire.hpp"

namespace plumvine {
namespace {

constexpr std::size_t kLength = 4;

std::size_t read_length(BytesView bytes) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLength; ++i) length = length << 8 | std::to_integer<std::size_t>(bytes[i]);
  return length;
}

std::array<std::byte, AeadKey::kNonceSize> counted(std::uint64_t number) {
  std::array<std::byte, AeadKey::kNonceSize> nonce{};
  for (std::size_t i = 0; i < 8; ++i) nonce[nonce.size() - 1 - i] = static_cast<std::byte>(number >> (8 * i) & 0xff);
  return nonce;
}

/// So that nothing is left of a key.
void wipe(std::span<std::byte> secret) {
  volatile std::byte* out = secret.data();
  for (std::size_t i = 0; i < secret.size(); ++i) out[i] = std::byte{0};
}

void append(BytesView bytes, std::vector<std::byte>& out) { out.insert(out.end(), bytes.begin(), bytes.end()); }

}  // namespace

LinkSeal::LinkSeal(std::shared_ptr<Keyring> keyring, bool outbound, bool plain_allowed, std::uint64_t rekey_records)
    : keyring_(std::move(keyring)), outbound_(outbound), plain_allowed_(plain_allowed),
      stage_(outbound ? Stage::random : Stage::preface),
      rekey_records_(rekey_records) {
  keyring_->aead().random(own_);
  if (rekey_records_ != 0) std::ranges::copy(as_bytes(kRekeyMark), own_.end() - kRekeyMark.size());
}

LinkSeal::~LinkSeal() {
  wipe(seal_.secret);
  wipe(open_.secret);
}

std::vector<std::byte> LinkSeal::opening() const {
  const Bytes preface = wire::preface();
  std::vector<std::byte> out(preface.data(), preface.data() + preface.size());
  out.back() |= wire::kSealedBit;
  append(own_, out);
  return out;
}

bool LinkSeal::receive(BytesView bytes, std::vector<std::byte>& text, std::vector<std::byte>& answer) {
  if (stage_ == Stage::failed) return false;
  append(bytes, buffer_);
  for (bool again = true; again;) {
    again = false;
    if (!step(text, answer, again)) return false;
  }
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(std::exchange(taken_, 0)));
  return true;
}

bool LinkSeal::step(std::vector<std::byte>& text, std::vector<std::byte>& answer, bool& again) {
  switch (stage_) {
    case Stage::preface: return read_preface(text, again);
    case Stage::random: return read_random(answer, again);
    case Stage::records: return read_record(text, again);
    case Stage::in_clear:
      append(rest(), text);
      taken_ = buffer_.size();
      return true;
    case Stage::failed: break;
  }
  return false;
}

bool LinkSeal::read_preface(std::vector<std::byte>& text, bool& again) {
  const Bytes wanted = wire::preface();
  const std::size_t last = wanted.size() - 1;
  if (rest().size() <= last) return true;
  const std::byte version = rest()[last];
  if (!std::equal(wanted.data(), wanted.data() + last, rest().begin())) return fail(FrameReject::malformed);
  again = true;
  if (version == (wanted.data()[last] | wire::kSealedBit)) {
    append(wanted.view(), text);  // the decoder wants to see it
    taken_ += wanted.size();
    stage_ = Stage::random;
    return true;
  }
  if (!plain_allowed_) return fail(version == wanted.data()[last] ? FrameReject::plaintext : FrameReject::bad_hello);
  stage_ = Stage::in_clear;  // the preface goes on to the decoder, which judges the version
  return true;
}

bool LinkSeal::read_random(std::vector<std::byte>& answer, bool& again) {
  if (rest().size() < kRandomSize) return true;
  std::copy_n(rest().begin(), kRandomSize, theirs_.begin());
  taken_ += kRandomSize;
  rekeys_ = rekey_records_ != 0 && std::ranges::equal(BytesView{theirs_}.last(kRekeyMark.size()), as_bytes(kRekeyMark));
  stage_ = Stage::records;
  again = true;
  if (outbound_) {
    if (keyring_->empty()) return fail(FrameReject::undecryptable);
    choose(keyring_->secrets().front());
  } else {
    append(own_, answer);
  }
  return true;
}

bool LinkSeal::read_record(std::vector<std::byte>& text, bool& again) {
  if (rest().size() < kLength) return true;
  const std::size_t size = read_length(rest());
  if (size <= AeadKey::kTagSize) return fail(FrameReject::malformed);
  if (size > kRecordMax + AeadKey::kTagSize) return fail(FrameReject::too_large);
  if (rest().size() - kLength < size) return true;
  const BytesView header = rest().first(kLength);
  const BytesView sealed = rest().subspan(kLength, size);
  const std::size_t start = text.size();
  text.resize(start + size - AeadKey::kTagSize);
  if (!open_.key && !open_first(header, sealed, text.data() + start)) {
    text.resize(start);
    return fail(FrameReject::undecryptable);
  }
  const auto nonce = advance(open_);
  const bool good = open_.key->open(nonce, header, sealed, text.data() + start);
  if (!good) {
    text.resize(start);
    return fail(FrameReject::undecryptable);
  }
  taken_ += kLength + size;
  again = true;
  return true;
}

/// Which key did the dialler use?
bool LinkSeal::open_first(BytesView header, BytesView sealed, std::byte* out) {
  for (const Bytes& secret : keyring_->secrets()) {
    Way way = derive(secret, true);
    const bool fits = way.key->open(counted(0), header, sealed, out);
    wipe(way.secret);
    if (!fits) continue;
    choose(secret);
    return true;
  }
  return false;
}

void LinkSeal::choose(const Bytes& secret) {
  secret_ = secret;
  seal_ = derive(secret, outbound_);
  open_ = derive(secret, !outbound_);
}

LinkSeal::Way LinkSeal::derive(const Bytes& secret, bool from_dialler) const {
  std::array<std::byte, 2 * kRandomSize> salt{};
  const Random& dialler = outbound_ ? own_ : theirs_;
  const Random& acceptor = outbound_ ? theirs_ : own_;
  std::copy(dialler.begin(), dialler.end(), salt.begin());
  std::copy(acceptor.begin(), acceptor.end(), salt.begin() + kRandomSize);
  Way way;
  const std::string_view purpose = from_dialler ? "plumvine link 1 dialler" : "plumvine link 1 acceptor";
  keyring_->aead().derive(secret.view(), salt, as_bytes(purpose), way.secret);
  way.key = keyring_->aead().key(way.secret);
  return way;
}

std::array<std::byte, AeadKey::kNonceSize> LinkSeal::advance(Way& way) const {
  if (rekeys_ && way.next == rekey_records_) {
    std::array<std::byte, 32> fresh{};
    keyring_->aead().derive(way.secret, {}, as_bytes(std::string_view{"plumvine link 1 next"}), fresh);
    way.secret = fresh;
    wipe(fresh);
    way.key = keyring_->aead().key(way.secret);
    way.next = 0;
  }
  return counted(way.next++);
}

Bytes LinkSeal::seal(std::span<const Bytes> pieces) {
  PLUMVINE_CHECK(ready(), "a link is sealed when its key is known");
  std::vector<std::byte> text;
  for (const Bytes& piece : pieces) append(piece.view(), text);
  const std::size_t records = (text.size() + kRecordMax - 1) / kRecordMax;
  const std::size_t total = text.size() + records * kRecordOverhead;
  auto block = std::make_shared_for_overwrite<std::byte[]>(total);
  std::byte* out = block.get();
  for (BytesView rest = text; !rest.empty();) {
    const BytesView part = rest.first(std::min(rest.size(), kRecordMax));
    rest = rest.subspan(part.size());
    const std::size_t size = part.size() + AeadKey::kTagSize;
    for (std::size_t i = 0; i < kLength; ++i) out[i] = static_cast<std::byte>(size >> (24 - 8 * i) & 0xff);
    const auto nonce = advance(seal_);
    seal_.key->seal(nonce, {out, kLength}, part, out + kLength);
    out += kLength + size;
  }
  return Bytes::adopt(std::move(block), 0, total);
}

bool LinkSeal::fail(FrameReject why) {
  stage_ = Stage::failed;
  failure_ = why;
  buffer_ = {};
  taken_ = 0;
  return false;
}

}  // namespace plumvine
