#pragma once

#include <functional>
#include <memory>

#include "handle.hpp"
#include "loop.hpp"
#include "transport/tls/tls_transport.hpp"

namespace plumvine::uv {

/// `tls::TlsTransport` on a libuv loop: its one timer. Loop thread only.
class TlsLayer {
 public:
  /// `log` may be empty.
  TlsLayer(UvLoop& loop, Transport& below, std::shared_ptr<const tls::Credentials> credentials, tls::TransportOptions options, LogSink log,
           LogLevel log_level);

  /// Called when other CAs are trusted than before; may be empty.
  std::function<void()> on_trust_changed;
  tls::TlsTransport transport;

 private:
  [[nodiscard]] tls::TransportHost host(UvLoop& loop, LogSink log, LogLevel log_level);
  void wake_at(Timestamp deadline);

  UvLoop& loop_;
  Handle<uv_timer_t> timer_;
};

}  // namespace plumvine::uv
