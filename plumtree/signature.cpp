#include "signature.hpp"

#include <algorithm>
#include <cstring>
#include <plumvine/detail/base64.hpp>
#include <plumvine/detail/check.hpp>
#include <utility>

#include "frames.hpp"

namespace plumvine::frame {
namespace {

/// The text that is hashed or signed: fixed fields one after the other, texts with their length before them.
class Text {
 public:
  explicit Text(std::string_view purpose) { text(purpose); }
  Text& number(std::uint64_t value) {
    std::array<std::byte, 8> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(value >> (56 - 8 * i) & 0xff);
    return raw(out);
  }
  Text& text(std::string_view text) {
    number(text.size());
    return raw(as_bytes(text));
  }
  Text& raw(BytesView bytes) {
    PLUMVINE_CHECK(bytes.size() <= space_.size() - size_, "a text to sign is too long");
    if (!bytes.empty()) std::memcpy(space_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
    return *this;
  }
  [[nodiscard]] BytesView view() const { return BytesView{space_}.first(size_); }

 private:
  /// Cluster, name and topic are at most 255, 128 and 128 bytes (`WIRE.md`), all else is of fixed size.
  std::array<std::byte, 1024> space_{};
  std::size_t size_ = 0;
};

/// `whole` and `root` are of the run that the message is in, if it is in one.
Text text_of(const SignTools& tools, const Gossip& gossip, const Signature& signature, const Hash& whole,
             const Hash& root) {
  const Run run = signature.cut ? signature.cut->run : gossip.run;
  Text text("plumvine origin 1");
  text.text(tools.cluster).text(gossip.origin).number(static_cast<std::uint64_t>(gossip.id.origin));
  text.number(signature.cut ? signature.cut->first : gossip.id.sequence).number(run.count).number(run.alike ? 1 : 0);
  text.number(signature.by.epoch).number(static_cast<std::uint64_t>(signature.at_us)).text(gossip.topic);
  text.number(gossip.about ? 1 : 0);
  if (gossip.about) {
    const About& about = *gossip.about;
    text.number(static_cast<std::uint64_t>(about.encoding))
        .number(about.size)
        .number(about.encoded_size)
        .number(about.first)
        .raw(about.checksum);
  }
  return text.raw(whole).raw(root);
}

Hash join(const SignTools& tools, const Hash& left, const Hash& right) {
  std::array<std::byte, 2 * kHashSize> both;
  std::copy(left.begin(), left.end(), both.begin());
  std::copy(right.begin(), right.end(), both.begin() + kHashSize);
  return tools.hash(both);
}

/// Leaves first, the root last. Who has nobody beside it goes up as it is. A leaf cannot be taken for a knot: the count
/// of messages is signed, and it says how deep each leaf lies.
std::vector<std::vector<Hash>> tree_of(const SignTools& tools, const Run& run, const Bytes& bytes) {
  std::vector<std::vector<Hash>> levels(1);
  levels[0].reserve(run.count);
  for (RunCutter cutter{run, bytes}; !cutter.done();) levels[0].push_back(tools.hash(cutter.next().view()));
  while (levels.back().size() > 1) {
    const std::vector<Hash>& below = levels.back();
    std::vector<Hash> above;
    above.reserve((below.size() + 1) / 2);
    for (std::size_t i = 0; i < below.size(); i += 2)
      above.push_back(i + 1 < below.size() ? join(tools, below[i], below[i + 1]) : below[i]);
    levels.push_back(std::move(above));
  }
  return levels;
}

/// The root above a message, by its path; nothing: the path has another length.
std::optional<Hash> climb(const SignTools& tools, const Hash& leaf, std::uint64_t index, std::uint64_t count,
                          const std::vector<Hash>& path) {
  Hash at = leaf;
  auto next = path.begin();
  for (; count > 1; index /= 2, count = (count + 1) / 2) {
    if ((index ^ 1) >= count) continue;
    if (next == path.end()) return std::nullopt;
    at = index % 2 == 0 ? join(tools, at, *next) : join(tools, *next, at);
    ++next;
  }
  return next == path.end() ? std::optional{at} : std::nullopt;
}

}  // namespace

InstanceId instance_of(const SignTools& tools, std::string_view name, const OriginKey& by) {
  const Hash hash =
      tools.hash(Text("plumvine instance 1").text(tools.cluster).text(name).raw(by.key).number(by.epoch).view());
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | std::to_integer<std::uint64_t>(hash[i]);
  value &= ~kPartsBit;
  return InstanceId{value == 0 ? 1 : value};
}

Signature sign(const SignTools& tools, const Gossip& gossip, std::int64_t at_us) {
  Signature signature;
  signature.by = tools.own;
  signature.at_us = at_us;
  if (gossip.run.count > 1) signature.other = tree_of(tools, gossip.run, gossip.payload).back().front();
  signature.bytes =
      tools.sign(text_of(tools, gossip, signature, tools.hash(gossip.payload.view()), signature.other).view());
  return signature;
}

bool is_signed_by(const SignTools& tools, const Gossip& gossip) {
  const Signature& signature = *gossip.signature;
  if (instance_of(tools, gossip.origin, signature.by) != publisher_of(gossip.id.origin)) return false;
  const Hash payload = tools.hash(gossip.payload.view());
  if (!signature.cut)
    return tools.verify(signature.by.key, text_of(tools, gossip, signature, payload, signature.other).view(),
                        signature.bytes);
  const Cut& cut = *signature.cut;
  const auto root = climb(tools, payload, gossip.id.sequence - cut.first, cut.run.count, cut.path);
  return root && tools.verify(signature.by.key, text_of(tools, gossip, signature, signature.other, *root).view(),
                              signature.bytes);
}

RunProofs::RunProofs(const SignTools& tools, const Gossip& run)
    : run_(&run), whole_(tools.hash(run.payload.view())), levels_(tree_of(tools, run.run, run.payload)) {
  good_ = levels_.back().front() == run.signature->other;
}

Signature RunProofs::of(std::uint32_t index) const {
  Signature signature = *run_->signature;
  signature.other = whole_;
  Cut cut{run_->id.sequence, run_->run, {}};
  std::size_t at = index;
  for (const auto& level : levels_) {
    if ((at ^ 1) < level.size()) cut.path.push_back(level[at ^ 1]);
    at /= 2;
  }
  signature.cut = std::move(cut);
  return signature;
}

std::string to_text(const OriginKey& key) {
  std::array<std::byte, 40> raw{};
  std::copy(key.key.begin(), key.key.end(), raw.begin());
  for (std::size_t i = 0; i < 8; ++i) raw[32 + i] = static_cast<std::byte>(key.epoch >> (56 - 8 * i) & 0xff);
  std::string text;
  append_base64(text, raw);
  return text;
}

std::optional<OriginKey> parse_origin_key(std::string_view text) {
  const auto decoded = decode_base64(text);
  if (!decoded || decoded->size() != 40) return std::nullopt;
  const BytesView raw = as_bytes(*decoded);
  OriginKey key;
  std::copy_n(raw.begin(), key.key.size(), key.key.begin());
  for (std::size_t i = 32; i < 40; ++i) key.epoch = key.epoch << 8 | std::to_integer<std::uint64_t>(raw[i]);
  return key;
}

std::string name_of(const PublicKey& key) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    const auto byte = std::to_integer<unsigned>(key[i]);
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

}  // namespace plumvine::frame
