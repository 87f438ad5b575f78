#include "tls_inquiry.hpp"

#include <algorithm>
#include <map>

#include <plumvine/detail/base64.hpp>

#include "answer_json.hpp"

namespace plumvine::uv {
namespace {

/// As a client and as a server: a member is both.
tls::Judgement judge_both(const std::function<tls::Judgement(tls::Role)>& judge) {
  tls::Judgement first = judge(tls::Role::client);
  return first.good() ? judge(tls::Role::server) : first;
}

/// Each certificate behind its length in two bytes.
std::vector<std::string> chain_of(std::string_view question) {
  std::vector<std::string> chain;
  while (question.size() >= 2) {
    const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(question[0])) << 8 | static_cast<unsigned char>(question[1]);
    if (size > question.size() - 2) return {};
    chain.emplace_back(question.substr(2, size));
    question.remove_prefix(2 + size);
  }
  return question.empty() ? chain : std::vector<std::string>{};
}

}  // namespace

Result<TlsPlan> read_plan(std::string_view cert, std::string_view ca, const tls::Self& self) {
  TlsPlan plan;
  auto chain = tls::der_of(cert);
  if (!chain) return chain.error().with("certificate");
  plan.chain = std::move(*chain);
  if (const std::size_t size = tls_question(plan).size(); size > kQuestionMax)
    return Error{Errc::too_large, "certificate: with its chain it has " + std::to_string(size) + " bytes, and members can be asked of " +
                                      std::to_string(kQuestionMax) + "; leave its chain out, or take an ECDSA key"};
  if (ca.empty()) return plan;
  auto cas = tls::Credentials::for_judging(ca, self);
  if (!cas) return cas.error();
  plan.cas = std::move(*cas);
  return plan;
}

std::string tls_question(const TlsPlan& plan) {
  std::string question;
  for (const std::string& one : plan.chain) {
    question += static_cast<char>(one.size() >> 8 & 0xff);
    question += static_cast<char>(one.size() & 0xff);
    question += one;
  }
  return question;
}

std::string tls_answer(const tls::Trust* trust, std::string_view question) {
  if (trust == nullptr) return text_of({{"tls", false}});
  const auto chain = chain_of(question);
  const tls::Judgement judged = judge_both([&](tls::Role role) { return trust->judge(chain, role); });
  Json own = Json::array();
  for (const std::string& one : trust->current()->chain()) {
    std::string text;
    append_base64(text, as_bytes(one));
    own.push_back(text);
  }
  Json out{{"tls", true}, {"takes", judged.good()}, {"names", judged.names}, {"chain", std::move(own)}};
  if (!judged.good()) out["why"] = judged.text;
  return text_of(out);
}

TlsReport tls_report(const TlsPlan& plan, const std::string& self, std::string_view own, const Answered& answered) {
  std::map<std::string, Json> rows;
  bool good = answered.missing.empty();
  const auto add = [&](const std::string& member, std::string_view text) {
    const Json said = Json::parse(text, nullptr, false);
    Json row{{"member", member}, {"takes", false}, {"taken", nullptr}, {"why", nullptr}};
    if (!said.is_object() || !said.contains("tls") || said["tls"] != true || !said.contains("takes") || !said["takes"].is_boolean()) {
      row["why"] = said.is_object() && said.contains("tls") ? "it has no TLS" : "it knows no such question";
      good = false;
      rows[member] = std::move(row);
      return;
    }
    row["takes"] = said["takes"];
    if (said.contains("why") && said["why"].is_string()) row["why"] = said["why"];
    const Json names = said.value("names", Json::array());
    if (row["takes"] == true && std::find(names.begin(), names.end(), Json(self)) == names.end()) {
      row["takes"] = false;
      row["why"] = "the certificate does not name " + self;
    }
    if (plan.cas != nullptr) {
      std::vector<std::string> chain;
      for (const Json& one : said.value("chain", Json::array()))
        if (auto der = one.is_string() ? decode_base64(one.get<std::string>()) : std::nullopt) chain.push_back(std::move(*der));
      const tls::Judgement judged = judge_both([&](tls::Role role) { return plan.cas->judge(chain, role); });
      row["taken"] = judged.good();
      if (!judged.good() && row["why"].is_null()) row["why"] = "by the new CAs: " + judged.text;
      good = good && judged.good();
    }
    good = good && row["takes"] == true;
    rows[member] = std::move(row);
  };
  add(self, own);
  for (const auto& answer : answered.answers) add(answer.member, answer.text.text());
  Json members = Json::array();
  for (auto& [name, row] : rows) members.push_back(std::move(row));
  return {good, text_of({{"good", good}, {"members", std::move(members)}, {"silent", answered.missing}})};
}

}  // namespace plumvine::uv
