#include "membership_sim.hpp"

#include <algorithm>
#include <charconv>

#include <plumvine/detail/check.hpp>

#include "membership/wire/codec.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 7946;
constexpr std::size_t kSegment = 1460;
/// Segments that share their fate.
constexpr std::size_t kSegmentsPerDraw = 10;
constexpr std::uint32_t kTriesMax = 7;

std::size_t node_at(const Endpoint& endpoint) {
  const auto& a = endpoint.address;
  return (std::size_t{a[13]} << 16 | std::size_t{a[14]} << 8 | a[15]) - 1;
}

}  // namespace

MembershipSim::MembershipSim(MembershipSimOptions options, Trace& trace)
    : options_(std::move(options)), trace_(trace), rng_(mix64(options_.seed) ^ 0x6d656d62), nodes_(options_.nodes) {}

Endpoint MembershipSim::endpoint(std::size_t i) {
  Endpoint e;
  const std::size_t number = i + 1;
  e.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, static_cast<std::uint8_t>(number >> 16),
               static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
  e.port = kPort;
  return e;
}

std::size_t MembershipSim::index(std::string_view name) {
  std::size_t i = 0;
  const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), i);
  PLUMVINE_CHECK(error == std::errc{}, "a member's name is a number");
  return i;
}

// --- processes ---------------------------------------------------------------------------------------------

std::unique_ptr<swim::Swim> MembershipSim::machine(std::size_t i) {
  const Endpoint self = endpoint(i);
  // As the engine announces itself: an instance, that it speaks links, and that it compares tables by digest.
  const Bytes meta = encode_tags({{std::string(kTagInstance), to_string(InstanceId{rng_.next()})}, {std::string(kTagLinks), "1"},
                                  {std::string(kTagDigest), "1"}});
  Node& node = nodes_[i];
  ++node.life;
  node.armed = kNever;
  node.is_blocked = false;
  node.inbox.clear();
  node.outbox.clear();
  auto machine = std::make_unique<swim::Swim>(options_.swim, swim::Identity{name(i), self.raw(), self.port, meta, {}}, rng_.fork());
  machine->start(now());
  return machine;
}

void MembershipSim::start(std::size_t i, std::size_t seed) {
  PLUMVINE_CHECK(!up(i), "a member is started once");
  nodes_[i].swim = machine(i);
  nodes_[i].swim->join({*HostPort::parse(endpoint(seed).to_string())}, now());
  drain(i);
  arm(i);
}

void MembershipSim::start_all() {
  // Starts are spread over one probe interval by the machines themselves.
  for (std::size_t i = 0; i < size(); ++i) nodes_[i].swim = machine(i);
  swim::wire::Buffer out;
  swim::wire::encode(swim::wire::PushPullHeader{static_cast<std::int64_t>(size()), 0, false}, out);
  for (const Node& node : nodes_) {
    const Member& m = node.swim->self();
    swim::wire::encode(swim::wire::PushNodeState{m.name, m.address.view(), m.port, m.meta.view(), 1, 0,
                                                 BytesView(reinterpret_cast<const std::byte*>(m.versions.data()), m.versions.size())},
                       out);
  }
  const Bytes table = Bytes::copy_of(out);
  for (std::size_t i = 0; i < size(); ++i) feed_table(i, (i + 1) % size(), table);
}

void MembershipSim::feed_table(std::size_t i, std::size_t seed, const Bytes& table) {
  swim::Swim& swim = node(i);
  swim.join({*HostPort::parse(endpoint(seed).to_string())}, now());
  swim.handle_timeout(now());
  while (auto output = swim.poll_output()) {
    if (const auto* open = std::get_if<swim::OpenStream>(&*output)) {
      swim.stream_connected(open->id, now());
      swim.stream_received(open->id, table.view(), now());
    }
  }
  arm(i);
}

void MembershipSim::crash(std::size_t i) {
  if (trace_.printing()) trace_.line(now(), name(i) + " crashes");
  nodes_[i].swim.reset();
  nodes_[i].is_blocked = false;
  ++nodes_[i].life;
}

void MembershipSim::set_loss(std::size_t i, double inbound, double outbound) {
  nodes_[i].inbound_loss = inbound;
  nodes_[i].outbound_loss = outbound;
}

void MembershipSim::set_meta(std::size_t i, Bytes meta) {
  PLUMVINE_CHECK(node(i).set_meta(std::move(meta), now()).has_value(), "metadata fits");
  drain(i);
  arm(i);
}

void MembershipSim::block(std::size_t i) { nodes_[i].is_blocked = up(i); }

void MembershipSim::unblock(std::size_t i) {
  Node& node = nodes_[i];
  if (!std::exchange(node.is_blocked, false)) return;
  // What waited to be sent goes first, then timers that are due, then what waited to be read, as a loop does it.
  for (swim::Output& output : std::exchange(node.outbox, {})) put_out(i, output);
  if (node.swim->next_timeout() <= now()) {
    node.swim->handle_timeout(now());
    drain(i);
  }
  for (Input& input : std::exchange(node.inbox, {})) handle(i, input);
  arm(i);
}

void MembershipSim::reset_traffic() {
  for (Node& node : nodes_) node.traffic = {};
}

// --- time --------------------------------------------------------------------------------------------------

void MembershipSim::run_until(Timestamp limit) {
  while (!queue_.empty() && queue_.next() <= limit) {
    Event event = queue_.pop();
    ++events;
    perform(event);
  }
  queue_.advance(limit);
}

void MembershipSim::perform(Event& event) {
  switch (event.what) {
    case What::wake: return wake(event.node, Timestamp{static_cast<std::int64_t>(event.number)});
    case What::transmit: return transmit(event.number, event.direction);
    case What::arrive:
      if (event.number == nodes_[event.node].life) arrive(event.node, std::move(event.input));
      return;
    case What::handle:
      if (event.number == nodes_[event.node].life) handle(event.node, event.input);
      return;
  }
}

void MembershipSim::arm(std::size_t i) {
  Node& node = nodes_[i];
  const Timestamp next = node.swim->next_timeout();
  if (next >= node.armed || next == kNever) return;
  node.armed = std::max(next, now());
  queue_.push(node.armed, {.what = What::wake, .node = static_cast<std::uint32_t>(i), .number = static_cast<std::uint64_t>(node.armed.ns)});
}

void MembershipSim::wake(std::size_t i, Timestamp armed) {
  Node& node = nodes_[i];
  if (!up(i) || armed != node.armed) return;  // armed again for another time
  node.armed = kNever;
  if (node.is_blocked && node.starvation == Starvation::frozen) return;
  if (node.swim->next_timeout() <= now()) {
    node.swim->handle_timeout(now());
    drain(i);
  }
  arm(i);
}

// --- inputs ------------------------------------------------------------------------------------------------

void MembershipSim::arrive(std::size_t i, Input input) {
  Node& node = nodes_[i];
  if (node.is_blocked) {
    node.inbox.push_back(std::move(input));
    return;
  }
  if (node.starvation != Starvation::late) return handle(i, input);
  node.last_read = std::max(node.last_read, now() + 500ms + rng_.jitter(2s));
  queue_.push(node.last_read, {.what = What::handle, .node = static_cast<std::uint32_t>(i), .number = node.life, .input = std::move(input)});
}

void MembershipSim::handle(std::size_t i, Input& input) {
  swim::Swim& swim = node(i);
  Traffic& traffic = nodes_[i].traffic;
  if (const auto* packet = std::get_if<Packet>(&input)) {
    trace_.mix(now());
    trace_.mix(i << 32 | packet->data.size());
    swim.handle_packet(packet->from, packet->data.view(), now());
  } else if (const auto* accepted = std::get_if<Accepted>(&input)) {
    swim.stream_accepted(accepted->id, accepted->from, now());
  } else if (const auto* connected = std::get_if<Connected>(&input)) {
    swim.stream_connected(connected->id, now());
  } else if (const auto* received = std::get_if<Received>(&input)) {
    traffic.stream_bytes_received += received->data.size();
    swim.stream_received(received->id, received->data.view(), now());
  } else if (const auto* closed = std::get_if<Closed>(&input)) {
    swim.stream_closed(closed->id, now());
  }
  drain(i);
  arm(i);
}

// --- outputs -----------------------------------------------------------------------------------------------

void MembershipSim::drain(std::size_t i) {
  Node& node = nodes_[i];
  while (auto output = node.swim->poll_output()) {
    if (const auto* notify = std::get_if<swim::Notify>(&*output)) {
      note(i, notify->event);
    } else if (node.is_blocked) {
      node.outbox.push_back(std::move(*output));
    } else {
      put_out(i, *output);
    }
  }
}

void MembershipSim::put_out(std::size_t i, swim::Output& output) {
  const auto away = [&](swim::StreamId id) { return pipe_of_.find({i, id}); };
  if (const auto* packet = std::get_if<swim::SendPacket>(&output)) {
    send_packet(i, *packet);
  } else if (const auto* stream = std::get_if<swim::OpenStream>(&output)) {
    open(i, *stream);
  } else if (auto* data = std::get_if<swim::SendStream>(&output)) {
    nodes_[i].traffic.stream_bytes_sent += data->data.size();
    if (const auto at = away(data->id); at != pipe_of_.end())
      append(at->second.first, at->second.second, {Segment::data, std::move(data->data)});
  } else if (const auto* close = std::get_if<swim::CloseStream>(&output)) {
    if (const auto at = away(close->id); at != pipe_of_.end()) {
      const auto [number, direction] = at->second;
      pipe_of_.erase(at);
      append(number, direction, {Segment::close, {}});
    }
  }
}

double MembershipSim::loss(std::size_t from, std::size_t to) const {
  return 1 - (1 - options_.loss) * (1 - nodes_[from].outbound_loss) * (1 - nodes_[to].inbound_loss);
}

Duration MembershipSim::latency() { return options_.latency_min + rng_.jitter(options_.latency_max - options_.latency_min); }

void MembershipSim::send_packet(std::size_t from, const swim::SendPacket& packet) {
  using swim::wire::MessageType;
  const std::size_t to = node_at(packet.to);
  const auto type = static_cast<MessageType>(packet.packet.data()[0]);
  const bool probe = type == MessageType::ping || type == MessageType::ack;
  Traffic& out = nodes_[from].traffic;
  out.probes_sent += probe ? 1 : 0;
  ++out.packets_sent;
  out.packet_bytes_sent += packet.packet.size();
  if (trace_.printing()) trace_.line(now(), name(from) + " -> " + name(to) + "  packet of " + std::to_string(packet.packet.size()) + " bytes");
  if (to >= size() || !up(to) || rng_.chance(loss(from, to))) return;
  Traffic& in = nodes_[to].traffic;
  in.probes_received += probe ? 1 : 0;
  ++in.packets_received;
  in.packet_bytes_received += packet.packet.size();
  queue_.push(now() + latency(), {.what = What::arrive, .node = static_cast<std::uint32_t>(to), .number = nodes_[to].life,
                                  .input = Packet{endpoint(from), packet.packet}});
}

// --- streams -----------------------------------------------------------------------------------------------

void MembershipSim::open(std::size_t from, const swim::OpenStream& stream) {
  const std::size_t to = node_at(stream.to);
  if (to >= size()) return;
  const std::uint64_t number = ++last_pipe_;
  Pipe pipe{.ends = {from, to}, .lives = {nodes_[from].life, nodes_[to].life}, .ids = {stream.id, swim::StreamId{++last_accepted_}}};
  pipes_.emplace(number, std::move(pipe));
  pipe_of_[{from, stream.id}] = {number, 0};
  append(number, 0, {Segment::dial, {}});
}

void MembershipSim::append(std::uint64_t number, int direction, Item item) {
  const auto it = pipes_.find(number);
  if (it == pipes_.end()) return;
  it->second.waiting[direction].push_back(std::move(item));
  if (!it->second.busy[direction]) pump(number, direction);
}

void MembershipSim::pump(std::uint64_t number, int direction) {
  Pipe& pipe = pipes_.at(number);
  if (pipe.waiting[direction].empty()) return;
  pipe.busy[direction] = true;
  pipe.tries[direction] = 0;
  const std::size_t bytes = pipe.waiting[direction].front().data.size();
  pipe.rounds[direction] = 1 + bytes / (kSegment * kSegmentsPerDraw);
  Node& sender = nodes_[pipe.ends[direction]];
  sender.uplink_free = std::max(sender.uplink_free, now()) + Duration{static_cast<std::int64_t>(bytes) * 1'000'000'000 / options_.stream_rate};
  queue_.push(sender.uplink_free, {.what = What::transmit, .direction = static_cast<std::uint8_t>(direction), .number = number});
}

void MembershipSim::transmit(std::uint64_t number, int direction) {
  const auto it = pipes_.find(number);
  if (it == pipes_.end()) return;
  Pipe& pipe = it->second;
  const std::size_t from = pipe.ends[direction];
  const std::size_t to = pipe.ends[1 - direction];
  const bool there = up(from) && up(to) && nodes_[from].life == pipe.lives[direction] && nodes_[to].life == pipe.lives[1 - direction];
  const double lost = loss(from, to);
  bool passed = there;
  while (passed && pipe.rounds[direction] > 0) {
    if (lost > 0 && rng_.chance(lost)) passed = false;
    else --pipe.rounds[direction];
  }
  if (!passed) {
    // A dead end is never reset: the machine's own deadline ends the stream there.
    if (!there || ++pipe.tries[direction] > kTriesMax) {
      for (int end : {0, 1}) pipe_of_.erase({pipe.ends[end], pipe.ids[end]});
      pipes_.erase(it);
      return;
    }
    const Duration first = pipe.waiting[direction].front().kind == Segment::dial ? Duration{1s} : Duration{200ms};
    queue_.push(now() + first * (1LL << (pipe.tries[direction] - 1)),
                {.what = What::transmit, .direction = static_cast<std::uint8_t>(direction), .number = number});
    return;
  }
  Item item = std::move(pipe.waiting[direction].front());
  pipe.waiting[direction].pop_front();
  pipe.busy[direction] = false;
  deliver(number, direction, std::move(item));
  if (pipes_.contains(number)) pump(number, direction);
}

void MembershipSim::deliver(std::uint64_t number, int direction, Item item) {
  Pipe& pipe = pipes_.at(number);
  const std::size_t to = pipe.ends[1 - direction];
  const swim::StreamId id = pipe.ids[1 - direction];
  const Timestamp when = now() + options_.latency_max;  // constant, so that nothing overtakes
  const auto push = [&](Input input) {
    queue_.push(when, {.what = What::arrive, .node = static_cast<std::uint32_t>(to), .number = nodes_[to].life, .input = std::move(input)});
  };
  switch (item.kind) {
    case Segment::dial:
      // The kernel answers a dial, whatever the process does.
      pipe_of_[{to, id}] = {number, 1};
      push(Accepted{id, endpoint(pipe.ends[0])});
      return append(number, 1, {Segment::dialled, {}});
    case Segment::dialled: return push(Connected{id});
    case Segment::data: return push(Received{id, std::move(item.data)});
    case Segment::close:
      if (pipe_of_.erase({to, id}) > 0) push(Closed{id});
      pipes_.erase(number);
      return;
  }
}

// --- what is seen ------------------------------------------------------------------------------------------

void MembershipSim::note(std::size_t observer, const MemberEvent& event) {
  trace_.mix(now());
  trace_.mix(observer << 8 | static_cast<std::uint64_t>(event.kind));
  trace_.mix(event.member.name);
  if (trace_.printing())
    trace_.line(now(), name(observer) + "  " + event.member.name + " " + std::string(to_string(event.kind)) +
                           (event.from.empty() ? "" : ", says " + event.from));
  if (on_event) on_event(observer, event);
}

}  // namespace plumvine::sim
