#include "tickets.hpp"

#include <array>
#include <cstring>
#include <plumvine/detail/check.hpp>
#include <plumvine/detail/wipe.hpp>
#include <span>
#include <utility>

#include "transport/crypto/gnutls_aead.hpp"

namespace plumvine::quic {
namespace {

constexpr std::string_view kMagic = "plumvine quic tickets 1\n";
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kLimitsMax = 255;
/// Of a file that is written: room for nonce and tag.
constexpr std::size_t kTextMax = kTicketsFileMax - kMagic.size() - AeadKey::kNonceSize - AeadKey::kTagSize;

void put(std::string& out, std::uint64_t number, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xff);
}

/// With its size in front.
void put(std::string& out, std::string_view bytes) {
  put(out, bytes.size(), 4);
  out += bytes;
}

/// Reads from the front; once something was missing, nothing is good any more.
class Reader {
 public:
  explicit Reader(BytesView bytes) : rest_(bytes) {}
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const std::byte byte : take(bytes)) value = value << 8 | std::to_integer<std::uint64_t>(byte);
    return value;
  }
  BytesView bytes(std::size_t most) {
    const std::uint64_t size = number(4);
    if (size > most) good_ = false;
    return take(good_ ? static_cast<std::size_t>(size) : 0);
  }
  BytesView take(std::size_t size) {
    if (size > rest_.size()) good_ = false;
    if (!good_) return {};
    const BytesView front = rest_.first(size);
    rest_ = rest_.subspan(size);
    return front;
  }
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] bool at_end() const noexcept { return good_ && rest_.empty(); }

 private:
  BytesView rest_;
  bool good_ = true;
};

bool fits(const KnownEnd& end) {
  if (end.token.size() > kTokenMax) return false;
  if (!end.ticket) return !end.token.empty();
  const Ticket& ticket = *end.ticket;
  bool good = !ticket.session.empty() && ticket.session.size() <= kSessionMax && ticket.limits.size() <= kLimitsMax &&
              ticket.chain.size() <= kChainMax;
  for (const std::string& certificate : ticket.chain) good = good && certificate.size() <= kCertificateMax;
  return good;
}

std::unique_ptr<AeadKey> key_of(Aead& aead, const std::string& secret) {
  std::array<std::byte, kKeySize> key{};
  aead.derive(as_bytes(secret), {}, as_bytes("plumvine: tickets of QUIC"), key);
  auto made = aead.key(key);
  explicit_bzero(key.data(), key.size());
  PLUMVINE_CHECK(made != nullptr, "a key of 32 bytes");
  return made;
}

Error broken(const char* why) {
  return {Errc::invalid_argument, why};
}

}  // namespace

std::string format_tickets(const std::vector<KnownEnd>& ends, std::int64_t now_s) {
  std::string out;
  put(out, static_cast<std::uint64_t>(now_s), 8);
  std::size_t count = 0;
  for (const KnownEnd& end : ends) {
    if (!fits(end) || count == kKnownEndsMax) continue;
    std::string one(as_text(std::as_bytes(std::span{end.address.address})));
    put(one, end.address.port, 2);
    put(one, as_text(end.token.view()));
    put(one, end.ticket ? 1 : 0, 1);
    if (end.ticket) {
      put(one, as_text(end.ticket->session.view()));
      put(one, as_text(end.ticket->limits.view()));
      put(one, end.ticket->chain.size(), 1);
      for (const std::string& certificate : end.ticket->chain) put(one, certificate);
    }
    const Wiped wiped(one);
    if (out.size() + one.size() > kTextMax) break;
    out += one;
    ++count;
  }
  return out;
}

Result<std::vector<KnownEnd>> parse_tickets(BytesView text, std::int64_t now_s) {
  Reader in(text);
  const auto written_s = static_cast<std::int64_t>(in.number(8));
  if (!in.good()) return broken("it is cut short");
  if (written_s > now_s || written_s < now_s - kTicketsKeptS)
    return broken("it is more than a day old, or of the future");
  std::vector<KnownEnd> ends;
  while (!in.at_end()) {
    if (ends.size() == kKnownEndsMax) return broken("it holds too many tickets");
    KnownEnd end;
    const BytesView address = in.take(end.address.address.size());
    if (in.good()) std::memcpy(end.address.address.data(), address.data(), address.size());
    end.address.port = static_cast<std::uint16_t>(in.number(2));
    end.token = Bytes::copy_of(in.bytes(kTokenMax));
    const std::uint64_t has_ticket = in.number(1);
    if (has_ticket > 1) return broken("an entry cannot be understood");
    if (has_ticket == 1) {
      Ticket ticket;
      ticket.session = Bytes::copy_of(in.bytes(kSessionMax));
      ticket.limits = Bytes::copy_of(in.bytes(kLimitsMax));
      const std::uint64_t certificates = in.number(1);
      if (certificates > kChainMax) return broken("a chain is too long");
      for (std::uint64_t i = 0; i < certificates; ++i) ticket.chain.emplace_back(as_text(in.bytes(kCertificateMax)));
      end.ticket = std::move(ticket);
    }
    if (!in.good() || !fits(end)) return broken("an entry cannot be understood");
    ends.push_back(std::move(end));
  }
  return ends;
}

std::string seal_tickets(const std::vector<KnownEnd>& ends, const std::string& secret, std::int64_t now_s) {
  const auto aead = make_gnutls_aead();
  std::string text = format_tickets(ends, now_s);
  const Wiped wiped(text);
  std::string file(kMagic);
  file.resize(kMagic.size() + AeadKey::kNonceSize + text.size() + AeadKey::kTagSize);
  const std::span<std::byte> out = std::as_writable_bytes(std::span{file}).subspan(kMagic.size());
  aead->random(out.first(AeadKey::kNonceSize));
  key_of(*aead, secret)
      ->seal(out.first(AeadKey::kNonceSize), as_bytes(kMagic), as_bytes(text), out.subspan(AeadKey::kNonceSize).data());
  return file;
}

Result<std::vector<KnownEnd>> open_tickets(std::string_view file, const std::string& secret, std::int64_t now_s) {
  if (!file.starts_with(kMagic) || file.size() < kMagic.size() + AeadKey::kNonceSize + AeadKey::kTagSize ||
      file.size() > kTicketsFileMax)
    return broken("it is no file of tickets");
  const auto aead = make_gnutls_aead();
  const BytesView nonce = as_bytes(file.substr(kMagic.size(), AeadKey::kNonceSize));
  const BytesView sealed = as_bytes(file.substr(kMagic.size() + AeadKey::kNonceSize));
  std::string text(sealed.size() - AeadKey::kTagSize, '\0');
  const Wiped wiped(text);
  if (!key_of(*aead, secret)->open(nonce, as_bytes(kMagic), sealed, std::as_writable_bytes(std::span{text}).data()))
    return broken("it was written with another tls_key, or is broken");
  return parse_tickets(as_bytes(text), now_s);
}

}  // namespace plumvine::quic
