#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <uv.h>

namespace plumvine::agent {

/// Tells systemd how this process is (sd_notify's protocol: datagrams to `$NOTIFY_SOCKET`): READY, RELOADING, STOPPING, a
/// line of STATUS whenever it changes, and WATCHDOG at half of `$WATCHDOG_USEC`. The last two come from a timer of the
/// loop: when that stands still, so do they, and systemd restarts the unit. Without systemd nothing happens at all.
/// One thread, that of the loop.
class Systemd {
 public:
  using StatusText = std::function<std::string()>;

  /// The handle that `close()` closes is opened here.
  explicit Systemd(uv_loop_t* loop);
  Systemd(const Systemd&) = delete;
  Systemd& operator=(const Systemd&) = delete;

  /// The sockets listen. From now on the status is told.
  void ready(StatusText status);
  void reloading();
  void reloaded();
  void stopping();
  void close();

 private:
  void on_timer();
  void tell_status();

  uv_timer_t timer_{};
  StatusText status_;
  std::string told_;
  bool watched_ = false;
};

}  // namespace plumvine::agent
