#include <plumvine/detail/check.hpp>

#include <cstdio>
#include <cstdlib>

namespace plumvine::detail {

void check_failed(const char* condition, const char* message, const char* file, int line) noexcept {
  std::fprintf(stderr, "plumvine: broken invariant at %s:%d: %s (%s)\n", file, line, message, condition);
  std::abort();
}

}  // namespace plumvine::detail
