#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "membership/swim.hpp"
#include "membership/wire/codec.hpp"
#include "membership/wire/packet.hpp"
#include "membership/wire/stream.hpp"

namespace plumvine::test {

using namespace std::chrono_literals;
namespace wire = swim::wire;

/// What a machine sends in one datagram, taken apart.
struct Sent {
  Endpoint to;
  Bytes packet;
  std::vector<std::pair<wire::MessageType, Bytes>> parts;

  [[nodiscard]] bool has(wire::MessageType type) const { return body(type).has_value(); }
  [[nodiscard]] std::optional<Bytes> body(wire::MessageType type) const {
    for (const auto& part : parts)
      if (part.first == type) return part.second;
    return std::nullopt;
  }
};

/// One machine without any network: messages are put in by hand, and what it does is kept for the test. It is called
/// `me`, lives at 10.0.0.1:7946 and never sleeps by itself: time passes in `wait`.
class Lone {
 public:
  explicit Lone(SwimConfig config = {}) : machine(config, {"me", at(1).raw(), 7946, Bytes::copy_of("mine"), ""}, Rng{5}) {
    machine.start(now);
    drain();
    sent.clear();
    events.clear();
  }

  static Endpoint at(int i) { return *Endpoint::parse("10.0.0." + std::to_string(i) + ":7946"); }
  /// Member i is called `n<i>` and lives at `at(i)`.
  static std::string name(int i) { return "n" + std::to_string(i); }

  template <class Message>
  void receive(const Message& message, const Endpoint& from) {
    packet(wire::encoded(message), from);
  }
  void packet(const Bytes& bytes, const Endpoint& from) {
    machine.handle_packet(from, bytes.view(), now);
    drain();
  }
  void alive(int i, std::uint32_t incarnation = 1, std::string_view meta = "", std::uint8_t protocol_max = 5) {
    alive_as(name(i), at(i), incarnation, meta, protocol_max);
  }
  void alive_as(std::string_view who, const Endpoint& where, std::uint32_t incarnation, std::string_view meta = "",
                std::uint8_t protocol_max = 5) {
    const std::array<std::byte, 6> versions{std::byte{1}, std::byte{protocol_max}, std::byte{2},
                                            std::byte{2}, std::byte{5},            std::byte{4}};
    const Bytes address = where.raw();
    receive(wire::Alive{incarnation, who, address.view(), where.port, as_bytes(meta), BytesView(versions)}, where);
  }
  void suspect(int i, std::uint32_t incarnation, std::string_view from) {
    receive(wire::Suspect{incarnation, name(i), from}, at(9));
  }
  void dead(int i, std::uint32_t incarnation, std::string_view from) { receive(wire::Dead{incarnation, name(i), from}, at(9)); }

  /// Lets time pass, deadline by deadline.
  void wait(Duration span) {
    const Timestamp end = now + span;
    while (machine.next_timeout() <= end) {
      now = std::max(now, machine.next_timeout());
      machine.handle_timeout(now);
      drain();
    }
    now = end;
  }
  /// Lets time pass until a message of this type goes out; the datagram, or nothing after `limit`.
  std::optional<Sent> until_sent(wire::MessageType type, Duration limit = 10s) {
    const Timestamp end = now + limit;
    for (;;) {
      for (std::size_t i = 0; i < sent.size(); ++i) {
        if (!sent[i].has(type)) continue;
        Sent found = sent[i];
        sent.erase(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        return found;
      }
      if (machine.next_timeout() > end) return std::nullopt;
      now = std::max(now, machine.next_timeout());
      machine.handle_timeout(now);
      drain();
    }
  }
  /// The sequence number and the receiver's name of the ping in a datagram.
  static std::pair<std::uint32_t, std::string> ping_in(const Sent& datagram) {
    wire::Scratch scratch;
    wire::Ping ping;
    const Bytes body = datagram.body(wire::MessageType::ping).value_or(Bytes{});
    if (!wire::decode_body(body.view(), ping, scratch)) return {0, ""};
    return {ping.sequence, std::string(ping.node)};
  }
  void ack(std::uint32_t sequence, int from) { receive(wire::Ack{sequence, {}}, at(from)); }

  [[nodiscard]] std::optional<MemberState> state(int i) const {
    const Member* member = machine.find(name(i));
    return member == nullptr ? std::nullopt : std::optional(member->state);
  }
  [[nodiscard]] std::size_t count(MemberEvent::Kind kind) const {
    return static_cast<std::size_t>(std::count_if(events.begin(), events.end(), [&](const MemberEvent& e) { return e.kind == kind; }));
  }
  /// Takes all news out of the machine: what gossip says of whom, by type.
  std::vector<wire::MessageType> news_about(std::string_view who) {
    std::vector<wire::MessageType> types;
    const auto note = [&](wire::MessageType type, const Bytes& body) {
      wire::Scratch scratch;
      std::string_view node;
      wire::Alive alive;
      wire::Suspect suspect;
      wire::Dead dead;
      if (type == wire::MessageType::alive && wire::decode_body(body.view(), alive, scratch)) node = alive.node;
      if (type == wire::MessageType::suspect && wire::decode_body(body.view(), suspect, scratch)) node = suspect.node;
      if (type == wire::MessageType::dead && wire::decode_body(body.view(), dead, scratch)) node = dead.node;
      if (node == who && std::find(types.begin(), types.end(), type) == types.end()) types.push_back(type);
    };
    for (const Sent& datagram : sent)
      for (const auto& [type, body] : datagram.parts) note(type, body);
    return types;
  }

  Timestamp now{};
  swim::Swim machine;
  std::vector<Sent> sent;
  std::vector<MemberEvent> events;
  std::vector<swim::OpenStream> opened;
  std::vector<std::pair<swim::StreamId, Bytes>> streamed;
  std::vector<swim::StreamId> closed;
  std::vector<LogRecord> logs;

  void drain() {
    while (auto output = machine.poll_output()) {
      if (auto* send = std::get_if<swim::SendPacket>(&*output)) {
        Sent datagram{send->to, send->packet, {}};
        CountedReasons<PacketReject> rejected;
        for (const wire::Part& part : unpacker_.unpack(send->packet.view(), "", rejected))
          datagram.parts.emplace_back(part.type, Bytes::copy_of(part.body));
        sent.push_back(std::move(datagram));
      } else if (auto* event = std::get_if<swim::Notify>(&*output)) {
        events.push_back(event->event);
      } else if (auto* open = std::get_if<swim::OpenStream>(&*output)) {
        opened.push_back(*open);
      } else if (auto* stream = std::get_if<swim::SendStream>(&*output)) {
        streamed.emplace_back(stream->id, stream->data);
      } else if (auto* close = std::get_if<swim::CloseStream>(&*output)) {
        closed.push_back(close->id);
      } else if (auto* log = std::get_if<swim::Log>(&*output)) {
        logs.push_back(log->record);
      }
    }
  }

 private:
  wire::Unpacker unpacker_;
};

}  // namespace plumvine::test
