#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <plumvine/detail/key_text.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/handlers.hpp>

#include "membership/keyring.hpp"
#include "membership/swim.hpp"
#include "plumtree/wire.hpp"
#include "support/memory_net.hpp"
#include "support/pch.hpp"
#include "transport/crypto/gnutls_aead.hpp"
#include "transport/driver.hpp"
#include "support/signer.hpp"
#include "transport/frame_decoder.hpp"

namespace plumvine::test {

using namespace std::chrono_literals;

/// A driver on a host in memory, and what it told.
struct TestNode {
  MemoryHost& host;
  std::vector<std::pair<MessageId, std::string>> messages;
  std::vector<MemberEvent> members;
  std::vector<PeerEvent> peers;
  std::vector<PartitionEvent> partitions;
  std::vector<LostEvent> lost;
  std::vector<std::string> log;
  std::vector<Receipt> receipts;
  std::vector<std::string> directs;                    ///< `NAME: TEXT`
  std::map<std::uint64_t, std::string> directs_done;   ///< by ticket: ok, or what went wrong
  std::vector<KeyReport> key_reports;
  std::vector<std::string> key_errors;
  std::vector<Bytes> saved_keys;
  KeyHistory saved_history;
  Status save_status;  ///< what writing keys down comes to
  Sequence acked = 0;
  int leaves_done = 0;
  Sequence sequence = 0;
  std::function<void(const Message&)> on_message;
  std::unique_ptr<Driver> driver;

  Sequence publish(std::string text, std::string topic = "t") {
    driver->publish(++sequence, std::move(topic), Bytes::copy_of(text));
    return sequence;
  }
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const { return driver->make_snapshot(); }
  /// Names of the peers whose link is up.
  [[nodiscard]] std::vector<std::string> links() const {
    std::vector<std::string> names;
    for (const auto s = snapshot(); const LinkInfo& link : s->links) {
      if (link.state == LinkState::up) names.push_back(link.peer);
    }
    return names;
  }
  [[nodiscard]] bool ready() const { return snapshot()->not_ready_reason.empty(); }
  [[nodiscard]] bool logged(std::string_view part) const {
    return std::any_of(log.begin(), log.end(), [&](const std::string& line) { return line.find(part) != std::string::npos; });
  }
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> out;
    for (const auto& message : messages) out.push_back(message.second);
    return out;
  }
};

/// Some nodes in one memory network. The first is everybody's seed.
struct TestCluster {
  MemoryNet net;
  std::vector<std::unique_ptr<TestNode>> nodes;
  std::uint64_t seed = 1;
  std::shared_ptr<Keyring> keys;  ///< of the last node with any
  std::map<std::string, std::function<Verdict(const Message&)>, std::less<>> validators;  ///< of nodes added from now on
  std::vector<Bytes> more_keys;   ///< of nodes added from now on that have `encrypt`, behind that
  KeyHistory key_history;         ///< of nodes added from now on
  bool tls = false;               ///< of nodes added from now on: what is below them is to be taken for TLS
  std::vector<frame::KeptKey> origin_keys;  ///< of nodes added from now on, from before they began
  std::vector<std::pair<std::string, Endpoint>> known_peers;  ///< of nodes added from now on, from before they began

  TestNode& add(const std::string& name, const std::function<void(Config&)>& adjust = {}, InstanceId instance = {}) {
    const std::string address = "10.0.0." + std::to_string(nodes.size() + 1) + ":7946";
    return add_at(address, name, adjust, instance);
  }
  TestNode& add_at(const std::string& address, const std::string& name, const std::function<void(Config&)>& adjust = {},
                   InstanceId instance = {}) {
    MemoryHost& host = net.add_host(address);
    auto owned = std::make_unique<TestNode>(TestNode{.host = host});
    TestNode& node = *owned;
    Config config = Config::lan(name);
    config.bind = address;
    config.log_level = LogLevel::debug;
    config.log = [&node](const LogRecord& r) {
      node.log.push_back(std::string{to_string(r.level)} + " " + std::string{r.component} + " " + std::string{r.code} + " " +
                         r.text);
    };
    if (!nodes.empty()) config.seeds = {nodes.front()->host.address().to_string()};
    if (adjust) adjust(config);
    Handlers handlers;
    handlers.on_message = [&node](const Message& m) {
      node.messages.emplace_back(m.id, std::string{m.text()});
      if (node.on_message) node.on_message(m);
    };
    handlers.on_member = [&node](const MemberEvent& e) { node.members.push_back(e); };
    handlers.on_peer = [&node](const PeerEvent& e) { node.peers.push_back(e); };
    handlers.on_partition = [&node](const PartitionEvent& e) { node.partitions.push_back(e); };
    handlers.on_lost = [&node](const LostEvent& e) { node.lost.push_back(e); };
    handlers.on_direct = [&node](const DirectMessage& m) { node.directs.push_back(std::string{m.from} + ": " + std::string{m.payload.text()}); };
    handlers.on_receipt = [&node](const Receipt& r) { node.receipts.push_back(r); };
    handlers.validators = validators;
    DriverIdentity identity{{}, host.address(), ++seed};
    identity.large.checksum = gmac_checksum;
    identity.keeps_keys = !config.keyring.empty();
    identity.known_peers = known_peers;
    identity.origin_keys = origin_keys;
    identity.tls = tls;
    identity.key_history = key_history;
    std::vector<Bytes> all;
    if (!config.encrypt.empty()) {
      all.push_back(*parse_key(config.encrypt));
      all.insert(all.end(), more_keys.begin(), more_keys.end());
    }
    identity.keyring = make_keyring(all).value();
    if (!all.empty()) keys = identity.keyring;
    if (instance == InstanceId{}) instance = frame::publisher_of(InstanceId{mix64(seed)});
    if (config.tree.sign_origins != SignOrigins::off) {
      const Signer signer(config.name, static_cast<std::uint8_t>(seed), seed, config.cluster);
      identity.sign = signer.tools;
      instance = signer.instance;
    }
    identity.instance = instance;
    node.driver = std::make_unique<Driver>(
        std::move(config), std::move(identity), host, host, std::move(handlers),
        DriverHooks{.on_acked = [&node](const tree::Acked& a) { node.acked = a.up_to; }, .on_leave_done = [&node] { ++node.leaves_done; },
                    .save_keys =
                        [&node](const std::vector<Bytes>& all) {
                          node.saved_keys = all;
                          node.driver->keys_saved(node.save_status);
                        },
                    .save_key_history = [&node](const KeyHistory& history) { node.saved_history = history; },
                    .on_keys_done =
                        [&node](std::uint64_t, const Result<KeyReport>& report) {
                          if (report) node.key_reports.push_back(*report);
                          else node.key_errors.push_back(report.error().message);
                        },
                    .on_direct_done =
                        [&node](std::uint64_t ticket, const Status& status) {
                          node.directs_done[ticket] = status ? "ok" : status.error().message;
                        }});
    host.attach(*node.driver);
    node.driver->start();
    nodes.push_back(std::move(owned));
    return node;
  }
  TestNode& operator[](std::size_t i) { return *nodes[i]; }

  void add_many(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) add(std::string(1, static_cast<char>('a' + nodes.size())));
  }
  bool run_until(const std::function<bool()>& done, Duration limit) { return net.run_until(done, limit); }
  void run_for(Duration d) { net.run_for(d); }

  /// Everybody is ready and has so many links.
  bool settle(std::size_t links, Duration limit = 20s) {
    return run_until([&] {
      return std::all_of(nodes.begin(), nodes.end(),
                         [&](const auto& node) { return node->ready() && node->links().size() == links; });
    }, limit);
  }
  void check_invariants() {
    for (const auto& node : nodes) {
      INFO(node->snapshot()->name);
      CHECK(node->driver->check_invariants() == std::vector<std::string>{});
    }
  }
};

/// A member that knows membership only, as any memberlist program.
struct ForeignMember final : LoopEvents, TransportEvents {
  ForeignMember(MemoryNet& net, const std::string& address, std::string name)
      : host(net.add_host(address)),
        swim(SwimConfig{},
             {.name = std::move(name), .address = host.address().raw(), .port = host.address().port, .meta = {}, .label = {}},
             Rng{42}) {
    host.attach(*this);
    swim.start(host.now());
    drain();
  }

  MemoryHost& host;
  swim::Swim swim;
  std::array<std::byte, 4096> buffer{};

  void drain() {
    while (auto output = swim.poll_output()) {
      if (auto* packet = std::get_if<swim::SendPacket>(&*output)) host.send_packet(packet->to, packet->packet);
      if (auto* data = std::get_if<swim::SendStream>(&*output)) {
        host.write(ConnId{static_cast<std::uint64_t>(data->id)}, std::span{&data->data, 1});
      }
      if (auto* close = std::get_if<swim::CloseStream>(&*output)) {
        host.close(ConnId{static_cast<std::uint64_t>(close->id)}, CloseMode::flush);
      }
    }
    host.arm(swim.next_timeout());
  }
  void on_timer() override {
    swim.handle_timeout(host.now());
    drain();
  }
  void on_deferred() override {}
  void on_packet(const Endpoint& from, BytesView packet) override {
    swim.handle_packet(from, packet, host.now());
    drain();
  }
  void on_connected(ConnId) override {}
  void on_accepted(ConnId id, const Endpoint& from) override {
    swim.stream_accepted(swim::StreamId{static_cast<std::uint64_t>(id)}, from, host.now());
    drain();
  }
  std::span<std::byte> read_buffer(ConnId) override { return buffer; }
  void on_read(ConnId id, std::size_t bytes) override {
    swim.stream_received(swim::StreamId{static_cast<std::uint64_t>(id)}, BytesView{buffer}.first(bytes), host.now());
    drain();
  }
  void on_writable(ConnId) override {}
  void on_closed(ConnId id, const Error&) override {
    swim.stream_closed(swim::StreamId{static_cast<std::uint64_t>(id)}, host.now());
    drain();
  }
  void on_resolved(const HostPort&, const std::vector<Endpoint>&) override {}
};

/// The far end of a connection, spoken by hand.
struct RawPeer final : LoopEvents, TransportEvents {
  explicit RawPeer(MemoryHost& h) : host(h) { host.attach(*this); }

  MemoryHost& host;
  ChunkPool pool;
  FrameDecoder decoder{pool, 1 << 20};
  std::vector<Frame> frames;
  bool connected = false;
  bool accepted = false;
  bool closed = false;
  ConnId conn{1};

  void dial(const Endpoint& to) { host.dial(conn, to); }
  void write(Bytes bytes) { host.write(conn, std::span{&bytes, 1}); }
  void send(const Frame& frame) {
    const wire::Encoded encoded = wire::encode(frame);
    write(encoded.head);
    if (!encoded.payload.empty()) write(encoded.payload);
  }
  template <class T>
  [[nodiscard]] const T* first() const {
    for (const Frame& frame : frames) {
      if (const auto* found = std::get_if<T>(&frame)) return found;
    }
    return nullptr;
  }

  void on_timer() override {}
  void on_deferred() override {}
  void on_packet(const Endpoint&, BytesView) override {}
  void on_connected(ConnId) override { connected = true; }
  void on_accepted(ConnId id, const Endpoint&) override {
    accepted = true;
    conn = id;
  }
  std::span<std::byte> read_buffer(ConnId) override { return decoder.buffer(); }
  void on_read(ConnId, std::size_t bytes) override {
    decoder.advance(bytes);
    FrameReject reason{};
    while (auto next = decoder.next(reason)) {
      REQUIRE(next->has_value());
      frames.push_back(std::move(**next));
    }
  }
  void on_writable(ConnId) override {}
  void on_closed(ConnId, const Error&) override { closed = true; }
  void on_resolved(const HostPort&, const std::vector<Endpoint>&) override {}
};

}  // namespace plumvine::test
