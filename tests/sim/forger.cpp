#include "forger.hpp"

#include <algorithm>
#include <numeric>
#include <plumtree/wire.hpp>
#include <transport/crypto/ed25519.hpp>
#include <utility>

namespace plumvine::sim {
namespace {

std::string new_key(Rng& rng) {
  std::array<std::byte, 32> seed{};
  for (std::byte& byte : seed) byte = static_cast<std::byte>(rng.next() & 0xff);
  return make_origin_key(seed);
}

}  // namespace

Forger::Forger(SimCluster& cluster, std::size_t mad, std::uint64_t seed)
    : cluster_(cluster), mad_(mad), rng_(mix64(seed) ^ 0x666f7267) {
  cluster_.node(mad_).meddle([this](ConnId conn, BytesView bytes) { read(conn, bytes); });
}

/// Keeps signed broadcasts of others as they come; when there are enough a new one takes the place of any.
void Forger::read(ConnId conn, BytesView bytes) {
  constexpr std::size_t kMessageMax = 64 << 20;
  Stream& stream = streams_[conn];
  if (!std::exchange(stream.begun, true) && !bytes.empty() && bytes[0] == wire::kLinkMagic)
    stream.preface = wire::kPrefaceSize;
  const std::size_t skipped = std::min(stream.preface, bytes.size());
  stream.preface -= skipped;
  bytes = bytes.subspan(skipped);
  stream.bytes.insert(stream.bytes.end(), bytes.begin(), bytes.end());
  std::size_t done = 0;
  while (stream.bytes.size() - done >= wire::kLengthSize) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < wire::kLengthSize; ++i)
      length = length << 8 | std::to_integer<std::size_t>(stream.bytes[done + i]);
    if (stream.bytes.size() - done < wire::kLengthSize + length) break;
    const BytesView body = BytesView(stream.bytes).subspan(done + wire::kLengthSize, length);
    if (auto frame = wire::decode(Bytes::copy_of(body), kMessageMax)) {
      const auto* gossip = std::get_if<frame::Gossip>(&*frame);
      if (gossip && gossip->signature && gossip->run.count == 1 && gossip->origin != cluster_.node(mad_).name()) {
        newest_us_ = gossip->signature->at_us;
        if (recorded_.size() < kRecordedMax)
          recorded_.push_back(*gossip);
        else
          recorded_[static_cast<std::size_t>(rng_.below(kRecordedMax))] = *gossip;
      }
    }
    done += wire::kLengthSize + length;
  }
  stream.bytes.erase(stream.bytes.begin(), stream.bytes.begin() + static_cast<std::ptrdiff_t>(done));
}

void Forger::play(Trick trick, const Frame& frame) {
  const wire::Encoded encoded = wire::encode(frame);
  const Bytes bytes = Bytes::copy_of(std::string(encoded.head.text()) + std::string(encoded.payload.text()));
  played_[static_cast<std::size_t>(trick)] += cluster_.node(mad_).transport()->interject(bytes);
}

frame::Gossip Forger::next_of(const SimNode& victim) const {
  frame::Gossip gossip;
  gossip.id = {victim.instance(), victim.published() + 1};
  gossip.round = 1;
  gossip.topic = "events";
  gossip.origin = victim.name();
  gossip.payload = Bytes::copy_of(std::string(kText) + " " + std::to_string(gossip.id.sequence));
  return gossip;
}

frame::Gossip Forger::sign(const frame::SignTools& tools, frame::Gossip gossip) {
  gossip.signature = {};
  gossip.signature = frame::sign(tools, gossip, newest_us_);  // about now
  return gossip;
}

void Forger::act(bool careful) {
  if (!own_.sign) {
    const std::string key = new_key(rng_);
    own_ = *make_sign_tools(key, rng_.next(), cluster_.node(mad_).config().cluster);
    other_label_ = *make_sign_tools(key, rng_.next(), "another cluster");
  }
  std::size_t who = static_cast<std::size_t>(rng_.below(cluster_.size()));
  if (who == mad_) who = (who + 1) % cluster_.size();
  const SimNode& victim = cluster_.node(who);
  const frame::Gossip next = next_of(victim);
  play(Trick::unsigned_, next);
  const std::string fresh_key = new_key(rng_);
  const frame::SignTools fresh = *make_sign_tools(fresh_key, rng_.next(), victim.config().cluster);
  frame::Gossip claimed = next;
  claimed.id.origin = frame::instance_of(fresh, claimed.origin, fresh.own);
  play(Trick::other_key, sign(fresh, claimed));
  if (!recorded_.empty()) play(Trick::replayed, recorded_[static_cast<std::size_t>(rng_.below(recorded_.size()))]);
  if (careful) return;
  play(Trick::own_key, sign(own_, next));
  play(Trick::other_label, sign(other_label_, next));
  frame::IHave announced;
  announced.tree = TreeId{static_cast<std::uint64_t>(victim.instance())};
  const Sequence ahead = victim.published() + 1 + (Sequence{1} << rng_.below(61));
  announced.ids = {{victim.instance(), {{ahead, ahead + rng_.below(100)}}}};
  play(Trick::announced, announced);
  if (recorded_.empty()) return;
  const frame::Gossip& old = recorded_[static_cast<std::size_t>(rng_.below(recorded_.size()))];
  frame::Gossip changed = old;
  changed.payload = Bytes::copy_of(std::string(kText) + " payload");
  play(Trick::changed, changed);
  frame::Gossip moved = old;
  moved.id.sequence += 1 + (Sequence{1} << rng_.below(22));
  play(Trick::moved, moved);
  frame::Gossip retold = old;
  retold.topic = "forged";
  retold.id.sequence += 1 + rng_.below(5);
  play(Trick::retold, retold);
}

std::uint64_t Forger::played() const {
  return std::accumulate(played_.begin(), played_.end(), std::uint64_t{0});
}

}  // namespace plumvine::sim
