// What is wrong with the cluster, by its members; with an agent that does not run, by this machine.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "ports.hpp"
#include "tools/agent/options.hpp"
#include "transport/uv/error_codes.hpp"

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
  for (const Json& finding : report["findings"]) {
    say(fmt::format("{}. {} ({}, {})\n   cause:    {}", ++number, finding["code"].get<std::string>(), finding["severity"].get<std::string>(),
                    finding["component"].get<std::string>(), finding["cause"].get<std::string>()));
    std::size_t shown = 0;
    for (const auto& [member, evidence] : finding["evidence"].items()) {
      if (++shown > kShownMax) continue;
      say(fmt::format("   evidence: {}: {}", member, facts(evidence)));
    }
    if (shown > kShownMax) say(fmt::format("   evidence: {} more members see it (--json shows all)", shown - kShownMax));
    say(fmt::format("   remedy:   {}", finding["remedy"].get<std::string>()));
  }
  for (const Json& note : report["notes"]) {
    say(fmt::format("note {}: {} ({}); {}", note["code"].get<std::string>(), note["cause"].get<std::string>(), note["detail"].get<std::string>(),
                    note["remedy"].get<std::string>()));
  }
  say(fmt::format("{}; {} of {} members answered{}", number == 0 ? "nothing is wrong" : fmt::format("{} finding{}", number, number == 1 ? "" : "s"),
                  report["answered"].get<std::size_t>(), report["asked"].get<std::size_t>(),
                  report["silent"].empty() ? "" : ", silent: " + value_text(report["silent"])));
}

Json local_finding(std::string_view code, Json evidence) {
  Json finding{{"code", code}, {"severity", "unhealthy"}, {"component", "node"}};
  for (const auto& row : uv::error_codes()) {
    if (row.code != code) continue;
    finding["cause"] = row.cause;
    finding["remedy"] = row.remedy;
  }
  finding["reported_by"] = {"this machine"};
  finding["evidence"] = {{"this machine", std::move(evidence)}};
  return finding;
}

void add_holders(const std::string& what, const std::string& text, bool udp_too, Json& findings) {
  if (text.empty()) return;
  const auto address = Endpoint::parse(text.starts_with(":") ? "0.0.0.0" + text : text);
  if (!address || address->port == 0) return;
  for (const Holder& holder : holders_of(*address, udp_too)) {
    findings.push_back(local_finding("address_in_use", {{"key", what}, {"wanted", text}, {"protocol", holder.protocol}, {"held", holder.address},
                                                        {"holder", holder.process}}));
  }
}

/// Why no agent may run here: its configuration, or a port that somebody else has.
Json local_findings(const Call& call) {
  Json findings = Json::array();
  agent::Options options;
  std::vector<std::string> arguments;
  if (!call.config.empty()) arguments.insert(arguments.end(), {"--config", call.config});
  if (!call.bind.empty()) arguments.insert(arguments.end(), {"--bind", call.bind});
  if (const auto refusal = agent::read_options(arguments, options)) {
    findings.push_back(local_finding("invalid_config", {{"problems", refusal->problems}}));
    return findings;
  }
  add_holders("bind", options.config.bind.empty() ? "[::]:7946" : options.config.bind, true, findings);
  add_holders("http", call.config.empty() ? call.http : options.config.http, false, findings);
  return findings;
}

int finish(const Call& call, const Json& report) {
  if (call.json) say(report.dump(-1, ' ', false, Json::error_handler_t::replace));
  else show(report);
  return report["findings"].empty() ? kGood : kBad;
}

}  // namespace

int doctor(const Call& call) {
  if (!call.arguments.empty()) return complain(kUsage, "doctor [--config FILE] [--bind HOST:PORT]");
  Client client(call.http);
  const auto answer = client.get("/doctor");
  if (answer) {
    const Json report = Json::parse(answer->body, nullptr, false);
    if (report.is_object() && report.contains("findings")) return finish(call, report);
    if (report.is_object() && report.contains("error")) return complain(kBad, words_of(*answer));
  }
  Json findings = local_findings(call);
  if (findings.empty()) return complain(kUnreachable, answer ? "what answers at " + call.http + " is no plumvined" : client.error());
  if (!call.json) complain(kBad, answer ? "what answers at " + call.http + " is no plumvined" : client.error());
  return finish(call, {{"well", false}, {"asked_by", "this machine"}, {"asked", 0}, {"answered", 0}, {"silent", Json::array()},
                       {"findings", std::move(findings)}, {"notes", Json::array()}});
}

}  // namespace plumvine::cli
