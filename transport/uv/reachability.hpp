#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/snapshot.hpp>

#include "transport/driver.hpp"

namespace plumvine::uv {

/// Which ways lead from member to member, by UDP and TCP, and what a firewall would have to open (`Asking::reachability`).
///
/// The asker pings the members in question by packet and over TCP, and asks all members: those in question ping the asker alike, so
/// that a way that is closed in one direction is seen from both ends; every one tells which ways it knows to be closed.

/// So many members are pinged at once; of a larger cluster only a member that is named.
inline constexpr std::size_t kReachMax = 32;

/// Pings members; `Driver::check_reach` with a callback.
using Reach = std::function<void(const std::string& member, std::function<void(std::optional<ReachCheck>)> done)>;

/// Whom the asker pings: `only`, or where that is empty everybody else that has not left, if these are few.
std::vector<std::string> reach_targets(const Snapshot& own, std::string_view only);
/// The question: who asks, and who is to ping it (`*`: everybody).
std::string reach_question(const std::string& asker, const std::vector<std::string>& targets, std::string_view only);
/// Gives the answer to `done`, at once or after pings. An empty one: the question is not readable.
void reach_answer(const Snapshot& own, std::string_view question, const Reach& check, std::function<void(std::string)> done);

/// What was found: by pings of our own, and by what the others said.
struct Reached {
  std::map<std::string, ReachCheck> checks;
  Answered answered;
};
/// `{"self","address","udp_buffer_size","ok","members":[…],"elsewhere":[…],"silent":[…]}`; with `only` the one row. Not `ok` either where
/// packets of `udp_buffer_size`, this member's, do not pass although smaller ones do.
std::string reach_json(const Snapshot& own, std::string_view only, const Reached& reached, std::uint64_t udp_buffer_size);

}  // namespace plumvine::uv
