#pragma once

#include <string>
#include <string_view>

#include "client.hpp"

namespace plumvine::cli {

/// Says what went wrong on standard error; gives `status` back.
int complain(int status, const std::string& text);
/// Prints text with a line feed.
void say(std::string_view text);
/// The agent's own words, from its error object.
std::string words_of(const Answer& answer);

/// A JSON list of names for people; "-" where it is empty.
template <typename Json>
std::string names(const Json& list, const char* between = ", ") {
  std::string out;
  for (const auto& name : list) out += (out.empty() ? "" : between) + name.template get<std::string>();
  return out.empty() ? "-" : out;
}

}  // namespace plumvine::cli
