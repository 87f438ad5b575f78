#pragma once

#include <optional>
#include <string>

#include "commands.hpp"

namespace plumvine::cli {

/// What is wrong with what was typed, in one line that names the flag or argument, its value and what is allowed; nullopt: nothing that can be told without
/// an agent. No flag is ignored: one that its command does not know is refused.
std::optional<std::string> problem_of(const Call& call);

}  // namespace plumvine::cli
