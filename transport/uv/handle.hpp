#pragma once

#include <uv.h>

#include <utility>

namespace plumvine::uv {

/// Owns one libuv handle. The destructor starts `uv_close`; the memory is freed in the close callback, so the
/// owner may go at once, even inside a callback of this very handle. After destruction no callback runs.
///
/// `data` of the handle points to whatever `init` set; one-line callbacks read it with `self<T>(handle)`.
/// Loop thread only.
template <class H>
class Handle {
 public:
  Handle() = default;
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Handle() { reset(); }

  /// Runs `start(handle)`, which calls one of `uv_…_init` and returns its result. On failure nothing is held.
  template <class Init>
  int init(void* data, Init start) {
    reset();
    auto* fresh = new H{};
    const int status = start(fresh);
    if (status < 0) {
      delete fresh;
      return status;
    }
    fresh->data = data;
    handle_ = fresh;
    return 0;
  }
  void reset() noexcept {
    if (H* handle = std::exchange(handle_, nullptr)) {
      handle->data = nullptr;
      uv_close(reinterpret_cast<uv_handle_t*>(handle),
               [](uv_handle_t* closed) { delete reinterpret_cast<H*>(closed); });
    }
  }
  [[nodiscard]] H* get() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return handle_ != nullptr; }

 private:
  H* handle_ = nullptr;
};

/// The owner that `init` noted in a handle.
template <class T, class H>
T* self(H* handle) noexcept {
  return static_cast<T*>(handle->data);
}

}  // namespace plumvine::uv
