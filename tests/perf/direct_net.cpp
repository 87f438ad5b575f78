#include "direct_net.hpp"

#include <algorithm>
#include <cstring>

namespace plumvine::perf {

void Pipe::put(const std::byte* from, std::size_t bytes) noexcept {
  const std::size_t at = written % kSize, first = std::min(bytes, kSize - at);
  std::memcpy(ring.get() + at, from, first);
  if (bytes > first) std::memcpy(ring.get(), from + first, bytes - first);
  written += bytes;
}

void Pipe::take(std::byte* to, std::size_t bytes) noexcept {
  const std::size_t at = read % kSize, first = std::min(bytes, kSize - at);
  std::memcpy(to, ring.get() + at, first);
  if (bytes > first) std::memcpy(to + first, ring.get(), bytes - first);
  read += bytes;
}

Timestamp DirectHost::now() {
  return net_.now_;
}
std::int64_t DirectHost::wall_us() {
  return 1'700'000'000'000'000 + net_.now_.ns / 1000;
}

void DirectHost::send_packet(const Endpoint& to, Bytes packet) {
  const Paused paused{*this};
  net_.work_.push_back([this, to, packet = std::move(packet)] {
    for (const auto& host : net_.hosts_) {
      if (host->address_ == to) host->enter([&] { host->transport_events_->on_packet(address_, packet.view()); });
    }
  });
}

void DirectHost::dial(ConnId conn, const Endpoint& to) {
  const Paused paused{*this};
  net_.work_.push_back([this, conn, to] {
    const auto host =
        std::find_if(net_.hosts_.begin(), net_.hosts_.end(), [&](const auto& h) { return h->address_ == to; });
    if (host == net_.hosts_.end() || net_.refused(address_, to)) {
      return enter([&] { transport_events_->on_closed(conn, {Errc::system, "connection refused"}); });
    }
    DirectHost& far = **host;
    const ConnId accepted{far.next_accepted_};
    far.next_accepted_ += 2;
    const auto there = std::make_shared<Pipe>(), back = std::make_shared<Pipe>();
    ends_[conn] = {back, there, &far, accepted};
    far.ends_[accepted] = {there, back, this, conn};
    far.enter([&] { far.transport_events_->on_accepted(accepted, address_); });
    enter([&] { transport_events_->on_connected(conn); });
  });
}

std::size_t DirectHost::write(ConnId conn, std::span<const Bytes> batch) {
  const Paused paused{*this};
  const auto end = ends_.find(conn);
  if (end == ends_.end()) return 0;
  Pipe& pipe = *end->second.out;
  std::size_t taken = 0;
  for (const Bytes& piece : batch) {
    const std::size_t bytes = std::min(piece.size(), Pipe::kSize - pipe.used());
    pipe.put(piece.data(), bytes);
    taken += bytes;
    if (bytes == piece.size()) continue;
    pipe.refused = true;
    break;
  }
  stats_.tcp_sent_bytes += taken;
  return taken;
}

void DirectHost::close(ConnId conn, CloseMode /*mode*/) {
  const Paused paused{*this};
  const auto end = ends_.find(conn);
  if (end == ends_.end()) return;
  DirectHost& far = *end->second.far;
  const ConnId id = end->second.far_id;
  ends_.erase(end);
  net_.work_.push_back([&far, id] {
    far.read_all();  // what was written before
    if (far.ends_.erase(id) != 0)
      far.enter([&] { far.transport_events_->on_closed(id, {Errc::system, "end of stream"}); });
  });
}

void DirectHost::resolve(const HostPort& name) {
  const Paused paused{*this};
  net_.work_.push_back([this, name] {
    std::vector<Endpoint> endpoints;
    if (auto endpoint = Endpoint::parse(name.to_string())) endpoints.push_back(*endpoint);
    enter([&] { transport_events_->on_resolved(name, endpoints); });
  });
}

bool DirectHost::read_all() {
  bool any = false;
  for (auto next = ends_.begin(); next != ends_.end();) {
    const ConnId id = next->first;
    const std::shared_ptr<Pipe> in = next->second.in, out = next->second.out;
    while (in->used() > 0) {
      std::span<std::byte> room;
      enter([&] { room = transport_events_->read_buffer(id); });
      const std::size_t bytes = std::min(room.size(), in->used());
      in->take(room.data(), bytes);
      stats_.tcp_received_bytes += bytes;
      enter([&] { transport_events_->on_read(id, bytes); });
      any = true;
      if (!ends_.contains(id)) break;
    }
    if (ends_.contains(id) && out->refused && out->used() < Pipe::kSize / 2) {
      out->refused = false;
      enter([&] { transport_events_->on_writable(id); });
    }
    next = ends_.upper_bound(id);
  }
  return any;
}

DirectHost& DirectNet::add_host(const std::string& address) {
  return *hosts_.emplace_back(std::make_unique<DirectHost>(*this, *Endpoint::parse(address)));
}

void DirectNet::turn(Duration step) {
  now_ = now_ + step;
  for (auto& work : std::exchange(work_, {})) work();
  for (const auto& host : hosts_) {
    if (host->armed_ <= now_) {
      host->armed_ = kNever;
      host->enter([&] { host->loop_events_->on_timer(); });
    }
    host->read_all();
    if (std::exchange(host->deferred_, false)) host->enter([&] { host->loop_events_->on_deferred(); });
  }
}

bool DirectNet::run_until(const std::function<bool()>& done, Duration step, Duration limit) {
  const Timestamp until = now_ + limit;
  while (!done()) {
    if (now_ >= until) return false;
    turn(step);
  }
  return true;
}

}  // namespace plumvine::perf
