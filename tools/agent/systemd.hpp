#pragma once

#include <string_view>

namespace plumvine::agent {

/// Tells systemd of `state` (sd_notify's protocol: one datagram to `$NOTIFY_SOCKET`). Without systemd nothing happens.
void notify_systemd(std::string_view state);

}  // namespace plumvine::agent
