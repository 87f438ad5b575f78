#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <plumvine/plumvine.hpp>

#include "support/pch.hpp"

namespace plumvine::test {

using namespace std::chrono_literals;

/// What one node told its user; filled on its loop thread, read by the test.
class Journal {
 public:
  /// Waits until `done` holds; looks again after every event.
  bool wait(const std::function<bool(const Journal&)>& done, Duration limit = 20s) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, limit, [&] { return done(*this); });
  }
  template <class Change>
  void note(Change change) {
    const std::lock_guard lock{mutex_};
    change(*this);
    changed_.notify_all();
  }
  /// A copy for assertions, since the node goes on.
  template <class Read>
  auto read(Read read_it) {
    const std::lock_guard lock{mutex_};
    return read_it(*this);
  }

  std::map<MessageId, int> copies;
  std::vector<std::string> texts;
  std::map<std::string, MemberEvent::Kind> last_event;
  std::vector<std::string> directs;  ///< `NAME: TEXT`
  std::vector<Receipt> receipts;
  int writable = 0;
  int lost = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

inline Config node_config(const std::string& name) {
  Config config = Config::fast(name);
  config.bind = "127.0.0.1:0";
  return config;
}

inline Handlers journal_handlers(Journal& journal) {
  return {
      .on_message =
          [&journal](const Message& message) {
            journal.note([&](Journal& j) {
              ++j.copies[message.id];
              j.texts.emplace_back(message.text());
            });
          },
      .on_member =
          [&journal](const MemberEvent& event) {
            journal.note([&](Journal& j) { j.last_event[event.member.name] = event.kind; });
          },
      .on_lost = [&journal](const LostEvent&) { journal.note([](Journal& j) { ++j.lost; }); },
      .on_writable = [&journal] { journal.note([](Journal& j) { ++j.writable; }); },
      .on_direct =
          [&journal](const DirectMessage& message) {
            journal.note([&](Journal& j) { j.directs.push_back(std::string{message.from} + ": " + std::string{message.payload.text()}); });
          },
      .on_receipt = [&journal](const Receipt& receipt) { journal.note([&](Journal& j) { j.receipts.push_back(receipt); }); },
  };
}

/// Asks again and again, without a fixed sleep in any test: only what has no event to wait for.
inline bool eventually(const std::function<bool()>& done, Duration limit = 20s) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock{mutex};
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    never.wait_for(lock, 5ms);
  }
  return true;
}

inline std::size_t alive_members(const Node& node) {
  std::size_t count = 0;
  for (const Member& member : node.members()) count += member.state == MemberState::alive ? 1 : 0;
  return count;
}

inline std::optional<MemberState> state_of(const Node& node, const std::string& name) {
  for (const Member& member : node.members())
    if (member.name == name) return member.state;
  return std::nullopt;
}

/// Nodes `n0`, `n1`, … on own threads, all joined by `n0`.
struct Cluster {
  std::vector<std::unique_ptr<Journal>> journals;
  std::vector<std::optional<Node>> nodes;

  std::function<void(Handlers&)> handlers;

  explicit Cluster(std::size_t size, const std::function<void(Config&)>& change = {}, std::function<void(Handlers&)> wanted = {})
      : handlers(std::move(wanted)) {
    for (std::size_t i = 0; i < size; ++i) add(change);
    for (auto& node : nodes) {
      INFO(node->name());
      REQUIRE(eventually([&] { return alive_members(*node) == size && node->snapshot()->not_ready_reason.empty(); }));
    }
  }
  Node& add(const std::function<void(Config&)>& change = {}) {
    Config config = node_config("n" + std::to_string(nodes.size()));
    if (!nodes.empty()) config.seeds = {nodes.front()->address().to_string()};
    if (change) change(config);
    journals.push_back(std::make_unique<Journal>());
    Handlers all = journal_handlers(*journals.back());
    if (handlers) handlers(all);
    auto node = Node::start(config, std::move(all));
    if (!node) FAIL(node.error().message);
    nodes.emplace_back(std::move(*node));
    return *nodes.back();
  }
  /// Every node but the publishers' own has each of `ids` exactly once.
  bool exactly_once(const std::vector<MessageId>& ids, Duration limit = 20s) {
    bool good = true;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (!nodes[i]) continue;
      const InstanceId self = nodes[i]->instance();
      good &= journals[i]->wait(
          [&](const Journal& j) {
            return std::all_of(ids.begin(), ids.end(), [&](const MessageId& id) {
              return id.origin == self || j.copies.contains(id);
            });
          },
          limit);
      good &= journals[i]->read([&](const Journal& j) {
        return std::all_of(j.copies.begin(), j.copies.end(), [&](const auto& entry) {
          return entry.second == 1 && entry.first.origin != self;
        });
      });
    }
    return good;
  }
};

}  // namespace plumvine::test
