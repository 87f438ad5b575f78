#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// The few questions that the demonstration asks its nodes over HTTP; each waits 2 s at most.
namespace demo::http {

/// `GET /readyz` says 200.
bool ready(const std::string& address);
/// How many members `GET /members` shows in `state`; nothing when there is no answer.
std::optional<std::uint64_t> members_in(const std::string& address, const std::string& state);
/// The state in which `GET /members` shows `name`; empty when unknown.
std::string state_of(const std::string& address, const std::string& name);
/// The eager neighbours that `GET /peers` names.
std::vector<std::string> eager_peers(const std::string& address);

}  // namespace demo::http
