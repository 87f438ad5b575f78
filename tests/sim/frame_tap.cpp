#include "frame_tap.hpp"

#include <array>
#include <string_view>

#include <membership/wire/codec.hpp>
#include <membership/wire/lzw.hpp>
#include <plumtree/wire.hpp>

namespace plumvine::sim {

namespace {

constexpr std::size_t kPayloadMax = 64 << 20;

template <class... Cases>
struct overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
overloaded(Cases...) -> overloaded<Cases...>;

std::string ids(const std::vector<frame::OriginRanges>& origins, const std::function<std::string(InstanceId)>& name) {
  std::string out;
  for (const frame::OriginRanges& entry : origins) {
    for (const SequenceRange& range : entry.ranges) {
      out += " " + name(entry.origin) + "-" + std::to_string(range.first);
      if (range.last != range.first) out += ".." + std::to_string(range.last);
    }
  }
  return out;
}

/// memberlist's message types, in their order on the wire.
std::string_view packet_kind(std::byte first) {
  static constexpr std::array<std::string_view, 14> kKinds{"ping",     "indirect-ping", "ack",     "suspect", "alive",
                                                           "dead",     "push-pull",     "compound", "user",   "compressed",
                                                           "encrypted", "nack",         "crc",     "error"};
  const auto number = std::to_integer<std::size_t>(first);
  return number < kKinds.size() ? kKinds[number] : number == 244 ? "labelled" : "?";
}

std::string packet_kinds(BytesView packet) {
  if (packet.empty()) return "empty packet";
  std::string text{packet_kind(packet[0])};
  if (packet[0] == std::byte{12} && packet.size() > 5) return packet_kinds(packet.subspan(5));
  if (packet[0] == std::byte{9}) {
    swim::wire::Compressed compressed;
    swim::wire::Scratch scratch;
    std::vector<std::byte> plain;
    if (!swim::wire::decode_body(packet.subspan(1), compressed, scratch)) return "compressed";
    if (swim::wire::lzw_decode(compressed.data, 65536, plain) != swim::wire::LzwResult::ok) return "compressed";
    return "compressed " + packet_kinds(plain);
  }
  if (packet[0] != std::byte{7} || packet.size() < 2) return text;
  const std::size_t count = std::to_integer<std::size_t>(packet[1]);
  std::size_t at = 2 + 2 * count;
  text = "compound(";
  for (std::size_t i = 0; i < count && 3 + 2 * i < packet.size() && at < packet.size(); ++i) {
    if (i > 0) text += ' ';
    text += packet_kind(packet[at]);
    at += std::to_integer<std::size_t>(packet[2 + 2 * i]) << 8 | std::to_integer<std::size_t>(packet[3 + 2 * i]);
  }
  return text + ")";
}

}  // namespace

std::string describe(const Frame& frame, const std::function<std::string(InstanceId)>& name) {
  auto tree = [&](TreeId id) { return id == kSharedTree ? std::string{} : " tree=" + name(InstanceId{static_cast<std::uint64_t>(id)}); };
  return std::visit(
      overloaded{
          [&](const frame::Hello& f) { return "hello " + f.name; },
          [&](const frame::Gossip& f) {
            return "gossip " + name(f.id.origin) + "-" + std::to_string(f.id.sequence) +
                   (f.run.count > 1 ? ".." + std::to_string(f.range().last) : std::string{}) + " round=" +
                   std::to_string(f.round) + (f.pulled ? " pulled " : " ") + std::to_string(f.payload.size()) + " B" +
                   tree(f.tree);
          },
          [&](const frame::IHave& f) { return "ihave" + ids(f.ids, name) + tree(f.tree); },
          [&](const frame::Graft& f) {
            return std::string("graft") + (f.attach ? " attach" : "") + ids(f.ids, name) + tree(f.tree);
          },
          [&](const frame::Prune& f) { return "prune" + tree(f.tree); },
          [&](const frame::Beacon& f) {
            return "beacon epoch=" + std::to_string(f.epoch) + " distance=" + std::to_string(f.distance_us) + "us" + tree(f.tree);
          },
          [&](const frame::Digest& f) {
            std::string out = std::string("digest") + (f.reply_wanted ? " reply-wanted" : "") + (f.synced ? "" : " unsynced");
            for (const frame::DigestEntry& entry : f.entries) out += " " + name(entry.origin) + "<=" + std::to_string(entry.watermark);
            return out;
          },
          [&](const frame::Pull& f) { return "pull" + ids(f.ids, name); },
          [&](const frame::Gone& f) { return "gone" + ids(f.ids, name); },
          [&](const frame::Progress& f) {
            std::string out = "progress";
            for (const auto& entry : f.entries) {
              out += " " + name(entry.origin) + (entry.watermark == UINT64_MAX ? " released" : "<=" + std::to_string(entry.watermark));
            }
            return out;
          },
          [&](const frame::Ping&) { return std::string("link-ping"); },
          [&](const frame::Pong&) { return std::string("link-pong"); },
          [&](const frame::Forget& f) {
            std::string out = "forget";
            for (const auto& order : f.orders) out += " " + order.name;
            return out;
          },
          [&](const frame::AckRequest& f) { return "ack-request " + name(f.origin) + " round=" + std::to_string(f.round); },
          [&](const frame::Acks& f) { return "acks " + name(f.origin) + ids(f.members, name); },
          [&](const frame::Visit& f) { return "visit " + f.who.name; },
          [&](const frame::Direct& f) { return "direct " + std::to_string(f.payload.size()) + " B"; },
          [&](const frame::DirectAck& f) { return "direct-ack " + std::to_string(f.number); },
          [&](const frame::Ask& f) { return "ask " + name(f.origin) + " number=" + std::to_string(f.number); },
          [&](const frame::Answers& f) { return "answers " + name(f.origin) + " of " + std::to_string(f.answers.size()); },
          [&](const frame::Bye& f) { return "bye why=" + std::to_string(static_cast<int>(f.why)); },
      },
      frame);
}

void FrameTap::line(HostId from, HostId to, const std::string& text) {
  trace_.line(time_.now(), "n" + std::to_string(static_cast<std::uint32_t>(from)) + " -> n" +
                               std::to_string(static_cast<std::uint32_t>(to)) + "  " + text);
}

void FrameTap::packet(HostId from, HostId to, BytesView packet) { line(from, to, "swim " + packet_kinds(packet)); }

void FrameTap::stream(std::uint64_t connection, bool from_dialler, HostId from, HostId to, BytesView bytes) {
  Reader& reader = readers_[{connection, from_dialler}];
  if (!reader.greeted) {
    reader.greeted = true;
    if (from_dialler) {
      const bool link = !bytes.empty() && bytes[0] == wire::kLinkMagic;
      const bool sealed = link && bytes.size() >= wire::kPrefaceSize && (bytes[wire::kPrefaceSize - 1] & wire::kSealedBit) != std::byte{0};
      reader.is_link = link && !sealed;
      if (sealed) line(from, to, "sealed link");
      else if (!link) line(from, to, "swim stream: push-pull or ping");
      readers_[{connection, false}].is_link = reader.is_link;
    }
    if (reader.is_link && from_dialler) bytes = bytes.subspan(std::min(bytes.size(), wire::kPrefaceSize));
  }
  if (!reader.is_link) return;
  reader.bytes.insert(reader.bytes.end(), bytes.begin(), bytes.end());
  const std::size_t done = frames(from, to, reader.bytes, "");
  reader.bytes.erase(reader.bytes.begin(), reader.bytes.begin() + static_cast<std::ptrdiff_t>(done));
}

void FrameTap::batch(HostId from, HostId to, BytesView bytes) { (void)frames(from, to, bytes, "beside the stream: "); }

std::size_t FrameTap::frames(HostId from, HostId to, BytesView bytes, std::string_view way) {
  auto name = [this](InstanceId instance) {
    auto it = names_.find(instance);
    return it == names_.end() ? to_string(instance) : it->second;
  };
  std::size_t done = 0;
  while (bytes.size() - done >= wire::kLengthSize) {
    const std::size_t length = wire::read_length(bytes.subspan(done));
    if (bytes.size() - done < wire::kLengthSize + length) break;
    const auto frame = wire::decode(Bytes::copy_of(bytes.subspan(done + wire::kLengthSize, length)), kPayloadMax);
    line(from, to, std::string(way) + (frame ? describe(*frame, name) : "frame that cannot be read: " + frame.error().message));
    done += wire::kLengthSize + length;
  }
  return done;
}

}  // namespace plumvine::sim
