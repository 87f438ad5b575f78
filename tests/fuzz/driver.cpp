// A whole node with everything that can come from outside: packets, connections, streams, links, time, in any order.
// Input: a list of steps, each one byte and its arguments. Some steps make valid things (a greeting, a member, a frame),
// so that the fuzzer gets past the doors quickly; all others are raw bytes.
// May hold 64 MiB: that is far above what the limits of the configuration below add up to.
#include <cstring>
#include <map>
#include <set>
#include <string>

#include <plumtree/wire.hpp>
#include <transport/driver.hpp>

#include "swim_fixture.hpp"

using namespace plumvine;

namespace {

constexpr std::size_t kPeers = 4;

InstanceId instance(std::size_t i) { return InstanceId{0x1000 + i}; }
std::string name(std::size_t i) { return "n" + std::to_string(i); }

/// Loop and transport in one; everything sent is looked at and dropped.
class World final : public Loop, public Transport {
 public:
  Timestamp now() override { return now_; }
  std::int64_t wall_us() override { return 1'700'000'000'000'000 + now_.ns / 1000; }
  void arm(Timestamp deadline) override { deadline_ = deadline; }
  void defer() override { deferred_ = true; }

  void send_packet(const Endpoint&, Bytes packet) override {
    fuzz::require(!packet.empty() && packet.size() <= 65507, "a packet fits a datagram");
    stats_.udp_sent_bytes += packet.size();
  }
  void dial(ConnId conn, const Endpoint&) override {
    fuzz::require(static_cast<std::uint64_t>(conn) % 2 == 1, "dialled numbers are odd");
    fuzz::require(conns_.emplace(conn, false).second, "a number is used once");
  }
  std::size_t write(ConnId conn, std::span<const Bytes> batch) override {
    const auto it = conns_.find(conn);
    fuzz::require(it != conns_.end() && it->second, "only open connections are written to");
    std::size_t taken = 0;
    for (const auto& piece : batch) taken += std::min(piece.size(), room_ - std::min(room_, taken));
    return taken;
  }
  void close(ConnId conn, CloseMode) override { conns_.erase(conn); }
  void pause_reading(ConnId, bool) override {}
  void resolve(const HostPort& host) override { asked_ = host; }
  const TransportStats& stats() const override { return stats_; }

  void settle(Driver& driver) {
    for (int turns = 0; std::exchange(deferred_, false); ++turns) {
      fuzz::require(turns < 1000, "a turn ends");
      driver.on_deferred();
    }
  }
  void pass(Driver& driver, Duration span) {
    const Timestamp end = now_ + span;
    for (int wakeups = 0; deadline_ <= end && wakeups < 300; ++wakeups) {
      now_ = std::max(now_, deadline_);
      deadline_ = kNever;
      driver.on_timer();
      settle(driver);
    }
    now_ = std::max(now_, end);
  }
  /// The connection that byte `choice` means, or null. The state says whether it is established.
  std::pair<const ConnId, bool>* conn(std::uint8_t choice) {
    if (conns_.empty()) return nullptr;
    auto it = conns_.begin();
    std::advance(it, choice % conns_.size());
    return &*it;
  }
  ConnId accept() {
    const ConnId id{next_accepted_};
    next_accepted_ += 2;
    conns_.emplace(id, true);
    return id;
  }
  void forget(ConnId id) { conns_.erase(id); }
  std::optional<HostPort> asked() { return std::exchange(asked_, std::nullopt); }
  [[nodiscard]] std::size_t connections() const { return conns_.size(); }
  std::size_t room_ = SIZE_MAX;

 private:
  Timestamp now_{1'000'000'000};
  Timestamp deadline_ = kNever;
  bool deferred_ = false;
  std::map<ConnId, bool> conns_;
  std::uint64_t next_accepted_ = 2;
  std::optional<HostPort> asked_;
  TransportStats stats_;
};

/// Bytes of the input, one after another; zeros when there are no more.
class Steps {
 public:
  explicit Steps(BytesView bytes) : rest_(bytes) {}
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_ = rest_.subspan(1);
    return value;
  }
  /// As many bytes as the next one or two say.
  BytesView bytes() {
    std::size_t size = byte();
    if (size >= 0xf0) size = (size & 15U) << 8 | byte();
    const BytesView out = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(out.size());
    return out;
  }

 private:
  BytesView rest_;
};

/// A message in up to four parts, or a part; the first byte of the payload chooses which, of what, and whether they fit.
void make_large(frame::Gossip& gossip) {
  const auto choice = static_cast<unsigned>(gossip.payload.data()[0]);
  frame::About about;
  about.size = about.encoded_size = frame::kPartSize * (1 + choice % 3) + 1 + choice / 128;
  about.first = 1 + choice / 16 % 4;
  gossip.topic = "t";
  if (choice / 4 % 4 == 0) {
    gossip.payload = {};
    gossip.about = about;
  } else {
    gossip.id.origin = frame::parts_origin(gossip.id.origin);
    gossip.payload = Bytes::copy_of(std::string(about.bytes_of(about.first + choice / 4 % about.parts()), 'x'));
  }
}

/// A frame about the few origins and sequences that matter here.
Frame some_frame(Steps& in) {
  using namespace frame;
  const auto origin = [&] { return instance(in.byte() % (kPeers + 1)); };
  const auto tree = [&] { return TreeId{in.byte() % 2 == 0 ? 0 : static_cast<std::uint64_t>(origin())}; };
  const auto ranges = [&] {
    std::vector<SequenceRange> out;
    Sequence last = 0;
    for (unsigned n = in.byte() % 4; n > 0; --n) {
      const Sequence first = last + 1 + in.byte() % 8;
      last = in.byte() == 0xff ? UINT64_MAX : first + in.byte() % 16;
      out.push_back({first, last});
      if (last == UINT64_MAX) break;
    }
    return out;
  };
  const auto ids = [&] {
    std::vector<OriginRanges> out;
    for (unsigned n = in.byte() % 4; n > 0; --n) out.push_back({origin(), ranges()});
    return out;
  };
  const auto cut = [](BytesView bytes) { return bytes.first(std::min(bytes.size(), wire::kQuestionMax)); };
  const unsigned kind = in.byte() % 13;
  switch (kind) {
    case 0: return Hello{1, "", name(in.byte() % kPeers), origin()};
    case 1:
    case 2: {
      Gossip gossip;
      gossip.tree = tree();
      gossip.id = {origin(), 1U + in.byte() % 32};
      gossip.round = in.byte();
      gossip.pulled = in.byte() % 4 == 0;
      // As agreed in `config`: in order, or judged.
      gossip.topic = gossip.id.sequence % 3 == 0 ? "ordered" : gossip.id.sequence % 5 == 0 ? "judged" : "t";
      gossip.origin = name(in.byte() % kPeers);
      gossip.payload = Bytes::copy_of(in.bytes());
      if (kind == 2 && !gossip.payload.empty()) make_large(gossip);
      return gossip;
    }
    case 3: {
      IHave ihave;
      ihave.tree = tree();
      ihave.ids = ids();
      ihave.round = in.byte();
      return ihave;
    }
    case 4: return Graft{tree(), in.byte() % 2 == 0, ids()};
    case 5: return Prune{tree()};
    case 6: return Beacon{tree(), in.byte(), in.byte()};
    case 7: {
      Digest digest{in.byte() % 2 == 0, in.byte() % 2 == 0, in.byte() % 2 == 0, in.byte() % 2 == 0, {}};
      for (unsigned n = in.byte() % 4; n > 0; --n) {
        DigestEntry entry{origin(), name(in.byte() % kPeers), in.byte() % 32U, in.byte() % 32U, {}};
        for (auto range : ranges())
          if (range.first > entry.watermark) entry.above.push_back(range);
        digest.entries.push_back(entry);
      }
      return digest;
    }
    case 8: return Pull{ids()};
    case 9: return Gone{ids()};
    case 10: return frame::Progress{{{origin(), in.byte() == 0xff ? UINT64_MAX : in.byte() % 32U}}};
    case 11: return Ping{in.byte(), in.byte(), in.byte()};
    default:
      switch (in.byte() % 16) {
        case 0: return Bye{Bye::Why::leaving};
        case 1: return AckRequest{origin(), in.byte(), ranges()};
        case 2: return Acks{origin(), ids()};
        case 3: return Visit{{1, "", name(in.byte() % kPeers), origin()}};
        case 4: return Direct{in.byte(), Bytes::copy_of(in.bytes())};
        case 5: return DirectAck{in.byte()};
        case 6: return Ask{origin(), in.byte(), in.byte(), in.byte(), Bytes::copy_of(cut(in.bytes()))};
        case 7: return Answers{origin(), in.byte(), {{origin(), Bytes::copy_of(in.bytes())}}};
        default: return Pong{in.byte(), in.byte(), in.byte(), in.byte()};
      }
  }
}

std::string on_wire(const Frame& frame) {
  const auto encoded = wire::encode(frame);
  return std::string(encoded.head.text()) + std::string(encoded.payload.text());
}

class Node {
 public:
  Node() : driver_(config(), {instance(kPeers), fuzz::address(50), 7}, world_, world_, handlers()) {
    driver_.start();
    world_.settle(driver_);
  }

  void step(Steps& in) {
    switch (in.byte() % 14) {
      case 0: driver_.on_packet(fuzz::address(in.byte() % kPeers), in.bytes()); break;
      case 1: meet(in.byte() % kPeers, 1); break;
      case 2: accept(in.byte()); break;
      case 3: greet(in.byte(), in.byte() % kPeers); break;
      case 4: read(in.byte(), as_text(in.bytes())); break;
      case 5:
      case 6: {
        const std::uint8_t choice = in.byte();
        read(choice, on_wire(some_frame(in)));
        break;
      }
      case 7: connected(in.byte()); break;
      case 8: closed(in.byte()); break;
      case 9: world_.pass(driver_, std::chrono::microseconds{std::int64_t{1} << in.byte() % 25}); break;
      case 10: publish(in); break;
      case 11: writable(in.byte()); break;
      case 12:
        if (const auto asked = world_.asked()) driver_.on_resolved(*asked, {fuzz::address(in.byte() % kPeers)});
        break;
      default: command(in.byte());
    }
    world_.settle(driver_);
    fuzz::require(world_.connections() < 1000, "connections are bounded");
  }
  void finish() {
    world_.pass(driver_, std::chrono::seconds{2});
    for (const auto& broken : driver_.check_invariants()) fuzz::require(false, broken.c_str());
    const auto snapshot = driver_.make_snapshot();
    // A peer that invents origins can make us forget one; only then may its messages come again.
    fuzz::require(!twice_ || snapshot->tree.seen_evictions > 0, "each message is delivered once");
    driver_.stop();
  }

 private:
  static Config config() {
    Config config = Config::fast(name(kPeers));
    config.tree.max_message_size = 512 * 1024;
    config.tree.origins_max = 16;
    config.seeds = {"127.0.0.1:7946"};
    config.topics["ordered"].order = Order::fifo;
    config.topics["ordered"].retention_bytes = 512;
    config.topics["judged"].overflow = Overflow::drop_oldest;
    return config;
  }
  Handlers handlers() {
    Handlers handlers;
    handlers.on_message = [this](const Message& message) {
      if (!delivered_.insert(message.id).second) twice_ = true;
    };
    handlers.validators["judged"] = [](const Message& message) {
      return message.payload.empty() ? Verdict::accept : static_cast<Verdict>(message.payload.size() % 3);
    };
    return handlers;
  }

  void meet(std::size_t i, std::uint32_t incarnation) {
    const Bytes meta = encode_tags({{std::string(kTagInstance), to_string(instance(i))}, {std::string(kTagLinks), "1"}});
    driver_.on_packet(fuzz::address(i), fuzz::alive_packet(name(i), fuzz::address(i), incarnation, meta).view());
  }
  void accept(std::uint8_t choice) {
    if (world_.connections() < 200) driver_.on_accepted(world_.accept(), fuzz::address(choice % kPeers));
  }
  void greet(std::uint8_t choice, std::size_t i) {
    const auto* conn = world_.conn(choice);
    if (conn == nullptr) return;
    const bool accepted = static_cast<std::uint64_t>(conn->first) % 2 == 0;
    read(choice, (accepted ? std::string(wire::preface().text()) : "") + on_wire(frame::Hello{1, "", name(i), instance(i)}));
  }
  void read(std::uint8_t choice, std::string_view bytes) {
    const auto* conn = world_.conn(choice);
    if (conn == nullptr || !conn->second) return;
    const ConnId id = conn->first;
    while (!bytes.empty()) {
      const auto* still = world_.conn(choice);
      if (still == nullptr || still->first != id) return;  // closed meanwhile
      const auto room = driver_.read_buffer(id);
      fuzz::require(!room.empty(), "there is always room to read");
      const std::size_t n = std::min(room.size(), bytes.size());
      std::memcpy(room.data(), bytes.data(), n);
      driver_.on_read(id, n);
      world_.settle(driver_);
      bytes.remove_prefix(n);
    }
  }
  void connected(std::uint8_t choice) {
    auto* conn = world_.conn(choice);
    if (conn == nullptr || conn->second) return;
    conn->second = true;
    driver_.on_connected(conn->first);
  }
  void closed(std::uint8_t choice) {
    const auto* conn = world_.conn(choice);
    if (conn == nullptr) return;
    const ConnId id = conn->first;
    world_.forget(id);
    driver_.on_closed(id, {Errc::system, "connection reset"});
  }
  void publish(Steps& in) {
    if (stopped_) return;
    const Bytes payload = Bytes::copy_of(in.bytes());
    driver_.publish(++published_, "t", payload, AckWish{static_cast<std::uint32_t>(payload.size() % 2), std::chrono::seconds{1}});
    if (payload.size() % 4 == 3) (void)driver_.send_direct(0, name(payload.size() % kPeers), payload);
  }
  void writable(std::uint8_t choice) {
    world_.room_ = choice % 4 == 0 ? 0 : choice % 4 == 1 ? 100 : SIZE_MAX;
    const auto* conn = world_.conn(choice);
    if (conn != nullptr && conn->second && world_.room_ != 0) driver_.on_writable(conn->first);
  }
  void command(std::uint8_t choice) {
    switch (choice % 8) {
      case 0: driver_.pause_delivery(true); break;
      case 1: driver_.pause_delivery(false); break;
      case 2: driver_.rejoin(); break;
      case 3:
        if (choice > 0xe0) {
          driver_.leave();
          stopped_ = true;
        }
        break;
      case 4: meet(choice % kPeers, 2 + choice); break;
      default: driver_.join({*HostPort::parse("127.0.0.7:7946")});
    }
  }

  World world_;
  std::set<MessageId> delivered_;
  bool twice_ = false;
  Sequence published_ = 0;
  bool stopped_ = false;
  Driver driver_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 16 * 1024) return 0;
  fuzz::AllocationLimit limit{64 * 1024 * 1024};
  Steps steps{BytesView{reinterpret_cast<const std::byte*>(data), size}};
  Node node;
  for (int taken = 0; !steps.empty() && taken < 400; ++taken) node.step(steps);
  node.finish();
  return 0;
}
