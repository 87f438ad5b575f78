#include "reachability.hpp"

#include <algorithm>
#include <utility>

#include "answer_json.hpp"
#include "health/json_text.hpp"

namespace plumvine::uv {
namespace {

/// One direction of one protocol.
enum class Way : std::uint8_t { unknown, open, blocked };

std::string_view name_of(Way way) { return way == Way::open ? "open" : way == Way::blocked ? "blocked" : "unknown"; }

bool is_there(const MemberInfo& info) { return info.member.state == MemberState::alive || info.member.state == MemberState::suspect; }

/// What the far end says of its ways to us.
struct FarEnd {
  bool udp = false, tcp = false, heard = false;
  std::uint64_t packet_bytes = 0;
  std::string tcp_problem;
};

struct Said {
  std::optional<FarEnd> of_us;
  Json unwell = Json::array();
};

std::optional<Said> read_answer(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("asker") || !json.contains("unwell") || !json["unwell"].is_array()) return std::nullopt;
  Said said;
  for (const Json& row : json["unwell"]) {
    const auto text_at = [&](const char* key) { return row.contains(key) && row[key].is_string(); };
    if (row.is_object() && text_at("member") && text_at("packets") && text_at("no_link")) said.unwell.push_back(row);
  }
  const Json& us = json["asker"];
  if (!us.is_object()) return said;
  const auto flag = [&](const char* key) { return us.contains(key) && us[key].is_boolean() && us[key].get<bool>(); };
  said.of_us = FarEnd{flag("udp"), flag("tcp"), flag("heard")};
  if (us.contains("packet_bytes") && us["packet_bytes"].is_number_unsigned()) said.of_us->packet_bytes = us["packet_bytes"].get<std::uint64_t>();
  if (us.contains("tcp_problem") && us["tcp_problem"].is_string()) said.of_us->tcp_problem = us["tcp_problem"].get<std::string>();
  return said;
}

/// Both directions of both protocols between us and one member.
struct Ways {
  Way udp_out = Way::unknown, udp_in = Way::unknown, tcp_out = Way::unknown, tcp_in = Way::unknown;
  std::string out_problem, in_problem;  ///< of TCP
  [[nodiscard]] bool any_blocked() const {
    return udp_out == Way::blocked || udp_in == Way::blocked || tcp_out == Way::blocked || tcp_in == Way::blocked;
  }
};

/// Pings go there and come back: one that is answered says that both directions are open. One that is not says which is closed
/// only together with what the far end has heard.
void judge_udp(Ways& ways, const MemberInfo& info, const ReachCheck* check, const FarEnd* far) {
  if (check == nullptr) {
    if (info.packets == PacketPath::out_blocked) ways.udp_out = Way::blocked, ways.udp_in = Way::open;
    if (info.packets == PacketPath::in_blocked) ways.udp_in = Way::blocked;
    if (info.packets == PacketPath::open && info.rtt_s >= 0 && is_there(info)) ways.udp_out = ways.udp_in = Way::open;
    return;
  }
  if (check->udp || (far != nullptr && far->udp)) {
    ways.udp_out = ways.udp_in = Way::open;
    return;
  }
  // Pings of its own came while we asked, or before: then it is our packets that are lost.
  const bool heard = check->heard || info.packets == PacketPath::out_blocked;
  if (heard) ways.udp_in = Way::open;
  else if (far != nullptr || info.packets == PacketPath::in_blocked) ways.udp_in = Way::blocked;
  if (far != nullptr) ways.udp_out = far->heard ? Way::open : Way::blocked;
  else if (heard || !is_there(info)) ways.udp_out = Way::blocked;
}

void judge_tcp(Ways& ways, const MemberInfo& info, const std::vector<LinkInfo>& links, const ReachCheck* check, const FarEnd* far) {
  for (const LinkInfo& link : links) {
    if (link.peer == info.member.name && link.state == LinkState::up) (link.outbound ? ways.tcp_out : ways.tcp_in) = Way::open;
  }
  if (!info.no_link.empty() && ways.tcp_out == Way::unknown) ways.tcp_out = Way::blocked, ways.out_problem = info.no_link;
  // A link may live on although new connections are refused: a fresh one says more.
  if (check != nullptr) {
    ways.tcp_out = check->tcp ? Way::open : Way::blocked;
    ways.out_problem = check->tcp_problem;
  }
  if (far != nullptr) {
    ways.tcp_in = far->tcp ? Way::open : Way::blocked;
    ways.in_problem = far->tcp_problem;
  }
}

/// Rules that lack at both hosts: what comes in at the one goes out at the other.
Json to_open(const Ways& ways, const Endpoint& us, const Endpoint& them) {
  Json rules = Json::array();
  const auto rule = [&](const char* protocol, const Endpoint& from, const Endpoint& to) {
    rules.push_back({{"protocol", protocol}, {"from", from.host()}, {"to", to.host()}, {"port", to.port}, {"direction", to == us ? "in" : "out"}});
  };
  if (ways.udp_out == Way::blocked) rule("udp", us, them);
  if (ways.udp_in == Way::blocked) rule("udp", them, us);
  if (ways.tcp_out == Way::blocked) rule("tcp", us, them);
  if (ways.tcp_in == Way::blocked) rule("tcp", them, us);
  return rules;
}

Json clock_offset(const Snapshot& own, const std::string& name) {
  for (const LinkInfo& link : own.links)
    if (link.peer == name && link.state == LinkState::up && link.rtt_s >= 0) return std::round(link.clock_offset_s * 1e6) / 1e3;  // may be below 0
  return nullptr;
}

/// Largest packets that get there, and here: null where nobody tried.
Json packet_bytes(const ReachCheck* check, const FarEnd* far) {
  const auto size = [](std::uint64_t bytes) { return bytes == 0 ? Json(nullptr) : Json(bytes); };
  return {{"out", size(check == nullptr ? 0 : check->packet_bytes)}, {"in", size(far == nullptr ? 0 : far->packet_bytes)}};
}

/// Packets of `udp_buffer_size` are lost on the way there or here, although smaller ones are not.
bool packets_too_large(const Json& bytes, std::uint64_t udp_buffer_size) {
  return std::any_of(bytes.begin(), bytes.end(), [=](const Json& size) { return !size.is_null() && size.get<std::uint64_t>() < udp_buffer_size; });
}

Json row_of(const Snapshot& own, const MemberInfo& info, const Ways& ways, bool checked, bool answered) {
  const auto pair = [](Way out, Way in) { return Json{{"out", name_of(out)}, {"in", name_of(in)}}; };
  Json tcp = pair(ways.tcp_out, ways.tcp_in);
  tcp["out_problem"] = ways.tcp_out == Way::blocked ? Json(ways.out_problem) : Json(nullptr);
  tcp["in_problem"] = ways.tcp_in == Way::blocked ? Json(ways.in_problem) : Json(nullptr);
  return {{"member", info.member.name},
          {"address", info.member.endpoint().to_string()},
          {"state", to_string(info.member.state)},
          {"udp", pair(ways.udp_out, ways.udp_in)},
          {"tcp", std::move(tcp)},
          {"rtt_ms", milliseconds(info.rtt_s)},
          {"clock_offset_ms", clock_offset(own, info.member.name)},
          {"checked", checked},
          {"answered", answered},
          {"to_open", to_open(ways, own.address, info.member.endpoint())}};
}

}  // namespace

std::vector<std::string> reach_targets(const Snapshot& own, std::string_view only) {
  std::vector<std::string> names;
  for (const MemberInfo& info : own.members) {
    if (info.self || info.member.state == MemberState::left) continue;
    if (only.empty() || info.member.name == only) names.push_back(info.member.name);
  }
  if (names.size() > kReachMax) names.clear();
  return names;
}

std::string reach_question(const std::string& asker, const std::vector<std::string>& targets, std::string_view only) {
  std::string question = asker + '\n';
  if (!only.empty()) question += only;
  else if (!targets.empty()) question += '*';
  return question.size() <= kQuestionMax ? question : asker + '\n';
}

void reach_answer(const Snapshot& own, std::string_view question, const Reach& check, std::function<void(std::string)> done) {
  const auto line = question.find('\n');
  if (line == std::string_view::npos) return done({});
  const std::string asker(question.substr(0, line));
  const std::string_view pinger = question.substr(line + 1);
  Json unwell = Json::array();
  std::size_t size = 512;  // what is around them
  for (const MemberInfo& info : own.members) {
    if (info.self || !is_there(info) || (info.packets == PacketPath::open && info.no_link.empty())) continue;
    Json row{{"member", dump::to_utf8(info.member.name)}, {"packets", to_string(info.packets)}, {"no_link", dump::to_utf8(info.no_link)}};
    size += row.dump().size() + 1;
    if (size > kAnswerMax) break;
    unwell.push_back(std::move(row));
  }
  if (pinger != "*" && pinger != own.name) return done(text_of({{"asker", nullptr}, {"unwell", unwell}}));
  check(asker, [unwell, done = std::move(done)](const std::optional<ReachCheck>& found) {
    Json us;
    if (found) us = {{"udp", found->udp.has_value()}, {"tcp", found->tcp.has_value()}, {"heard", found->heard}, {"tcp_problem", found->tcp_problem}, {"packet_bytes", found->packet_bytes}};
    done(text_of({{"asker", us}, {"unwell", unwell}}));
  });
}

std::string reach_json(const Snapshot& own, std::string_view only, const Reached& reached, std::uint64_t udp_buffer_size) {
  std::map<std::string, Said> said;
  std::vector<std::string> silent = reached.answered.missing;
  for (const auto& [who, text] : reached.answered.answers) {
    if (auto read = read_answer(text.text())) said.emplace(who, std::move(*read));
    else silent.push_back(who);
  }
  std::sort(silent.begin(), silent.end());
  bool ok = true;
  Json rows = Json::array();
  for (const MemberInfo& info : own.members) {
    const std::string& name = info.member.name;
    if (info.self || info.member.state == MemberState::left || (!only.empty() && name != only)) continue;
    const auto check = reached.checks.find(name);
    const auto far = said.find(name);
    const FarEnd* of_us = far != said.end() && far->second.of_us ? &*far->second.of_us : nullptr;
    const ReachCheck* ours = check == reached.checks.end() ? nullptr : &check->second;
    Ways ways;
    judge_udp(ways, info, ours, of_us);
    judge_tcp(ways, info, own.links, ours, of_us);
    Json row = row_of(own, info, ways, ours != nullptr, far != said.end());
    row["packet_bytes"] = packet_bytes(ours, of_us);
    row["packets_too_large"] = packets_too_large(row["packet_bytes"], udp_buffer_size);
    ok = ok && !ways.any_blocked() && row["packets_too_large"] == false;
    rows.push_back(std::move(row));
  }
  Json elsewhere = Json::array();
  for (const auto& [who, what] : said) {
    for (const Json& row : what.unwell) {
      if (row["member"] == own.name || (!only.empty() && row["member"] != only && who != only)) continue;
      Json there{{"at", who}};
      there.update(row);
      elsewhere.push_back(std::move(there));
      ok = false;
    }
  }
  return text_of({{"self", own.name}, {"address", own.address.to_string()}, {"udp_buffer_size", udp_buffer_size}, {"ok", ok}, {"members", rows}, {"elsewhere", elsewhere},
                  {"silent", silent}});
}

}  // namespace plumvine::uv
