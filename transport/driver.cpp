#include "driver.hpp"

#include <utility>

#include "engine.hpp"

namespace plumvine {

class Driver::Impl {
 public:
  Impl(Config config, DriverIdentity identity, Loop& loop, Transport& transport, Handlers handlers, DriverHooks hooks)
      : loop_(loop),
        transport_(transport),
        handlers_(std::move(handlers)),
        hooks_(std::move(hooks)),
        engine_(std::move(config), std::move(identity)) {
    for (const auto& [topic, validator] : handlers_.validators) engine_.validate(topic);
  }

  /// Every entry: tells the engine the time, does the work, and asks for the end of the turn.
  template <class Work>
  auto enter(Work work) {
    engine_.begin(loop_.now(), loop_.wall_us());
    struct AtEnd {
      Impl& impl;
      ~AtEnd() { impl.finish_entry(); }
    } at_end{*this};
    return work(engine_);
  }

  void turn();
  void timer_fired() {
    armed_ = kNever;
    enter([](Engine& e) { e.handle_timeout(); });
  }
  void stop();
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  [[nodiscard]] std::shared_ptr<const Snapshot> make_snapshot() {
    if (!stopped_) engine_.begin(loop_.now(), loop_.wall_us());
    auto snapshot = std::make_shared<Snapshot>(engine_.snapshot(transport_.stats()));
    snapshot->loop = loop_stats_;
    snapshot->loop.timers = engine_.timers();
    return snapshot;
  }

  [[nodiscard]] Cursor position() const {
    Cursor told = engine_.position();
    told.remove(untold_of_, untold_);
    return told;
  }
  [[nodiscard]] std::vector<MessageId> held_ids() const {
    auto ids = engine_.held_ids();
    std::erase_if(ids, [this](const MessageId& id) {
      return id.origin == untold_of_ && id.sequence >= untold_.first && id.sequence <= untold_.last;
    });
    return ids;
  }
  [[nodiscard]] const Engine& engine() const { return engine_; }
  Engine& engine() { return engine_; }
  LoopStats& loop_stats() { return loop_stats_; }

 private:
  /// How often one turn may go around: handlers publish, credit lets the tree send more. The rest waits for the next
  /// turn, so that reading is not starved.
  static constexpr int kRoundsMax = 8;

  void finish_entry();
  void perform_actions();
  void run_handlers();
  void tell(engine::Event& event);
  void tell(const tree::Deliver& messages);
  void arm();

  Loop& loop_;
  Transport& transport_;
  Handlers handlers_;
  DriverHooks hooks_;
  Engine engine_;
  LoopStats loop_stats_;
  static constexpr SequenceRange kNone{1, 0};
  std::vector<Message> together_;  ///< being told; empty between calls
  InstanceId untold_of_{};
  SequenceRange untold_ = kNone;  ///< the rest of the run whose messages the handler is being told
  Timestamp armed_ = kNever;
  bool deferred_ = false;
  bool in_turn_ = false;
  bool stopped_ = false;
};

/// What the machines decided goes into the queues at once, so that nothing piles up between turns; writing and telling
/// wait for the end of the turn.
void Driver::Impl::finish_entry() {
  if (in_turn_ || stopped_) return;
  engine_.settle();
  perform_actions();
  if (!deferred_) {
    deferred_ = true;
    loop_.defer();
  }
}

void Driver::Impl::turn() {
  deferred_ = false;
  if (stopped_ || in_turn_) return;
  in_turn_ = true;
  engine_.begin(loop_.now(), loop_.wall_us());
  for (int round = 0; round < kRoundsMax && !stopped_; ++round) {
    engine_.settle();
    perform_actions();
    engine_.flush(transport_);
    perform_actions();
    run_handlers();
    if (!engine_.pending()) break;
  }
  in_turn_ = false;
  if (stopped_) return;
  if (engine_.pending()) {
    deferred_ = true;
    loop_.defer();
    loop_.arm(armed_ = loop_.now());
    return;
  }
  arm();
}

void Driver::Impl::arm() {
  const Timestamp next = engine_.next_timeout();
  if (next == armed_) return;
  armed_ = next;
  loop_.arm(next);
}

void Driver::Impl::perform_actions() {
  while (auto action = engine_.poll_action()) {
    if (auto* packet = std::get_if<engine::SendPacket>(&*action)) {
      transport_.send_packet(packet->to, std::move(packet->packet));
    } else if (auto* dial = std::get_if<engine::Dial>(&*action)) {
      if (dial->quic_port != 0) transport_.dial_link(dial->conn, dial->to, dial->quic_port);
      else transport_.dial(dial->conn, dial->to);
    } else if (auto* close = std::get_if<engine::Close>(&*action)) {
      transport_.close(close->conn, close->mode);
    } else if (auto* resolve = std::get_if<engine::Resolve>(&*action)) {
      transport_.resolve(resolve->name);
    }
  }
}

void Driver::Impl::run_handlers() {
  while (!stopped_) {
    auto event = engine_.poll_event();
    if (!event) return;
    tell(*event);
  }
}

namespace {
Message message_of(const tree::Deliver& d) {
  return Message{.id = d.id, .origin = d.origin, .topic = d.topic, .payload = d.payload, .hops = d.round, .latency = d.latency};
}
}  // namespace

void Driver::Impl::tell(const tree::Deliver& messages) {
  Message message = message_of(messages);
  frame::RunCutter cutter{messages.run, messages.payload};
  if (handlers_.on_messages) {
    message.payload = Bytes{};
    together_.reserve(messages.run.count);
    for (; !cutter.done(); ++message.id.sequence) together_.emplace_back(message).payload = cutter.next();
    handlers_.on_messages(together_);
    together_.clear();
  } else if (handlers_.on_message) {
    untold_of_ = messages.id.origin;
    const Sequence last = messages.range().last;
    for (; !cutter.done() && !stopped_; ++message.id.sequence) {
      message.payload = cutter.next();
      untold_ = {message.id.sequence + 1, last};
      handlers_.on_message(message);
    }
    untold_ = kNone;
    if (hooks_.on_told) hooks_.on_told();
  }
}

void Driver::Impl::tell(engine::Event& event) {
  const auto call = [](const auto& handler, const auto&... args) {
    if (handler) handler(args...);
  };
  if (const auto* deliver = std::get_if<tree::Deliver>(&event)) {
    tell(*deliver);
  } else if (const auto* progress = std::get_if<Progress>(&event)) {
    call(handlers_.on_progress, *progress);
  } else if (const auto* judge = std::get_if<tree::Judge>(&event)) {
    const auto validator = handlers_.validators.find(judge->message.topic);
    const bool judges = validator != handlers_.validators.end() && validator->second;
    const Verdict verdict = judges ? validator->second(message_of(judge->message)) : Verdict::accept;
    if (!stopped_) engine_.judged(judge->message.id, verdict);
  } else if (const auto* direct = std::get_if<engine::DirectCame>(&event)) {
    call(handlers_.on_direct, DirectMessage{direct->from, direct->instance, direct->payload});
  } else if (const auto* sent = std::get_if<engine::DirectDone>(&event)) {
    call(hooks_.on_direct_done, sent->ticket, sent->status);
  } else if (const auto* question = std::get_if<Question>(&event)) {
    call(hooks_.on_question, *question);
  } else if (auto* answered = std::get_if<Answered>(&event)) {
    call(hooks_.on_answered, std::move(*answered));
  } else if (const auto* checked = std::get_if<ReachCheck>(&event)) {
    call(hooks_.on_checked, *checked);
  } else if (const auto* receipt = std::get_if<Receipt>(&event)) {
    call(handlers_.on_receipt, *receipt);
  } else if (auto* lost = std::get_if<LostEvent>(&event)) {
    call(handlers_.on_lost, *lost);
  } else if (auto* member = std::get_if<MemberEvent>(&event)) {
    call(handlers_.on_member, *member);
  } else if (auto* peer = std::get_if<PeerEvent>(&event)) {
    call(handlers_.on_peer, *peer);
  } else if (auto* partition = std::get_if<PartitionEvent>(&event)) {
    call(handlers_.on_partition, *partition);
  } else if (auto* acked = std::get_if<tree::Acked>(&event)) {
    call(hooks_.on_acked, *acked);
  } else if (std::holds_alternative<engine::LeaveDone>(event)) {
    call(hooks_.on_leave_done);
  } else if (auto* done = std::get_if<engine::KeysDone>(&event)) {
    call(hooks_.on_keys_done, done->ticket, std::move(done->report));
  } else if (auto* save = std::get_if<engine::SaveKeys>(&event)) {
    call(hooks_.save_keys, std::move(save->keys));
  } else if (auto* history = std::get_if<KeyHistory>(&event)) {
    call(hooks_.save_key_history, std::move(*history));
  } else if (auto* bridge = std::get_if<engine::BridgePublish>(&event)) {
    if (hooks_.on_bridge && !hooks_.on_bridge(bridge->message)) engine_.bridge_refused(std::move(bridge->message));
  }
}

void Driver::Impl::stop() {
  if (std::exchange(stopped_, true)) return;
  engine_.begin(loop_.now(), loop_.wall_us());
  engine_.stop();
  perform_actions();
  loop_.arm(kNever);
}

Driver::Driver(Config config, DriverIdentity identity, Loop& loop, Transport& transport, Handlers handlers,
               DriverHooks hooks)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(identity), loop, transport, std::move(handlers),
                                   std::move(hooks))) {}
Driver::~Driver() = default;

void Driver::start() {
  impl_->enter([](Engine& e) { e.start(); });
}

void Driver::publish(Sequence sequence, std::string topic, frame::Payload payload, AckWish acks) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.publish(sequence, std::move(topic), std::move(payload), acks); });
}
Status Driver::send_direct(std::uint64_t ticket, std::string_view member, Bytes payload) {
  if (impl_->stopped()) return {Errc::stopped, "the node was stopped"};
  return impl_->enter([&](Engine& e) { return e.send_direct(ticket, member, std::move(payload)); });
}
void Driver::ask(std::uint64_t number, std::uint8_t kind, Bytes text, Duration timeout) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.ask(number, kind, std::move(text), timeout); });
}
Status Driver::block(std::string_view what, std::optional<Duration> left) {
  if (impl_->stopped()) return {Errc::stopped, "the node was stopped"};
  return impl_->enter([&](Engine& e) { return e.block(what, left); });
}
Status Driver::unblock(std::string_view what) {
  if (impl_->stopped()) return {Errc::stopped, "the node was stopped"};
  return impl_->enter([&](Engine& e) { return e.unblock(what); });
}
std::vector<frame::KeptKey> Driver::origin_keys() { return impl_->engine().origin_keys(); }
std::uint64_t Driver::origin_keys_version() const { return impl_->engine().origin_keys_version(); }
std::vector<BlockOrder> Driver::blocks() const { return impl_->engine().blocks(); }
bool Driver::admits(const Endpoint& from, bool proved) {
  if (impl_->stopped()) return false;
  return impl_->enter([&](Engine& e) { return e.admits(from, proved); });
}
void Driver::doubt(std::string_view member) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.doubt(member); });
}
void Driver::answer(InstanceId origin, std::uint64_t number, Bytes text) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.answer(origin, number, std::move(text)); });
}
Status Driver::check_reach(std::string_view member) {
  if (impl_->stopped()) return {Errc::stopped, "the node was stopped"};
  return impl_->enter([&](Engine& e) { return e.check_reach(member); });
}
void Driver::join(std::vector<HostPort> seeds) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.join(std::move(seeds)); });
}
void Driver::rejoin() {
  if (impl_->stopped()) return;
  impl_->enter([](Engine& e) { e.rejoin(); });
}
void Driver::leave() {
  if (impl_->stopped()) return;
  impl_->enter([](Engine& e) { e.leave(); });
}
Status Driver::forget(std::string_view name) {
  if (impl_->stopped()) return {Errc::stopped, "the node was stopped"};
  return impl_->enter([&](Engine& e) { return e.forget(name); });
}
Status Driver::promote(std::string_view peer) {
  if (impl_->stopped()) return {Errc::stopped, "the node was stopped"};
  return impl_->enter([&](Engine& e) { return e.promote(peer); });
}
Status Driver::resync(std::string_view peer) {
  if (impl_->stopped()) return {Errc::stopped, "the node was stopped"};
  return impl_->enter([&](Engine& e) { return e.resync(peer); });
}
std::optional<Timestamp> Driver::digest_at(std::string_view peer) const { return impl_->engine().digest_at(peer); }
Trimmed Driver::trim() {
  if (impl_->stopped()) return {};
  return impl_->enter([](Engine& e) { return e.trim(); });
}
void Driver::configure(const Config& fresh) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.configure(fresh); });
}
Status Driver::set_meta(Bytes meta) {
  if (impl_->stopped()) return {Errc::stopped, "the node was stopped"};
  return impl_->enter([&](Engine& e) { return e.set_meta(std::move(meta)); });
}
Status Driver::set_tags(Tags tags) {
  if (impl_->stopped()) return {Errc::stopped, "the node was stopped"};
  return impl_->enter([&](Engine& e) { return e.set_tags(std::move(tags)); });
}
Status Driver::set_keys(const std::vector<Bytes>& keys, std::optional<KeyRules> rules) {
  if (impl_->stopped()) return {Errc::stopped, "the node was stopped"};
  return impl_->enter([&](Engine& e) { return e.set_keys(keys, rules); });
}
void Driver::order_keys(std::uint64_t ticket, KeyOrder order) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.order_keys(ticket, std::move(order)); });
}
void Driver::keys_saved(const Status& status) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.keys_saved(status); });
}
void Driver::pause_delivery(bool paused) {
  if (impl_->stopped()) return;
  impl_->enter([=](Engine& e) { e.pause_delivery(paused); });
}
void Driver::stop() { impl_->stop(); }

std::shared_ptr<const Snapshot> Driver::make_snapshot() { return impl_->make_snapshot(); }
bool Driver::synced() const { return impl_->engine().synced(); }
Cursor Driver::position() const { return impl_->position(); }
std::vector<MessageId> Driver::held_ids() const { return impl_->held_ids(); }
std::optional<HeldMessage> Driver::held(const MessageId& id) const { return impl_->engine().held(id); }
MessagePath Driver::path(const MessageId& id) const { return impl_->engine().path(id); }
std::uint64_t Driver::version() const { return impl_->engine().version(); }
std::vector<std::string> Driver::check_invariants() const { return impl_->engine().check_invariants(); }
LoopStats& Driver::loop_stats() { return impl_->loop_stats(); }

void Driver::on_timer() {
  if (impl_->stopped()) return;
  impl_->timer_fired();
}
void Driver::on_deferred() { impl_->turn(); }

void Driver::on_packet(const Endpoint& from, BytesView packet) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.packet(from, packet); });
}
void Driver::on_connected(ConnId conn) {
  if (impl_->stopped()) return;
  impl_->enter([=](Engine& e) { e.connected(conn); });
}
void Driver::on_accepted(ConnId conn, const Endpoint& from) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.accepted(conn, from); });
}
void Driver::on_identified(ConnId conn, const std::vector<std::string>& names) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.identified(conn, names); });
}
void Driver::on_private_packet(const Endpoint& from, BytesView packet) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.packet(from, packet, true); });
}
std::span<std::byte> Driver::read_buffer(ConnId conn) { return impl_->engine().read_buffer(conn); }
void Driver::on_read(ConnId conn, std::size_t bytes) {
  if (impl_->stopped()) return;
  impl_->enter([=](Engine& e) { e.read(conn, bytes); });
}
void Driver::on_batch(ConnId conn, Bytes batch) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.batch(conn, batch); });
}
void Driver::on_writable(ConnId conn) {
  if (impl_->stopped()) return;
  impl_->enter([=](Engine& e) { e.writable(conn); });
}
void Driver::on_closed(ConnId conn, const Error& why) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.closed(conn, why); });
}
void Driver::on_resolved(const HostPort& name, const std::vector<Endpoint>& endpoints) {
  if (impl_->stopped()) return;
  impl_->enter([&](Engine& e) { e.resolved(name, endpoints); });
}

}  // namespace plumvine
