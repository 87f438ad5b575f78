#include "quic_transport.hpp"

#include <algorithm>
#include <utility>

#include "transport/codes.hpp"
#include "transport/tls/alerts.hpp"

namespace plumvine::quic {
namespace {

/// TCP would be refused for the same reason.
bool refuses_certificates(TlsReject why) {
  switch (why) {
    case TlsReject::unknown_ca:
    case TlsReject::expired:
    case TlsReject::wrong_cluster:
    case TlsReject::wrong_name:
    case TlsReject::no_certificate:
    case TlsReject::unusable:
    case TlsReject::refused_by_peer:
      return true;
    default:
      return false;
  }
}

}  // namespace

QuicTransport::QuicTransport(Transport& below, Common common,
                             std::function<std::shared_ptr<const tls::Credentials>()> credentials, PacketSink& sink,
                             TransportOptions options, TransportHost host)
    : below_(below),
      options_(std::move(options)),
      host_(std::move(host)),
      log_(host_.log, host_.log_level),
      endpoint_(std::move(common), options_.endpoint, std::move(credentials), sink, *this) {}

QuicTransport::~QuicTransport() {
  *alive_ = false;
  endpoint_.shutdown(host_.now());
}

// ---- time and packets ----

void QuicTransport::quic_pending() {
  if (std::exchange(pending_, true)) return;
  host_.soon([this, alive = alive_] {
    if (*alive) flush();
  });
}

void QuicTransport::flush() {
  pending_ = false;
  const auto alive = alive_;
  endpoint_.flush(host_.now());
  if (*alive) arm();
}

void QuicTransport::arm() {
  host_.wake_at(std::min(endpoint_.next(), attempts_.next()));
}

void QuicTransport::due() {
  const Timestamp now = host_.now();
  const auto alive = alive_;
  while (const auto id = attempts_.pop_due(now)) {
    const auto it = links_.find(*id);
    if (it == links_.end()) continue;
    const Link link = it->second;
    if (endpoint_.answered(*id)) {
      avoided_.erase(link.address);
      continue;
    }
    endpoint_.close(*id, CloseMode::abort, now);
    forget(*id);
    if (!link.told) {
      fall_back(*id, link, "nobody answers");
    } else {
      // Data went with the first packets, so the driver has begun. It dials again, then without a ticket.
      events_->on_closed(*id, {Errc::timed_out, "nobody answers over QUIC at " + link.address.to_string()});
      if (!*alive) return;
    }
  }
  endpoint_.due(now);
  if (*alive) arm();
}

void QuicTransport::sink_ready() {
  const auto alive = alive_;
  endpoint_.sink_ready(host_.now());
  if (*alive) arm();
}

void QuicTransport::refused(const Endpoint& remote) {
  endpoint_.refused(remote, host_.now());
}

void QuicTransport::local_gone(const Endpoint& local) {
  // What cannot go on from elsewhere finds out packet by packet: once is enough.
  constexpr Duration kSaid = std::chrono::minutes{1};
  const Timestamp now = host_.now();
  if (local != gone_ || now - gone_at_ >= kSaid) {
    log_.write({LogLevel::info,
                "link",
                code::kQuicMoved,
                "Address " + local.host() +
                    " of this host is gone: links over QUIC go on from another one",
                {{"address", local.host()}}},
               local.host(), now);
    gone_ = local;
    gone_at_ = now;
  }
  endpoint_.migrate(local, host_.local_for, now);
}

void QuicTransport::trust_changed() {
  endpoint_.judge_all(host_.now());
}

// ---- from the driver ----

void QuicTransport::dial_link(ConnId id, const Endpoint& to, std::uint16_t quic_port) {
  const Timestamp now = host_.now();
  Link link{.member = to, .address = to, .dialled = true};
  link.address.port = quic_port;
  if (const auto it = avoided_.find(link.address); it != avoided_.end() && now < it->second.until) {
    ++counts_.tcp_instead;
    return below_.dial(id, to);
  }
  const auto local = host_.local_for(link.address);
  if (!local) {
    ++counts_.tcp_instead;
    return below_.dial(id, to);
  }
  const Endpoint address = link.address;
  links_[id] = std::move(link);
  attempts_.set(id, now + options_.patience);
  endpoint_.dial(id, {*local, address}, now);
  arm();
}

std::size_t QuicTransport::write(ConnId id, std::span<const Bytes> batch) {
  return links_.contains(id) ? endpoint_.write(id, batch) : below_.write(id, batch);
}

std::optional<std::size_t> QuicTransport::batch_room(ConnId id, std::uint64_t after) {
  return links_.contains(id) ? endpoint_.batch_room(id, after) : below_.batch_room(id, after);
}

void QuicTransport::write_batch(ConnId id, std::span<const Bytes> batch) {
  if (links_.contains(id))
    endpoint_.write_batch(id, batch);
  else
    below_.write_batch(id, batch);
}

bool QuicTransport::batches_arrived(ConnId id) {
  return links_.contains(id) ? endpoint_.batches_arrived(id) : below_.batches_arrived(id);
}

void QuicTransport::close(ConnId id, CloseMode mode) {
  const auto it = links_.find(id);
  if (it == links_.end()) {
    falling_.erase(id);
    return below_.close(id, mode);
  }
  endpoint_.close(id, mode, host_.now());
  forget(id);
}

void QuicTransport::pause_reading(ConnId id, bool paused) {
  if (links_.contains(id))
    endpoint_.pause_reading(id, paused);
  else
    below_.pause_reading(id, paused);
}

/// Packets that need a connection take that of a link, if there is one. Each says the port that its sender takes
/// packets on.
void QuicTransport::send_packet(const Endpoint& to, Bytes packet) {
  const auto it = options_.seals() ? packets_.end() : packets_.find(to);
  if (it != packets_.end()) {
    std::vector<std::byte> framed(2 + packet.size());
    framed[0] = static_cast<std::byte>(options_.packet_port >> 8);
    framed[1] = static_cast<std::byte>(options_.packet_port & 0xff);
    std::ranges::copy(packet.view(), framed.begin() + 2);
    if (endpoint_.send_datagram(it->second, framed)) return;
  }
  below_.send_packet(to, std::move(packet));
}

const TransportStats& QuicTransport::stats() const {
  stats_ = below_.stats();
  endpoint_.count(stats_.quic);
  stats_.quic.fallbacks = counts_.fallbacks;
  stats_.quic.tcp_instead = counts_.tcp_instead;
  stats_.quic.send_errors = host_.send_errors();
  for (std::size_t i = 0; i < CountedReasons<TlsReject>::kSize; ++i) {
    const auto why = static_cast<TlsReject>(i);
    stats_.tls.rejected.add(why, rejected_[why]);
  }
  return stats_;
}

// ---- from the endpoint ----

void QuicTransport::quic_up(ConnId id, const Endpoint& remote, bool dialled, const std::vector<std::string>& names) {
  if (dialled) {
    Link& link = links_[id];
    link.told = true;
    if (endpoint_.answered(id)) {
      attempts_.cancel(id);
      avoided_.erase(link.address);
    }
    packets_[link.member] = id;
  } else {
    links_[id] = {.member = {}, .address = remote, .dialled = false, .told = true};
    events_->on_accepted(id, remote);
  }
  if (!links_.contains(id)) return;
  events_->on_identified(id, names);
  if (dialled && links_.contains(id)) events_->on_connected(id);
}

void QuicTransport::quic_datagram(ConnId id, const Endpoint& remote, BytesView bytes) {
  const auto it = links_.find(id);
  if (it == links_.end() || bytes.size() < 2) return;
  Link& link = it->second;
  if (!link.dialled) {
    // Whoever is dialled is known by where it was dialled; whoever dials says its port, and is answered the same way.
    link.member = remote;
    link.member.port =
        static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[0]) << 8 | std::to_integer<unsigned>(bytes[1]));
    packets_.try_emplace(link.member, id);
  }
  events_->on_private_packet(link.member, bytes.subspan(2));
}

void QuicTransport::quic_ended(ConnId id, const Endpoint& remote, bool dialled, bool was_up,
                               const Connection::End& why) {
  const auto it = links_.find(id);
  const bool refusal = refuses_certificates(why.refused);
  // Who dials may give up, as when both ends have dialled each other: that is nobody's fault.
  const bool fault = why.refused != TlsReject::count_;
  if (refusal || (!dialled && !was_up && fault)) complain(remote, dialled, why);
  if (it == links_.end()) return;
  const Link link = it->second;
  forget(id);
  if (dialled && !was_up && !refusal) return fall_back(id, link, why.text);
  events_->on_closed(id, {why.code, refusal ? "TLS: " + why.text : why.text});
}

void QuicTransport::forget(ConnId id) {
  const auto it = links_.find(id);
  if (it == links_.end()) return;
  if (const auto lane = packets_.find(it->second.member); lane != packets_.end() && lane->second == id)
    packets_.erase(lane);
  attempts_.cancel(id);
  links_.erase(it);
}

void QuicTransport::avoid(const Endpoint& address) {
  const Timestamp now = host_.now();
  if (avoided_.size() >= kAvoidedMax && !avoided_.contains(address)) {
    avoided_.erase(std::ranges::min_element(avoided_, {}, [](const auto& entry) { return entry.second.until; }));
  }
  Avoided& avoided = avoided_[address];
  avoided.pause = avoided.pause == Duration{0} ? kTcpFirst : std::min(2 * avoided.pause, kTcpLongest);
  avoided.until = now + avoided.pause;
}

/// The dial goes on below, and the driver need not know.
void QuicTransport::fall_back(ConnId id, const Link& link, const std::string& why) {
  falling_[id] = {link.address, why};
  below_.dial(id, link.member);
}

void QuicTransport::on_connected(ConnId id) {
  if (const auto it = falling_.find(id); it != falling_.end()) {
    // The member is there, so it is the way that QUIC does not find.
    const Falling falling = std::move(it->second);
    falling_.erase(it);
    ++counts_.fallbacks;
    avoid(falling.address);
    const std::string where = falling.address.to_string();
    log_.write({LogLevel::warn,
                "link",
                code::kQuicFallback,
                "No QUIC with " + where + ": " + falling.why + "; the link goes over TCP",
                {{"address", where}, {"reason", falling.why}}},
               falling.address.host(), host_.now());
  }
  events_->on_connected(id);
}

void QuicTransport::complain(const Endpoint& who, bool dialled, const Connection::End& why) {
  const TlsReject reason = why.refused;
  rejected_.add(reason);
  const std::string where = who.to_string();
  log_.write({LogLevel::warn,
              "link",
              tls::code_of(reason),
              (dialled ? "No TLS with " : "Refusing a connection from ") + where + ": " + why.text,
              {{"address", where}, {"reason", std::string(to_string(reason))}}},
             who.host(), host_.now());
}

}  // namespace plumvine::quic
