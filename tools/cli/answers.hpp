#pragma once

#include <string>
#include <string_view>

#include "client.hpp"
#include "health/json_text.hpp"

namespace plumvine::cli {

/// Says what went wrong on standard error; gives `status` back.
int complain(int status, const std::string& text);
/// Prints one line. What a terminal would obey is escaped, for names of members may hold any characters.
void say(std::string_view text);
/// Prints what is escaped already (JSON, tables) with a line feed.
void put(std::string_view text);
/// What to say where something else than a plumvined answers.
std::string not_ours(const std::string& http);
/// The agent's own words, from its error object; throws `Foreign` where there is none.
std::string words_of(const Answer& answer);

/// A JSON list of names for people; "-" where it is empty.
template <typename Json>
std::string names(const Json& list, const char* between = ", ") {
  std::string out;
  for (const auto& name : list) out += (out.empty() ? "" : between) + dump::printable(name.template get<std::string>());
  return out.empty() ? "-" : out;
}

}  // namespace plumvine::cli
