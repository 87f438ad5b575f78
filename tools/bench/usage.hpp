#pragma once

#include <string_view>

namespace plumvine::bench {

/// What `--help` prints. Manual page and completion are made of it.
std::string_view usage();

}  // namespace plumvine::bench
