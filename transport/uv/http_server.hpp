#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <plumvine/result.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/types.hpp>

struct uv_loop_s;

namespace plumvine::uv {

struct HttpRequest {
  std::string method;                        ///< GET, POST, HEAD, …
  std::string path;                          ///< percent-decoded, without the query
  std::map<std::string, std::string> query;  ///< decoded
  std::map<std::string, std::string> headers;///< names in lower case
  std::string body;
  Endpoint from;
};

/// The writing end of an answer that stays open. Kept by the producer; used on the loop thread only.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  /// Appends to what the client will read. False: the client is gone or too slow (more than `limit` bytes
  /// waited; it is being closed) and the stream takes nothing more.
  virtual bool write(std::string_view data) = 0;
  virtual void close() = 0;
  [[nodiscard]] virtual bool open() const = 0;
  /// Bytes that the client has not read yet.
  [[nodiscard]] virtual std::size_t waiting() const = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::map<std::string, std::string> headers;
  /// Set: the answer stays open; called once with its writing end.
  std::function<void(std::shared_ptr<HttpStream>)> stream = {};
  /// Set: this is not the answer yet. Called once with what takes it, on the loop thread, within half a minute or so.
  std::function<void(std::function<void(HttpResponse)>)> later = {};
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;
/// (path, status), for `http_requests_total`; the path is the request's, capped by the counter.
using HttpObserver = std::function<void(const std::string&, int)>;

/// libmicrohttpd on the node's own loop: its epoll descriptor under `uv_poll_t`, no thread. Bounded in
/// connections, header and body size, time per request, and bytes waiting per stream. When connections run out, the one whose
/// client has been idle for longest ends, so that a probe always gets through; streams leave room for requests.
class HttpServer {
 public:
  struct Limits {
    std::size_t body_max = 1ULL << 20;
    std::size_t stream_queue_max = 4ULL << 20;  ///< a stream for which more waits is broken off when it is written to
    unsigned connections_max = 512;
    unsigned streams_max = 448;
    Duration request_timeout = std::chrono::seconds{10};
  };
  /// Binds and listens. `host_port` as in `Config::http`.
  static Result<std::unique_ptr<HttpServer>> listen(uv_loop_s* loop, std::string_view host_port, Limits limits,
                                                    HttpHandler handler, HttpObserver observer);
  virtual ~HttpServer() = default;
  [[nodiscard]] virtual Endpoint address() const = 0;
  [[nodiscard]] virtual HttpStats stats() const = 0;
  /// Ends every stream and starts closing; the loop is rid of the server's handles after its next turns, the
  /// object deletes its inner state itself.
  virtual void close() = 0;
};

}  // namespace plumvine::uv
