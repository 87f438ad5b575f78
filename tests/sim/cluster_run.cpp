#include "cluster_run.hpp"

#include <algorithm>

namespace plumvine::sim {

namespace {
using namespace std::chrono_literals;

double ms(Duration d) { return static_cast<double>(d.count()) / 1e6; }
}  // namespace

ClusterOptions cluster_options(const Request& request, std::size_t nodes) {
  ClusterOptions options;
  options.nodes = request.nodes.value_or(nodes);
  options.seed = request.seed;
  options.check_every = std::max<std::uint32_t>(options.check_every, static_cast<std::uint32_t>(4 * options.nodes));  // each looks at all members
  options.path.loss = request.loss.value_or(0);
  if (request.latency_min) {
    options.path.delay = *request.latency_min;
    options.path.jitter = *request.latency_max - *request.latency_min + 1us;
  }
  if (request.tree_rule) options.tune = [rule = *request.tree_rule](Config& config) { config.tree.tree_rule = rule; };
  return options;
}

ClusterRun::ClusterRun(std::string name, const Request& request, ClusterOptions options)
    : cluster_(std::move(options)), rng_(mix64(request.seed) ^ 0x776f726b), report_(report_of(name, cluster_.size(), request)) {
  if (request.trace) cluster_.print_to(request.trace);
  cluster_.on_member = [this](std::size_t, const MemberEvent& event) {
    if (event.kind != MemberEvent::Kind::died) return;
    auto it = killed_.find(event.member.name);
    if (it != killed_.end()) detect_.push_back(ms(cluster_.now() - it->second));
  };
  cluster_.on_delivered = [this](std::size_t, const Message& message) {
    if (message.latency.count() > 0) latency_ms_.add(ms(message.latency));
    hops_max_ = std::max<std::uint64_t>(hops_max_, message.hops);
  };
  cluster_.on_ended = [this](const Snapshot& last) { add(last); };
}

void ClusterRun::start(Duration limit) {
  cluster_.start_all();
  require(cluster_.run_until([this] { return cluster_.settled(); }, limit), "the cluster did not form");
}

void ClusterRun::kill(std::size_t node) {
  killed_["n" + std::to_string(node)] = cluster_.now();
  cluster_.kill(node);
}

void ClusterRun::restart(std::size_t node) {
  killed_.erase("n" + std::to_string(node));
  cluster_.start(node);
}

void ClusterRun::heal_within(Duration limit, Timestamp fault_end, const char* what) {
  const bool healed = cluster_.run_until([this] { return cluster_.settled() && cluster_.all_delivered(); },
                                         fault_end + limit - cluster_.now());
  require(healed, what);
  if (!healed) {
    for (const std::string& problem : cluster_.unrest()) report_.violations.push_back(problem);
  }
  report_.heal_ms = std::max(report_.heal_ms.value_or(0), ms(cluster_.now() - fault_end));
}

void ClusterRun::rest(Duration limit) {
  require(cluster_.run_until([this] { return cluster_.unrest().empty(); }, limit), "no rest in the end");
  for (const std::string& problem : cluster_.unrest()) report_.violations.push_back(problem);
}

void ClusterRun::require(bool holds, std::string what) {
  if (!holds) report_.violations.push_back(std::move(what));
}

void ClusterRun::add(const Snapshot& snapshot) {
  grafts_ += snapshot.tree.graft_sent;
  prunes_ += snapshot.tree.prune_sent;
  copies_ += snapshot.tree.gossip_sent;
  duplicates_ += snapshot.tree.duplicate;
  delivered_ += snapshot.tree.delivered;
}

Report ClusterRun::finish() {
  cluster_.check_now();
  std::vector<InstanceId> live;
  for (std::size_t i : cluster_.live()) {
    live.push_back(cluster_.node(i).instance());
    add(*cluster_.node(i).snapshot());
  }
  const DeliveryLog::Comparison all = cluster_.deliveries().compare(live);
  report_.broadcasts = cluster_.deliveries().published_count();
  report_.expected = all.expected;
  report_.delivered = all.delivered;
  report_.reliability = all.expected == 0 ? 1.0 : static_cast<double>(all.delivered) / static_cast<double>(all.expected);
  report_.grafts = grafts_;
  report_.prunes = prunes_;
  report_.detect_ms_p50 = percentile(detect_, 0.5);
  report_.detect_ms_p99 = percentile(detect_, 0.99);
  report_.false_positives = cluster_.false_deaths();
  if (delivered_ > 0) {
    report_.ldh_max = static_cast<double>(hops_max_);
    report_.rmr = static_cast<double>(copies_) / static_cast<double>(delivered_) - 1;
    report_.duplicates_per_message = static_cast<double>(duplicates_) / static_cast<double>(delivered_);
  }
  const auto& counters = cluster_.network().counters();
  const double seconds = to_seconds(cluster_.now() - Timestamp{});
  report_.bytes_per_node_s = static_cast<double>(counters.stream_bytes + counters.packet_bytes) / static_cast<double>(cluster_.size()) / seconds;
  report_.notes.emplace_back("delivery_ms_p50", latency_ms_.percentile(0.5).value_or(0));
  report_.notes.emplace_back("delivery_ms_p99", latency_ms_.percentile(0.99).value_or(0));
  report_.notes.emplace_back("delivery_ms_max", latency_ms_.largest());
  report_.notes.emplace_back("virtual seconds", seconds);
  report_.notes.emplace_back("link changes", static_cast<double>(cluster_.link_changes()));
  report_.notes.emplace_back("given up, held elsewhere", static_cast<double>(all.given_up));
  report_.notes.emplace_back("lost reports", static_cast<double>(cluster_.lost_events()));
  report_.notes.emplace_back("steps", static_cast<double>(cluster_.time().steps()));
  report_.trace_hash = cluster_.trace().hash();
  for (const std::string& violation : cluster_.violations()) report_.violations.push_back(violation);
  return std::move(report_);
}

}  // namespace plumvine::sim
