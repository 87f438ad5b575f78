#pragma once

#include <span>
#include <string_view>

#include <plumvine/health.hpp>

/// Codes of health reasons: stable names that scripts and documents may refer to.
namespace plumvine::health {

struct Code {
  std::string_view code;
  HealthStatus severity;
  std::string_view component;
  std::string_view cause;   ///< what the code means
  std::string_view remedy;  ///< what an operator does first
};

/// All of them, by code.
std::span<const Code> codes();
/// The row of `code`, or null.
const Code* find_code(std::string_view code) noexcept;

}  // namespace plumvine::health
