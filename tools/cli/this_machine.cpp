#include "this_machine.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "ports.hpp"
#include "tools/agent/options.hpp"
#include "transport/uv/answer_json.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

Json finding_of(std::string_view code, std::string_view component, Json evidence, std::string_view remedy = {}) {
  Json finding{{"code", code}, {"severity", "unhealthy"}, {"component", component}};
  for (const Explained& row : all_codes()) {
    if (row.code != code) continue;
    finding["cause"] = row.cause;
    finding["remedy"] = remedy.empty() ? row.remedy : remedy;
  }
  finding["reported_by"] = {"this machine"};
  finding["evidence"] = {{"this machine", std::move(evidence)}};
  return finding;
}

std::optional<Endpoint> parsed(const std::string& text) {
  const auto address = Endpoint::parse(text.starts_with(":") ? "0.0.0.0" + text : text);
  if (!address || address->port == 0) return std::nullopt;
  return *address;
}

/// One that can be dialled from here.
std::string dialled(Endpoint at) {
  const bool v4 = at.is_v4();
  if (at.is_unspecified()) return fmt::format("{}:{}", v4 ? "127.0.0.1" : "[::1]", at.port);
  return at.to_string();
}

/// How to ask it, as one may type it.
std::string asked_at(const LocalAgent& agent) {
  if (agent.http.empty()) return "its HTTP is off, so nobody can ask it (plumvined --http HOST:PORT turns it on)";
  return fmt::format("its HTTP is at {0} (plumvine --http {0})", dialled(agent.http.front()));
}

/// An address that an agent was to have, and who has it.
struct Wanted {
  std::string key, text;
  Holder holder;
};

void add_wanted(const std::string& key, const std::string& text, bool udp_too, std::vector<Wanted>& out) {
  const auto address = parsed(text);
  if (!address) return;
  for (Holder& holder : holders_of(*address, udp_too)) out.push_back({key, text, std::move(holder)});
}

std::string stopped_remedy(int pid) {
  return fmt::format("kill -CONT {} lets it go on; who stopped it (kill -STOP, a debugger, a service manager) may do so again", pid);
}

}  // namespace

std::string agent_address(const Call& call) {
  agent::Options options;
  if (call.http_typed || call.config.empty() || agent::read_options({"--config", call.config}, options)) return call.http;
  const std::string& http = options.config.http;
  if (http.empty()) return {};
  const auto address = parsed(http);
  return address ? dialled(*address) : http.ends_with(":0") ? call.http : http;
}

bool is_stopped_here(const std::string& http) {
  const auto address = parsed(http);
  if (!address || !address->is_loopback()) return false;
  const auto holders = holders_of(*address, false);
  return std::any_of(holders.begin(), holders.end(), [](const Holder& holder) {
    const auto agent = local_agent(holder.pid);
    return agent && agent->stopped;
  });
}

ThisMachine look_at_this_machine(const Call& call, const std::string& http) {
  ThisMachine out;
  Json findings = Json::array();
  agent::Options options;
  std::vector<std::string> arguments;
  if (!call.config.empty()) arguments.insert(arguments.end(), {"--config", call.config});
  if (!call.bind.empty()) arguments.insert(arguments.end(), {"--bind", call.bind});
  if (const auto refusal = agent::read_options(arguments, options)) {
    findings.push_back(finding_of("invalid_config", "node", {{"problems", refusal->problems}}));
    out.findings = uv::text_of(findings);
    return out;
  }
  std::vector<Wanted> wanted;
  add_wanted("bind", options.config.bind.empty() ? "[::]:7946" : options.config.bind, true, wanted);
  add_wanted("http", http, false, wanted);
  std::map<int, LocalAgent> agents;
  for (const Wanted& one : wanted)
    if (auto agent = local_agent(one.holder.pid)) agents.emplace(agent->pid, *agent);
  for (const auto& [pid, agent] : agents)
    if (agent.stopped)
      findings.push_back(finding_of("PV2012", "membership", {{"holder", fmt::format("pid {} (plumvined)", pid)}, {"state", "stopped"}}, stopped_remedy(pid)));
  for (const Wanted& one : wanted) {
    const auto ours = agents.find(one.holder.pid);
    const Json evidence{{"key", one.key}, {"wanted", one.text}, {"protocol", one.holder.protocol}, {"held", one.holder.address}, {"holder", one.holder.process}};
    if (ours == agents.end()) findings.push_back(finding_of("address_in_use", "node", evidence));
    else if (ours->second.stopped) continue;
    else if (call.bind.empty()) out.agent = fmt::format("an agent runs here, pid {}: {}", one.holder.pid, asked_at(ours->second));
    else  // somebody wants to start another one
      findings.push_back(finding_of("address_in_use", "node", evidence, fmt::format("An agent runs there already: {}. A second one needs other ports (--bind, --http).", asked_at(ours->second))));
  }
  if (!findings.empty()) out.findings = uv::text_of(findings);
  return out;
}

}  // namespace plumvine::cli
