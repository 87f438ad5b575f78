#include "sim_network.hpp"

#include <algorithm>
#include <cstring>

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSegment = 64 * 1024;
constexpr std::size_t kBatchMax = 160 * 1024;
constexpr Duration kRetryMin = 200ms;   // Linux: TCP_RTO_MIN
constexpr Duration kRetryMax = 20s;
constexpr Duration kDialRetry = 1s;     // Linux: first SYN retransmission, doubling
constexpr Duration kDialGiveUp = 127s;  // Linux: tcp_syn_retries = 6

enum class Event : std::uint64_t { packet = 1, accept, connect, refuse, segment, finish, reset, batch };

}  // namespace

HostId SimNetwork::add_host(const Endpoint& address) {
  const HostId id{static_cast<std::uint32_t>(hosts_.size())};
  hosts_.push_back({.address = address});
  by_address_[address] = id;
  return id;
}

void SimNetwork::process_started(HostId host, KernelEvents& process) { at(host).process = &process; }

void SimNetwork::process_died(HostId host) {
  Host& dead = at(host);
  dead.process = nullptr;
  const auto sockets = std::exchange(dead.sockets, {});
  for (const auto& [conn, where] : sockets) close_end(where.key, where.side, CloseMode::flush);
}

void SimNetwork::set_power(HostId host, bool on) {
  Host& machine = at(host);
  if (!on) {
    // Its kernel forgets everything; the far ends find out when they next send something and it is back.
    machine.process = nullptr;
    for (const auto& [conn, where] : std::exchange(machine.sockets, {})) {
      if (Connection* c = find(where.key)) {
        c->ends[where.side] = {.host = host};
        c->pipes[where.side] = {};
        c->pipes[where.side].fin_sent = true;
      }
      erase_if_done(where.key);
    }
  }
  machine.powered = on;
}

void SimNetwork::partition(const std::vector<std::vector<HostId>>& groups) {
  for (Host& host : hosts_) host.group = 0;
  std::uint32_t number = 0;
  for (const auto& group : groups) {
    ++number;
    for (HostId host : group) at(host).group = number;
  }
}

void SimNetwork::set_bandwidth(HostId a, HostId b, std::uint64_t bytes_per_second) {
  for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
    PathQuality quality = path(from, to);
    quality.bandwidth = bytes_per_second;
    set_path(from, to, quality);
  }
}

void SimNetwork::cut(HostId from, HostId to, bool is_cut) {
  if (is_cut) {
    cuts_.insert({from, to});
  } else {
    cuts_.erase({from, to});
  }
}

void SimNetwork::heal() {
  partition({});
  cuts_.clear();
}

bool SimNetwork::reaches(HostId from, HostId to) const {
  return at(from).powered && at(to).powered && at(from).group == at(to).group && !cuts_.contains({from, to});
}

const PathQuality& SimNetwork::path(HostId from, HostId to) const {
  const auto& paths = at(from).paths;
  const auto number = static_cast<std::size_t>(to);
  return number < paths.size() && paths[number] ? *paths[number] : default_path_;
}

void SimNetwork::set_path(HostId from, HostId to, const PathQuality& quality) {
  auto& paths = at(from).paths;
  const auto number = static_cast<std::size_t>(to);
  if (paths.size() <= number) paths.resize(number + 1);
  paths[number] = quality;
}

Duration SimNetwork::travel(HostId from, HostId to) {
  const PathQuality& quality = path(from, to);
  return quality.delay + rng_.jitter(quality.jitter);
}

SimNetwork::Connection* SimNetwork::find(Key key) {
  auto it = connections_.find(key);
  return it == connections_.end() ? nullptr : &it->second;
}

SimNetwork::Connection* SimNetwork::find(HostId host, ConnId conn, int& side) {
  const auto it = at(host).sockets.find(conn);
  if (it == at(host).sockets.end()) return nullptr;
  side = it->second.side;
  return it->second.connection;
}

const SimNetwork::Connection* SimNetwork::find(HostId host, ConnId conn, int& side) const {
  return const_cast<SimNetwork*>(this)->find(host, conn, side);
}

std::size_t SimNetwork::partial(std::size_t size) {
  if (size < 2 || limits_.partial_io <= 0 || !rng_.chance(limits_.partial_io)) return size;
  return 1 + static_cast<std::size_t>(rng_.below(size));
}

// --- packets ---

void SimNetwork::send_packet(HostId from, const Endpoint& to, const Bytes& packet) {
  ++counters_.packets;
  counters_.packet_bytes += packet.size();
  auto it = by_address_.find(to);
  if (it == by_address_.end()) return;
  const HostId target = it->second;
  if (tap_) tap_->packet(from, target, packet.view());
  const PathQuality& quality = path(from, target);
  const bool lost = quality.loss > 0 && rng_.chance(quality.loss);
  if (lost || !reaches(from, target)) {
    ++counters_.packets_lost;
    return;
  }
  const int copies = quality.duplicate > 0 && rng_.chance(quality.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Duration delay = travel(from, target);
    if (quality.reorder > 0 && rng_.chance(quality.reorder)) delay += rng_.jitter(quality.reorder_delay);
    time_.after(delay, [this, from, target, packet] {
      const Host& host = at(target);
      if (!reaches(from, target) || !host.process) return;
      trace_.mix(static_cast<std::uint64_t>(Event::packet));
      trace_.mix(time_.now());
      trace_.mix(static_cast<std::uint64_t>(from) << 32 | static_cast<std::uint64_t>(target));
      trace_.mix(packet.view());
      host.process->packet_arrived(at(from).address, packet);
    });
  }
}

// --- dialling ---

void SimNetwork::dial(HostId from, ConnId conn, const Endpoint& to) {
  ++counters_.dials;
  const Key key = ++next_key_;
  Connection& c = connections_[key];
  c.ends[0] = {.host = from, .id = conn, .open = true};
  at(from).sockets[conn] = {key, 0, &c};
  auto it = by_address_.find(to);
  if (it == by_address_.end()) {  // an address that nobody has: no answer at all
    c.ends[1].host = from;
    time_.after(kDialGiveUp, [this, key] { fail_dial(key, {Errc::timed_out, "no answer"}); });
    return;
  }
  c.ends[1].host = it->second;
  try_dial(key, kDialRetry, Duration{0});
}

void SimNetwork::try_dial(Key key, Duration pause, Duration waited) {
  Connection* c = find(key);
  if (!c || c->established || !c->ends[0].open) {
    erase_if_done(key);
    return;
  }
  const HostId from = c->ends[0].host;
  const HostId to = c->ends[1].host;
  auto again = [this, key, pause, waited] {
    if (waited + pause >= kDialGiveUp) return fail_dial(key, {Errc::timed_out, "no answer"});
    try_dial(key, pause * 2, waited + pause);
  };
  const bool lost = path(from, to).loss > 0 && rng_.chance(path(from, to).loss);
  if (lost || !reaches(from, to) || !reaches(to, from)) return time_.after(pause, again);
  time_.after(travel(from, to), [this, key, from, to, pause, again] {
    Connection* there = find(key);
    if (!there || !there->ends[0].open) return erase_if_done(key);
    Host& host = at(to);
    if (!reaches(from, to) || !reaches(to, from)) return time_.after(pause, again);
    if (!host.process) {
      ++counters_.refused;
      return time_.after(travel(to, from), [this, key] { fail_dial(key, {Errc::system, "connection refused"}); });
    }
    if (host.process->unaccepted() >= limits_.backlog) return time_.after(pause, again);
    trace_.mix(static_cast<std::uint64_t>(Event::accept));
    trace_.mix(time_.now());
    trace_.mix(static_cast<std::uint64_t>(from) << 32 | static_cast<std::uint64_t>(to));
    there->established = true;
    End& end = there->ends[1];
    end.open = true;
    end.id = host.process->accepted(at(from).address);
    host.sockets[end.id] = {key, 1, there};
    const Duration back = travel(to, from);
    there->pipes[1].last_arrival = time_.now() + back;
    time_.after(back, [this, key] { establish(key); });
  });
}

void SimNetwork::establish(Key key) {
  Connection* c = find(key);
  if (!c) return;
  End& end = c->ends[0];
  if (!end.open) {  // gave up meanwhile: the answer to its answer is a reset
    send_reset(key, 0);
    return erase_if_done(key);
  }
  trace_.mix(static_cast<std::uint64_t>(Event::connect));
  trace_.mix(time_.now());
  if (at(end.host).process) at(end.host).process->connected(end.id);
}

void SimNetwork::fail_dial(Key key, const Error& why) {
  Connection* c = find(key);
  if (!c) return;
  End& end = c->ends[0];
  trace_.mix(static_cast<std::uint64_t>(Event::refuse));
  trace_.mix(time_.now());
  if (end.open) {
    end.open = false;
    at(end.host).sockets.erase(end.id);
    if (at(end.host).process) at(end.host).process->refused(end.id, why);
  }
  connections_.erase(key);
}

// --- streams ---

std::size_t SimNetwork::write(HostId host, ConnId conn, std::span<const Bytes> batch) {
  int side = 0;
  Connection* c = find(host, conn, side);
  if (!c || !c->established || !c->ends[side].open || c->ends[side].reset || c->pipes[side].fin_wanted) return 0;
  Pipe& pipe = c->pipes[side];
  std::size_t total = 0;
  for (const Bytes& part : batch) total += part.size();
  const std::size_t used = pipe.unsent_bytes + pipe.in_flight + pipe.batch_bytes;
  const std::size_t space = used < limits_.send_buffer ? limits_.send_buffer - used : 0;
  std::size_t left = partial(std::min(space, total));
  const std::size_t taken = left;
  for (const Bytes& part : batch) {
    if (left == 0) break;
    const std::size_t n = std::min(left, part.size());
    if (n == 0) continue;
    pipe.unsent.push_back(part.slice(0, n));
    pipe.unsent_bytes += n;
    left -= n;
  }
  counters_.stream_bytes += taken;
  const Key key = at(host).sockets[conn].key;
  if (taken < total) {
    c->ends[side].wants_write = true;
    // Only a random part was taken although there was room: room is there again at once.
    if (used + taken < limits_.send_buffer) time_.after(50us, [this, key, side] { on_acknowledged(key, side, 0); });
  }
  pump(*c, key, side);
  return taken;
}

void SimNetwork::pump(Key key, int side) {
  if (Connection* c = find(key)) pump(*c, key, side);
}

void SimNetwork::pump(Connection& c, Key key, int side) {
  Pipe& pipe = c.pipes[side];
  End& far = c.ends[1 - side];
  const HostId from = c.ends[side].host;
  if (pipe.retry_pending || pipe.coming_back) return;
  while (!pipe.unsent.empty() || (pipe.fin_wanted && !pipe.fin_sent)) {
    if (!reaches(from, far.host)) {
      pipe.retry = std::clamp(pipe.retry * 2, kRetryMin, kRetryMax);
      pipe.retry_pending = true;
      return time_.after(pipe.retry, [this, key, side] {
        if (Connection* again = find(key)) {
          again->pipes[side].retry_pending = false;
          pump(key, side);
        }
      });
    }
    pipe.retry = Duration{0};
    if (pipe.unsent.empty()) {
      if (pipe.batches == 0) send_end(key, side);  // the end comes after all that is beside the stream
      return;
    }
    const std::size_t held = pipe.in_flight + far.received_bytes;
    if (held >= limits_.receive_buffer) return;  // the window is shut; reading opens it
    const std::size_t room = std::min(kSegment, limits_.receive_buffer - held);
    std::size_t size = 0;
    while (!pipe.unsent.empty() && size < room) {
      Bytes& front = pipe.unsent.front();
      const std::size_t n = std::min(front.size(), room - size);
      size += n;
      if (n == front.size()) {
        pipe.flying.push_back(std::move(front));
        pipe.unsent.pop_front();
      } else {
        pipe.flying.push_back(front.slice(0, n));
        front = front.slice(n);
      }
      if (tap_) tap_->stream(key, side == 0, from, far.host, pipe.flying.back().view());
    }
    pipe.unsent_bytes -= size;
    pipe.in_flight += size;
    pipe.under_way += size;
    send_segment(c, key, side, size);
  }
}

void SimNetwork::send_segment(Connection& c, Key key, int side, std::size_t size) {
  Pipe& pipe = c.pipes[side];
  const HostId from = c.ends[side].host;
  const HostId to = c.ends[1 - side].host;
  const PathQuality& quality = path(from, to);
  const Timestamp start = std::max(time_.now(), pipe.line_free);
  const Duration sending{quality.bandwidth == 0
                             ? 0
                             : static_cast<std::int64_t>(size * 1'000'000'000ULL / quality.bandwidth)};
  pipe.line_free = start + sending;
  Timestamp arrival = pipe.line_free + travel(from, to);
  while (quality.loss > 0 && rng_.chance(quality.loss)) {
    arrival = arrival + (quality.resend > Duration{0} ? quality.resend : std::max(kRetryMin, quality.delay * 3));
  }
  pipe.last_arrival = std::max(arrival, pipe.last_arrival);
  time_.at(pipe.last_arrival, [this, part = Part{key, side, size}] { on_segment(part); });
}

void SimNetwork::on_segment(Part part) {
  const Key key = part.key();
  const int side = part.side();
  Connection* c = find(key);
  if (!c) return;
  End& far = c->ends[1 - side];
  Pipe& pipe = c->pipes[side];
  const HostId from = c->ends[side].host;
  if (part.size() > pipe.under_way) return;  // its machine lost power: nobody sends it again
  pipe.under_way -= part.size();
  if (pipe.coming_back || !reaches(from, far.host)) return send_again(*c, part);
  trace_.mix(static_cast<std::uint64_t>(Event::segment));
  trace_.mix(time_.now());
  trace_.mix(key << 1 | static_cast<std::uint64_t>(side));
  const bool open = far.open;
  for (std::size_t left = part.size(); left > 0; pipe.flying.pop_front()) {
    Bytes& front = pipe.flying.front();
    trace_.mix(front.view());
    left -= front.size();
    if (open) far.received.push_back(std::move(front));
  }
  if (!open) {  // nobody there any more
    pipe.in_flight -= part.size();
    send_reset(key, 1 - side);
    return;
  }
  far.received_bytes += part.size();
  if (at(far.host).process) at(far.host).process->readable(far.id);
  time_.after(travel(far.host, from), [this, part] { on_acknowledged(part.key(), part.side(), part.size()); });
}

/// What was under way when the path was cut, and all that was sent behind it, goes out again ahead of the rest, in order: nothing before the
/// last of it is back.
void SimNetwork::send_again(Connection& c, Part part) {
  Pipe& pipe = c.pipes[part.side()];
  for (std::size_t left = part.size(); left > 0; pipe.flying.pop_front()) {
    left -= pipe.flying.front().size();
    pipe.unsent.insert(pipe.unsent.begin() + pipe.came_back++, std::move(pipe.flying.front()));
  }
  pipe.unsent_bytes += part.size();
  pipe.in_flight -= part.size();
  pipe.coming_back = pipe.under_way > 0;
  if (pipe.coming_back) return;
  pipe.came_back = 0;
  pump(c, part.key(), part.side());
}

void SimNetwork::on_acknowledged(Key key, int side, std::size_t size) {
  Connection* c = find(key);
  if (!c) return;
  Pipe& pipe = c->pipes[side];
  pipe.in_flight -= std::min(size, pipe.in_flight);
  pipe.arrived += size;
  End& near = c->ends[side];
  pump(*c, key, side);
  if (!near.open) return;
  const bool room = near.wants_write && pipe.unsent_bytes + pipe.in_flight + pipe.batch_bytes < limits_.send_buffer;
  if (!room && !(near.wants_arrived && pipe.batches == 0)) return;
  near.wants_write = near.wants_arrived = false;
  if (at(near.host).process) at(near.host).process->writable(near.id);
}

// --- batches beside a stream ---

std::optional<std::size_t> SimNetwork::batch_room(HostId host, ConnId conn, std::uint64_t after) {
  if (!limits_.batches) return std::nullopt;
  int side = 0;
  Connection* c = find(host, conn, side);
  if (!c || !c->established || !c->ends[side].open || c->ends[side].reset || c->pipes[side].arrived < after)
    return std::nullopt;
  const Pipe& pipe = c->pipes[side];
  if (pipe.unsent_bytes + pipe.in_flight + pipe.batch_bytes < limits_.send_buffer) return kBatchMax;
  c->ends[side].wants_write = true;
  return 0;
}

void SimNetwork::write_batch(HostId host, ConnId conn, std::span<const Bytes> batch) {
  int side = 0;
  Connection* c = find(host, conn, side);
  if (!c) return;
  std::string joined;
  for (const Bytes& part : batch) joined += part.text();
  const Bytes whole = Bytes::copy_of(joined);
  Pipe& pipe = c->pipes[side];
  ++counters_.batches;
  counters_.stream_bytes += whole.size();
  ++pipe.batches;
  pipe.batch_bytes += whole.size();
  const PathQuality& quality = path(c->ends[side].host, c->ends[1 - side].host);
  const std::uint64_t sending = quality.bandwidth == 0 ? 0 : whole.size() * 1'000'000'000ULL / quality.bandwidth;
  pipe.line_free = std::max(time_.now(), pipe.line_free) + Duration{static_cast<std::int64_t>(sending)};
  send_batch(at(host).sockets[conn].key, side, whole, pipe.line_free - time_.now());
}

bool SimNetwork::batches_arrived(HostId host, ConnId conn) {
  int side = 0;
  Connection* c = find(host, conn, side);
  if (!c || c->pipes[side].batches == 0) return true;
  c->ends[side].wants_arrived = true;
  return false;
}

/// It waits for `line`, travels, and is sent again as often as it is lost; nothing else waits for it.
void SimNetwork::send_batch(Key key, int side, const Bytes& batch, Duration line) {
  const Connection& c = *find(key);
  const HostId from = c.ends[side].host;
  const HostId to = c.ends[1 - side].host;
  const PathQuality& quality = path(from, to);
  if (tap_) tap_->batch(from, to, batch.view());
  Duration delay = line + travel(from, to);
  while (quality.loss > 0 && rng_.chance(quality.loss)) {
    delay += quality.resend > Duration{0} ? quality.resend : std::max(kRetryMin, quality.delay * 3);
  }
  time_.after(delay, [this, key, side, batch] { on_batch(key, side, batch); });
}

void SimNetwork::on_batch(Key key, int side, const Bytes& batch) {
  Connection* c = find(key);
  if (!c) return;
  End& far = c->ends[1 - side];
  const HostId from = c->ends[side].host;
  if (!reaches(from, far.host)) {
    return time_.after(kRetryMin, [this, key, side, batch] {
      if (find(key)) send_batch(key, side, batch, Duration{0});
    });
  }
  trace_.mix(static_cast<std::uint64_t>(Event::batch));
  trace_.mix(time_.now());
  trace_.mix(batch.view());
  if (!far.open) return send_reset(key, 1 - side);
  if (at(far.host).process) at(far.host).process->batch_arrived(far.id, batch);
  time_.after(travel(far.host, from), [this, key, side, size = batch.size()] { on_batch_acknowledged(key, side, size); });
}

void SimNetwork::on_batch_acknowledged(Key key, int side, std::size_t size) {
  Connection* c = find(key);
  if (!c) return;
  Pipe& pipe = c->pipes[side];
  if (pipe.batches == 0) return;  // forgotten in a reset
  --pipe.batches;
  pipe.batch_bytes -= size;
  on_acknowledged(key, side, 0);
}

void SimNetwork::send_end(Key key, int side) {
  Connection& c = *find(key);
  Pipe& pipe = c.pipes[side];
  pipe.fin_sent = true;
  const Timestamp arrival = std::max(time_.now() + travel(c.ends[side].host, c.ends[1 - side].host), pipe.last_arrival);
  pipe.last_arrival = arrival;
  time_.at(arrival, [this, key, side] {
    Connection* there = find(key);
    if (!there) return;
    End& far = there->ends[1 - side];
    if (!reaches(there->ends[side].host, far.host) || there->pipes[side].behind()) {  // it or something before it was lost: sent again
      there->pipes[side].fin_sent = false;
      return pump(key, side);
    }
    trace_.mix(static_cast<std::uint64_t>(Event::finish));
    trace_.mix(time_.now());
    far.finished = true;
    if (far.open && at(far.host).process) at(far.host).process->readable(far.id);
    erase_if_done(key);
  });
}

void SimNetwork::send_reset(Key key, int side) {
  Connection* c = find(key);
  if (!c) return;
  ++counters_.resets;
  const HostId from = c->ends[side].host;
  const HostId to = c->ends[1 - side].host;
  if (!reaches(from, to)) return;  // lost; a reset is not sent again
  const Timestamp arrival = std::max(time_.now() + travel(from, to), c->pipes[side].last_arrival);
  c->pipes[side].last_arrival = arrival;
  time_.at(arrival, [this, key, side] { on_reset(key, 1 - side); });
}

void SimNetwork::on_reset(Key key, int side) {
  Connection* c = find(key);
  if (!c) return;
  End& end = c->ends[side];
  trace_.mix(static_cast<std::uint64_t>(Event::reset));
  trace_.mix(time_.now());
  end.reset = true;
  Pipe& pipe = c->pipes[side];
  pipe.drop_unsent();
  pipe.batches = pipe.batch_bytes = 0;
  pipe.fin_wanted = pipe.fin_sent = true;
  if (end.open && at(end.host).process) at(end.host).process->readable(end.id);
  erase_if_done(key);
}

void SimNetwork::close(HostId host, ConnId conn, CloseMode mode) {
  auto it = at(host).sockets.find(conn);
  if (it == at(host).sockets.end()) return;
  const Socket socket = it->second;
  at(host).sockets.erase(it);
  close_end(socket.key, socket.side, mode);
}

void SimNetwork::close_end(Key key, int side, CloseMode mode) {
  Connection* c = find(key);
  if (!c) return;
  End& end = c->ends[side];
  Pipe& pipe = c->pipes[side];
  end.open = false;
  end.wants_write = false;
  const bool rude = mode == CloseMode::abort || end.received_bytes > 0;  // unread bytes make the kernel reset
  end.received.clear();
  end.received_bytes = 0;
  if (!c->established) return;  // a dial under way notices by itself
  if (rude && !end.reset) {
    pipe.drop_unsent();
    pipe.batches = pipe.batch_bytes = 0;
    pipe.fin_wanted = pipe.fin_sent = true;
    send_reset(key, side);
  } else {
    pipe.fin_wanted = true;
    pump(key, side);
  }
  erase_if_done(key);
}

void SimNetwork::erase_if_done(Key key) {
  Connection* c = find(key);
  if (!c || c->ends[0].open || c->ends[1].open) return;
  if (!c->established) {
    connections_.erase(key);
    return;
  }
  // Bytes on their way to a closed end change nothing any more.
  const bool done0 = c->pipes[0].fin_sent || c->ends[0].reset;
  const bool done1 = c->pipes[1].fin_sent || c->ends[1].reset;
  if (done0 && done1) connections_.erase(key);
}

std::size_t SimNetwork::read(HostId host, ConnId conn, std::span<std::byte> into) {
  int side = 0;
  Connection* c = find(host, conn, side);
  if (!c) return 0;
  End& end = c->ends[side];
  const std::size_t limit = partial(std::min(into.size(), end.received_bytes));
  std::size_t done = 0;
  while (done < limit) {
    Bytes& front = end.received.front();
    const std::size_t n = std::min(front.size(), limit - done);
    std::memcpy(into.data() + done, front.data(), n);
    done += n;
    if (n == front.size()) {
      end.received.pop_front();
    } else {
      front = front.slice(n);
    }
  }
  const bool was_shut = end.received_bytes + c->pipes[1 - side].in_flight >= limits_.receive_buffer;
  end.received_bytes -= done;
  if (was_shut && done > 0) {
    const Key key = at(host).sockets[conn].key;
    time_.after(travel(host, c->ends[1 - side].host), [this, key, far = 1 - side] { pump(key, far); });
  }
  return done;
}

SimNetwork::StreamEnd SimNetwork::end_of(HostId host, ConnId conn) const {
  int side = 0;
  const Connection* c = find(host, conn, side);
  if (!c || c->ends[side].reset) return StreamEnd::reset;
  return c->ends[side].finished ? StreamEnd::finished : StreamEnd::open;
}

std::size_t SimNetwork::unread(HostId host, ConnId conn) const {
  int side = 0;
  const Connection* c = find(host, conn, side);
  return c ? c->ends[side].received_bytes : 0;
}

}  // namespace plumvine::sim
