#include "systemd.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include <fmt/format.h>

namespace plumvine::agent {
namespace {

/// How often the status is looked at; without a watchdog that asks for more this is the timer's period.
constexpr std::uint64_t kStatusMs = 2000;

void notify(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = 0;  // abstract namespace
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  close(fd);
}

/// A number from the environment; 0 if there is none.
std::uint64_t number_from(const char* variable) {
  const char* text = std::getenv(variable);
  std::uint64_t value = 0;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), value);
  return value;
}

/// Milliseconds within which systemd wants to hear of us; 0 = it does not watch this process.
std::uint64_t watchdog_ms() {
  const auto whom = number_from("WATCHDOG_PID");
  if (whom != 0 && whom != static_cast<std::uint64_t>(getpid())) return 0;
  return number_from("WATCHDOG_USEC") / 1000;
}

std::uint64_t monotonic_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace

Systemd::Systemd(uv_loop_t* loop) {
  uv_timer_init(loop, &timer_);
  timer_.data = this;
}

void Systemd::ready(StatusText status) {
  if (std::getenv("NOTIFY_SOCKET") == nullptr) return;
  status_ = std::move(status);
  notify("READY=1");
  tell_status();
  const auto limit = watchdog_ms();
  watched_ = limit != 0;
  const auto period = watched_ ? std::clamp<std::uint64_t>(limit / 2, 1, kStatusMs) : kStatusMs;
  uv_timer_start(
      &timer_, [](uv_timer_t* handle) { static_cast<Systemd*>(handle->data)->on_timer(); }, 0, period);
}

void Systemd::on_timer() {
  if (watched_) notify("WATCHDOG=1");
  tell_status();
}

void Systemd::tell_status() {
  auto text = "STATUS=" + status_();
  if (text == told_) return;
  notify(text);
  told_ = std::move(text);
}

void Systemd::reloading() {
  notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
}

void Systemd::reloaded() {
  notify("READY=1");
}

void Systemd::stopping() {
  notify("STOPPING=1");
}

void Systemd::close() {
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

}  // namespace plumvine::agent
