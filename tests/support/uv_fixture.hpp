#pragma once

#include <uv.h>

#include <chrono>
#include <functional>

#include "pch.hpp"

namespace plumvine::test {

/// A libuv loop for one test. Its destructor insists that every handle was closed.
struct LoopFixture {
  uv_loop_t loop{};

  LoopFixture() { REQUIRE(uv_loop_init(&loop) == 0); }
  LoopFixture(const LoopFixture&) = delete;
  LoopFixture& operator=(const LoopFixture&) = delete;
  ~LoopFixture() {
    for (int turn = 0; turn < 16; ++turn) uv_run(&loop, UV_RUN_NOWAIT);
    CHECK(uv_loop_close(&loop) == 0);
  }

  /// Turns the loop until `done` holds; false after `limit`. Looks every millisecond at the latest.
  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds limit = std::chrono::seconds{10}) {
    uv_timer_t pulse;
    uv_timer_init(&loop, &pulse);
    uv_timer_start(&pulse, [](uv_timer_t*) {}, 1, 1);
    const auto end = std::chrono::steady_clock::now() + limit;
    bool good = done();
    while (!good && std::chrono::steady_clock::now() < end) {
      uv_run(&loop, UV_RUN_ONCE);
      good = done();
    }
    bool closed = false;
    pulse.data = &closed;
    uv_close(reinterpret_cast<uv_handle_t*>(&pulse), [](uv_handle_t* h) { *static_cast<bool*>(h->data) = true; });
    while (!closed) uv_run(&loop, UV_RUN_NOWAIT);
    return good;
  }
};

}  // namespace plumvine::test
