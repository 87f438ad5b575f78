// Presets: memberlist's Local, LAN and WAN numbers for membership, the operator guide's for the tree.
#include <plumvine/config.hpp>

namespace plumvine {
namespace {

TreeConfig lan_tree() {
  TreeConfig tree;
  tree.eager_fanout = 3;
  tree.lazy_fanout = 3;
  tree.ihave_interval = milliseconds{50};
  tree.ihave_batch_size = 8;
  tree.graft_timeout = milliseconds{200};
  tree.graft_max_retries = 3;
  tree.graft_rate_limit_per_second = 20;
  tree.graft_rate_limit_burst = 40;
  tree.message_cache_ttl = seconds{30};
  tree.optimization_threshold = 2;
  tree.maintenance_interval = seconds{1};
  tree.maintenance_jitter = milliseconds{250};
  return tree;
}

Config named(std::string name, std::string preset) {
  Config config;
  config.name = std::move(name);
  config.preset = std::move(preset);
  config.tree = lan_tree();
  return config;
}

}  // namespace

Config Config::lan(std::string name) { return named(std::move(name), "lan"); }

Config Config::local(std::string name) {
  Config config = named(std::move(name), "local");
  config.swim.tcp_timeout = seconds{1};
  config.swim.indirect_checks = 1;
  config.swim.retransmit_mult = 2;
  config.swim.suspicion_mult = 3;
  config.swim.push_pull_interval = seconds{15};
  config.swim.probe_timeout = milliseconds{200};
  config.swim.gossip_interval = milliseconds{100};
  config.swim.gossip_to_the_dead_time = seconds{15};
  return config;
}

Config Config::wan(std::string name) {
  Config config = named(std::move(name), "wan");
  config.swim.tcp_timeout = seconds{30};
  config.swim.suspicion_mult = 6;
  config.swim.push_pull_interval = seconds{60};
  config.swim.probe_interval = seconds{5};
  config.swim.probe_timeout = seconds{3};
  config.swim.gossip_interval = milliseconds{500};
  config.swim.gossip_nodes = 4;
  config.swim.gossip_to_the_dead_time = seconds{60};
  config.tree.eager_fanout = 4;
  config.tree.lazy_fanout = 5;
  config.tree.ihave_interval = milliseconds{200};
  config.tree.ihave_batch_size = 16;
  config.tree.graft_timeout = seconds{1};
  config.tree.graft_max_retries = 7;
  config.tree.graft_rate_limit_per_second = 5;
  config.tree.graft_rate_limit_burst = 15;
  config.tree.message_cache_ttl = seconds{120};
  config.tree.message_cache_max_size = 20000;
  config.tree.optimization_threshold = 4;
  config.tree.maintenance_interval = seconds{5};
  config.tree.maintenance_jitter = seconds{1};
  config.link.ping_interval = seconds{2};
  config.link.idle_timeout = seconds{30};
  config.link.handshake_timeout = seconds{10};
  return config;
}

Config Config::large(std::string name) {
  Config config = named(std::move(name), "large");
  config.tree.eager_fanout = 5;
  config.tree.lazy_fanout = 5;
  config.tree.ihave_interval = milliseconds{150};
  config.tree.ihave_batch_size = 32;
  config.tree.graft_timeout = milliseconds{750};
  config.tree.graft_max_retries = 5;
  config.tree.graft_rate_limit_per_second = 10;
  config.tree.graft_rate_limit_burst = 30;
  config.tree.message_cache_ttl = seconds{90};
  config.tree.message_cache_max_size = 50000;
  config.tree.optimization_threshold = 5;
  config.tree.maintenance_interval = seconds{3};
  config.tree.maintenance_jitter = milliseconds{750};
  return config;
}

Config Config::fast(std::string name) {
  Config config = named(std::move(name), "fast");
  config.swim.probe_interval = milliseconds{200};
  config.swim.probe_timeout = milliseconds{100};
  config.swim.suspicion_mult = 3;
  config.swim.suspicion_max_timeout_mult = 3;
  config.swim.gossip_interval = milliseconds{50};
  config.swim.push_pull_interval = seconds{5};
  config.swim.tcp_timeout = seconds{1};
  config.swim.gossip_to_the_dead_time = seconds{10};
  config.swim.rejoin_interval = milliseconds{500};
  config.swim.rejoin_interval_max = seconds{5};
  config.link.ping_interval = milliseconds{500};
  config.link.idle_timeout = seconds{5};
  config.tree.sync_interval = seconds{2};
  config.tree.beacon_interval = seconds{2};
  return config;
}

Result<Config> Config::from_preset(std::string_view preset, std::string name) {
  if (preset == "local") return local(std::move(name));
  if (preset == "lan") return lan(std::move(name));
  if (preset == "wan") return wan(std::move(name));
  if (preset == "large") return large(std::move(name));
  if (preset == "fast") return fast(std::move(name));
  return {Errc::not_found, "no preset '" + std::string(preset) + "'; there are local, lan, wan, large, fast"};
}

}  // namespace plumvine
