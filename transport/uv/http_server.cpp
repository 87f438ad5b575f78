#include "http_server.hpp"

#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <vector>

#include "handle.hpp"
#include "socket.hpp"

namespace plumvine::uv {
namespace {

constexpr int kBacklog = 128;
/// Of the address in a request line, and of all headers with it: what exceeds them is answered with 414 or 431.
constexpr std::size_t kAddressMax = 8 * 1024;
constexpr std::size_t kHeadMax = 16 * 1024;
/// Room for some more than that. Beyond it the library answers, in HTML of its own.
constexpr std::size_t kConnectionMemory = 2 * kHeadMax;
/// A connection between two requests is kept for so long.
constexpr unsigned kIdleSeconds = 120;
/// Answers must be taken by the client in that time; streams must make progress.
constexpr std::uint64_t kAnswerTimeoutNs = 30'000'000'000;
constexpr std::uint64_t kSweepMs = 500;
/// Handlers of one loop turn may take so long together; further requests wait for the next turn, after the
/// packets and links that arrived meanwhile.
constexpr std::uint64_t kTurnBudgetNs = 4'000'000;
/// A body that is too large is read to its end up to this size, so that the client sees the answer instead of a reset.
constexpr std::uint64_t kDiscardMax = 64ULL << 20;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Decodes %XX. False: not well-formed.
bool percent_decode(std::string_view text, std::string& out) {
  out.clear();
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return true;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

HttpResponse error_response(int status, std::string_view code, std::string_view message, std::string_view hint) {
  HttpResponse response;
  response.status = status;
  response.body = R"({"error":{"code":")";
  response.body.append(code).append(R"(","message":")").append(message);
  response.body.append(R"(","hint":")").append(hint).append("\"}}\n");
  return response;
}

/// Bytes that this connection ever received, by the kernel's count.
std::uint64_t bytes_received(int fd) noexcept {
  // The C library's structure ends before this field, which the kernel has had since 4.1.
  struct {
    tcp_info base;
    std::uint64_t pacing_rate, pacing_rate_max, acked, received;
  } info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.received;
}

bool other_side_closed(int fd) noexcept {
  pollfd probe{fd, POLLRDHUP, 0};
  return ::poll(&probe, 1, 0) > 0 && (probe.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

class Server;

/// The queue between a producer on the loop and one client.
class Stream final : public HttpStream {
 public:
  Stream(Server& server, MHD_Connection* connection, int fd, std::size_t limit)
      : server_(&server), connection_(connection), fd_(fd), limit_(limit), progress_ns_(uv_hrtime()) {}

  bool write(std::string_view data) override;
  void close() override;
  [[nodiscard]] bool open() const override { return open_; }
  [[nodiscard]] std::size_t waiting() const override { return queue_.size() - offset_; }

  ssize_t read(char* out, std::size_t max);
  /// The connection is gone; its objects must not be touched any more.
  void gone() noexcept {
    server_ = nullptr;
    connection_ = nullptr;
    open_ = false;
    queue_.clear();
  }
  /// Breaks the connection off.
  void drop();
  [[nodiscard]] bool stuck(std::uint64_t now_ns) const {
    return offset_ < queue_.size() && now_ns - progress_ns_ > kAnswerTimeoutNs;
  }

 private:
  void wake();

  Server* server_;
  MHD_Connection* connection_;
  int fd_;
  std::size_t limit_;
  std::string queue_;
  std::size_t offset_ = 0;
  std::uint64_t progress_ns_;
  bool open_ = true;
  bool broken_ = false;
  bool suspended_ = false;
};

/// Where an answer that comes later is put. Outlives the connection if the client does not wait.
struct Deferred {
  Server* server = nullptr;
  MHD_Connection* connection = nullptr;  ///< null: gone
  bool suspended = false;
  std::optional<HttpResponse> answer;

  void give(HttpResponse response);
  void resume();
};

struct Connection {
  int fd = -1;
  enum class Phase { receiving, waiting, answering, streaming } phase = Phase::receiving;
  bool ending = false;                ///< its socket is shut down, the server will see it
  std::uint64_t since_ns = 0;         ///< when this phase, or the request being received, began
  std::uint64_t idle_bytes = 0;       ///< received before the request began
  bool began = false;                 ///< the first byte of a request was seen
  std::size_t address_bytes = 0;      ///< of the request that began
  std::shared_ptr<Stream> stream{};
  std::shared_ptr<Deferred> deferred{};
};

struct Request {
  HttpRequest request;
  bool head = false;
  bool bad_escape = false;
  bool too_large = false;
  std::uint64_t seen = 0;
};

class Server final : public HttpServer {
 public:
  Server(uv_loop_t* loop, Limits limits, HttpHandler handler, HttpObserver observer)
      : loop_(loop), limits_(limits), handler_(std::move(handler)), observer_(std::move(observer)) {}
  ~Server() override { close(); }

  Status start(Fd listener, const Endpoint& where);
  [[nodiscard]] Endpoint address() const override { return address_; }
  [[nodiscard]] HttpStats stats() const override {
    return {.connections = connections_.size(), .evicted = evicted_, .timed_out = timed_out_};
  }
  void close() override;

  void kick();
  [[nodiscard]] bool closing() const noexcept { return closing_; }

 private:
  static MHD_Result on_request(void* cls, MHD_Connection* connection, const char* url, const char* method, const char*,
                               const char* data, std::size_t* size, void** context);
  static void on_completed(void* cls, MHD_Connection* connection, void** context, MHD_RequestTerminationCode);
  static void on_connection(void* cls, MHD_Connection* connection, void** context, MHD_ConnectionNotificationCode code);
  static void* on_uri(void* cls, const char* uri, MHD_Connection* connection);
  static void on_library_log(void* cls, const char* format, va_list arguments);

  void run();
  void sweep();
  void check(Connection& connection, std::uint64_t now_ns);
  void time_out(Connection& connection);
  void make_room(MHD_Connection* newcomer);
  void finish_close();
  MHD_Result begin(MHD_Connection* connection, const char* url, const char* method, void** context);
  MHD_Result complete(MHD_Connection* connection, Request& request);
  MHD_Result answer(MHD_Connection* connection, const Request& request, HttpResponse response);
  Connection* find(MHD_Connection* connection);

  uv_loop_t* loop_;
  Limits limits_;
  HttpHandler handler_;
  HttpObserver observer_;
  Endpoint address_;
  MHD_Daemon* daemon_ = nullptr;
  Handle<uv_poll_t> poll_;
  Handle<uv_timer_t> timer_;
  Handle<uv_timer_t> sweep_;
  Handle<uv_idle_t> idle_;
  std::unordered_map<MHD_Connection*, Connection> connections_;
  std::vector<MHD_Connection*> postponed_;
  std::uint64_t turn_start_ns_ = 0;
  std::uint64_t evicted_ = 0;
  std::uint64_t timed_out_ = 0;
  unsigned streams_ = 0;
  bool running_ = false;
  bool closing_ = false;
};

bool Stream::write(std::string_view data) {
  if (!open_) return false;
  if (waiting() > limit_) {
    drop();
    return false;
  }
  if (offset_ == queue_.size()) progress_ns_ = uv_hrtime();
  queue_.append(data);
  wake();
  return true;
}

void Stream::close() {
  open_ = false;
  wake();
}

void Stream::drop() {
  open_ = false;
  broken_ = true;
  queue_.clear();
  offset_ = 0;
  if (connection_ != nullptr) (void)shutdown(fd_, SHUT_RDWR);
  wake();
}

void Stream::wake() {
  if (connection_ == nullptr) return;
  if (std::exchange(suspended_, false)) MHD_resume_connection(connection_);
  server_->kick();
}

ssize_t Stream::read(char* out, std::size_t max) {
  if (broken_) return MHD_CONTENT_READER_END_WITH_ERROR;
  if (offset_ == queue_.size()) {
    if (!open_) return MHD_CONTENT_READER_END_OF_STREAM;
    if (!std::exchange(suspended_, true)) MHD_suspend_connection(connection_);
    return 0;
  }
  const std::size_t n = std::min(max, queue_.size() - offset_);
  std::memcpy(out, queue_.data() + offset_, n);
  offset_ += n;
  progress_ns_ = uv_hrtime();
  if (offset_ == queue_.size() || offset_ > limit_ / 4) {
    queue_.erase(0, offset_);
    offset_ = 0;
  }
  return static_cast<ssize_t>(n);
}

void Deferred::give(HttpResponse response) {
  if (answer) return;
  answer = std::move(response);
  resume();
}

void Deferred::resume() {
  if (connection == nullptr || !std::exchange(suspended, false)) return;
  MHD_resume_connection(connection);
  server->kick();
}

Status Server::start(Fd listener, const Endpoint& where) {
  address_ = where;
  address_.port = local_endpoint(listener.get()).port;
  // libmicrohttpd owns the listener from here. Without MHD_OPTION_SIGPIPE_HANDLED_BY_APP it keeps to calls that
  // never raise SIGPIPE. Paths and queries are decoded here, since its own decoder stops at %00.
  daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, nullptr, nullptr, &Server::on_request, this,
      MHD_OPTION_EXTERNAL_LOGGER, &Server::on_library_log, this, MHD_OPTION_LISTEN_SOCKET, listener.release(), MHD_OPTION_CONNECTION_LIMIT, limits_.connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
      kIdleSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory, MHD_OPTION_STRICT_FOR_CLIENT, 1,
      MHD_OPTION_NOTIFY_CONNECTION, &Server::on_connection, this, MHD_OPTION_NOTIFY_COMPLETED, &Server::on_completed,
      this, MHD_OPTION_URI_LOG_CALLBACK, &Server::on_uri, this, MHD_OPTION_UNESCAPE_CALLBACK,
      +[](void*, MHD_Connection*, char* text) { return std::strlen(text); }, nullptr, MHD_OPTION_END);
  if (daemon_ == nullptr) return Error{Errc::system, "the HTTP server could not be started"}.with(where.to_string());
  const auto* info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
  timer_.init(this, [&](uv_timer_t* h) { return uv_timer_init(loop_, h); });
  sweep_.init(this, [&](uv_timer_t* h) { return uv_timer_init(loop_, h); });
  idle_.init(this, [&](uv_idle_t* h) { return uv_idle_init(loop_, h); });
  const int status = poll_.init(this, [&](uv_poll_t* h) { return uv_poll_init(loop_, h, info->epoll_fd); });
  if (status < 0) return Error{Errc::system, uv_strerror(status)}.with(where.to_string());
  uv_poll_start(poll_.get(), UV_READABLE, [](uv_poll_t* h, int, int) { self<Server>(h)->run(); });
  return {};
}

void Server::run() {
  running_ = true;
  turn_start_ns_ = uv_hrtime();
  uv_idle_stop(idle_.get());
  for (MHD_Connection* connection : std::exchange(postponed_, {})) MHD_resume_connection(connection);
  MHD_run(daemon_);
  running_ = false;
  if (closing_) return finish_close();
  MHD_UNSIGNED_LONG_LONG ms = 0;
  const bool timed = MHD_get_timeout(daemon_, &ms) == MHD_YES;
  // Never a timer of 0 ms: libuv would run it again and again without leaving its timer phase.
  if (!postponed_.empty() || (timed && ms == 0)) kick();
  if (timed && ms != 0) {
    uv_timer_start(timer_.get(), [](uv_timer_t* h) { self<Server>(h)->run(); }, ms, 0);
  } else {
    uv_timer_stop(timer_.get());
  }
}

/// Runs the server in the next turn; resuming a connection does not wake its epoll descriptor.
void Server::kick() {
  if (closing_) return;
  uv_idle_start(idle_.get(), [](uv_idle_t* h) { self<Server>(h)->run(); });
}

Connection* Server::find(MHD_Connection* connection) {
  const auto it = connections_.find(connection);
  return it == connections_.end() ? nullptr : &it->second;
}

void Server::on_connection(void* cls, MHD_Connection* connection, void**, MHD_ConnectionNotificationCode code) {
  auto& server = *static_cast<Server*>(cls);
  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    // At its limit the daemon has put the listener aside; it takes it up again only when it runs.
    if (server.connections_.size() >= server.limits_.connections_max) server.kick();
    server.connections_.erase(connection);
    if (server.connections_.empty()) uv_timer_stop(server.sweep_.get());
    return;
  }
  Connection fresh;
  fresh.fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  fresh.since_ns = uv_hrtime();
  if (server.connections_.empty())
    uv_timer_start(server.sweep_.get(), [](uv_timer_t* h) { self<Server>(h)->sweep(); }, kSweepMs, kSweepMs);
  server.connections_.emplace(connection, std::move(fresh));
  if (server.connections_.size() >= server.limits_.connections_max) server.make_room(connection);
}

/// Ends one connection that only waits for its client: rather one between two requests than one in the middle of a request, rather that
/// than one whose client does not take its answer, and of these the one that has waited longest. At the limit the server
/// would accept nobody until one ends by itself.
void Server::make_room(MHD_Connection* newcomer) {
  const auto rank = [](const Connection& c) {
    const int order = c.phase == Connection::Phase::answering ? 2 : c.began ? 1 : 0;
    return std::pair{order, c.since_ns};
  };
  Connection* last = nullptr;
  for (auto& [handle, c] : connections_) {
    if (handle == newcomer || c.ending || c.phase == Connection::Phase::waiting || c.phase == Connection::Phase::streaming) continue;
    if (last == nullptr || rank(c) < rank(*last)) last = &c;
  }
  if (last == nullptr) return;
  last->ending = true;
  ++evicted_;
  (void)shutdown(last->fd, SHUT_RDWR);
}

void* Server::on_uri(void* cls, const char* uri, MHD_Connection* connection) {
  Connection* state = static_cast<Server*>(cls)->find(connection);
  if (state == nullptr) return nullptr;
  if (!state->began) {
    state->began = true;
    state->since_ns = uv_hrtime();
  }
  state->address_bytes = std::strlen(uri);
  return nullptr;
}

/// Requests that it cannot read the library answers itself, and says so here and nowhere else. They are counted by their status.
void Server::on_library_log(void* cls, const char* format, va_list arguments) {
  constexpr std::string_view kAnswered = "HTTP response code is ";
  std::array<char, 256> line{};
  if (std::vsnprintf(line.data(), line.size(), format, arguments) < 0) return;
  const std::string_view text{line.data()};
  const auto at = text.find(kAnswered);
  if (at == std::string_view::npos) return;
  int status = 0;
  std::from_chars(text.data() + at + kAnswered.size(), text.data() + text.size(), status);
  const auto& observer = static_cast<Server*>(cls)->observer_;
  if (status >= 400 && observer) observer("", status);
}

void Server::on_completed(void* cls, MHD_Connection* connection, void** context, MHD_RequestTerminationCode) {
  auto& server = *static_cast<Server*>(cls);
  delete static_cast<Request*>(*context);
  *context = nullptr;
  std::erase(server.postponed_, connection);
  Connection* state = server.find(connection);
  if (state == nullptr) return;
  if (state->stream) {
    state->stream->gone();
    --server.streams_;
  }
  if (state->deferred) state->deferred->connection = nullptr;
  const int fd = state->fd;
  *state = Connection{};
  state->fd = fd;
  state->since_ns = uv_hrtime();
  state->idle_bytes = bytes_received(fd);
}

MHD_Result Server::on_request(void* cls, MHD_Connection* connection, const char* url, const char* method, const char*,
                              const char* data, std::size_t* size, void** context) {
  auto& server = *static_cast<Server*>(cls);
  if (server.closing_) return MHD_NO;
  if (*context == nullptr) return server.begin(connection, url, method, context);
  auto& request = *static_cast<Request*>(*context);
  if (*size == 0) return server.complete(connection, request);
  request.seen += *size;
  if (request.seen > server.limits_.body_max) {
    request.too_large = true;
    request.request.body = {};
    if (request.seen > kDiscardMax) return MHD_NO;
  } else {
    request.request.body.append(data, *size);
  }
  *size = 0;
  return MHD_YES;
}

MHD_Result Server::begin(MHD_Connection* connection, const char* url, const char* method, void** context) {
  auto* request = new Request;
  *context = request;
  HttpRequest& r = request->request;
  request->head = std::strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
  r.method = request->head ? MHD_HTTP_METHOD_GET : method;
  request->bad_escape = !percent_decode(url, r.path);
  MHD_get_connection_values_n(
      connection, MHD_GET_ARGUMENT_KIND,
      [](void* cls, MHD_ValueKind, const char* key, std::size_t key_size, const char* value, std::size_t value_size) {
        auto& to = *static_cast<Request*>(cls);
        std::string name, text;
        if (!percent_decode({key, key_size}, name) || !percent_decode({value, value == nullptr ? 0 : value_size}, text))
          to.bad_escape = true;
        to.request.query[name] = text;
        return MHD_YES;
      },
      request);
  MHD_get_connection_values_n(
      connection, MHD_HEADER_KIND,
      [](void* cls, MHD_ValueKind, const char* key, std::size_t key_size, const char* value, std::size_t value_size) {
        auto& headers = static_cast<Request*>(cls)->request.headers;
        const std::string_view text = value == nullptr ? std::string_view{} : std::string_view{value, value_size};
        const auto [it, fresh] = headers.emplace(lower({key, key_size}), text);
        if (!fresh) it->second.append(", ").append(text);
        return MHD_YES;
      },
      request);
  if (const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
      info != nullptr && info->client_addr != nullptr)
    r.from = to_endpoint(info->client_addr);

  const Connection* state = find(connection);
  const std::size_t address = state == nullptr ? 0 : state->address_bytes;
  if (address > kAddressMax)
    return answer(connection, *request,
                  error_response(414, "bad_request", "the address is longer than " + std::to_string(kAddressMax) + " bytes", "send it in the body"));
  std::size_t head = address;
  for (const auto& [name, value] : r.headers) head += name.size() + value.size() + 4;
  if (head > kHeadMax)
    return answer(connection, *request,
                  error_response(431, "bad_request", "the headers are larger than " + std::to_string(kHeadMax) + " bytes", "send fewer or shorter ones"));

  const auto length = r.headers.find("content-length");
  if (const auto coding = r.headers.find("transfer-encoding"); coding != r.headers.end()) {
    if (length != r.headers.end() || lower(coding->second) != "chunked")
      return answer(connection, *request,
                    error_response(400, "bad_request", "the length of the body is ambiguous",
                                   "send either Content-Length or Transfer-Encoding: chunked"));
  }
  if (length != r.headers.end()) {
    std::uint64_t bytes = 0;
    const std::string& text = length->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (error != std::errc{} || end != text.data() + text.size())
      return answer(connection, *request,
                    error_response(400, "bad_request", "Content-Length is not a number", "send one decimal number"));
    // A client that asks first, or that would send for ever, is told at once; others may finish their body.
    if (bytes > limits_.body_max && (bytes > kDiscardMax || r.headers.contains("expect"))) {
      request->too_large = true;
      return complete(connection, *request);
    }
  }
  return MHD_YES;
}

MHD_Result Server::complete(MHD_Connection* connection, Request& request) {
  if (uv_hrtime() - turn_start_ns_ > kTurnBudgetNs) {
    MHD_suspend_connection(connection);
    postponed_.push_back(connection);
    return MHD_YES;
  }
  if (request.bad_escape)
    return answer(connection, request,
                  error_response(400, "bad_request", "the address is not percent-encoded well", "write % as %25"));
  if (request.too_large)
    return answer(connection, request,
                  error_response(413, "too_large",
                                 "the body is larger than " + std::to_string(limits_.body_max) + " bytes",
                                 "send smaller messages"));
  Connection* state = find(connection);
  if (state == nullptr) return MHD_NO;
  if (!state->deferred) {
    HttpResponse response = handler_(request.request);
    if (!response.later) return answer(connection, request, std::move(response));
    state->deferred = std::make_shared<Deferred>(Deferred{.server = this, .connection = connection, .answer = {}});
    response.later([deferred = state->deferred](HttpResponse late) { deferred->give(std::move(late)); });
  }
  if (state->deferred->answer) return answer(connection, request, std::move(*state->deferred->answer));
  state->phase = Connection::Phase::waiting;
  state->deferred->suspended = true;
  MHD_suspend_connection(connection);
  return MHD_YES;
}

MHD_Result Server::answer(MHD_Connection* connection, const Request& request, HttpResponse response) {
  Connection* state = find(connection);
  if (state == nullptr) return MHD_NO;
  if (response.stream && !request.head && streams_ >= limits_.streams_max)
    response = error_response(429, "overloaded", std::to_string(streams_) + " answers stay open already",
                              "close some of them, or ask another member");
  MHD_Response* out = nullptr;
  const bool streaming = response.stream && !request.head;
  std::shared_ptr<Stream> stream;
  if (streaming) {
    stream = std::make_shared<Stream>(*this, connection, state->fd, limits_.stream_queue_max);
    out = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, 16 * 1024,
        [](void* cls, std::uint64_t, char* buffer, std::size_t max) {
          return (*static_cast<std::shared_ptr<Stream>*>(cls))->read(buffer, max);
        },
        new std::shared_ptr<Stream>(stream), [](void* cls) { delete static_cast<std::shared_ptr<Stream>*>(cls); });
  } else {
    out = MHD_create_response_from_buffer(response.body.size(), response.body.data(), MHD_RESPMEM_MUST_COPY);
  }
  if (out == nullptr) return MHD_NO;
  if (!response.content_type.empty())
    MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, response.content_type.c_str());
  for (const auto& [name, value] : response.headers) MHD_add_response_header(out, name.c_str(), value.c_str());
  const MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(response.status), out);
  MHD_destroy_response(out);
  if (queued != MHD_YES) return MHD_NO;
  state->phase = streaming ? Connection::Phase::streaming : Connection::Phase::answering;
  state->since_ns = uv_hrtime();
  if (observer_) observer_(request.request.path, response.status);
  if (streaming) {
    state->stream = stream;
    ++streams_;
    response.stream(std::move(stream));
  }
  return MHD_YES;
}

void Server::time_out(Connection& connection) {
  if (std::exchange(connection.ending, true)) return;
  ++timed_out_;
  (void)shutdown(connection.fd, SHUT_RDWR);
}

/// Looks at every connection: a request must be whole in time, however slowly it drips; answers must be taken.
void Server::sweep() {
  const std::uint64_t now_ns = uv_hrtime();
  for (auto& [handle, connection] : connections_) check(connection, now_ns);
}

void Server::check(Connection& connection, std::uint64_t now_ns) {
  switch (connection.phase) {
    case Connection::Phase::receiving:
      if (!connection.began) {
        if (bytes_received(connection.fd) == connection.idle_bytes) return;
        connection.began = true;
        connection.since_ns = now_ns - kSweepMs * 1'000'000;
      }
      if (now_ns - connection.since_ns > static_cast<std::uint64_t>(limits_.request_timeout.count()))
        time_out(connection);
      return;
    case Connection::Phase::waiting: return;  // for us, not for the client
    case Connection::Phase::answering:
      if (now_ns - connection.since_ns > kAnswerTimeoutNs) time_out(connection);
      return;
    case Connection::Phase::streaming:
      // A waiting stream is not watched by the server, so nobody else would see its client go.
      if (connection.stream->stuck(now_ns) && !std::exchange(connection.ending, true)) ++timed_out_;
      if (connection.ending || other_side_closed(connection.fd)) connection.stream->drop();
      return;
  }
}

void Server::close() {
  if (std::exchange(closing_, true) || running_) return;
  finish_close();
}

void Server::finish_close() {
  if (daemon_ != nullptr) {
    // Suspended connections must be running again before the daemon may stop.
    for (MHD_Connection* connection : std::exchange(postponed_, {})) MHD_resume_connection(connection);
    std::vector<std::shared_ptr<Stream>> streams;
    for (auto& [handle, connection] : connections_)
      if (connection.deferred) connection.deferred->resume();
    for (auto& [handle, connection] : connections_)
      if (connection.stream) streams.push_back(connection.stream);
    for (auto& stream : streams) stream->close();
    running_ = true;
    MHD_run(daemon_);
    running_ = false;
  }
  poll_.reset();
  timer_.reset();
  idle_.reset();
  if (daemon_ != nullptr) MHD_stop_daemon(std::exchange(daemon_, nullptr));
  sweep_.reset();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(uv_loop_s* loop, std::string_view host_port, Limits limits,
                                                       HttpHandler handler, HttpObserver observer) {
  auto places = resolve_local(host_port);
  if (!places) return places.error().with("http");
  const Endpoint& where = places->front();
  auto listener = listen_stream(where, kBacklog);
  if (!listener) return listener.error().with("http");
  auto server = std::make_unique<Server>(loop, limits, std::move(handler), std::move(observer));
  if (auto started = server->start(std::move(*listener), where); !started) return started.error().with("http");
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace plumvine::uv
