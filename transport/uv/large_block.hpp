#pragma once

#include <cstddef>
#include <memory>

namespace plumvine::uv {

/// Memory for a large payload: of its own mapping, so that untouched pages cost nothing and the rest goes back to the system, and in huge
/// pages where there are any, since to touch 64 MiB in small ones costs as much as to receive them.
std::shared_ptr<std::byte[]> large_block(std::size_t bytes);

}  // namespace plumvine::uv
