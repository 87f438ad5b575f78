#include "quic_socket.hpp"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

namespace plumvine::uv {
namespace {

/// What the kernel takes in one call: so many packets, so many bytes.
constexpr std::size_t kSegmentsMax = 60;
constexpr std::size_t kBytesMax = 65'000;
constexpr std::size_t kControlRoom = 256;

void set_option(int fd, int level, int name, int value) noexcept {
  // A refused option costs speed or a warning of congestion, nothing else.
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

/// Appends control messages to a header whose control buffer is zeroed.
class Control {
 public:
  Control(msghdr& head, std::span<std::byte> room) : head_(head) {
    head_.msg_control = room.data();
    head_.msg_controllen = room.size();
    next_ = CMSG_FIRSTHDR(&head_);
  }
  template <class T>
  void add(int level, int type, const T& value) {
    next_->cmsg_level = level;
    next_->cmsg_type = type;
    next_->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(next_), &value, sizeof value);
    used_ += CMSG_SPACE(sizeof value);
    next_ = CMSG_NXTHDR(&head_, next_);
  }
  void finish() {
    head_.msg_controllen = used_;
    if (used_ == 0) head_.msg_control = nullptr;
  }

 private:
  msghdr& head_;
  cmsghdr* next_;
  std::size_t used_ = 0;
};

template <class T>
T value_of(const cmsghdr* message) {
  T value;
  std::memcpy(&value, CMSG_DATA(message), sizeof value);
  return value;
}

}  // namespace

struct QuicSocket::Buffers {
  std::unique_ptr<std::byte[]> bytes = std::make_unique_for_overwrite<std::byte[]>(kBatch * kReceiveMax);
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> parts{};
  std::array<sockaddr_storage, kBatch> senders{};
  alignas(cmsghdr) std::array<std::array<std::byte, kControlRoom>, kBatch> control{};
};

QuicSocket::QuicSocket(UvLoop& loop, Fd fd, Events events)
    : loop_(loop),
      fd_(std::move(fd)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      family_(AF_INET6),
      address_(local_endpoint(fd_.get())),
      events_(std::move(events)),
      buffers_(std::make_unique<Buffers>()) {
  SockAddr local;
  if (getsockname(fd_.get(), local.get(), &local.size) == 0) family_ = local.get()->sa_family;
  const int s = fd_.get();
  set_option(s, IPPROTO_IP, IP_PKTINFO, 1);
  set_option(s, IPPROTO_IP, IP_RECVTOS, 1);
  set_option(s, IPPROTO_IP, IP_RECVERR, 1);
  set_option(s, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (family_ == AF_INET6) {
    set_option(s, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set_option(s, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    set_option(s, IPPROTO_IPV6, IPV6_RECVERR, 1);
    set_option(s, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  }
  set_option(s, SOL_UDP, UDP_GRO, 1);
  const int off = 0;
  gso_ = setsockopt(s, SOL_UDP, UDP_SEGMENT, &off, sizeof off) == 0;
}

QuicSocket::~QuicSocket() {
  *alive_ = false;
}

Status QuicSocket::start() {
  if (!timer_) return Error{Errc::system, std::strerror(errno)}.with("timer of QUIC");
  if (const int status = poll_.init(this, [&](uv_poll_t* h) { return uv_poll_init(loop_.raw(), h, fd_.get()); });
      status < 0)
    return Error{Errc::system, uv_strerror(status)}.with("socket of QUIC");
  if (const int status =
          timer_poll_.init(this, [&](uv_poll_t* h) { return uv_poll_init(loop_.raw(), h, timer_.get()); });
      status < 0)
    return Error{Errc::system, uv_strerror(status)}.with("timer of QUIC");
  watch();
  uv_poll_start(timer_poll_.get(), UV_READABLE, [](uv_poll_t* h, int, int) {
    auto* const socket = self<QuicSocket>(h);
    std::uint64_t times = 0;
    if (read(socket->timer_.get(), &times, sizeof times) < 0) return;
    socket->armed_ = kNever;
    socket->events_.due();
  });
  return {};
}

void QuicSocket::watch() {
  uv_poll_start(poll_.get(), UV_READABLE | (waiting_.empty() ? 0 : UV_WRITABLE),
                [](uv_poll_t* h, int, int events) { self<QuicSocket>(h)->ready(events); });
}

void QuicSocket::wake_at(Timestamp deadline) {
  if (deadline == armed_) return;
  armed_ = deadline;
  itimerspec when{};
  if (deadline != kNever) {
    // A time of zero would switch it off.
    const std::int64_t ns = std::max<std::int64_t>(deadline.ns, 1);
    when.it_value.tv_sec = ns / 1'000'000'000;
    when.it_value.tv_nsec = ns % 1'000'000'000;
  }
  (void)timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

std::optional<Endpoint> QuicSocket::local_for(const Endpoint& to) const {
  if (!address_.is_unspecified()) return address_;
  const int family = to.is_v4() ? AF_INET : AF_INET6;
  const Fd probe{socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const SockAddr there = to_sockaddr(to, family);
  if (!probe || connect(probe.get(), there.get(), there.size) != 0) return std::nullopt;
  Endpoint local = local_endpoint(probe.get());
  local.port = address_.port;
  return local;
}

// ---- in ----

void QuicSocket::ready(int events) {
  const uv_poll_t* const alive = poll_.get();
  read_errors();
  if (alive->data == nullptr) return;
  if ((events & UV_WRITABLE) != 0 || !waiting_.empty()) flush_waiting();
  if (alive->data == nullptr) return;
  readable();
  // libuv stops a watcher after a pending socket error; reading has taken the error off the socket.
  if (alive->data != nullptr && !uv_is_active(reinterpret_cast<const uv_handle_t*>(alive))) watch();
}

void QuicSocket::readable() {
  const uv_poll_t* const alive = poll_.get();
  bool some = false;
  for (unsigned batch = 0; batch < kBatchesPerTurn; ++batch) {
    const bool more = receive_batch();
    if (alive->data == nullptr) return;
    some = true;
    if (!more) break;
  }
  if (some) events_.batch_end();
}

bool QuicSocket::receive_batch() {
  Buffers& b = *buffers_;
  for (unsigned i = 0; i < kBatch; ++i) {
    b.parts[i] = {b.bytes.get() + i * kReceiveMax, kReceiveMax};
    b.messages[i].msg_hdr = {};
    b.messages[i].msg_hdr.msg_name = &b.senders[i];
    b.messages[i].msg_hdr.msg_namelen = sizeof b.senders[i];
    b.messages[i].msg_hdr.msg_iov = &b.parts[i];
    b.messages[i].msg_hdr.msg_iovlen = 1;
    b.messages[i].msg_hdr.msg_control = b.control[i].data();
    b.messages[i].msg_hdr.msg_controllen = b.control[i].size();
  }
  const int count = recvmmsg(fd_.get(), b.messages.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (count <= 0) return false;
  const uv_poll_t* const alive = poll_.get();
  for (unsigned i = 0; i < static_cast<unsigned>(count); ++i) {
    msghdr& head = b.messages[i].msg_hdr;
    quic::Path path{address_, to_endpoint(reinterpret_cast<const sockaddr*>(&b.senders[i]))};
    quic::Ecn ecn = quic::Ecn::none;
    std::size_t segment = b.messages[i].msg_len;
    for (cmsghdr* c = CMSG_FIRSTHDR(&head); c != nullptr; c = CMSG_NXTHDR(&head, c)) {
      if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr = value_of<in_pktinfo>(c).ipi_addr;
        path.local.address = to_endpoint(reinterpret_cast<const sockaddr*>(&at)).address;
      } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
        sockaddr_in6 at{};
        at.sin6_family = AF_INET6;
        at.sin6_addr = value_of<in6_pktinfo>(c).ipi6_addr;
        path.local.address = to_endpoint(reinterpret_cast<const sockaddr*>(&at)).address;
      } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
        ecn = static_cast<quic::Ecn>(value_of<std::uint8_t>(c) & 3);
      } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
        ecn = static_cast<quic::Ecn>(value_of<int>(c) & 3);
      } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
        segment = static_cast<std::size_t>(std::max(1, value_of<int>(c)));
      }
    }
    BytesView rest{b.bytes.get() + i * kReceiveMax, b.messages[i].msg_len};
    while (!rest.empty()) {
      const BytesView one = rest.first(std::min(segment, rest.size()));
      rest = rest.subspan(one.size());
      events_.packet(path, ecn, one);
      if (alive->data == nullptr) return false;
    }
  }
  return static_cast<unsigned>(count) == kBatch;
}

/// What routers and hosts say of packets that we sent. Only a port where nobody listens is of interest.
void QuicSocket::read_errors() {
  const uv_poll_t* const alive = poll_.get();
  for (unsigned i = 0; i < kBatch; ++i) {
    sockaddr_storage to{};
    alignas(cmsghdr) std::array<std::byte, 512> control{};
    msghdr head{};
    head.msg_name = &to;
    head.msg_namelen = sizeof to;
    head.msg_control = control.data();
    head.msg_controllen = control.size();
    if (recvmsg(fd_.get(), &head, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    for (cmsghdr* c = CMSG_FIRSTHDR(&head); c != nullptr; c = CMSG_NXTHDR(&head, c)) {
      const bool about = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                         (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
      if (!about || value_of<sock_extended_err>(c).ee_errno != ECONNREFUSED) continue;
      events_.refused(to_endpoint(reinterpret_cast<const sockaddr*>(&to)));
      if (alive->data == nullptr) return;
    }
  }
}

// ---- out ----

bool QuicSocket::send(const quic::Path& path, quic::Ecn ecn, BytesView packets, std::size_t segment) {
  if (waiting_.empty()) packets = send_some(path, ecn, packets, segment);
  if (packets.empty()) return true;
  waiting_.push_back({path, ecn, {packets.begin(), packets.end()}, segment});
  if (poll_) watch();
  return false;
}

void QuicSocket::flush_waiting() {
  while (!waiting_.empty()) {
    Burst& burst = waiting_.front();
    const BytesView rest = send_some(burst.path, burst.ecn, burst.bytes, burst.segment);
    if (!rest.empty()) {
      burst.bytes.erase(burst.bytes.begin(), burst.bytes.end() - static_cast<std::ptrdiff_t>(rest.size()));
      return;
    }
    waiting_.pop_front();
  }
  watch();
  events_.room();
}

BytesView QuicSocket::send_some(const quic::Path& path, quic::Ecn ecn, BytesView packets, std::size_t segment) {
  bool pinned = true;
  while (!packets.empty()) {
    const std::size_t together = gso_ ? std::min(kSegmentsMax, std::max<std::size_t>(1, kBytesMax / segment)) : 1;
    const BytesView part = packets.first(std::min(packets.size(), together * segment));
    const int error = send_one(path, ecn, part, segment, pinned);
    if (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS) return packets;
    if (error == EIO && gso_) {
      gso_ = false;  // the device cannot do it
      continue;
    }
    const bool no_source = error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH || error == EHOSTUNREACH;
    if (no_source && pinned && !path.local.is_unspecified()) {
      // The address may be gone from this host. Whatever can go, goes; and the connections learn of it.
      pinned = false;
      loop_.soon([this, alive = alive_, local = path.local] {
        if (*alive) events_.local_gone(local);
      });
      continue;
    }
    // A probe of the way's size that is too large is meant to be lost.
    if (error != 0 && error != EMSGSIZE) ++send_errors_;
    packets = packets.subspan(part.size());
  }
  return packets;
}

int QuicSocket::send_one(const quic::Path& path, quic::Ecn ecn, BytesView packets, std::size_t segment, bool pinned) {
  SockAddr to = to_sockaddr(path.remote, family_);
  if (to.size == 0) return EAFNOSUPPORT;
  iovec part{const_cast<std::byte*>(packets.data()), packets.size()};
  msghdr head{};
  head.msg_name = &to.storage;
  head.msg_namelen = to.size;
  head.msg_iov = &part;
  head.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, kControlRoom> room{};
  Control control(head, room);
  const bool v4 = path.remote.is_v4();
  if (pinned && !path.local.is_unspecified()) {
    if (v4) {
      const SockAddr from = to_sockaddr(path.local, AF_INET);
      in_pktinfo info{};
      if (from.size != 0) info.ipi_spec_dst = reinterpret_cast<const sockaddr_in*>(from.get())->sin_addr;
      control.add(IPPROTO_IP, IP_PKTINFO, info);
    } else {
      const SockAddr from = to_sockaddr(path.local, AF_INET6);
      in6_pktinfo info{};
      info.ipi6_addr = reinterpret_cast<const sockaddr_in6*>(from.get())->sin6_addr;
      control.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }
  if (ecn != quic::Ecn::none)
    control.add(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, static_cast<int>(ecn));
  if (packets.size() > segment) control.add(SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(segment));
  control.finish();
  // A word from an earlier packet's way back may wait in the socket, and is reported once instead of sending.
  for (int attempt = 0;; ++attempt) {
    if (sendmsg(fd_.get(), &head, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return 0;
    const int error = errno;
    const bool old_word = error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH;
    if (error != EINTR && !(old_word && attempt == 0)) return error;
  }
}

}  // namespace plumvine::uv
