#pragma once

#include <span>
#include <string_view>

namespace plumvine::uv {

/// The code of an error object of HTTP, or of `Error` in the library: what it means, and what to do.
struct ErrorCode {
  std::string_view code;
  std::string_view cause;
  std::string_view remedy;
};

/// All of them.
std::span<const ErrorCode> error_codes() noexcept;

}  // namespace plumvine::uv
