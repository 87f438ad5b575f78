#include <plumvine/cursor.hpp>

#include <algorithm>
#include <optional>

#include <plumvine/detail/base64.hpp>

namespace plumvine {
namespace {

constexpr unsigned char kVersion = 1;
constexpr std::size_t kChecksum = 4;
constexpr std::size_t kTextMax = std::size_t{4} << 20;
constexpr Sequence kSequenceMax = Sequence{1} << 62;

std::uint32_t checksum(std::string_view bytes) {
  std::uint32_t hash = 0x811c9dc5U;  // FNV-1a
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193U;
  return hash;
}

void put_fixed(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}
void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

/// Takes numbers off the front of some bytes; once something is missing, nothing more comes.
class Numbers {
 public:
  explicit Numbers(std::string_view bytes) : rest_(bytes) {}

  std::optional<std::uint64_t> fixed(std::size_t bytes) {
    if (rest_.size() < bytes) return fail();
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    rest_.remove_prefix(bytes);
    return value;
  }
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 63 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return fail();
  }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

 private:
  std::optional<std::uint64_t> fail() {
    rest_ = {};
    return std::nullopt;
  }
  std::string_view rest_;
};

Error damaged() { return {Errc::invalid_argument, "this is no cursor, or a damaged one: take it unchanged from a delivered line"}; }

}  // namespace

void Cursor::add(const Cursor& other) {
  for (const auto& [origin, set] : other.origins_) {
    for (const SequenceRange& range : set.list()) add(origin, range);
  }
}

void Cursor::remove(InstanceId origin, SequenceRange range) {
  const auto it = origins_.find(origin);
  if (it == origins_.end()) return;
  it->second.remove(range);
  if (it->second.empty()) origins_.erase(it);
}

void Cursor::remove(const MessageId& id) { remove(id.origin, {id.sequence, id.sequence}); }

bool Cursor::contains(const MessageId& id) const {
  const auto it = origins_.find(id.origin);
  return it != origins_.end() && it->second.contains(id.sequence);
}

Cursor Cursor::without(const Cursor& other) const {
  Cursor rest;
  for (const auto& [origin, set] : origins_) {
    const auto theirs = other.origins_.find(origin);
    for (const SequenceRange& range : set.list()) {
      if (theirs == other.origins_.end()) {
        rest.add(origin, range);
      } else {
        for (const SequenceRange& part : theirs->second.missing_in(range)) rest.add(origin, part);
      }
    }
  }
  return rest;
}

// One byte of version; the number of origins; for each: eight bytes of its instance, the number of ranges, and for each
// range how far it begins behind the end of the one before and how many follow its first. Then a checksum.
std::string Cursor::to_string() const {
  std::string bytes(1, static_cast<char>(kVersion));
  put_varint(bytes, origins_.size());
  for (const auto& [origin, set] : origins_) {
    put_fixed(bytes, static_cast<std::uint64_t>(origin), 8);
    put_varint(bytes, set.ranges());
    Sequence next = 0;
    for (const SequenceRange& range : set.list()) {
      put_varint(bytes, range.first - next);
      put_varint(bytes, range.last - range.first);
      next = range.last + 1;
    }
  }
  put_fixed(bytes, checksum(bytes), kChecksum);
  std::string text;
  append_base64(text, as_bytes(bytes));
  while (text.ends_with('=')) text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

Result<Cursor> Cursor::parse(std::string_view text) {
  if (text.size() > kTextMax || text.find_first_of("+/=") != std::string_view::npos) return damaged();
  std::string padded(text);
  std::replace(padded.begin(), padded.end(), '-', '+');
  std::replace(padded.begin(), padded.end(), '_', '/');
  padded.append((4 - padded.size() % 4) % 4, '=');
  const auto bytes = decode_base64(padded);
  if (!bytes || bytes->size() < 2 + kChecksum || static_cast<unsigned char>(bytes->front()) != kVersion) return damaged();
  const std::string_view body = std::string_view(*bytes).substr(0, bytes->size() - kChecksum);
  if (Numbers(std::string_view(*bytes).substr(body.size())).fixed(kChecksum) != checksum(body)) return damaged();

  Numbers numbers(body.substr(1));
  Cursor cursor;
  const auto origins = numbers.varint();
  for (std::uint64_t i = 0; origins && i < *origins; ++i) {
    const auto origin = numbers.fixed(8);
    const auto ranges = numbers.varint();
    if (!ranges || *ranges == 0) return damaged();
    Sequence next = 0;
    for (std::uint64_t k = 0; k < *ranges; ++k) {
      const auto gap = numbers.varint();
      const auto more = numbers.varint();
      if (!more || *gap > kSequenceMax - next || *more > kSequenceMax - next - *gap) return damaged();
      const SequenceRange range{next + *gap, next + *gap + *more};
      if (range.first == 0) return damaged();
      cursor.add(InstanceId{*origin}, range);
      next = range.last + 1;
    }
  }
  if (!origins || !numbers.at_end()) return damaged();
  return cursor;
}

}  // namespace plumvine
