#include "sim_cluster.hpp"

#include <algorithm>

#include "checkers/safety.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kViolationsMax = 20;
constexpr std::size_t kLinesMax = 400;
constexpr Duration kReadyPoll = 100ms;

Endpoint address_of(std::size_t node) {
  const std::size_t n = node + 1;
  return *Endpoint::parse("10.0." + std::to_string(n / 250) + "." + std::to_string(n % 250 + 1) + ":7946");
}

}  // namespace

SimCluster::SimCluster(ClusterOptions options)
    : options_(std::move(options)),
      rng_(options_.seed),
      network_(time_, trace_, rng_.fork()),
      tap_(time_, trace_) {
  network_.set_limits(options_.kernel);
  network_.set_default_path(options_.path);
  while (nodes_.size() < options_.nodes) add_node();
}

SimCluster::~SimCluster() = default;

std::size_t SimCluster::add_node() {
  const std::size_t number = nodes_.size();
  const Endpoint address = address_of(number);
  const HostId host = network_.add_host(address);
  names_[name_of(number)] = address;
  nodes_.push_back(std::make_unique<SimNode>(number, time_, network_, host, names_, static_cast<NodeObserver&>(*this), rng_.fork()));
  traffic_rows_.push_back(0);
  group_.push_back(0);
  ClockSkew skew;
  const Duration base = rng_.jitter(10h);
  skew.monotonic_base = 1s + base;
  skew.wall_offset = rng_.jitter(options_.wall_skew * 2) - options_.wall_skew;
  skew.drift_ppm = static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(2 * options_.drift_ppm + 1))) -
                   options_.drift_ppm;
  skews_.push_back(skew);
  return number;
}

void SimCluster::start_all(Duration stagger) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    start(i);
    if (stagger.count() > 0) run_for(stagger);
  }
}

void SimCluster::start(std::size_t node) {
  Config config = options_.preset(name_of(node));
  for (std::size_t i = 0; i < std::min(options_.seeds, nodes_.size()); ++i) {
    if (i != node || options_.seeds == 1) config.seeds.push_back(nodes_[i]->address().to_string());
  }
  if (nodes_.size() == 1) config.seeds.clear();
  config.seed = options_.seed;
  if (options_.tune) options_.tune(config);
  event("start", node, "started");
  nodes_[node]->start(std::move(config), skews_[node]);
  tap_.know(nodes_[node]->instance(), name_of(node));
  watch_ready(node, nodes_[node]->instance(), false);
}

/// Notes when a process becomes part of the cluster: from then on it owes every message. Newcomers that have found
/// only each other are no part of it yet: they take their start from the first established member that they meet.
void SimCluster::watch_ready(std::size_t node, InstanceId instance, bool once) {
  time_.after(kReadyPoll, [this, node, instance, once] {
    SimNode& process = *nodes_[node];
    if (!process.running() || process.instance() != instance) return;
    const bool now_ready = !process.paused() && is_ready(*process.snapshot());
    if (!now_ready || !once) return watch_ready(node, instance, now_ready);
    event("ready", node, "is ready");
    ready_.insert(instance);
    log_.became_ready(instance);
  });
}

bool SimCluster::is_ready(const Snapshot& snapshot) const {
  if (!snapshot.joined || !snapshot.synced) return false;
  if (payload_counter_ == 0) return true;
  return std::any_of(snapshot.links.begin(), snapshot.links.end(), [this](const LinkInfo& link) {
    return link.state == LinkState::up && ready_.contains(link.instance);
  });
}

void SimCluster::kill(std::size_t node) {
  event("kill", node, "killed");
  ended(node);
  nodes_[node]->kill();
}

void SimCluster::power_off(std::size_t node) {
  event("power-off", node, "lost power");
  ended(node);
  nodes_[node]->power_off();
}

void SimCluster::pause(std::size_t node) {
  event("stop", node, "stopped (SIGSTOP)");
  nodes_[node]->pause();
}

void SimCluster::resume(std::size_t node) {
  event("continue", node, "continues (SIGCONT)");
  nodes_[node]->resume();
  disturbed_until_ = std::max(disturbed_until_, now() + 10s);
}

void SimCluster::leave(std::size_t node) {
  event("leave", node, "leaves (SIGTERM)");
  stop_traffic(node);
  nodes_[node]->leave();
}

void SimCluster::publish(std::size_t node, std::size_t bytes, std::string topic, std::size_t count) {
  std::vector<Bytes> payloads;
  while (payloads.size() < count) {
    std::string text = name_of(node) + "/" + std::to_string(++payload_counter_) + "/";
    while (text.size() < bytes) text += static_cast<char>('a' + (text.size() * 7 + payload_counter_) % 26);
    text.resize(bytes);
    payloads.push_back(Bytes::copy_of(std::string_view(text)));
  }
  nodes_[node]->publish(topic, std::move(payloads));
}

void SimCluster::publish(std::size_t node, std::string topic, Bytes payload) {
  ++payload_counter_;
  std::vector<Bytes> payloads;
  payloads.push_back(std::move(payload));
  nodes_[node]->publish(topic, std::move(payloads));
}

void SimCluster::start_traffic(std::size_t node, double per_second, std::size_t bytes, std::string topic, std::size_t burst) {
  const Duration interval{static_cast<std::int64_t>(1e9 * static_cast<double>(burst) / per_second)};
  const auto traffic = std::make_shared<const Traffic>(Traffic{node, traffic_rows_[node], interval, bytes, std::move(topic), burst});
  time_.after(rng_.jitter(interval), [this, traffic] { tick_traffic(traffic); });
}

void SimCluster::tick_traffic(const std::shared_ptr<const Traffic>& traffic) {
  SimNode& node = *nodes_[traffic->node];
  if (traffic->row != traffic_rows_[traffic->node] || !node.running()) return;
  // A stopped process publishes nothing; a paced one reads no more input.
  if (!node.paused() && node.publish_queue() < 64) publish(traffic->node, traffic->bytes, traffic->topic, traffic->burst);
  time_.after(traffic->interval, [this, traffic] { tick_traffic(traffic); });
}

void SimCluster::ended(std::size_t node) {
  stop_traffic(node);
  if (on_ended && nodes_[node]->running()) on_ended(*nodes_[node]->snapshot());
}

void SimCluster::stop_traffic(std::size_t node) { ++traffic_rows_[node]; }

void SimCluster::stop_all_traffic() {
  for (std::uint64_t& row : traffic_rows_) ++row;
}

void SimCluster::partition(const std::vector<std::vector<std::size_t>>& groups) {
  std::vector<std::vector<HostId>> hosts;
  std::fill(group_.begin(), group_.end(), 0);
  std::uint32_t number = 0;
  for (const auto& group : groups) {
    ++number;
    auto& set = hosts.emplace_back();
    for (std::size_t node : group) {
      set.push_back(nodes_[node]->host());
      group_[node] = number;
      event("split", node, [number] { return "is in part " + std::to_string(number); });
    }
  }
  network_.partition(hosts);
  disturbed_until_ = kNever;
}

void SimCluster::heal() {
  std::fill(group_.begin(), group_.end(), 0);
  network_.heal();
  trace_.line(now(), "the network is whole");
  disturbed_until_ = now() + 15s;
}

bool SimCluster::run_until(const std::function<bool()>& condition, Duration limit, Duration poll) {
  const Timestamp end = now() + limit;
  for (;;) {
    if (condition()) return true;
    if (now() >= end || violations_.size() >= kViolationsMax) return false;
    time_.run_until(std::min(end, now() + poll));
  }
}

std::vector<std::size_t> SimCluster::live() const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i]->running() && !nodes_[i]->paused() && !nodes_[i]->leaving()) out.push_back(i);
  }
  return out;
}

Snapshots SimCluster::snapshots() const {
  Snapshots out;
  for (std::size_t i : live()) out.push_back(nodes_[i]->snapshot());
  return out;
}

bool SimCluster::settled() const {
  const Snapshots all = snapshots();
  for (const auto& snapshot : all) {
    if (!snapshot->joined || !snapshot->synced) return false;
  }
  return views_differ(all).empty() && tree_broken(all).empty();
}

bool SimCluster::all_delivered() const {
  std::vector<InstanceId> instances;
  for (std::size_t i : live()) {
    if (nodes_[i]->publish_queue() > 0) return false;
    instances.push_back(nodes_[i]->instance());
  }
  return log_.unfinished(instances).empty();
}

std::vector<std::string> SimCluster::unrest() const {
  const Snapshots all = snapshots();
  std::vector<std::string> out = views_differ(all);
  auto add = [&](std::vector<std::string> more) { out.insert(out.end(), more.begin(), more.end()); };
  add(tree_broken(all));
  add(queues_not_empty(all));
  std::vector<InstanceId> instances;
  for (std::size_t i : live()) {
    instances.push_back(nodes_[i]->instance());
    if (nodes_[i]->publish_queue() > 0) out.push_back(name_of(i) + " still waits to publish");
  }
  add(log_.unfinished(instances));
  for (const auto& snapshot : all) {
    if (!snapshot->joined) out.push_back(snapshot->name + " has not joined");
    if (!snapshot->synced) out.push_back(snapshot->name + " is not synced");
  }
  return out;
}

std::optional<MemberState> SimCluster::state_of(std::size_t watcher, std::size_t other) const {
  if (!nodes_[watcher]->running()) return std::nullopt;
  const auto snapshot = nodes_[watcher]->snapshot();
  for (const MemberInfo& info : snapshot->members) {
    if (info.member.name == name_of(other)) return info.member.state;
  }
  return std::nullopt;
}

void SimCluster::check_now() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i]->running() || nodes_[i]->paused()) continue;
    for (const std::string& problem : nodes_[i]->broken_invariants()) violated(i, problem);
    for (const std::string& problem : unsafe(*nodes_[i]->snapshot(), nodes_[i]->config())) violated(i, problem);
  }
}

void SimCluster::print_to(std::ostream* out) {
  trace_.print_to(out);
  network_.set_tap(out ? &tap_ : nullptr);
}

void SimCluster::event(std::string_view kind, std::size_t node, const std::function<std::string()>& text) {
  trace_.mix(kind);
  trace_.mix(now());
  trace_.mix(node);
  if (trace_.printing()) trace_.line(now(), name_of(node) + "        " + text());
}

void SimCluster::violated(std::size_t node, const std::string& what) {
  if (violations_.size() < kViolationsMax) {
    violations_.push_back("at " + std::to_string(to_seconds(now() - Timestamp{})) + " s, " + name_of(node) + ": " + what);
  }
}

// --- NodeObserver ---

void SimCluster::delivered(std::size_t node, const Message& message) {
  event("deliver", node, [&] {
    return "deliver " + std::string(message.origin) + "-" + std::to_string(message.id.sequence) + " after " + std::to_string(message.hops) + " hops";
  });
  trace_.mix(static_cast<std::uint64_t>(message.id.origin));
  trace_.mix(message.id.sequence);
  const auto& topics = nodes_[node]->config().topics;
  const auto topic = topics.find(message.topic);
  const bool ordered = topic != topics.end() && topic->second.order == Order::fifo;
  const std::string problem = log_.delivered(nodes_[node]->instance(), message.id, message.payload, ordered);
  if (!problem.empty()) violated(node, problem);
  if (on_delivered) on_delivered(node, message);
}

void SimCluster::member_event(std::size_t node, const MemberEvent& change) {
  event("member", node, [&] { return "member " + change.member.name + " " + std::string(to_string(change.kind)); });
  trace_.mix(static_cast<std::uint64_t>(change.kind));
  trace_.mix(change.member.name);
  if (change.kind == MemberEvent::Kind::died) {
    for (const auto& other : nodes_) {
      const bool well = other->running() && !other->paused() && !other->leaving() && now() > disturbed_until_;
      if (other->name() == change.member.name && well && group_[other->index()] == group_[node]) ++false_deaths_;
    }
  }
  if (on_member) on_member(node, change);
}

void SimCluster::peer_event(std::size_t node, const PeerEvent& change) {
  event("peer", node, [&] {
    return "link to " + change.peer + " " + std::string(to_string(change.kind)) + (change.reason.empty() ? "" : " (" + change.reason + ")");
  });
  trace_.mix(static_cast<std::uint64_t>(change.kind));
  trace_.mix(change.peer);
  if (change.kind == PeerEvent::Kind::up || change.kind == PeerEvent::Kind::down) ++link_changes_;
  if (change.peer == name_of(node)) violated(node, "is told of a link to itself");
  if (on_peer) on_peer(node, change);
}

void SimCluster::lost(std::size_t node, const LostEvent& loss) {
  ++lost_events_;
  event("lost", node, [&] {
    return "lost " + loss.origin + "-" + std::to_string(loss.range.first) + ".." + std::to_string(loss.range.last) + " (" +
           std::string(to_string(loss.reason)) + ")";
  });
  log_.lost(nodes_[node]->instance(), loss.instance, loss.range);
  if (on_lost) on_lost(node, loss);
}

void SimCluster::direct(std::size_t node, const DirectMessage& message) {
  event("direct", node, [&] { return "direct message of " + std::string(message.from); });
  trace_.mix(message.payload.view());
  if (on_direct) on_direct(node, message);
}

void SimCluster::logged(std::size_t node, const LogRecord& record) {
  std::string line = std::to_string(to_seconds(now() - Timestamp{})) + " " + name_of(node) + " " +
                     std::string(to_string(record.level)) + " " + std::string(record.component) + " [" +
                     std::string(record.code) + "] " + record.text;
  if (trace_.printing()) trace_.line(now(), line);
  lines_.push_back(std::move(line));
  if (lines_.size() > kLinesMax) lines_.pop_front();
  if (on_log) on_log(node, record);
}

void SimCluster::left(std::size_t node) {
  event("left", node, "has left and ends");
  ended(node);
}

void SimCluster::published(std::size_t node, MessageId id, const Bytes& payload) {
  event("publish", node, [&] { return "publish " + name_of(node) + "-" + std::to_string(id.sequence); });
  trace_.mix(id.sequence);
  log_.published(id, payload);
}

void SimCluster::turn_done(std::size_t node) {
  SimNode& process = *nodes_[node];
  if (options_.check_every == 0 || process.turns() % options_.check_every != 0) return;
  for (const std::string& problem : process.broken_invariants()) violated(node, problem);
  for (const std::string& problem : unsafe(*process.snapshot(), process.config())) violated(node, problem);
}

}  // namespace plumvine::sim
