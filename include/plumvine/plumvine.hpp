#pragma once

// Everything a user of the library needs, but for `uv.hpp` (a loop of one's own) and `metrics.hpp`.
#include <plumvine/bytes.hpp>
#include <plumvine/config.hpp>
#include <plumvine/cursor.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/health.hpp>
#include <plumvine/node.hpp>
#include <plumvine/result.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/time.hpp>
#include <plumvine/topic.hpp>
#include <plumvine/types.hpp>
