#include "plan_file.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>

// The packaged library has only the parser that throws; the one that returns errors is header-only.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace plumvine::sim {

namespace {

constexpr double kSecondsMax = 86400;
constexpr std::uint64_t kNodesMax = 200;
constexpr std::size_t kFaultsMax = 100;

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

Duration from_seconds(double seconds) { return Duration{static_cast<std::int64_t>(std::llround(seconds * 1e9))}; }

/// What is wrong in a file, by line.
class Problems {
 public:
  explicit Problems(std::string path) : path_(std::move(path)) {}
  void add(const toml::source_region& source, const std::string& key, const std::string& what) {
    const auto line = source.begin.line;
    lines_.emplace_back(line, path_ + ":" + std::to_string(line) + ": " + (key.empty() ? "" : key + ": ") + what);
  }
  std::vector<std::string> take() {
    std::stable_sort(lines_.begin(), lines_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> out;
    for (auto& [line, text] : lines_) out.push_back(std::move(text));
    return out;
  }

 private:
  std::string path_;
  std::vector<std::pair<toml::source_index, std::string>> lines_;
};

/// One table of the file. Each reader takes a key if it is there; `finish` names those that nobody took.
class Table {
 public:
  Table(const toml::table& table, std::string name, Problems& problems) : table_(table), name_(std::move(name)), problems_(problems) {}

  const toml::node* take(const std::string& key) {
    known_.push_back(key);
    return table_.get(key);
  }
  /// Was the key there?
  bool number(const std::string& key, double& out, double least, double most) {
    const toml::node* node = take(key);
    if (node == nullptr) return false;
    const auto value = node->value<double>();
    if (!node->is_number() || !(*value >= least && *value <= most)) {
      wrong(key, *node, "must be a number from " + sim::number(least) + " to " + sim::number(most));
    } else {
      out = *value;
    }
    return true;
  }
  bool whole(const std::string& key, std::uint64_t& out, std::uint64_t least, std::uint64_t most) {
    const toml::node* node = take(key);
    if (node == nullptr) return false;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < static_cast<std::int64_t>(least) || *value > static_cast<std::int64_t>(most)) {
      wrong(key, *node, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    } else {
      out = static_cast<std::uint64_t>(*value);
    }
    return true;
  }
  bool seconds(const std::string& key, Duration& out, double least) {
    double value = to_seconds(out);
    const bool there = number(key, value, least, kSecondsMax);
    out = from_seconds(value);
    return there;
  }
  bool text(const std::string& key, std::string& out, const std::vector<std::string>& allowed = {}) {
    const toml::node* node = take(key);
    if (node == nullptr) return false;
    const auto value = node->value_exact<std::string>();
    if (!value || (!allowed.empty() && std::find(allowed.begin(), allowed.end(), *value) == allowed.end())) {
      wrong(key, *node, allowed.empty() ? "must be a text" : "must be one of " + joined(allowed));
    } else {
      out = *value;
    }
    return true;
  }
  void wrong(const std::string& key, const std::string& what) {
    const toml::node* node = table_.get(key);
    wrong(key, node != nullptr ? *node : table_, what);
  }
  void wrong(const std::string& key, const toml::node& node, const std::string& what) {
    problems_.add(node.source(), name_ + key, what);
  }
  void finish() {
    for (const auto& [key, node] : table_) {
      if (std::find(known_.begin(), known_.end(), key.str()) != known_.end()) continue;
      problems_.add(key.source(), name_ + std::string(key.str()), "is no key here; there are " + joined(known_));
    }
  }
  const toml::table& raw() const { return table_; }

 private:
  const toml::table& table_;
  std::string name_;
  Problems& problems_;
  std::vector<std::string> known_;
};

/// Calls `read` with each table of an array `[[key]]`.
template <class Read>
void each(Table& file, const std::string& key, Problems& problems, Read read) {
  const toml::node* node = file.take(key);
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr || list->size() > kFaultsMax || !list->is_homogeneous(toml::node_type::table)) {
    return file.wrong(key, *node, "must be tables, at most " + std::to_string(kFaultsMax) + ", each under [[" + key + "]]");
  }
  for (const toml::node& one : *list) {
    Table table(*one.as_table(), key + ".", problems);
    read(table);
    table.finish();
  }
}

void read_latency(Table& file, Plan& plan) {
  const toml::node* node = file.take("latency_ms");
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  const auto at = [&](std::size_t i) { return list->get(i)->is_number() ? list->get(i)->value<double>().value_or(-1) : -1.0; };
  if (list == nullptr || list->size() != 2 || at(0) < 0.001 || at(1) < at(0) || at(1) > 60000) {
    return file.wrong("latency_ms", *node, "must be [MIN, MAX], milliseconds one way from 0.001 to 60000");
  }
  plan.latency_min = from_seconds(at(0) / 1000);
  plan.latency_max = from_seconds(at(1) / 1000);
}

void read_publisher(Table& table, Plan& plan) {
  Publisher one;
  std::string order = "none";
  table.whole("nodes", one.nodes, 1, kNodesMax);
  table.number("per_second", one.per_second, 0.001, 10000);
  table.whole("burst", one.burst, 1, 1000);
  table.whole("bytes", one.bytes, 1, 1ULL << 20);
  table.text("order", order, {"none", "fifo"});
  one.order = order == "fifo" ? Order::fifo : Order::none;
  if (table.text("topic", one.topic)) {
    if (const Status status = check_topic(one.topic); !status) table.wrong("topic", status.error().message);
  }
  for (const Publisher& other : plan.publishers) {
    if (other.topic == one.topic && other.order != one.order) table.wrong("order", "another publisher on topic " + one.topic + " wants another order");
  }
  plan.publishers.push_back(one);
}

void read_targets(Table& table, Fault& fault, std::uint64_t nodes) {
  const toml::node* node = table.take("nodes");
  table.whole("count", fault.count, 1, kNodesMax);
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (fault.count != 0) table.wrong("count", "either nodes or count");
  const auto wrong = [&] { table.wrong("nodes", *node, "must be a list of node numbers from 0 to " + std::to_string(nodes - 1)); };
  if (list == nullptr || list->empty()) return wrong();
  for (const toml::node& one : *list) {
    const auto number = one.value_exact<std::int64_t>();
    if (!number || *number < 0 || *number >= static_cast<std::int64_t>(nodes)) return wrong();
    fault.nodes.push_back(static_cast<std::uint64_t>(*number));
  }
}

/// Keys that would do nothing are refused, not ignored.
void read_fault(Table& table, Plan& plan) {
  std::vector<std::string> kinds;
  for (std::size_t i = 0; i < static_cast<std::size_t>(FaultKind::count_); ++i) kinds.emplace_back(to_string(static_cast<FaultKind>(i)));
  Fault fault;
  std::string kind;
  if (!table.text("kind", kind, kinds)) table.wrong("kind", "is missing; there are " + joined(kinds));
  const auto found = std::find(kinds.begin(), kinds.end(), kind);
  if (found != kinds.end()) fault.kind = static_cast<FaultKind>(found - kinds.begin());
  const auto is = [&](std::initializer_list<FaultKind> some) { return std::find(some.begin(), some.end(), fault.kind) != some.end(); };
  if (!table.seconds("at", fault.at, 0)) table.wrong("at", "is missing: seconds from the begin of the traffic");
  if (fault.at >= plan.lasts) table.wrong("at", "comes after the end, `seconds`");
  table.seconds("every", fault.every, 0.001);
  if (!is({FaultKind::restart, FaultKind::join, FaultKind::heal})) table.seconds("for", fault.lasts, 0.001);
  if (fault.every > Duration{0} && fault.lasts >= fault.every) table.wrong("for", "must be less than every");
  if (is({FaultKind::join})) table.whole("count", fault.count, 1, kNodesMax);
  else if (!is({FaultKind::heal})) read_targets(table, fault, plan.nodes);
  if (is({FaultKind::slow})) table.whole("bytes_per_second", fault.bytes_per_second, 1, 1ULL << 40);
  plan.faults.push_back(fault);
}

void read_checks(Table& file, Plan& plan, Problems& problems) {
  const toml::node* node = file.take("check");
  if (node == nullptr) return;
  const toml::table* checks = node->as_table();
  if (checks == nullptr) return file.wrong("check", *node, "must be a table, as in [check]");
  const std::vector<std::string> fields = plan_fields();
  for (const auto& [key, bounds] : *checks) {
    Check one;
    one.field = std::string(key.str());
    const toml::table* table = bounds.as_table();
    if (std::find(fields.begin(), fields.end(), one.field) == fields.end()) {
      problems.add(key.source(), "check." + one.field, "is not measured; there are " + joined(fields));
    } else if (table == nullptr) {
      problems.add(key.source(), "check." + one.field, "must have bounds, as in { max = 1 }");
    } else {
      Table entry(*table, "check." + one.field + ".", problems);
      double bound = 0;
      if (entry.number("min", bound, -1e15, 1e15)) one.min = bound;
      if (entry.number("max", bound, -1e15, 1e15)) one.max = bound;
      entry.finish();
      plan.checks.push_back(one);
    }
    if (one.field == "memory" && !memory_is_measured(plan, plan.lasts)) {
      problems.add(key.source(), "check.memory", "needs `seconds` of six times `sync_window` or more");
    }
  }
}

}  // namespace

std::vector<std::string> read_plan(const std::string& path, Plan& plan) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(path, failed)) return {path + ": no such file"};
  Problems problems(path);
  const toml::parse_result parsed = toml::parse_file(path);
  if (!parsed) {
    problems.add(parsed.error().source(), "", std::string(parsed.error().description()));
    return problems.take();
  }
  plan.name = std::filesystem::path(path).stem().string();
  Table file(parsed.table(), "", problems);
  double loss = 0;
  double resend_ms = to_seconds(plan.resend) * 1000;
  std::string rule = "rooted";
  Duration window{0};
  file.whole("nodes", plan.nodes, 2, kNodesMax);
  file.seconds("seconds", plan.lasts, 0.001);
  file.seconds("settle", plan.settle, 0.001);
  file.text("preset", plan.preset, {"lan", "wan"});
  if (file.text("tree_rule", rule, {"rooted", "classic"})) {
    plan.tree_rule = rule == "classic" ? TreeConfig::Rule::classic : TreeConfig::Rule::rooted;
  }
  read_latency(file, plan);
  if (file.number("loss_percent", loss, 0, 99.9)) plan.loss = loss / 100;
  if (file.number("resend_ms", resend_ms, 0.001, 60000)) plan.resend = from_seconds(resend_ms / 1000);
  if (file.seconds("sync_window", window, 1)) plan.sync_window = window;
  each(file, "publish", problems, [&](Table& table) { read_publisher(table, plan); });
  each(file, "fault", problems, [&](Table& table) { read_fault(table, plan); });
  read_checks(file, plan, problems);
  file.finish();
  if (plan.publishers.empty()) problems.add(parsed.table().source(), "publish", "is missing: nobody publishes; add a table [[publish]]");
  return problems.take();
}

}  // namespace plumvine::sim
