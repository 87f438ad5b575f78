#pragma once

#include <string>

#include "commands.hpp"

namespace plumvine::cli {

/// What this machine tells of an agent that does not answer.
struct ThisMachine {
  std::string findings;  ///< a JSON list of them as the doctor's of a cluster; empty: there is none
  std::string agent;     ///< one line where an agent runs here and is well, but is to be asked elsewhere, or cannot be asked; else empty
};

/// Where the doctor asks: what was typed, else what `--config` says. Empty: that turns HTTP off.
std::string agent_address(const Call& call);

/// Whether a plumvined has this address of this machine and is stopped. Never for an address of another machine.
bool is_stopped_here(const std::string& http);

/// Why no agent runs or answers at `http`: its configuration, a port that another program has, an agent that is stopped, or that is asked at the wrong place.
ThisMachine look_at_this_machine(const Call& call, const std::string& http);

}  // namespace plumvine::cli
