#pragma once

#include <cstdint>

/// The process's memory, as the system sees it.
namespace plumvine::uv {

/// The resident set; 0 where the system does not tell.
std::uint64_t resident_bytes();
/// Gives memory that was freed back to the system, where the C library can do that.
void release_free_memory();

}  // namespace plumvine::uv
