#include "doctor.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "answer_json.hpp"
#include "health/codes.hpp"

namespace plumvine::uv {
namespace {

/// Causes first: what stands below may follow from what stands above.
constexpr std::array<std::string_view, 39> kOrder{
    "PV2011",                                // two processes of one name
    "PV2304", "PV2311", "PV2301", "PV2302", "PV2010", "PV2008",  // who cannot belong together
    "PV2306", "PV2307", "PV2308", "PV2309", "PV2310",  // who harms the others
    "PV2303", "PV2305",                      // who soon cannot any more
    "PV2012", "PV2013", "PV2105",            // a process, a clock, a disk
    "PV2109", "PV2203", "PV2201",            // too much work, too much memory
    "PV2106", "PV2104", "PV2107",            // settings
    "PV2007",                                // the network
    "PV2004", "PV2016", "PV2017", "PV2001", "PV2009", "PV2002", "PV2006", "PV2005", "PV2015", "PV2014",  // who is cut off from whom
    "PV2102", "PV2103", "PV2101", "PV2003",  // what users notice
    "PV2202",
};

/// Settings that are to be alike at all members.
constexpr std::array<std::string_view, 7> kShared{"tree_rule", "max_message_size", "probe_interval", "gossip_interval", "push_pull_interval",
                                                  "delegate_protocol", "sign_origins"};

struct Said {
  std::string member;
  Json answer;
};

/// What the answer is made of, if it is readable; else null.
Json readable(std::string_view answer) {
  Json json = Json::parse(answer, nullptr, false);
  const auto has = [&](const char* key, bool (Json::*is)() const noexcept) { return json.contains(key) && (json[key].*is)(); };
  if (!json.is_object() || !has("reasons", &Json::is_array) || !has("version", &Json::is_string) || !has("settings", &Json::is_object)) return nullptr;
  for (const Json& reason : json["reasons"]) {
    if (!reason.is_object() || !reason.contains("code") || !reason["code"].is_string() || !reason.contains("evidence") ||
        !reason["evidence"].is_object())
      return nullptr;
  }
  return json;
}

Json finding(std::string_view code) {
  const health::Code* row = health::find_code(code);
  Json out{{"code", code}};
  out["severity"] = row ? to_string(row->severity) : "degraded";
  out["component"] = row ? row->component : "unknown";
  out["cause"] = row ? row->cause : "a newer member reports what this one does not know";
  out["remedy"] = row ? row->remedy : "plumvine explain there knows the code";
  return out;
}

Json note(std::string_view code, std::string detail) {
  Json out = finding(code);
  out.erase("severity");
  out["detail"] = std::move(detail);
  return out;
}

/// The first three, and how many more.
std::string some_of(const std::vector<std::string>& members) {
  constexpr std::size_t kNamedMax = 3;
  std::string out;
  for (std::size_t i = 0; i < std::min(members.size(), kNamedMax); ++i) out += (i == 0 ? "" : ", ") + members[i];
  return members.size() > kNamedMax ? out + " and " + std::to_string(members.size() - kNamedMax) + " more" : out;
}

/// By the value that each member has, where there is more than one.
std::string differing(const std::vector<Said>& said, const std::function<std::string(const Json&)>& value) {
  std::map<std::string, std::vector<std::string>> who;
  for (const Said& one : said) who[value(one.answer)].push_back(one.member);
  if (who.size() < 2) return {};
  std::string out;
  for (const auto& [text, members] : who) out += (out.empty() ? "" : "; ") + text + " at " + some_of(members);
  return out;
}

Json notes(const std::vector<Said>& said) {
  Json out = Json::array();
  std::vector<std::string> open, unlabelled, aged;
  for (const Said& one : said) {
    const auto lacks = [&](const char* key) { return one.answer.contains(key) && one.answer[key] == false; };
    if (lacks("label")) unlabelled.push_back(one.member);
    if (lacks("key")) open.push_back(one.member);
    if (one.answer.contains("old_key") && one.answer["old_key"].is_object()) {
      const Json& key = one.answer["old_key"];
      if (key.contains("name") && key["name"].is_string() && key.contains("days") && key["days"].is_number_unsigned())
        aged.push_back(one.member + " (" + key["name"].get<std::string>() + ", " + std::to_string(key["days"].get<std::uint64_t>()) + " days)");
    }
  }
  if (!unlabelled.empty()) out.push_back(note("PV2901", some_of(unlabelled)));
  if (!open.empty()) out.push_back(note("PV2902", some_of(open)));
  if (!aged.empty()) out.push_back(note("PV2906", some_of(aged)));
  if (auto text = differing(said, [](const Json& answer) { return answer["version"].get<std::string>(); }); !text.empty())
    out.push_back(note("PV2903", std::move(text)));
  for (const std::string_view key : kShared) {
    auto text = differing(said, [key](const Json& answer) {
      const Json& settings = answer["settings"];
      const auto it = settings.find(key);
      return it != settings.end() && it->is_string() ? it->get<std::string>() : std::string("unknown");
    });
    if (!text.empty()) out.push_back(note("PV2904", std::string(key) + ": " + text));
  }
  return out;
}

/// Strangers are shown for a minute after they were heard. One who may be gone meanwhile does not stand before what is wrong now.
bool is_over(const std::string& code, const Json& evidence) {
  constexpr double kSilentMin = 10;
  if (code != "PV2010" && code != "PV2301" && code != "PV2302" && code != "PV2311") return false;
  const auto last = evidence.find("last_s");
  return last != evidence.end() && last->is_number() && last->get<double>() >= kSilentMin;
}

}  // namespace

std::size_t rank_of(std::string_view code) noexcept {
  return static_cast<std::size_t>(std::find(kOrder.begin(), kOrder.end(), code) - kOrder.begin());
}

std::string findings_answer(const HealthReport& report, const Config& config, const std::vector<KeyInfo>& keys) {
  Json out{{"version", report.version}, {"label", !config.cluster.empty()}, {"key", !config.encrypt.empty() || !config.keyring.empty() || !config.tls_cert.empty()}};
  Json& settings = out["settings"] = Json::object();
  for (const auto& [key, value] : config.describe())
    if (std::find(kShared.begin(), kShared.end(), key) != kShared.end()) settings[key] = value;
  if (const double limit = std::chrono::duration<double>(config.health.key_age_warning).count(); limit > 0 && !keys.empty() && keys.front().age_s > limit)
    out["old_key"] = {{"name", keys.front().name}, {"days", static_cast<std::uint64_t>(keys.front().age_s / 86400)}};
  Json& reasons = out["reasons"] = Json::array();
  for (const HealthReason& reason : report.reasons) {
    Json evidence = Json::object();
    for (const auto& [key, value] : reason.evidence)
      std::visit([&, name = &key](const auto& plain) { evidence[*name] = plain; }, value);
    reasons.push_back({{"code", reason.code}, {"evidence", std::move(evidence)}});
  }
  std::string text = text_of(out);
  if (text.size() <= kAnswerMax) return text;
  for (Json& reason : reasons) reason["evidence"] = {{"left_out", "too long for an answer; ask that member"}};
  return text_of(out);
}

Diagnosis diagnose(const std::string& self, std::string_view own, const Answered& answered) {
  std::vector<Said> said;
  std::vector<std::string> silent = answered.missing, unknowing;
  const auto add = [&](const std::string& member, std::string_view text) {
    if (Json json = readable(text); !json.is_null()) said.push_back({member, std::move(json)});
    else unknowing.push_back(member);
  };
  add(self, own);
  for (const auto& answer : answered.answers) add(answer.member, answer.text.text());
  std::sort(said.begin(), said.end(), [](const Said& a, const Said& b) { return a.member < b.member; });
  std::sort(silent.begin(), silent.end());

  std::set<std::string> current;
  for (const Said& one : said)
    for (const Json& reason : one.answer["reasons"])
      if (const auto code = reason["code"].get<std::string>(); !is_over(code, reason["evidence"])) current.insert(code);
  std::map<std::tuple<bool, std::size_t, std::string>, Json> evidence;  // by place and code: member -> what it saw
  for (const Said& one : said) {
    for (const Json& reason : one.answer["reasons"]) {
      const auto code = reason["code"].get<std::string>();
      evidence[{!current.contains(code), rank_of(code), code}][one.member] = reason["evidence"];
    }
  }
  if (!silent.empty()) evidence[{false, rank_of("PV2015"), "PV2015"}][self] = {{"who", silent}};

  Json findings = Json::array();
  for (auto& [key, seen] : evidence) {
    Json one = finding(std::get<2>(key));
    Json& by = one["reported_by"] = Json::array();
    for (const auto& [member, facts] : seen.items()) by.push_back(member);
    one["evidence"] = std::move(seen);
    findings.push_back(std::move(one));
  }
  const bool well = findings.empty();
  Json advice = notes(said);
  if (!unknowing.empty()) {
    std::string who;
    for (const std::string& name : unknowing) who += (who.empty() ? "" : ", ") + name;
    advice.push_back(note("PV2905", std::move(who)));
  }
  return {well, text_of(Json{{"well", well},
                             {"asked_by", self},
                             {"asked", said.size() + unknowing.size() + silent.size()},
                             {"answered", said.size()},
                             {"silent", silent},
                             {"findings", std::move(findings)},
                             {"notes", std::move(advice)}})};
}

}  // namespace plumvine::uv
