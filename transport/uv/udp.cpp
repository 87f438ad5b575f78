#include "udp.hpp"

#include <cerrno>

namespace plumvine::uv {

/// One batch worth of packets. Pages are touched only as far as packets reach, so small ones cost little memory.
struct UdpSocket::Buffers {
  std::unique_ptr<std::byte[]> bytes = std::make_unique_for_overwrite<std::byte[]>(kBatch * kPacketMax);
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> parts{};
  std::array<sockaddr_storage, kBatch> senders{};
};

UdpSocket::UdpSocket(uv_loop_t* loop, Fd fd, TransportStats& stats, OnPacket on_packet, std::shared_ptr<Turns> meter)
    : loop_(loop), fd_(std::move(fd)), stats_(stats), on_packet_(std::move(on_packet)), meter_(std::move(meter)),
      buffers_(std::make_unique<Buffers>()) {
  SockAddr local;
  if (getsockname(fd_.get(), local.get(), &local.size) == 0) family_ = local.get()->sa_family;
}

UdpSocket::~UdpSocket() = default;

Status UdpSocket::start() {
  if (const int status = poll_.init(this, [&](uv_poll_t* h) { return uv_poll_init(loop_, h, fd_.get()); }); status < 0)
    return Error{Errc::system, uv_strerror(status)}.with("packet socket");
  uv_poll_start(poll_.get(), UV_READABLE, [](uv_poll_t* h, int, int) { self<UdpSocket>(h)->readable(); });
  return {};
}

void UdpSocket::send(const Endpoint& to, BytesView packet) {
  SockAddr address = to_sockaddr(to, family_);
  iovec part{const_cast<std::byte*>(packet.data()), packet.size()};
  msghdr message{};
  message.msg_name = &address.storage;
  message.msg_namelen = address.size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t sent = -1;
  if (address.size != 0) {
    do {
      sent = sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
  }
  if (sent < 0) {
    ++stats_.udp_send_errors;
  } else {
    stats_.udp_sent_bytes += static_cast<std::uint64_t>(sent);
  }
}

void UdpSocket::readable() {
  const uv_poll_t* alive = poll_.get();
  const Turns::Span span{meter_, LoopPhase::packets};
  for (unsigned batch = 0; batch < kBatchesPerTurn; ++batch) {
    if (!receive_batch() || alive->data == nullptr) break;
  }
  // libuv stops a watcher after a pending socket error; reading has taken the error off the socket.
  if (alive->data != nullptr && !uv_is_active(reinterpret_cast<const uv_handle_t*>(alive)))
    uv_poll_start(poll_.get(), UV_READABLE, [](uv_poll_t* h, int, int) { self<UdpSocket>(h)->readable(); });
}

/// True when the batch was full, so that more may wait.
bool UdpSocket::receive_batch() {
  Buffers& b = *buffers_;
  for (unsigned i = 0; i < kBatch; ++i) {
    b.parts[i] = {b.bytes.get() + i * kPacketMax, kPacketMax};
    b.messages[i].msg_hdr = {};
    b.messages[i].msg_hdr.msg_name = &b.senders[i];
    b.messages[i].msg_hdr.msg_namelen = sizeof b.senders[i];
    b.messages[i].msg_hdr.msg_iov = &b.parts[i];
    b.messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int count = recvmmsg(fd_.get(), b.messages.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (count <= 0) return false;
  const uv_poll_t* alive = poll_.get();
  for (unsigned i = 0; i < static_cast<unsigned>(count); ++i) {
    stats_.udp_received_bytes += b.messages[i].msg_len;
    const Endpoint from = to_endpoint(reinterpret_cast<const sockaddr*>(&b.senders[i]));
    on_packet_(from, BytesView{b.bytes.get() + i * kPacketMax, b.messages[i].msg_len});
    if (alive->data == nullptr) return false;
  }
  return static_cast<unsigned>(count) == kBatch;
}

}  // namespace plumvine::uv
