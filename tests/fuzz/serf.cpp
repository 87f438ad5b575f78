// Serf's messages, states and ack payloads into a member of a small cluster. Input: steps, each a kind, a length in two
// bytes and that many bytes (the last one may be cut).
// May hold 8 MiB: what is kept of a message is bounded by its size, and each new event or query by the rings of 512 times.
#include <membership/serf/pattern.hpp>
#include <membership/serf/serf.hpp>

#include "swim_fixture.hpp"

using namespace plumvine;

namespace {

void drain(swim::Swim& swim, serf::Serf& serf, serf::KeyQueries& keys, Timestamp now) {
  for (int rounds = 0; rounds < 1000; ++rounds) {
    bool any = false;
    while (const auto output = swim.poll_output()) {
      any = true;
      serf.on_output(*output, now);
      if (const auto* packet = std::get_if<swim::SendPacket>(&*output))
        fuzz::require(packet->packet.size() <= 65507, "a packet fits a datagram");
    }
    while (const auto output = serf.poll_output()) {
      any = true;
      if (const auto* query = std::get_if<serf::KeyQuery>(&*output)) keys.answer(*query, {.message = "no", .keys = std::vector<std::string>(40, std::string(44, 'k'))}, now);
      if (const auto* answer = std::get_if<serf::Answered>(&*output)) {
        serf::Response response;
        if (serf::decode(answer->response.view(), response)) keys.on_response(response, now);
      }
    }
    if (!any) return;
  }
  fuzz::require(false, "outputs end");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  Timestamp now{1'000'000'000};
  fuzz::AllocationLimit limit{8 * 1024 * 1024};
  auto swim = fuzz::small_cluster(now);
  serf::Serf serf(swim, "node-b", Rng{2});
  serf::KeyQueries keys(swim, "node-b", Rng{3});
  serf.start();
  keys.ask(KeyCommand::list, {}, serf.query_time(), {"node-a"}, now);
  drain(swim, serf, keys, now);
  BytesView rest{reinterpret_cast<const std::byte*>(data), size};
  for (int steps = 0; rest.size() > 3 && steps < 64; ++steps) {
    const auto kind = static_cast<unsigned>(rest[0]);
    const std::size_t n = std::min(static_cast<std::size_t>(rest[1]) << 8 | static_cast<std::size_t>(rest[2]), rest.size() - 3);
    const BytesView body = rest.subspan(3, n);
    rest = rest.subspan(3 + n);
    switch (kind % 8) {
      case 0: serf.on_output(swim::UserState{Bytes::copy_of(body)}, now); break;
      case 1: serf.on_output(swim::AckPayload{"node-a", std::chrono::milliseconds{kind}, Bytes::copy_of(body)}, now); break;
      case 2: {
        const std::size_t half = body.size() / 2;
        (void)serf::find_pattern(as_text(body.first(half)), as_text(body.subspan(half)));
        break;
      }
      case 3:
        now = now + std::chrono::milliseconds{100 * (kind >> 3)};
        while (swim.next_timeout() <= now) {
          swim.handle_timeout(now);
          if (keys.next_timeout() <= now) keys.handle_timeout(now);
          drain(swim, serf, keys, now);
        }
        break;
      case 4: {
        const Bytes key = Bytes::copy_of(body);
        (void)serf.send_event("event", key.view(), now);
        serf::KeyResponse response;
        (void)serf::decode(body, response);
        if (auto query = keys.on_message({fuzz::address(0), key, key}, now)) keys.answer(*query, response, now);
        break;
      }
      default: serf.on_output(swim::UserMessage{fuzz::address(0), Bytes::copy_of(body)}, now); break;
    }
    drain(swim, serf, keys, now);
  }
  fuzz::require(serf.time() <= serf::Clock::kTimeMax, "nobody uses our clock up");
  if (const auto estimate = serf.estimate("node-a")) fuzz::require(*estimate >= Duration{0}, "an estimate is a duration");
  fuzz::check(swim);
  return 0;
}
