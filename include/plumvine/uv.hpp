#pragma once

#include <plumvine/node.hpp>

namespace plumvine {

/// Runs a node on the caller's libuv loop: no thread is started, handlers run on the thread that runs the
/// loop. Call it on that thread. After `stop()` or destruction the loop is rid of the node's handles within
/// its next turns, so `uv_run(loop, UV_RUN_DEFAULT)` returns when nothing else is left.
Result<Node> attach(uv_loop_s* loop, Config config, Handlers handlers);

}  // namespace plumvine
