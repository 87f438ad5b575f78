#include "row.hpp"

#include <algorithm>
#include <plumvine/detail/rng.hpp>
#include <stdexcept>

#include "transport/runs.hpp"

namespace plumvine::perf {

namespace {
using namespace std::chrono_literals;

/// A turn of a busy loop.
constexpr Duration kTurn = 20us;
constexpr std::string_view kTopic = "orders";

Config config_of(Part part) {
  Config config = Config::lan(name_of(part));
  config.bind = "10.0.0." + std::to_string(static_cast<int>(part) + 1) + ":7946";
  if (part != Part::publisher) config.seeds = {part == Part::relay ? "10.0.0.1:7946" : "10.0.0.2:7946"};
  config.log_level = LogLevel::error;
  // Full after a moment.
  config.tree.message_cache_max_size = 4096;
  config.tree.message_cache_max_bytes = 1 << 20;
  config.tree.sync_max_messages = 16384;
  config.tree.sync_max_bytes = 4 << 20;
  return config;
}
}  // namespace

Row::Row() {
  const auto end = [](const Endpoint& e) {
    return e.to_string() == "10.0.0.1:7946" ? 0 : e.to_string() == "10.0.0.3:7946" ? 2 : 1;
  };
  net_.refused = [end](const Endpoint& a, const Endpoint& b) { return std::abs(end(a) - end(b)) == 2; };
  for (const Part part : kParts) add(part);
  if (!net_.run_until([this] { return settled(); }, 1ms, 60s))
    throw std::runtime_error("the row did not come together: " + state());
}

void Row::add(Part part) {
  Config config = config_of(part);
  auto owned = std::make_unique<Node>();
  Node& node = *owned;
  node.host = &net_.add_host(config.bind);
  const auto source = [&node](std::size_t bytes) { return node.blocks.take(bytes); };
  node.mailbox = std::make_unique<uv::Mailbox>(config, source, [this] { return net_.now(); });
  Handlers handlers;
  handlers.on_messages = [&node](std::span<const Message> messages) {
    node.told += messages.size();
    for (const Message& message : messages) node.bytes += message.payload.size();
  };
  DriverIdentity identity{frame::publisher_of(InstanceId{mix64(static_cast<std::uint64_t>(part) + 1)}),
                          node.host->address(), static_cast<std::uint64_t>(part) + 1};
  identity.blocks = source;
  node.driver = std::make_unique<Driver>(
      std::move(config), std::move(identity), *node.host, *node.host, std::move(handlers),
      DriverHooks{.on_acked = [&node](const tree::Acked& a) { node.mailbox->acked(a.up_to, a.large_up_to); }});
  node.host->attach(*node.driver);
  node.driver->start();
  nodes_.push_back(std::move(owned));
}

bool Row::settled() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [this](const auto& node) {
    const auto seen = node->driver->make_snapshot();
    const auto up = std::count_if(seen->links.begin(), seen->links.end(),
                                  [](const LinkInfo& link) { return link.state == LinkState::up; });
    return seen->synced && seen->members.size() == kParts.size() && up == (node == nodes_[1] ? 2 : 1) &&
           !seen->trees.empty() &&
           std::all_of(seen->trees.begin(), seen->trees.end(), [](const TreeInfo& tree) { return tree.settled; });
  });
}

std::string Row::state() const {
  std::string out;
  for (const auto& node : nodes_) {
    const auto seen = node->driver->make_snapshot();
    out += seen->name + " knows " + std::to_string(seen->members.size()) + " members, has " +
           std::to_string(seen->links.size()) + " links";
    for (const TreeInfo& tree : seen->trees)
      out += ", tree of " + tree.root + (tree.settled ? "" : " not") + " settled";
    out += "; ";
  }
  return out;
}

void Row::watch(Part part, Meter* meter) {
  at(part).host->set_meter(meter != nullptr ? *meter : none_);
}

void Row::run(const Load& load, std::uint64_t messages) {
  Node& node = at(Part::publisher);
  const std::uint64_t before = at(Part::leaf).told;
  const Bytes payload = Bytes::copy_of(std::string(load.bytes, 'x'));
  std::uint64_t sent = 0;
  const auto done = [&] {
    for (std::uint32_t i = 0; i < load.together && sent < messages; ++i) {
      bool admitted = false;
      node.host->enter([&] {
        admitted = node.mailbox->publish({.topic = std::string(kTopic), .payload = payload, .joins = true}, Duration{0})
                       .has_value();
      });
      if (!admitted) break;
      ++sent;
    }
    node.host->enter([&] {
      for (auto& item : node.mailbox->take()) {
        auto& broadcast = std::get<uv::Mailbox::Publish>(item);
        node.driver->publish(broadcast.sequence, std::move(broadcast.topic), std::move(broadcast.payload));
      }
    });
    return at(Part::leaf).told - before >= messages;
  };
  if (!net_.run_until(done, kTurn, 600s)) throw std::runtime_error("messages did not come to the end of the row");
}

std::vector<std::string> Row::broken_invariants() const {
  std::vector<std::string> all;
  for (const auto& node : nodes_) {
    for (std::string& text : node->driver->check_invariants()) all.push_back(std::move(text));
  }
  return all;
}

}  // namespace plumvine::perf
