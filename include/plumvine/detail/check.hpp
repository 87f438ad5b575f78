#pragma once

namespace plumvine::detail {

/// Prints the broken condition with its place and ends the process. Our mistake, never a peer's.
[[noreturn]] void check_failed(const char* condition, const char* message, const char* file, int line) noexcept;

}  // namespace plumvine::detail

/// Stays on in release builds: an invariant of ours does not hold, so nothing below can be trusted.
#define PLUMVINE_CHECK(condition, message)                                                       \
  do {                                                                                           \
    if (!(condition)) [[unlikely]]                                                               \
      ::plumvine::detail::check_failed(#condition, message, __FILE__, __LINE__);                 \
  } while (false)
