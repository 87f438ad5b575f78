#include <plumvine/testing.hpp>

#include <algorithm>
#include <optional>
#include <utility>

#include <plumvine/detail/check.hpp>
#include <plumvine/topic.hpp>

#include <transport/publish_checks.hpp>

#include "sim_cluster.hpp"

namespace plumvine::testing {

namespace {

sim::PathQuality quality(const Path& path) {
  sim::PathQuality out;
  out.delay = path.delay;
  out.jitter = path.jitter;
  out.loss = path.loss;
  out.duplicate = path.duplicate;
  out.reorder = path.reorder;
  out.bandwidth = path.bandwidth;
  return out;
}

/// The first key of which nothing would come here.
std::optional<std::string> not_simulated(const Config& config) {
  const std::pair<std::string_view, bool> keys[] = {
      {"bind", !config.bind.empty()},         {"advertise", !config.advertise.empty()}, {"join", !config.seeds.empty()},
      {"keyring", !config.keyring.empty()},   {"tls_cert", !config.tls_cert.empty()},   {"tls_key", !config.tls_key.empty()},
      {"tls_ca", !config.tls_ca.empty()},     {"data_dir", !config.data_dir.empty()},   {"start_from", config.start_from != "now"},
      {"http", !config.http.empty()},         {"http_token_file", !config.http_token_file.empty()},
      {"transport", config.transport != LinkTransport::tcp},
      {"log (set Cluster::on_log)", config.log != nullptr}, {"seed (set ClusterOptions::seed)", config.seed != 0},
  };
  for (const auto& [key, is_set] : keys)
    if (is_set) return std::string(key);
  return std::nullopt;
}

Status check(const Config& config, const std::string& name) {
  if (config.name != name) return {Errc::invalid_config, "name is " + config.name + ", and this is node " + name};
  if (const auto key = not_simulated(config)) return {Errc::invalid_config, *key + " is set: it is not simulated, or the cluster's own"};
  std::string text;
  for (const Config::Problem& problem : config.validate()) text += (text.empty() ? "" : "; ") + problem.field + ": " + problem.message;
  if (!text.empty()) return {Errc::invalid_config, text};
  return {};
}

}  // namespace

class Cluster::Impl {
 public:
  Impl(Cluster& owner, ClusterOptions options)
      : make_config_(std::move(options.config)),
        cluster_({.nodes = options.nodes,
                  .seed = options.seed,
                  .preset = [this](std::string name) { return next_ ? *std::exchange(next_, std::nullopt) : make_config_(std::move(name)); },
                  .path = quality(options.path),
                  .seeds = options.seeds}) {
    cluster_.on_delivered = [&owner, this](std::size_t node, const Message& m) { tell(owner.on_message, node, m); };
    cluster_.on_member = [&owner, this](std::size_t node, const MemberEvent& e) { tell(owner.on_member, node, e); };
    cluster_.on_peer = [&owner, this](std::size_t node, const PeerEvent& e) { tell(owner.on_peer, node, e); };
    cluster_.on_lost = [&owner, this](std::size_t node, const LostEvent& e) { tell(owner.on_lost, node, e); };
    cluster_.on_direct = [&owner, this](std::size_t node, const DirectMessage& m) { tell(owner.on_direct, node, m); };
    cluster_.on_log = [&owner, this](std::size_t node, const LogRecord& r) { tell(owner.on_log, node, r); };
  }

  [[nodiscard]] sim::SimCluster& cluster() noexcept { return cluster_; }
  /// To let time run.
  [[nodiscard]] sim::SimCluster& idle() {
    PLUMVINE_CHECK(telling_ == 0, "time is not run inside of a handler");
    return cluster_;
  }
  [[nodiscard]] const sim::SimCluster& look() const { return cluster_; }
  [[nodiscard]] sim::SimNode& at(std::size_t node) {
    PLUMVINE_CHECK(node < cluster_.size(), "there is such a node");
    return cluster_.node(node);
  }
  [[nodiscard]] sim::SimNetwork& network() { return cluster_.network(); }

  Status start(std::size_t node) {
    const sim::SimNode& process = at(node);
    const std::string name = sim::SimCluster::name_of(node);
    if (process.running()) return {Errc::invalid_argument, name + " runs already"};
    Config config = make_config_(name);
    if (auto fits = check(config, name); !fits) return fits;
    change([this, node, config = std::move(config)] {
      if (cluster_.node(node).running()) return;
      next_ = config;
      cluster_.start(node);
    });
    return {};
  }
  Status start_all() {
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      if (auto started = start(i); !started) return started;
      idle().run_for(std::chrono::milliseconds{20});
    }
    return {};
  }
  /// What ends or starts a process: not while one of its handlers runs.
  void change(std::function<void()> what) {
    if (telling_ == 0) return what();
    cluster_.time().after(Duration{0}, std::move(what));
  }
  void change(std::size_t node, void (sim::SimCluster::*what)(std::size_t)) {
    (void)at(node);
    change([this, node, what] {
      if (cluster_.node(node).running()) (cluster_.*what)(node);
    });
  }

  Status broadcast(std::size_t node, std::string topic, Bytes payload) {
    sim::SimNode& process = at(node);
    if (!process.running() || process.leaving()) return {Errc::stopped, sim::SimCluster::name_of(node) + " does not run"};
    if (auto named = check_topic(topic); !named) return named;
    if (auto fits = check_broadcast(process.config(), topic, payload); !fits) return fits;
    cluster_.publish(node, std::move(topic), std::move(payload));
    return {};
  }
  Status send(std::size_t node, std::string_view member, Bytes payload) {
    Status sent{Errc::stopped, sim::SimCluster::name_of(node) + " does not run"};
    at(node).command([&](Driver& driver) { sent = driver.send_direct(0, member, std::move(payload)); });
    return sent;
  }

 private:
  template <class Handler, class Event>
  void tell(const Handler& handler, std::size_t node, const Event& event) {
    if (!handler) return;
    struct Telling {
      int& depth;
      explicit Telling(int& d) : depth(d) { ++depth; }
      ~Telling() { --depth; }
    } telling{telling_};
    handler(node, event);
  }

  std::function<Config(std::string)> make_config_;
  std::optional<Config> next_;
  int telling_ = 0;
  sim::SimCluster cluster_;
};

Cluster::Cluster(ClusterOptions options) : impl_(std::make_unique<Impl>(*this, std::move(options))) {}
Cluster::~Cluster() = default;

Duration Cluster::elapsed() const { return impl_->look().now() - Timestamp{}; }
void Cluster::run_for(Duration span) { impl_->idle().run_for(span); }
bool Cluster::run_until(const std::function<bool()>& condition, Duration limit) { return impl_->idle().run_until(condition, limit); }
bool Cluster::settle(Duration limit) {
  sim::SimCluster& cluster = impl_->idle();
  return cluster.run_until([&] { return cluster.settled(); }, limit);
}

Status Cluster::start_all() { return impl_->start_all(); }
std::size_t Cluster::add_node() { return impl_->cluster().add_node(); }
Status Cluster::start(std::size_t node) { return impl_->start(node); }
void Cluster::kill(std::size_t node) { impl_->change(node, &sim::SimCluster::kill); }
void Cluster::power_off(std::size_t node) { impl_->change(node, &sim::SimCluster::power_off); }
void Cluster::pause(std::size_t node) { impl_->change(node, &sim::SimCluster::pause); }
void Cluster::resume(std::size_t node) { impl_->change(node, &sim::SimCluster::resume); }
void Cluster::leave(std::size_t node) { impl_->change(node, &sim::SimCluster::leave); }
bool Cluster::running(std::size_t node) const { return impl_->at(node).running(); }
std::size_t Cluster::size() const { return impl_->look().size(); }
std::string Cluster::name(std::size_t node) const { return sim::SimCluster::name_of(node); }

Status Cluster::broadcast(std::size_t node, std::string topic, Bytes payload) {
  return impl_->broadcast(node, std::move(topic), std::move(payload));
}
Status Cluster::send(std::size_t node, std::string_view member, Bytes payload) { return impl_->send(node, member, std::move(payload)); }
std::size_t Cluster::waiting(std::size_t node) const { return impl_->at(node).publish_queue(); }

void Cluster::partition(const std::vector<std::vector<std::size_t>>& groups) {
  for (const auto& group : groups)
    for (const std::size_t node : group) (void)impl_->at(node);
  impl_->change([this, groups] { impl_->cluster().partition(groups); });
}
void Cluster::cut(std::size_t from, std::size_t to, bool is_cut) {
  impl_->network().cut(impl_->at(from).host(), impl_->at(to).host(), is_cut);
}
void Cluster::heal() {
  impl_->change([this] { impl_->cluster().heal(); });
}
void Cluster::set_path(std::size_t from, std::size_t to, const Path& path) {
  impl_->network().set_path(impl_->at(from).host(), impl_->at(to).host(), quality(path));
}
void Cluster::set_path(const Path& path) { impl_->network().set_default_path(quality(path)); }
void Cluster::set_wall_offset(std::size_t node, Duration ahead) {
  (void)impl_->at(node);
  impl_->change([this, node, ahead] { impl_->cluster().set_wall_offset(node, ahead); });
}

std::shared_ptr<const Snapshot> Cluster::snapshot(std::size_t node) const { return impl_->at(node).snapshot(); }
bool Cluster::all_delivered() const { return impl_->look().all_delivered(); }
std::vector<std::string> Cluster::unrest() const { return impl_->look().unrest(); }
const std::vector<std::string>& Cluster::violations() const { return impl_->look().violations(); }
std::uint64_t Cluster::false_deaths() const { return impl_->look().false_deaths(); }
std::uint64_t Cluster::fingerprint() const { return impl_->look().trace_hash(); }
std::vector<std::string> Cluster::log() const {
  const auto& lines = impl_->look().log_lines();
  return {lines.begin(), lines.end()};
}

}  // namespace plumvine::testing
