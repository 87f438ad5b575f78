#include "core.hpp"

namespace plumvine::swim {
namespace {

/// Cost of a message inside a compound: its length field.
constexpr std::size_t kPartOverhead = 2;

}  // namespace

std::size_t Core::packet_room() const {
  const std::size_t overhead = kCompoundOverhead + (identity.label.empty() ? 0 : 2 + identity.label.size()) +
                               (seals() ? Keyring::kOverhead : 0);
  return config.udp_buffer_size > overhead ? config.udp_buffer_size - overhead : 0;
}

void Core::take_news(std::size_t room, std::size_t members, std::size_t count, std::vector<Bytes>& news) {
  queue.take(kPartOverhead, room, members, count, news);
  std::size_t used = 0;
  for (const Bytes& item : news) used += kPartOverhead + item.size();
  if (used < room) user_queue.take(kPartOverhead, room - used, members, count - news.size(), news);
}

void Core::send_with_news(const Endpoint& to, BytesView message, std::size_t members) {
  const std::size_t room = packet_room();
  std::vector<Bytes> news;
  if (room > message.size()) take_news(room - message.size(), members, wire::kCompoundPartsMax - 1, news);
  std::vector<BytesView> parts;
  parts.reserve(news.size() + 1);
  parts.push_back(message);
  for (const Bytes& item : news) parts.push_back(item.view());
  send_packet(to, parts);
}

bool Core::send_news(const Member& to, const Endpoint& at, std::size_t members) {
  std::vector<Bytes> news;
  take_news(packet_room(), members, wire::kCompoundPartsMax, news);
  if (news.empty()) return false;
  std::vector<BytesView> parts;
  parts.reserve(news.size());
  for (const Bytes& item : news) parts.push_back(item.view());
  send_packet(at, parts, takes_crc(to));
  return true;
}

void Core::send_packet(const Endpoint& to, std::span<const BytesView> messages, bool crc) {
  if (to.port == 0 || to.is_unspecified()) return;  // a member without a usable address: the probe fails by time
  outbox.push(SendPacket{to, wire::pack(layers(crc), messages)});
}

void Core::user_message(const Endpoint& from, BytesView message, const Bytes& key, bool stream) {
  if (message.empty() || (!speaks_serf(config) && key.empty())) return;
  outbox.push(UserMessage{from, Bytes::copy_of(message), key, stream});
}

void Core::no_key_fits(const Endpoint& from, Timestamp now) {
  constexpr Duration kPause = std::chrono::seconds{1};
  other_key = {from, now, other_key.count + 1};
  if (complained_at != Timestamp{INT64_MIN} && now - complained_at < kPause) return;
  complained_at = now;
  const std::string text = opening().sealed() ? "None of our keys opens what " + from.to_string() + " sends"
                                              : "What " + from.to_string() + " sends is sealed, and we have no key";
  log(LogLevel::warn, "PV1120", text, {{"address", from.to_string()}});
}

void Core::label_differs(const Endpoint& from, Timestamp now) {
  other_cluster = {from, now, other_cluster.count + 1};
  Endpoint host = from;
  host.port = 0;
  if (other_cluster_told.contains(host)) return;
  if (other_cluster_told.size() >= kOtherClusterTold) other_cluster_told.clear();
  other_cluster_told.insert(host);
  log(LogLevel::warn, "PV1117",
      from.to_string() + " carries another cluster label than \"" + identity.label + "\" or none: what it sends is dropped",
      {{"address", from.to_string()}});
}

void Core::log(LogLevel level, std::string_view code, std::string text, LogFields fields) {
  outbox.push(Log{LogRecord{level, "membership", code, std::move(text), std::move(fields)}});
}

}  // namespace plumvine::swim
