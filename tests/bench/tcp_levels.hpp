#pragma once

#include <cstddef>

namespace plumvine::bench {

/// Seconds to hand `bytes` down `lines` lines of `levels` processes at the same time, over plain TCP on loopback: each process takes
/// all of it into fresh memory before it hands it on. Negative where the machine refuses something.
double tcp_levels(std::size_t lines, std::size_t levels, std::size_t bytes);

}  // namespace plumvine::bench
