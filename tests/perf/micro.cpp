// What the parts of the hot path cost beside the simplest thing that does the same work: ratios of times from one run,
// so that they mean something on any machine. `perf_micro` prints them; `--short` runs each part for a moment.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <plumvine/config.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/detail/timer_queue.hpp>
#include <queue>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "plumtree/message_store.hpp"
#include "plumtree/seen.hpp"
#include "plumtree/wire.hpp"
#include "row.hpp"
#include "transport/frame_decoder.hpp"
#include "transport/send_queue.hpp"

using namespace plumvine;

namespace {
using Clock = std::chrono::steady_clock;

bool brief = false;
/// What work comes to; printed at the end, so that none of it is left out.
std::uint64_t result = 0;

/// Nanoseconds that one of `items` takes, the best of several times.
double best(std::uint64_t items, const std::function<void()>& work) {
  double least = 1e18;
  for (int i = 0; i < (brief ? 1 : 7); ++i) {
    const auto from = Clock::now();
    work();
    least = std::min(least, std::chrono::duration<double, std::nano>(Clock::now() - from).count());
  }
  return least / static_cast<double>(items);
}

void compare(const char* part, const char* baseline, std::uint64_t items, const std::function<void()>& ours,
             const std::function<void()>& simple) {
  const double a = best(items, ours), b = best(items, simple);
  std::printf("%-10s %8.1f ns, %8.1f ns for %s: ratio %.2f\n", part, a, b, baseline, a / b);
}

std::uint64_t many() {
  return brief ? 2'000 : 200'000;
}

frame::Gossip gossip_of(std::uint64_t sequence, std::size_t bytes) {
  frame::Gossip gossip;
  gossip.id = {InstanceId{7}, sequence};
  gossip.round = 1;
  gossip.topic = "orders";
  gossip.origin = "member-7";
  gossip.payload = Bytes::copy_of(std::string(bytes, 'x'));
  return gossip;
}

/// Frames of 64 bytes of payload out of a stream, against a reader of lengths that looks at nothing else.
void decode() {
  const std::uint64_t frames = many();
  std::string stream;
  for (std::uint64_t i = 1; i <= frames; ++i) {
    const wire::Encoded encoded = wire::encode(gossip_of(i, 64));
    stream += encoded.head.text();
    stream += encoded.payload.text();
  }
  compare(
      "decode", "lengths alone", frames,
      [&] {
        ChunkPool pool;
        FrameDecoder decoder{pool, 1 << 20};
        FrameReject reason{};
        for (std::size_t at = 0; at < stream.size();) {
          const std::span<std::byte> room = decoder.buffer();
          const std::size_t bytes = std::min(room.size(), stream.size() - at);
          std::memcpy(room.data(), stream.data() + at, bytes);
          decoder.advance(bytes);
          at += bytes;
          while (auto frame = decoder.next(reason)) result += std::get<frame::Gossip>(**frame).payload.size();
        }
      },
      [&] {
        std::vector<std::byte> chunk(64 * 1024);
        for (std::size_t at = 0; at + 4 <= stream.size();) {
          const auto* head = reinterpret_cast<const unsigned char*>(stream.data() + at);
          const std::size_t length =
              std::size_t{head[0]} << 24 | std::size_t{head[1]} << 16 | std::size_t{head[2]} << 8 | head[3];
          std::memcpy(chunk.data(), stream.data() + at, 4 + length);
          result += std::to_integer<unsigned>(chunk[4]);
          at += 4 + length;
        }
      });
}

/// The head of a frame, against a copy of as many bytes into memory of its own.
void codec() {
  const std::uint64_t frames = many();
  const Frame frame = gossip_of(1, 64);
  const Bytes head = wire::encode(frame).head;
  compare(
      "codec", "a copy of the head", frames,
      [&] {
        for (std::uint64_t i = 0; i < frames; ++i) result += wire::encode(frame).head.size();
      },
      [&] {
        for (std::uint64_t i = 0; i < frames; ++i) result += Bytes::copy_of(head.view()).size();
      });
}

/// Ids in order of four origins, each twice, against a hash set of them.
void seen() {
  const std::uint64_t ids = many();
  compare(
      "seen", "std::unordered_set", 2 * ids,
      [&] {
        tree::SeenSet set{100};
        for (std::uint64_t origin = 1; origin <= 4; ++origin) (void)set.add(InstanceId{origin}, "m", Timestamp{});
        for (std::uint64_t i = 0; i < 2 * ids; ++i) {
          const auto origin = set.find(InstanceId{i / 2 % 4 + 1});
          result += set.mark(*origin, i / 8 + 1) ? 1 : 0;
        }
      },
      [&] {
        std::unordered_set<MessageId> set;
        for (std::uint64_t i = 0; i < 2 * ids; ++i)
          result += set.insert({InstanceId{i / 2 % 4 + 1}, i / 8 + 1}).second ? 1 : 0;
      });
}

/// Messages put, each looked up once, the oldest leaving: against a map and a queue of what is in it.
void cache() {
  const std::uint64_t messages = many();
  TreeConfig config;
  config.sync_max_messages = config.message_cache_max_size = 1000;
  const Bytes payload = Bytes::copy_of(std::string(64, 'x'));
  compare(
      "cache", "std::unordered_map and std::deque", messages,
      [&] {
        tree::MessageStore store{config};
        for (std::uint64_t i = 1; i <= messages; ++i) {
          tree::StoredMessage message;
          message.id = {InstanceId{7}, i};
          message.payload = payload;
          (void)store.put(std::move(message));
          result += store.find(tree::OriginIndex{0}, i > 500 ? i - 500 : 1) != nullptr ? 1 : 0;
        }
      },
      [&] {
        std::unordered_map<MessageId, Bytes> held;
        std::deque<MessageId> order;
        for (std::uint64_t i = 1; i <= messages; ++i) {
          held.emplace(MessageId{InstanceId{7}, i}, payload);
          order.push_back({InstanceId{7}, i});
          if (order.size() > 1000) {
            held.erase(order.front());
            order.pop_front();
          }
          result += held.contains({InstanceId{7}, i > 500 ? i - 500 : 1}) ? 1 : 0;
        }
      });
}

/// A transport that takes everything.
class Sink final : public Transport {
 public:
  void send_packet(const Endpoint&, Bytes) override {}
  void dial(ConnId, const Endpoint&) override {}
  std::size_t write(ConnId, std::span<const Bytes> batch) override {
    std::size_t bytes = 0;
    for (const Bytes& piece : batch) bytes += piece.size();
    return bytes;
  }
  void close(ConnId, CloseMode) override {}
  void pause_reading(ConnId, bool) override {}
  void resolve(const HostPort&) override {}
  const TransportStats& stats() const override { return stats_; }

 private:
  TransportStats stats_;
};

/// Small frames queued in two lanes and written in batches, against a queue of them that are copied into one buffer.
void queue() {
  const std::uint64_t frames = many();
  const wire::Encoded frame = wire::encode(gossip_of(1, 64));
  compare(
      "queue", "std::deque and a copy", frames,
      [&] {
        SendQueue waiting;
        Sink sink;
        for (std::uint64_t i = 0; i < frames; ++i) {
          waiting.push(frame, i % 2 == 0 ? Lane::normal : Lane::high, PayloadTag{{InstanceId{7}, i}, 0, 1});
          if (i % 64 == 63) result += waiting.flush(sink, ConnId{1});
        }
      },
      [&] {
        std::deque<wire::Encoded> waiting;
        std::string buffer;
        for (std::uint64_t i = 0; i < frames; ++i) {
          waiting.push_back(frame);
          if (i % 64 != 63) continue;
          buffer.clear();
          for (; !waiting.empty(); waiting.pop_front()) {
            buffer += waiting.front().head.text();
            buffer += waiting.front().payload.text();
          }
          result += buffer.size();
        }
      });
}

/// A thousand deadlines that are moved again and again, and pass: against a heap that keeps those that were moved until
/// they pass.
void timers() {
  const std::uint64_t moves = many();
  compare(
      "timers", "std::priority_queue", moves,
      [&] {
        TimerQueue<std::uint64_t> timers;
        Rng rng{1};
        for (std::uint64_t i = 0; i < moves; ++i) {
          timers.set(i % 1000, Timestamp{static_cast<std::int64_t>(i + rng.below(1000))});
          while (auto due = timers.pop_due(Timestamp{static_cast<std::int64_t>(i)})) result += *due;
        }
      },
      [&] {
        using Timer = std::pair<std::int64_t, std::uint64_t>;
        std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers;
        std::vector<std::int64_t> last(1000);
        timers.push({INT64_MAX, 0});  // never empty
        Rng rng{1};
        for (std::uint64_t i = 0; i < moves; ++i) {
          const auto deadline = static_cast<std::int64_t>(i + rng.below(1000));
          timers.push({last[i % 1000] = deadline, i % 1000});
          for (; timers.top().first <= static_cast<std::int64_t>(i); timers.pop()) {
            if (last[timers.top().second] == timers.top().first) result += timers.top().second;
          }
        }
      });
}

/// All three members of a row with 1 KiB in runs, against copying a payload as often as a bare tree would: in and out
/// at each hop.
void forward() {
  const std::uint64_t messages = brief ? 600 : 30'000;
  perf::Row row;
  const perf::Load load{1024, 60};
  row.run(load, brief ? 600 : 12'000);
  std::vector<std::byte> from(8 << 20), to(8 << 20);
  compare(
      "forward", "four copies of the payload", messages, [&] { row.run(load, messages); },
      [&] {
        for (std::uint64_t i = 0; i < 4 * messages; ++i) {
          std::memcpy(to.data() + i * 1024 % to.size(), from.data() + i * 1024 % from.size(), 1024);
          result += std::to_integer<unsigned>(to[i * 1024 % to.size()]);
        }
      });
}
}  // namespace

int main(int argc, char** argv) {
  brief = argc > 1 && std::strcmp(argv[1], "--short") == 0;
  if (argc > 1 && !brief) {
    std::fprintf(stderr, "perf_micro: unknown argument '%s' (there is --short)\n", argv[1]);
    return 2;
  }
  decode();
  forward();
  seen();
  cache();
  queue();
  codec();
  timers();
  std::printf("checked %llu\n", static_cast<unsigned long long>(result % 1'000'000'007));
  return 0;
}
