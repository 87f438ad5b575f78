#pragma once

#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "support/pch.hpp"
#include "transport/quic/endpoint.hpp"
#include "unit/tls/authority.hpp"

/// QUIC endpoints in one process under virtual time, with a network between them that may lose, double, delay and
/// reorder datagrams.
namespace plumvine::test {

/// A captured datagram.
struct Flown {
  quic::Path path;  ///< as its sender sees it
  quic::Ecn ecn;
  std::vector<std::byte> bytes;
};

struct QuicNet;

struct QuicNode final : quic::PacketSink, quic::EndpointEvents {
  struct Stream {
    bool up = false, dialled = false, ended = false, was_up = false;
    std::vector<std::string> names;
    std::string received;
    std::vector<std::string> batches;
    quic::Connection::End end;
    int writable = 0;
  };
  QuicNet& net;
  Endpoint address;
  std::shared_ptr<const tls::Credentials> credentials;
  std::map<ConnId, Stream> streams;
  std::vector<ConnId> accepted;
  std::vector<std::string> datagrams;
  std::vector<std::byte> buffer = std::vector<std::byte>(65536);
  std::function<void(ConnId)> after_read = {};
  bool full = false;  ///< the sink takes what it gets and then has no room
  std::size_t sent = 0, sent_bytes = 0;
  std::unique_ptr<quic::QuicEndpoint> endpoint;

  QuicNode(QuicNet& network, const std::string& where, std::shared_ptr<const tls::Credentials> who,
           quic::EndpointOptions options = {}, std::uint64_t batches_max = quic::Common{}.batches_max);

  bool send(const quic::Path& path, quic::Ecn ecn, BytesView packets, std::size_t segment) override;
  std::function<bool(const Endpoint& from, bool proved)> admits = {};
  bool quic_admits(const Endpoint& from, bool proved) override { return !admits || admits(from, proved); }
  void quic_up(ConnId conn, const Endpoint&, bool dialled, const std::vector<std::string>& names) override {
    streams[conn].up = true;
    streams[conn].dialled = dialled;
    streams[conn].names = names;
    if (!dialled) accepted.push_back(conn);
  }
  std::span<std::byte> quic_buffer(ConnId) override { return buffer; }
  void quic_read(ConnId conn, std::size_t bytes) override {
    streams[conn].received.append(as_text(BytesView{buffer.data(), bytes}));
    if (after_read) after_read(conn);
  }
  void quic_batch(ConnId conn, Bytes batch) override { streams[conn].batches.emplace_back(batch.text()); }
  void quic_writable(ConnId conn) override { ++streams[conn].writable; }
  void quic_datagram(ConnId, const Endpoint&, BytesView bytes) override { datagrams.emplace_back(as_text(bytes)); }
  void quic_ended(ConnId conn, const Endpoint&, bool, bool was_up, const quic::Connection::End& why) override {
    streams[conn].ended = true;
    streams[conn].was_up = was_up;
    streams[conn].end = why;
  }
  void quic_pending() override {}
  void write(ConnId conn, const std::string& text) {
    REQUIRE(endpoint->write(conn, std::vector<Bytes>{Bytes::copy_of(text)}) == text.size());
  }
  [[nodiscard]] QuicStats stats() const {
    QuicStats counted;
    endpoint->count(counted);
    return counted;
  }
};

struct QuicNet {
  Timestamp now{1'000'000'000};
  std::mt19937_64 random{42};
  Duration delay = std::chrono::milliseconds{5};
  Duration jitter{0};
  int loss_percent = 0, double_percent = 0;
  std::function<bool(const Flown&)> drop = {};
  std::vector<Flown>* capture = nullptr;
  std::map<Endpoint, QuicNode*> nodes;
  std::multimap<Timestamp, Flown> flying;

  [[nodiscard]] bool chance(int percent) { return percent > 0 && static_cast<int>(random() % 100) < percent; }
  void fly(Flown flown) {
    if (capture != nullptr) capture->push_back(flown);
    if (drop && drop(flown)) return;
    if (chance(loss_percent)) return;
    const auto at = [&] {
      return now + delay +
             Duration{jitter.count() > 0
                          ? static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(jitter.count()))
                          : 0};
    };
    if (chance(double_percent)) flying.emplace(at(), flown);
    flying.emplace(at(), std::move(flown));
  }
  /// Goes on until `done`; false after `limit` of virtual time.
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::seconds{60}) {
    const Timestamp end = now + limit;
    for (int stands = 0;;) {
      for (const auto& [address, node] : nodes) node->endpoint->flush(now);
      if (done()) return true;
      Timestamp next = flying.empty() ? kNever : flying.begin()->first;
      for (const auto& [address, node] : nodes) next = std::min(next, node->endpoint->next());
      if (next > end) return false;
      stands = next > now ? 0 : stands + 1;
      if (stands > 10'000) FAIL("time stands still");
      now = std::max(now, next);
      while (!flying.empty() && flying.begin()->first <= now) {
        const Flown flown = std::move(flying.begin()->second);
        flying.erase(flying.begin());
        if (const auto it = nodes.find(flown.path.remote); it != nodes.end())
          it->second->endpoint->receive({flown.path.remote, flown.path.local}, flown.ecn, flown.bytes, now);
      }
      for (const auto& [address, node] : nodes) node->endpoint->due(now);
    }
  }
  void run_for(Duration time) {
    (void)run_until([] { return false; }, time);
  }
};

inline QuicNode::QuicNode(QuicNet& network, const std::string& where, std::shared_ptr<const tls::Credentials> who,
                          quic::EndpointOptions options, std::uint64_t batches_max)
    : net(network), address(*Endpoint::parse(where)), credentials(std::move(who)) {
  quic::Common common;
  common.random = [this](std::span<std::byte> out) {
    for (std::byte& b : out) b = static_cast<std::byte>(net.random());
  };
  common.judge = [this](const std::vector<std::string>& chain, tls::Role role) {
    return credentials->judge(chain, role);
  };
  common.batches_max = batches_max;
  common.reset_secret = "reset secret of " + where;
  common.token_secret = "token secret of " + where;
  endpoint = std::make_unique<quic::QuicEndpoint>(
      std::move(common), options, [this] { return credentials; }, *this, *this);
  net.nodes[address] = this;
}

inline bool QuicNode::send(const quic::Path& path, quic::Ecn ecn, BytesView packets, std::size_t segment) {
  while (!packets.empty()) {
    const BytesView one = packets.first(std::min(segment, packets.size()));
    packets = packets.subspan(one.size());
    ++sent;
    sent_bytes += one.size();
    // A socket that is bound to one address sends from there.
    net.fly({{path.local.port == 0 ? address : path.local, path.remote}, ecn, {one.begin(), one.end()}});
  }
  return !full;
}

struct QuicPair : QuicNet {
  static const Authority& authority() {
    static const Authority one;
    return one;
  }
  QuicNode a{*this, "10.0.0.1:4001", authority().credentials("a")};
  QuicNode b{*this, "10.0.0.2:4002", authority().credentials("b")};
  static constexpr ConnId kDial{1};

  void dial(ConnId id = kDial) { a.endpoint->dial(id, {a.address, b.address}, now); }
  ConnId connect(ConnId id = kDial) {
    const std::size_t before = b.accepted.size();
    dial(id);
    REQUIRE(run_until([&] { return a.streams[id].up && b.accepted.size() > before; }));
    return b.accepted.back();
  }
};

inline std::string noise(std::size_t size) {
  std::string text(size, '\0');
  std::uint64_t state = 88172645463325252ULL;
  for (char& c : text) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    c = static_cast<char>(state);
  }
  return text;
}

/// Writes all of it, as room comes.
inline bool stream_over(QuicNet& net, QuicNode& from, ConnId id, const std::string& text,
                        const std::function<bool()>& arrived, Duration limit = std::chrono::seconds{120}) {
  const Bytes whole = Bytes::copy_of(text);
  std::size_t written = 0;
  return net.run_until(
      [&] {
        // Pieces of all sizes, so that small and large ones take their ways.
        while (written < text.size()) {
          const std::size_t size = std::min<std::size_t>(text.size() - written, 1 + (written * 7919) % 9000);
          const std::size_t n = from.endpoint->write(id, std::vector<Bytes>{whole.slice(written, size)});
          written += n;
          if (n < size) break;
        }
        from.endpoint->flush(net.now);
        return arrived();
      },
      limit);
}

}  // namespace plumvine::test
