#include "tls_layer.hpp"

#include <algorithm>
#include <utility>

namespace plumvine::uv {

TlsLayer::TlsLayer(UvLoop& loop, Transport& below, std::shared_ptr<const tls::Credentials> credentials, tls::TransportOptions options, LogSink log,
                   LogLevel log_level)
    : transport(below, std::move(credentials), std::move(options), host(loop, std::move(log), log_level)), loop_(loop) {
  (void)timer_.init(this, [&](uv_timer_t* timer) { return uv_timer_init(loop.raw(), timer); });
}

tls::TransportHost TlsLayer::host(UvLoop& loop, LogSink log, LogLevel log_level) {
  return {.now = [&loop] { return loop.now(); },
          .wake_at = [this](Timestamp deadline) { wake_at(deadline); },
          .soon = [&loop](std::function<void()> task) { loop.soon(std::move(task)); },
          .log = std::move(log),
          .log_level = log_level,
          .trust_changed =
              [this] {
                if (on_trust_changed) on_trust_changed();
              }};
}

void TlsLayer::wake_at(Timestamp deadline) {
  if (deadline == kNever) {
    uv_timer_stop(timer_.get());
    return;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::max(Duration{0}, deadline - loop_.now()));
  uv_update_time(loop_.raw());
  uv_timer_start(timer_.get(), [](uv_timer_t* timer) { self<TlsLayer>(timer)->transport.due(); }, static_cast<std::uint64_t>(left.count()), 0);
}

}  // namespace plumvine::uv
