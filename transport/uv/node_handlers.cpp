// The user's handlers and HTTP requests, timed: what they cost, and which of them held up the loop.
#include <utility>

#include "node_impl.hpp"

namespace plumvine {

void Node::Impl::observe_handler(const char* handler, std::uint64_t started_ns, std::uint32_t calls) {
  if (!core_) return;
  const std::uint64_t ns = uv_hrtime() - started_ns;
  core_->driver.loop_stats().handlers.observe(static_cast<double>(ns) / 1e9 / calls, calls);
  core_->loop.spent(handler, ns);
  core_->loop.carve(LoopPhase::handlers, ns);
}

template <class Event>
std::function<void(const Event&)> Node::Impl::timed(const char* name, std::function<void(const Event&)> handler) {
  if (!handler) return {};
  return [this, name, handler = std::move(handler)](const Event& event) {
    if (stop_wanted_) return;
    const std::uint64_t started_ns = uv_hrtime();
    handler(event);
    observe_handler(name, started_ns);
  };
}

/// One of the two handlers for messages, as the user has. Small messages may take less time than reading the clock does, so some that
/// came together are timed together.
void Node::Impl::take_message(const Message& message) {
  core_->history->deliver(message);
  if (!handlers_.on_message || stop_wanted_) return;
  if (told_ == 0) told_from_ns_ = uv_hrtime();
  handlers_.on_message(message);
  if (++told_ == kTimedTogether) time_told();
}

void Node::Impl::take_messages(std::span<const Message> messages) {
  for (const Message& message : messages) core_->history->deliver(message);
  if (stop_wanted_) return;
  const std::uint64_t started_ns = uv_hrtime();
  handlers_.on_messages(messages);
  observe_handler("handler on_messages", started_ns);
}

void Node::Impl::time_told() {
  if (told_ > 0) observe_handler("handler on_message", told_from_ns_, std::exchange(told_, 0));
}

Handlers Node::Impl::wrapped_handlers() {
  using Several = std::function<void(std::span<const Message>)>;
  return {.on_message = [this](const Message& message) { take_message(message); },
          .on_messages = handlers_.on_messages ? Several{[this](std::span<const Message> messages) { take_messages(messages); }} : Several{},
          .on_progress = timed("handler on_progress", handlers_.on_progress),
          .on_member = [this, user = timed("handler on_member", handlers_.on_member)](const MemberEvent& event) {
            note_member(event);
            if (user) user(event);
          },
          .on_peer = timed("handler on_peer", handlers_.on_peer),
          .on_partition = timed("handler on_partition", handlers_.on_partition),
          .on_lost = [this, user = timed("handler on_lost", handlers_.on_lost)](const LostEvent& event) {
            core_->history->lost(event);
            if (user) user(event);
          },
          .on_direct = timed("handler on_direct", handlers_.on_direct),
          .on_receipt = [this, user = timed("handler on_receipt", handlers_.on_receipt)](const Receipt& receipt) { receipted(receipt, user); },
          .validators = timed_validators()};
}

std::map<std::string, std::function<Verdict(const Message&)>, std::less<>> Node::Impl::timed_validators() {
  decltype(handlers_.validators) out;
  for (const auto& [topic, judge] : handlers_.validators) {
    if (!judge) continue;
    out.emplace(topic, [this, judge = judge](const Message& message) {
      if (stop_wanted_) return Verdict::ignore;
      const std::uint64_t started_ns = uv_hrtime();
      const Verdict verdict = judge(message);
      observe_handler("a validator", started_ns);
      return verdict;
    });
  }
  return out;
}

uv::HttpResponse Node::Impl::serve(const uv::HttpRequest& request) {
  const std::uint64_t started_ns = uv_hrtime();
  if (!core_->clients.admit(request, started_ns)) return core_->clients.refusal();
  const uv::Turns::Span span{core_->loop.meter(), LoopPhase::http};
  auto response = core_->admin.handle(request);
  constexpr std::uint64_t kWorthNaming = 1'000'000;
  const std::uint64_t ns = uv_hrtime() - started_ns;
  core_->driver.loop_stats().operation(LoopOperation::http, static_cast<double>(ns) / 1e9);
  if (ns >= kWorthNaming)
    core_->loop.spent("HTTP " + request.method + ' ' + request.path.substr(0, 64), ns);
  return response;
}

}  // namespace plumvine
