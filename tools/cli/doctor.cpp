// What is wrong with the cluster, by its members; with an agent that does not run, by this machine.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "judge.hpp"
#include "this_machine.hpp"
#include "transport/uv/answer_json.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string value_text(const Json& value) {
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string out;
  for (const Json& item : value) out += (out.empty() ? "" : ", ") + value_text(item);
  return out;
}

std::string facts(const Json& evidence) {
  std::string out;
  for (const auto& [key, value] : evidence.items()) {
    const std::string text = value_text(value);
    if (!text.empty()) out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", key, text);
  }
  return out.empty() ? "-" : out;
}

void show(const Json& report) {
  std::size_t number = 0;
  constexpr std::size_t kShownMax = 4;
  for (const Json& finding : report.at("findings")) {
    say(fmt::format("{}. {} ({}, {})", ++number, finding.at("code").get<std::string>(), finding.at("severity").get<std::string>(),
                    finding.at("component").get<std::string>()));
    say("   cause:    " + finding.at("cause").get<std::string>());
    std::size_t shown = 0;
    for (const auto& [member, evidence] : finding.at("evidence").items()) {
      if (++shown > kShownMax) continue;
      say(fmt::format("   evidence: {}: {}", member, facts(evidence)));
    }
    if (shown > kShownMax) say(fmt::format("   evidence: {} more members see it (--json shows all)", shown - kShownMax));
    say(fmt::format("   remedy:   {}", finding.at("remedy").get<std::string>()));
  }
  for (const Json& note : report.at("notes")) {
    say(fmt::format("note {}: {} ({}); {}", note.at("code").get<std::string>(), note.at("cause").get<std::string>(), note.at("detail").get<std::string>(),
                    note.at("remedy").get<std::string>()));
  }
  say(fmt::format("{}; {} of {} members answered{}", number == 0 ? "nothing is wrong" : fmt::format("{} finding{}", number, number == 1 ? "" : "s"),
                  report.at("answered").get<std::size_t>(), report.at("asked").get<std::size_t>(),
                  report.at("silent").empty() ? "" : ", silent: " + value_text(report.at("silent"))));
}

int finish(const Call& call, const Json& report) {
  if (call.json) put(uv::text_of(report));
  else show(report);
  return report.at("findings").empty() ? kGood : kBad;
}

}  // namespace

int doctor(const Call& call) {
  if (!call.arguments.empty()) return complain(kUsage, "doctor [--config FILE] [--bind HOST:PORT]");
  const std::string where = agent_address(call);
  std::string silence = where.empty() ? fmt::format("{} turns HTTP off: no agent that runs with it can be asked", call.config) : "";
  // One that is stopped would take the question and never answer.
  if (!where.empty() && !is_stopped_here(where)) {
    Client client(where);
    try {
      if (const auto answer = client.get("/doctor")) return answer->status == 200 ? finish(call, Json::parse(answer->body)) : complain(kBad, words_of(*answer));
      silence = client.error();
    } catch (const Foreign&) {
      silence = not_ours(where);
    }
  }
  ThisMachine here = look_at_this_machine(call, where);
  if (!here.agent.empty()) silence += (silence.empty() ? "" : "; ") + here.agent;
  if (here.findings.empty()) return complain(kUnreachable, silence);
  if (!call.json && !silence.empty()) complain(kBad, silence);
  return finish(call, {{"well", false}, {"asked_by", "this machine"}, {"asked", 0}, {"answered", 0}, {"silent", Json::array()},
                       {"findings", Json::parse(here.findings)}, {"notes", Json::array()}});
}

}  // namespace plumvine::cli
