#pragma once

#include <string>
#include <vector>

#include <sim/plan.hpp>

namespace plumvine::sim {

/// Reads a scenario file (TOML; `tests/sim/README.md` has its keys). Its name is the scenario's. What is wrong comes back as lines with
/// file, line and key, all at once; none = `plan` is complete.
std::vector<std::string> read_plan(const std::string& path, Plan& plan);

}  // namespace plumvine::sim
