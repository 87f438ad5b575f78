#pragma once

#include "options.hpp"

namespace plumvine::bench {

/// Starts the members, measures, prints one line of JSON, and ends them. Returns the program's exit code: 1 if there is no result, then
/// the line has the field `error` in place of one. Bounded in time.
int run(const Options& options);

}  // namespace plumvine::bench
