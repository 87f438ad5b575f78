// What the program asks of a node, on any of its threads: broadcasts, messages to one member, orders. The loop carries them out.
#include <algorithm>
#include <future>
#include <utility>

#include <plumvine/topic.hpp>

#include "node_impl.hpp"
#include "transport/event_bridge.hpp"
#include "transport/packing.hpp"
#include "transport/publish_checks.hpp"
#include "transport/runs.hpp"

namespace plumvine {
namespace {

constexpr Duration kAnswerWait = std::chrono::seconds{10};
/// Two rounds of questions at members, and the file.
constexpr Duration kKeysWait = std::chrono::seconds{30};
constexpr std::uint32_t kReceiptsMax = 256;
constexpr Duration kAckTimeoutMax = std::chrono::hours{1};

}  // namespace

Compression Node::Impl::compression_of(std::string_view topic) const {
  if (config_.serf_events && topic.starts_with(kSerfPrefix)) return Compression::off;  // Serf gets the same bytes
  const auto agreed = config_.topics.find(topic);
  return agreed == config_.topics.end() ? config_.tree.compression : agreed->second.compression.value_or(config_.tree.compression);
}

Result<MessageId> Node::Impl::broadcast(std::string_view topic, Bytes payload, BroadcastOptions options,
                                        std::function<void(const Receipt&)> on_receipt) {
  if (auto checked = check_topic(topic); !checked) return checked.error();
  return broadcast_checked(topic, std::move(payload), options, std::move(on_receipt));
}

Result<MessageId> Node::Impl::broadcast_checked(std::string_view topic, Bytes payload, BroadcastOptions options,
                                                std::function<void(const Receipt&)> on_receipt) {
  if (auto fits = check_broadcast(config_, topic, payload); !fits) return fits.error();
  if (options.wait > Duration::zero() && on_loop_thread())
    return Error{Errc::would_deadlock, "the loop thread cannot wait for itself; use on_writable"};
  if (left_) return Error{Errc::stopped, "the node has left the cluster; rejoin first"};
  if (options.acks > 0) {
    if (options.ack_timeout <= Duration::zero() || options.ack_timeout > kAckTimeoutMax)
      return Error{Errc::invalid_argument, "ack_timeout is " + format_duration(options.ack_timeout) + ", must be above 0 and at most 1h"};
    if (receipts_open_.fetch_add(1) >= kReceiptsMax) {
      --receipts_open_;
      return Error{Errc::limit_reached, std::to_string(kReceiptsMax) + " broadcasts wait for acknowledgements"};
    }
  }
  // Here, on the caller's thread; what the loop gets is what it sends.
  frame::Payload packed = pack(std::move(payload), compression_of(topic));
  const bool joins = options.acks == 0 && joins_runs(config_, topic, packed);
  auto sequence = mailbox_.publish({.topic = std::string(topic),
                                    .payload = std::move(packed),
                                    .joins = joins,
                                    .acks = {options.acks, options.ack_timeout},
                                    .on_receipt = std::move(on_receipt)},
                                   options.wait);
  if (!sequence) {
    if (options.acks > 0) --receipts_open_;
    return sequence.error();
  }
  return MessageId{identity_.instance, *sequence};
}

Result<Receipt> Node::Impl::broadcast_and_wait(std::string_view topic, Bytes payload, BroadcastOptions options) {
  if (options.acks == 0) return Error{Errc::invalid_argument, "acks is 0, so there is nothing to wait for; set it to a number or kAckAll"};
  if (on_loop_thread()) return Error{Errc::would_deadlock, "the loop thread cannot wait for the members' answers; use on_receipt"};
  auto answer = std::make_shared<std::promise<Receipt>>();
  auto receipt = answer->get_future();
  auto id = broadcast(topic, std::move(payload), options, [answer](const Receipt& r) { answer->set_value(r); });
  if (!id) return id.error();
  if (receipt.wait_for(options.ack_timeout + kAnswerWait) != std::future_status::ready)
    return Error{Errc::timed_out, "the loop did not answer; it is stalled or does not run"};
  Receipt told = receipt.get();
  if (told.id == MessageId{}) return Error{Errc::stopped, "the node was stopped"};
  return told;
}

void Node::Impl::receipted(const Receipt& receipt, const std::function<void(const Receipt&)>& user) {
  --receipts_open_;
  if (auto waiter = receipts_.extract(receipt.id.sequence)) return waiter.mapped()(receipt);
  if (user) user(receipt);
}

Status Node::Impl::send(std::string_view member, Bytes payload, Duration wait) {
  if (wait <= Duration::zero()) {
    return change([member = std::string(member), payload = std::move(payload)](Driver& driver) { return driver.send_direct(0, member, payload); });
  }
  if (on_loop_thread()) return Error{Errc::would_deadlock, "the loop thread cannot wait for the acknowledgement"};
  auto answer = std::make_shared<std::promise<Status>>();
  auto status = answer->get_future();
  auto posted = mailbox_.post([this, answer, member = std::string(member), payload = std::move(payload)](bool run) {
    if (!run) return answer->set_value(Error{Errc::stopped, "the node was stopped"});
    const std::uint64_t ticket = ++direct_tickets_;
    if (auto sent = core_->driver.send_direct(ticket, member, payload); !sent) return answer->set_value(sent);
    directs_.emplace(ticket, [answer](const Status& done) { answer->set_value(done); });
  });
  if (!posted) return posted;
  if (status.wait_for(wait) != std::future_status::ready)
    return Error{Errc::timed_out, std::string(member) + " has not acknowledged yet: it may have the message or not"};
  return status.get();
}

void Node::Impl::direct_done(std::uint64_t ticket, const Status& status) {
  if (auto waiter = directs_.extract(ticket)) waiter.mapped()(status);
}

Status Node::Impl::post(std::function<void(Driver&)> command) {
  return mailbox_.post([this, command = std::move(command)](bool run) {
    if (run) command(core_->driver);
  });
}

Status Node::Impl::change(std::function<Status(Driver&)> change) {
  if (on_loop_thread()) {
    if (!core_ || closing_) return Error{Errc::stopped, "the node was stopped"};
    return change(core_->driver);
  }
  struct Answer {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<Status> status;
  };
  auto answer = std::make_shared<Answer>();
  auto posted = mailbox_.post([this, answer, change = std::move(change)](bool run) {
    Status status = run ? change(core_->driver) : Status{Errc::stopped, "the node was stopped"};
    const std::lock_guard lock{answer->mutex};
    answer->status = std::move(status);
    answer->ready.notify_all();
  });
  if (!posted) return posted;
  std::unique_lock lock{answer->mutex};
  if (!answer->ready.wait_for(lock, kAnswerWait, [&] { return answer->status.has_value(); }))
    return Error{Errc::timed_out, "the loop did not answer; it is stalled or does not run"};
  return *answer->status;
}

Status Node::Impl::join_seeds(const std::vector<std::string>& seeds) {
  std::vector<HostPort> parsed;
  for (const std::string& seed : seeds) {
    auto one = HostPort::parse(seed);
    if (!one) return one.error();
    if (!one->has_port) one->port = seed_port_;
    one->has_port = true;
    parsed.push_back(std::move(*one));
  }
  if (parsed.empty()) return Error{Errc::invalid_argument, "no seed given, write HOST[:PORT]"};
  return post([parsed = std::move(parsed)](Driver& driver) { driver.join(parsed); });
}

Status Node::Impl::leave_cluster(Duration deadline) {
  {
    const std::lock_guard lock{mutex_};
    if (!left_.exchange(true)) leave_done_ = false;
    if (leave_done_) return {};
  }
  if (auto posted = post([](Driver& driver) { driver.leave(); }); !posted) return posted;
  if (deadline <= Duration::zero() || on_loop_thread()) return {};
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, deadline, [&] { return leave_done_ || closed_; });
  if (leave_done_) return {};
  if (closed_) return Error{Errc::stopped, "the node was stopped"};
  return Error{Errc::timed_out, "not every member has heard of it yet"};
}

Status Node::Impl::rejoin_cluster() {
  auto posted = post([](Driver& driver) { driver.rejoin(); });
  if (posted) left_ = false;
  return posted;
}

Status Node::Impl::forget_member(std::string_view name) {
  return change([name = std::string(name)](Driver& driver) { return driver.forget(name); });
}

Status Node::Impl::promote_peer(std::string_view peer) {
  return change([peer = std::string(peer)](Driver& driver) { return driver.promote(peer); });
}

void Node::Impl::order_keys(KeyOrder order, std::function<void(Result<KeyReport>)> done) {
  if (!core_ || closing_) return done(Error{Errc::stopped, "the node was stopped"});
  const std::uint64_t ticket = ++key_tickets_;
  key_orders_.emplace(ticket, std::move(done));
  core_->driver.order_keys(ticket, std::move(order));
}

void Node::Impl::keys_done(std::uint64_t ticket, Result<KeyReport> report) {
  if (auto order = key_orders_.extract(ticket)) order.mapped()(std::move(report));
}

Result<KeyReport> Node::Impl::keys_and_wait(KeyOrder order) {
  if (on_loop_thread()) return Error{Errc::would_deadlock, "the loop thread cannot wait for the members' answers"};
  auto answer = std::make_shared<std::promise<Result<KeyReport>>>();
  auto report = answer->get_future();
  auto posted = mailbox_.post([this, answer, order = std::move(order)](bool run) {
    if (!run) return answer->set_value(Error{Errc::stopped, "the node was stopped"});
    order_keys(order, [answer](Result<KeyReport> done) { answer->set_value(std::move(done)); });
  });
  if (!posted) return posted.error();
  if (report.wait_for(kKeysWait) != std::future_status::ready)
    return Error{Errc::timed_out, "the loop did not answer; it is stalled or does not run"};
  return report.get();
}

}  // namespace plumvine
