#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "commands.hpp"
#include "health/codes.hpp"
#include "tools/agent/codes.hpp"
#include "tools/agent/flags.hpp"
#include "transport/codes.hpp"
#include "transport/uv/error_codes.hpp"
#include "transport/uv/answer_json.hpp"

namespace plumvine::cli {

const std::vector<Explained>& all_codes() {
  static const std::vector<Explained> all = [] {
    std::vector<Explained> out;
    for (const auto& row : code::explanations()) {
      out.push_back({row.code, row.kind ? fmt::format("log line, {} event", to_string(*row.kind)) : "log line", row.title, row.text});
    }
    for (const auto& row : health::codes()) {
      out.push_back({row.code, fmt::format("health reason, {}, {}", row.component, to_string(row.severity)), row.cause, row.remedy});
    }
    for (const auto& row : agent::codes()) out.push_back({row.code, "log line of the agent", row.cause, row.remedy});
    for (const auto& row : uv::error_codes()) out.push_back({row.code, "error", row.cause, row.remedy});
    return out;
  }();
  return all;
}

int explain(const Call& call) {
  if (call.arguments.size() != 1) return complain(kUsage, "explain CODE");
  std::string wanted = call.arguments[0];
  const bool numbered = wanted.size() > 2 && (wanted.starts_with("pv") || wanted.starts_with("PV"));
  if (numbered) wanted.replace(0, 2, "PV");
  const auto& all = all_codes();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Explained& row) { return row.code == wanted; });
  if (found == all.end()) {
    std::vector<std::string_view> names;
    for (const auto& row : all) names.push_back(row.code);
    return complain(kUsage, fmt::format("explain: '{}' is no code; the nearest is {}", call.arguments[0], agent::nearest(wanted, names)));
  }
  if (call.json) {
    put(uv::text_of({{"code", found->code}, {"source", found->source}, {"cause", found->cause}, {"remedy", found->remedy}}));
  } else {
    say(fmt::format("{} ({})", found->code, found->source));
    say(found->cause);
    say(found->remedy);
  }
  return kGood;
}

}  // namespace plumvine::cli
