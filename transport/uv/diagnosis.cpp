#include "diagnosis.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "answer_json.hpp"

namespace plumvine::uv {
namespace {

Json milliseconds(Duration d) { return uv::milliseconds(std::chrono::duration<double>(d).count()); }

std::string_view name_of(PathInfo::State state) {
  return state == PathInfo::State::held ? "held" : state == PathInfo::State::seen ? "seen" : "unknown";
}

Json path_json(const MessagePath& path, bool lists) {
  Json json{{"state", name_of(path.state)}, {"delivered", path.delivered}};
  if (path.state != PathInfo::State::held) return json;
  json["hops"] = path.hops;
  json["delay_ms"] = milliseconds(path.latency);
  json["waited_ms"] = path.waited ? milliseconds(*path.waited) : Json(nullptr);
  json["from"] = path.from.empty() ? Json(nullptr) : Json(path.from);
  if (!lists) return json;
  json["sent"] = path.sent;
  json["told"] = path.known;
  return json;
}

std::vector<MessageId> ids_of(std::string_view question) {
  std::vector<MessageId> ids;
  while (!question.empty() && ids.size() < kPathsMax) {
    const auto end = question.find(' ');
    if (const auto id = parse_message_id(question.substr(0, end))) ids.push_back(*id);
    question.remove_prefix(end == std::string_view::npos ? question.size() : end + 1);
  }
  return ids;
}

/// What a member said of the way of message number `at`; null if that is not readable.
Json path_in(std::string_view answer, std::size_t at) {
  const Json list = Json::parse(answer, nullptr, false);
  if (!list.is_array() || list.size() <= at || !list[at].is_object()) return nullptr;
  const Json& path = list[at];
  const auto is = [&](const char* key, auto check) { return path.contains(key) && check(path[key]); };
  if (!is("state", [](const Json& v) { return v.is_string(); }) || !is("delivered", [](const Json& v) { return v.is_boolean(); })) return nullptr;
  if (path["state"] == "held" && (!is("hops", [](const Json& v) { return v.is_number_unsigned(); }) ||
                                  !is("delay_ms", [](const Json& v) { return v.is_number(); }) ||
                                  !is("from", [](const Json& v) { return v.is_string() || v.is_null(); })))
    return nullptr;
  return path;
}

}  // namespace

std::string paths_question(const std::vector<MessageId>& ids) {
  std::string text;
  for (const MessageId& id : ids) text += (text.empty() ? "" : " ") + to_string(id);
  return text;
}

std::string paths_answer(const Driver& driver, std::string_view question) {
  const auto answer = [&](bool lists) {
    Json out = Json::array();
    for (const MessageId& id : ids_of(question)) out.push_back(path_json(driver.path(id), lists));
    return text_of(out);
  };
  std::string text = answer(true);
  return text.size() <= kAnswerMax ? text : answer(false);
}

Trace trace(const MessageId& id, const std::string& self, const std::string& own, const Answered& answered) {
  std::vector<Json> paths;
  std::vector<std::string> silent = answered.missing;
  bool found = false;
  const auto add = [&](const std::string& member, std::string_view text) {
    const Json path = path_in(text, 0);
    if (path.is_null()) return silent.push_back(member);
    found = found || path["state"] != "unknown";
    Json row{{"member", member}};
    row.update(path);
    paths.push_back(std::move(row));
  };
  add(self, own);
  for (const auto& answer : answered.answers) add(answer.member, answer.text.text());
  const auto place = [](const Json& row) { return std::tuple{row["state"] != "held", row.value("hops", 0u), row["member"].get<std::string>()}; };
  std::sort(paths.begin(), paths.end(), [&](const Json& a, const Json& b) { return place(a) < place(b); });
  std::sort(silent.begin(), silent.end());
  return {found, text_of(Json{{"id", to_string(id)}, {"paths", paths}, {"silent", silent}})};
}

bool Probes::complete() const {
  return receipts.size() == ids.size() && std::all_of(receipts.begin(), receipts.end(), [](const Receipt& receipt) { return receipt.complete; });
}

std::string Probes::json(const Answered& answered) const {
  struct Got {
    std::size_t probes = 0;
    unsigned hops = 0;
    double delay_ms = 0;
    bool known = false;
  };
  std::map<std::string, Got> members;
  std::set<std::string> missing;
  for (const Receipt& receipt : receipts) {
    for (const std::string& name : receipt.acked) ++members[name].probes;
    missing.insert(receipt.missing.begin(), receipt.missing.end());
  }
  for (const auto& answer : answered.answers) {
    const auto member = members.find(answer.member);
    if (member == members.end()) continue;
    Got& got = member->second;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const Json path = path_in(answer.text.text(), i);
      if (path.is_null() || path["state"] != "held") continue;
      got.known = true;
      got.hops = std::max(got.hops, path["hops"].get<unsigned>());
      got.delay_ms = std::max(got.delay_ms, path["delay_ms"].get<double>());
    }
  }
  Json rows = Json::array();
  for (const auto& [name, got] : members) {
    Json row{{"member", name}, {"received", got.probes}, {"hops", nullptr}, {"delay_ms", nullptr}};
    if (got.known) {
      row["hops"] = got.hops;
      row["delay_ms"] = got.delay_ms;
    }
    rows.push_back(std::move(row));
  }
  Json list = Json::array();
  for (const MessageId& id : ids) list.push_back(to_string(id));
  return text_of(Json{{"complete", complete()}, {"count", ids.size()}, {"size", size}, {"ids", list}, {"members", rows}, {"missing", missing}});
}

}  // namespace plumvine::uv
