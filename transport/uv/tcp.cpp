#include "tcp.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace plumvine::uv {
namespace {

constexpr int kAcceptsPerTurn = 32;
/// Small frames cost by the message: what one turn reads of one stream must not delay probes. The last read may bring more.
constexpr std::size_t kReadPerTurn = 128 * 1024;
constexpr std::size_t kPartsPerWrite = 64;
constexpr std::uint64_t kListenPauseMs = 100;
constexpr std::uint64_t kLingerMs = 2000;
constexpr std::size_t kLingeringMax = 256;
constexpr std::size_t kLingerReadMax = 256 * 1024;

Error io_error(int error) {
  if (error == 0) return {Errc::system, "connection closed by the other side"};
  const bool no_way = error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN || error == ETIMEDOUT;
  return {no_way ? Errc::timed_out : Errc::system, std::system_category().message(error)};
}

void set_option(int fd, int level, int name, int value) noexcept {
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

/// Batching happens above, so the kernel must not wait for more. Keepalive finds peers that vanished without a word.
void tune(int fd) noexcept {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

/// Closing it leaves no state with the kernel: who floods must not fill that.
void reset(int fd) noexcept {
  const linger at_once{1, 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

int pending_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

/// A dial to a free port of our own host can meet itself: the kernel may choose that port as the source.
bool talks_to_itself(int fd) noexcept {
  SockAddr here, there;
  return getsockname(fd, here.get(), &here.size) == 0 && getpeername(fd, there.get(), &there.size) == 0 &&
         to_endpoint(here.get()) == to_endpoint(there.get());
}

}  // namespace

struct TcpStreams::Stream {
  TcpStreams* owner;
  ConnId id;
  Fd fd;
  Handle<uv_poll_t> poll{};
  bool connecting = false;
  bool paused = false;
  bool want_write = false;
  bool failing = false;  ///< `on_closed` is on its way
};

/// A stream whose user has gone: its last bytes are with the kernel. It is read to its end, for a while, since
/// closing a socket with unread bytes would reset the connection and lose what was written.
struct TcpStreams::Lingering {
  TcpStreams* owner;
  Fd fd;
  Handle<uv_poll_t> poll{};
  Handle<uv_timer_t> timer{};
  std::size_t read = 0;

  void drop() { owner->lingering_.erase(fd.get()); }
  void drain() {
    std::array<std::byte, 4096> sink;
    ssize_t n;
    while ((n = recv(fd.get(), sink.data(), sink.size(), MSG_DONTWAIT)) > 0) {
      if ((read += static_cast<std::size_t>(n)) > kLingerReadMax) return drop();
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) drop();
  }
};

TcpStreams::TcpStreams(UvLoop& loop, Fd listener, TransportStats& stats)
    : loop_(loop), stats_(stats), listener_(std::move(listener)), spare_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {
  listen_pause_.init(this, [&](uv_timer_t* h) { return uv_timer_init(loop_.raw(), h); });
}

TcpStreams::~TcpStreams() { *alive_ = false; }

Status TcpStreams::start() {
  if (const int status =
          listen_poll_.init(this, [&](uv_poll_t* h) { return uv_poll_init(loop_.raw(), h, listener_.get()); });
      status < 0)
    return Error{Errc::system, uv_strerror(status)}.with("listening socket");
  listen_again();
  return {};
}

void TcpStreams::listen_again() {
  uv_poll_start(listen_poll_.get(), UV_READABLE, [](uv_poll_t* h, int, int) { self<TcpStreams>(h)->accept_some(); });
}

void TcpStreams::accept_some() {
  const auto alive = alive_;
  for (int i = 0; i < kAcceptsPerTurn && *alive; ++i) {
    SockAddr from;
    Fd fd{accept4(listener_.get(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (fd) {
      const Endpoint where = to_endpoint(from.get());
      if (admit_ && !admit_(where)) {
        reset(fd.get());
        continue;
      }
      adopt(std::move(fd), to_endpoint(from.get()));
      continue;
    }
    const int error = errno;
    if (error == EAGAIN) {
      // libuv stops a watcher after a pending socket error; accepting has taken the error off the socket.
      if (!uv_is_active(reinterpret_cast<const uv_handle_t*>(listen_poll_.get()))) listen_again();
      return;
    }
    if (error == EINTR || error == ECONNABORTED || error == EPROTO) continue;
    if ((error == EMFILE || error == ENFILE) && refuse_one()) continue;
    // No descriptor or memory left: look again later instead of spinning on a listener that stays readable.
    uv_poll_stop(listen_poll_.get());
    uv_timer_start(listen_pause_.get(), [](uv_timer_t* h) { self<TcpStreams>(h)->listen_again(); }, kListenPauseMs, 0);
    return;
  }
}

bool TcpStreams::refuse_one() {
  if (!spare_) return false;
  spare_.reset();
  Fd refused{accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  const bool done = static_cast<bool>(refused);
  refused.reset();
  spare_ = Fd{open("/dev/null", O_RDONLY | O_CLOEXEC)};
  if (done) ++stats_.connections_refused;
  return done;
}

void TcpStreams::adopt(Fd fd, const Endpoint& from) {
  tune(fd.get());
  const ConnId id{next_accepted_};
  next_accepted_ += 2;
  auto stream = std::make_unique<Stream>(Stream{this, id, std::move(fd)});
  if (!watch(*stream)) {
    ++stats_.connections_refused;
    return;
  }
  streams_.emplace(id, std::move(stream));
  if (events_ != nullptr) events_->on_accepted(id, from);
}

TcpStreams::Stream* TcpStreams::find(ConnId id) {
  const auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : it->second.get();
}

Status TcpStreams::watch(Stream& stream) {
  const int status =
      stream.poll.init(&stream, [&](uv_poll_t* h) { return uv_poll_init(loop_.raw(), h, stream.fd.get()); });
  if (status < 0) return Error{Errc::system, uv_strerror(status)};
  update(stream);
  return {};
}

void TcpStreams::update(Stream& stream) {
  const int mask = (stream.connecting || stream.want_write ? UV_WRITABLE : 0) |
                   (stream.connecting || stream.paused || stream.failing ? 0 : UV_READABLE);
  if (mask == 0) {
    uv_poll_stop(stream.poll.get());
    return;
  }
  uv_poll_start(stream.poll.get(), mask, [](uv_poll_t* h, int status, int events) {
    auto* ready_stream = self<Stream>(h);
    ready_stream->owner->ready(*ready_stream, status, events);
  });
}

void TcpStreams::dial(ConnId id, const Endpoint& to) {
  const int family = to.is_v4() ? AF_INET : AF_INET6;
  auto owned = std::make_unique<Stream>(Stream{this, id, Fd{}});
  Stream& stream = *owned;
  stream.connecting = true;
  streams_[id] = std::move(owned);
  stream.fd = Fd{socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!stream.fd) return fail_soon(stream, io_error(errno));
  tune(stream.fd.get());
  const SockAddr address = to_sockaddr(to, family);
  if (connect(stream.fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS)
    return fail_soon(stream, io_error(errno));
  if (auto watched = watch(stream); !watched) fail_soon(stream, watched.error());
}

void TcpStreams::ready(Stream& stream, int status, int events) {
  const Turns::Span span{loop_.meter(), LoopPhase::links};
  if (stream.connecting) return connected(stream);
  const ConnId id = stream.id;
  const auto alive = alive_;
  // A status below zero is libuv's word for a pending socket error; reading finds out which, after the data that
  // arrived before it.
  if (status < 0) {
    update(stream);
    read_some(stream);
    if (Stream* still = *alive ? find(id) : nullptr; still != nullptr && !still->failing)
      if (const int error = pending_error(still->fd.get()); error != 0) fail(id, io_error(error));
    return;
  }
  if ((events & UV_WRITABLE) != 0 && stream.want_write) {
    stream.want_write = false;
    update(stream);
    events_->on_writable(id);
    if (!*alive || find(id) == nullptr) return;
  }
  if ((events & UV_READABLE) != 0) read_some(stream);
}

void TcpStreams::connected(Stream& stream) {
  const ConnId id = stream.id;
  if (const int error = pending_error(stream.fd.get()); error != 0) return fail(id, io_error(error));
  if (talks_to_itself(stream.fd.get())) return fail(id, io_error(ECONNREFUSED));
  stream.connecting = false;
  update(stream);
  events_->on_connected(id);
}

void TcpStreams::read_some(Stream& stream) {
  const ConnId id = stream.id;
  const auto alive = alive_;
  for (std::size_t total = 0; total < kReadPerTurn;) {
    if (stream.paused || stream.failing) return;
    const std::span<std::byte> space = events_->read_buffer(id);
    if (!*alive || find(id) == nullptr) return;
    const ssize_t n = recv(stream.fd.get(), space.data(), space.size(), 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) fail(id, io_error(errno));
      return;
    }
    if (n == 0) return fail(id, io_error(0));
    const auto bytes = static_cast<std::size_t>(n);
    stats_.tcp_received_bytes += bytes;
    total += bytes;
    events_->on_read(id, bytes);
    if (!*alive || find(id) == nullptr || bytes < space.size()) return;
  }
}

std::size_t TcpStreams::write(ConnId id, std::span<const Bytes> batch) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->failing) return 0;
  std::size_t written = 0;
  std::size_t next = 0;    // first buffer that is not fully written
  std::size_t offset = 0;  // bytes of it that are
  while (!stream->connecting && next < batch.size()) {
    std::array<iovec, kPartsPerWrite> parts;
    std::size_t count = 0;
    std::size_t size = 0;
    for (std::size_t i = next; i < batch.size() && count < parts.size(); ++i) {
      const std::size_t skip = i == next ? offset : 0;
      if (batch[i].size() == skip) continue;
      parts[count++] = {const_cast<std::byte*>(batch[i].data() + skip), batch[i].size() - skip};
      size += batch[i].size() - skip;
    }
    if (count == 0) return written;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const ssize_t n = sendmsg(stream->fd.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != ENOBUFS) {
        fail_soon(*stream, io_error(errno));
        return written;
      }
      break;
    }
    auto sent = static_cast<std::size_t>(n);
    written += sent;
    stats_.tcp_sent_bytes += sent;
    const bool partial = sent < size;
    for (; next < batch.size() && sent >= batch[next].size() - offset; ++next) {
      sent -= batch[next].size() - offset;
      offset = 0;
    }
    offset += sent;
    if (partial) break;
  }
  if (next == batch.size()) return written;
  if (!stream->want_write) {
    stream->want_write = true;
    if (stream->poll) update(*stream);
  }
  return written;
}

void TcpStreams::close(ConnId id, CloseMode mode) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  const std::unique_ptr<Stream> stream = std::move(it->second);
  streams_.erase(it);
  stream->poll.reset();
  if (mode == CloseMode::flush && !stream->connecting && !stream->failing) return linger(std::move(stream->fd));
  // An abort drops what is still unsent and tells the other side at once.
  const ::linger reset{1, 0};
  if (stream->fd) (void)setsockopt(stream->fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

void TcpStreams::pause_reading(ConnId id, bool paused) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->paused == paused) return;
  stream->paused = paused;
  if (stream->poll) update(*stream);
}

void TcpStreams::fail(ConnId id, Error why) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  const std::unique_ptr<Stream> stream = std::move(it->second);
  streams_.erase(it);
  if (events_ != nullptr) events_->on_closed(id, why);
}

void TcpStreams::fail_soon(Stream& stream, Error why) {
  stream.failing = true;
  stream.connecting = false;
  stream.want_write = false;
  if (stream.poll) update(stream);
  loop_.soon([this, alive = alive_, id = stream.id, why = std::move(why)] {
    if (*alive) fail(id, why);
  });
}

void TcpStreams::linger(Fd fd) {
  if (shutdown(fd.get(), SHUT_WR) != 0 || lingering_.size() >= kLingeringMax) return;
  const int key = fd.get();
  auto rest = std::make_unique<Lingering>(Lingering{this, std::move(fd)});
  rest->timer.init(rest.get(), [&](uv_timer_t* h) { return uv_timer_init(loop_.raw(), h); });
  if (rest->poll.init(rest.get(), [&](uv_poll_t* h) { return uv_poll_init(loop_.raw(), h, key); }) < 0) return;
  uv_timer_start(rest->timer.get(), [](uv_timer_t* h) { self<Lingering>(h)->drop(); }, kLingerMs, 0);
  uv_poll_start(rest->poll.get(), UV_READABLE, [](uv_poll_t* h, int, int) { self<Lingering>(h)->drain(); });
  lingering_[key] = std::move(rest);
}

}  // namespace plumvine::uv
