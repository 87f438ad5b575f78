#include "vectors.hpp"

#include <algorithm>
#include <set>

#include "membership/broadcast_queue.hpp"
#include "membership/core.hpp"
#include "membership/member_table.hpp"
#include "membership/push_pull.hpp"
#include "membership/suspicion.hpp"

using namespace plumvine;
using namespace plumvine::swim;
using namespace plumvine::test;

TEST_CASE("formulas agree with memberlist's to the last bit", "[rules]") {
  std::map<std::string, int> compared;
  for (const json& v : load("formulas.jsonl")) {
    INFO(v.dump());
    const std::string fn = v["fn"];
    ++compared[fn];
    const auto ns = [&](const char* key) { return Duration{v[key].get<std::int64_t>()}; };
    if (fn == "retransmitLimit") CHECK(retransmit_limit(v["mult"], v["n"]) == v["out"].get<std::uint32_t>());
    else if (fn == "suspicionTimeout") CHECK(suspicion_timeout(v["mult"], v["n"], ns("interval_ns")) == ns("out_ns"));
    else if (fn == "pushPullScale") CHECK(push_pull_scaled(ns("interval_ns"), v["n"]) == ns("out_ns"));
    else if (fn == "remainingSuspicionTime")
      CHECK(suspicion_remaining(v["n"], v["k"], ns("elapsed_ns"), ns("min_ns"), ns("max_ns")) == ns("out_ns"));
  }
  CHECK(compared["retransmitLimit"] == 156);
  CHECK(compared["suspicionTimeout"] == 468);
  CHECK(compared["pushPullScale"] == 78);
  CHECK(compared["remainingSuspicionTime"] == 54);
}

TEST_CASE("the queue hands out and drops what memberlist's does", "[rules]") {
  for (const json& v : load("queue.jsonl")) {
    BroadcastQueue queue(v["retransmit_mult"], 1 << 20);
    queue.watch_all();
    std::map<BroadcastQueue::Ticket, std::string> ids;
    std::map<std::string, std::string> contents;  // message bytes to id
    std::size_t number = 0;
    for (const json& step : v["steps"]) {
      INFO(v["id"] << " step " << number++ << " " << step.dump());
      const std::string op = step["op"];
      if (op == "queue") {
        std::string message = step["id"].get<std::string>() + ":";
        message.resize(step["len"].get<std::size_t>(), '.');
        ids[queue.queue(step["name"].get<std::string>(), Bytes::copy_of(message))] = step["id"];
        contents[message] = step["id"];
      } else if (op == "get") {
        std::vector<Bytes> out;
        queue.take(step["overhead"], step["limit"], v["num_nodes"], SIZE_MAX, out);
        json got = json::array();
        for (const Bytes& message : out) got.push_back(contents.at(std::string(message.text())));
        CHECK(got == (step["out"].is_null() ? json::array() : step["out"]));
      } else if (op == "prune") {
        queue.prune(step["keep"]);
      }
      json finished = json::array();
      for (const auto ticket : queue.take_finished()) finished.push_back(ids.at(ticket));
      CHECK(finished == (step["finished"].is_null() ? json::array() : step["finished"]));
      CHECK(queue.size() == step["queued"].get<std::size_t>());
    }
  }
}

TEST_CASE("incompatible tables are refused and the culprit is named", "[rules]") {
  for (const json& v : load("verify-protocol.jsonl")) {
    INFO(v.dump());
    VersionCheck check;
    for (const json& row : v["remote"]) check.add(bytes_of(row["vsn"]).view(), row["state"] == 0, true);
    for (const json& row : v["local"]) check.add(bytes_of(row["vsn"]).view(), row["state"] == 0, false);
    std::optional<std::string> culprit;
    int n = 0;
    for (const json& row : v["remote"])
      if (!culprit) culprit = check.check("r" + std::to_string(n++), bytes_of(row["vsn"]).view());
    n = 0;
    for (const json& row : v["local"])
      if (!culprit) culprit = check.check("l" + std::to_string(n++), bytes_of(row["vsn"]).view());
    CHECK(!culprit == v["ok"].get<bool>());
    if (culprit && v["error"].is_string()) CHECK(*culprit == v["error"].get<std::string>());
  }
}

namespace {

/// One recorded member, replayed: its table, the news it queues and the events it raises.
class Replay {
 public:
  explicit Replay(const json& scenario) : core_(config(scenario), identity(scenario), Rng{7}), table_(core_) {}

  void step(const json& step) {
    now_ = now_ + std::chrono::seconds{1};
    const std::string op = step["op"];
    if (op == "leave") return table_.leave(now_);
    if (op == "update") return table_.announce_self(Bytes::copy_of(step["meta"].get<std::string>()), now_);
    if (op == "setAlive") return table_.announce_self(Bytes::copy_of("me"), now_);
    const json& m = step["msg"];
    if (op == "suspect" || op == "dead") {
      const std::string node = m["Node"], from = m["From"];
      if (op == "suspect") table_.suspect({m["Incarnation"], node, from}, now_);
      else table_.dead({m["Incarnation"], node, from}, now_);
      return;
    }
    const Bytes address = bytes_of(m["Addr"]), meta = bytes_of(m["Meta"]), versions = bytes_of(m["Vsn"]);
    const std::string name = m[op == "alive" ? "Node" : "Name"];
    if (op == "alive") table_.alive({m["Incarnation"], name, address.view(), m["Port"], view_of(meta, m["Meta"]), view_of(versions, m["Vsn"])}, now_);
    else table_.merge({name, address.view(), m["Port"], view_of(meta, m["Meta"]), m["Incarnation"], m["State"], view_of(versions, m["Vsn"])}, now_);
  }

  void check(const json& after) {
    json nodes = json::object();
    for (const auto& record : table_.records()) nodes[record->member.name] = row(*record);
    json wanted = after["nodes"];
    for (auto& [name, node] : wanted.items())
      if (!node["suspicion"].is_null()) std::sort(node["suspicion"]["from"].begin(), node["suspicion"]["from"].end());
    CHECK(nodes == wanted);
    CHECK(queued() == normal(after["broadcasts"]));
    CHECK(events(after["events"]) == raised());
    CHECK(core_.stats.conflicts - conflicts_ == count(after["events"], "conflict"));
    conflicts_ = core_.stats.conflicts;
    CHECK(core_.awareness.score() == after["health"].get<std::uint32_t>());
    CHECK(table_.size() == after["num_nodes"].get<std::size_t>());
    CHECK(table_.local_incarnation() == after["local_incarnation"].get<std::uint32_t>());
  }

 private:
  static SwimConfig config(const json& scenario) {
    SwimConfig c;
    c.suspicion_mult = scenario["suspicion_mult"];
    c.awareness_max_multiplier = scenario["awareness_max"];
    c.delegate_protocol = {0, 0, 0};
    if (scenario["reclaim"].get<bool>()) c.dead_node_reclaim_time = Duration{1};
    return c;
  }
  static Identity identity(const json& scenario) {
    return {scenario["local"], from_hex("7f000009"), 7946, Bytes::copy_of("me"), ""};
  }
  static json row(const Record& record) {
    const Member& m = record.member;
    json suspicion = nullptr;
    if (record.suspicion) {
      auto from = record.suspicion->accusers();
      std::sort(from.begin(), from.end());
      suspicion = {{"k", record.suspicion->k()}, {"confirmations", record.suspicion->confirmations()}, {"from", from}};
    }
    return {{"addr", to_hex(m.address.view())}, {"port", m.port}, {"meta", std::string(m.meta.text())},
            {"incarnation", static_cast<std::uint32_t>(m.incarnation)}, {"state", static_cast<int>(m.state)},
            {"vsn", to_hex(BytesView(reinterpret_cast<const std::byte*>(m.versions.data()), 6))}, {"suspicion", suspicion}};
  }
  std::multiset<std::string> queued() {
    std::vector<Bytes> out;
    core_.queue.take(0, SIZE_MAX / 2, table_.size(), SIZE_MAX, out);
    core_.queue.prune(0);
    std::multiset<std::string> texts;
    for (const Bytes& message : out) texts.insert(to_hex(message.view()));
    return texts;
  }
  /// The recorded news as our bytes.
  static std::multiset<std::string> normal(const json& broadcasts) {
    std::multiset<std::string> texts;
    for (const json& b : broadcasts) {
      const std::string node = b["Node"], from = b.value("From", "");
      const Bytes address = b.contains("Addr") ? bytes_of(b["Addr"]) : Bytes{};
      const Bytes meta = b.contains("Meta") ? bytes_of(b["Meta"]) : Bytes{};
      const Bytes versions = b.contains("Vsn") ? bytes_of(b["Vsn"]) : Bytes{};
      const std::uint32_t incarnation = b["Incarnation"];
      if (b["type"] == "alive")
        texts.insert(to_hex(wire::encoded(wire::Alive{incarnation, node, address.view(), b["Port"], view_of(meta, b["Meta"]), view_of(versions, b["Vsn"])}).view()));
      else if (b["type"] == "suspect") texts.insert(to_hex(wire::encoded(wire::Suspect{incarnation, node, from}).view()));
      else texts.insert(to_hex(wire::encoded(wire::Dead{incarnation, node, from}).view()));
    }
    return texts;
  }
  static std::size_t count(const json& recorded, std::string_view kind) {
    return static_cast<std::size_t>(std::count_if(recorded.begin(), recorded.end(), [&](const json& e) { return e["event"] == kind; }));
  }
  static std::vector<std::string> events(const json& recorded) {
    std::vector<std::string> texts;
    for (const json& e : recorded)
      if (e["event"] != "conflict") texts.push_back(e["event"].get<std::string>() + " " + e["node"].get<std::string>() + " " + e["meta"].get<std::string>());
    return texts;
  }
  std::vector<std::string> raised() {
    std::vector<std::string> texts;
    while (auto output = core_.outbox.poll()) {
      const auto* notify = std::get_if<Notify>(&*output);
      if (notify == nullptr) continue;
      using enum MemberEvent::Kind;
      const auto kind = notify->event.kind;
      const char* word = kind == joined ? "join" : kind == updated ? "update" : kind == died || kind == left ? "leave" : nullptr;
      if (word != nullptr) texts.push_back(std::string(word) + " " + notify->event.member.name + " " + std::string(notify->event.member.meta.text()));
    }
    return texts;
  }

  Core core_;
  MemberTable table_;
  Timestamp now_;
  std::uint64_t conflicts_ = 0;
};

}  // namespace

TEST_CASE("news of members is believed as memberlist believes it", "[rules]") {
  const auto scenarios = load("state-machine.jsonl");
  CHECK(scenarios.size() == 90);
  for (const json& scenario : scenarios) {
    Replay replay(scenario);
    std::size_t number = 0;
    for (const json& step : scenario["steps"]) {
      INFO(scenario["id"] << " step " << number++ << " " << step["op"] << " " << step.value("msg", json()).dump());
      replay.step(step);
      replay.check(step["after"]);
    }
  }
}
