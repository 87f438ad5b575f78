#pragma once

#include <string>

#include <plumvine/result.hpp>

namespace plumvine::sim {

/// A table of two reports (JSON texts of `run --json`): each field that either measured, both values and the change.
Result<std::string> compare_reports(const std::string& before, const std::string& after);

}  // namespace plumvine::sim
