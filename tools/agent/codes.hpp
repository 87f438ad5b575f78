#pragma once

#include <span>
#include <string_view>

namespace plumvine::agent {

/// A code of the agent's own log lines: what it means, and what to do.
struct Code {
  std::string_view code;
  std::string_view cause;
  std::string_view remedy;
};

/// All of them, by code. Those of the node stand in `transport/codes.hpp`, those of health in `health/codes.hpp`.
std::span<const Code> codes();

}  // namespace plumvine::agent
