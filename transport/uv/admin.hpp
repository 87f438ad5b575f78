#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/health.hpp>
#include <plumvine/keys.hpp>
#include <plumvine/node.hpp>
#include <plumvine/snapshot.hpp>

#include "diagnosis.hpp"
#include "events.hpp"
#include "http_server.hpp"
#include "metric_history.hpp"
#include "publish_once.hpp"
#include "subscribers.hpp"
#include "token.hpp"

namespace plumvine::uv {

/// What the HTTP routes need of a node. Implemented by `Node::Impl`; loop thread only.
class AdminHost {
 public:
  virtual ~AdminHost() = default;
  /// Made now, not the published one.
  virtual std::shared_ptr<const Snapshot> fresh_snapshot() = 0;
  virtual const Config& config() const = 0;
  /// The same with what was left to this machine: the addresses and ports that are in use.
  [[nodiscard]] virtual Config config_in_force() const { return config(); }
  /// What admits clients of other machines; null or empty: nothing does.
  [[nodiscard]] virtual const Token* token() const { return nullptr; }
  /// Keeps somebody out, or no longer; as of `Driver`.
  virtual Status block(std::string_view what, std::optional<Duration> left) = 0;
  virtual Status unblock(std::string_view what) = 0;
  /// With `options.acks` above 0 `on_receipt` is called once, later.
  virtual Result<MessageId> publish(std::string_view topic, Bytes payload, BroadcastOptions options,
                                    std::function<void(const Receipt&)> on_receipt) = 0;
  virtual Status join(std::vector<std::string> seeds) = 0;
  virtual Status leave() = 0;
  virtual Status rejoin() = 0;
  virtual Status forget(std::string_view name) = 0;
  virtual Status promote(std::string_view peer) = 0;
  virtual Result<TrimReport> trim() = 0;
  /// As of `Driver`.
  virtual Status resync(std::string_view peer) = 0;
  [[nodiscard]] virtual std::optional<Timestamp> digest_at(std::string_view peer) const = 0;
  /// Asks all other members; `done` is called once, later, or at once with nothing if too much is asked already.
  virtual void ask(Asking kind, const std::string& text, Duration timeout, std::function<void(Answered)> done) = 0;
  /// What this member says to it.
  [[nodiscard]] virtual std::string own_answer(Asking kind, std::string_view text) = 0;
  /// These members are probed next.
  virtual void doubt(const std::vector<std::string>& members) = 0;
  /// Pings a member in every way; `done` is called once, within two seconds, or at once with nothing where there is no such member
  /// or too many are pinged already.
  virtual void check_reach(const std::string& member, std::function<void(std::optional<ReachCheck>)> done) = 0;
  /// The trees that others' messages on the topic came by, as far as they are still held.
  [[nodiscard]] virtual std::vector<TreeId> trees_of(std::string_view topic) const = 0;
  /// Broadcasts something that no handler sees; `on_receipt` is called once, later.
  virtual Result<MessageId> probe(Bytes payload, Duration timeout, std::function<void(const Receipt&)> on_receipt) = 0;
  virtual Events& events() = 0;
  virtual const MetricHistory& metric_history() const = 0;
  /// Gives an order about gossip keys to all members; `done` is called once, later.
  virtual void order_keys(KeyOrder order, std::function<void(Result<KeyReport>)> done) = 0;
  virtual void subscribe(Subscriber subscriber, ReadFrom from) = 0;
  /// The history, or the repair store without one, has this message.
  [[nodiscard]] virtual bool in_history(const MessageId& id) const = 0;
  /// Tells a dashboard how things are, once a second, and the events behind the one called `after`.
  virtual void watch(std::shared_ptr<HttpStream> viewer, std::string_view after) = 0;
};

/// The HTTP routes of one node.
class Admin {
 public:
  explicit Admin(AdminHost& host);
  ~Admin();
  HttpResponse handle(const HttpRequest& request);
  /// Counts an answered request for `plumvine_http_requests_total`.
  void observe(const std::string& path, int status);
  /// What was counted so far, every known route and status from the start: for `Snapshot::http_requests`.
  [[nodiscard]] std::vector<HttpCount> requests() const;
  /// What is known of publishes with a key.
  [[nodiscard]] const PublishOnce& once() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace plumvine::uv
