// Questions to all members, for operators: the way of a message, who gets probes, what is wrong, who believes what, the links of all, which
// ways are open, what happened.
#include <algorithm>

#include <plumvine/health.hpp>

#include "admin_http.hpp"
#include "doctor.hpp"
#include "events_inquiry.hpp"
#include "links_inquiry.hpp"
#include "node_impl.hpp"
#include "reachability.hpp"
#include "tls_inquiry.hpp"
#include "transport/engine.hpp"
#include "views_inquiry.hpp"

namespace plumvine {

void Node::Impl::ask(uv::Asking kind, const std::string& text, Duration timeout, std::function<void(Answered)> done) {
  if (!core_ || closing_) return done({});
  const std::uint64_t number = ++inquiry_numbers_;
  inquiries_.emplace(number, std::move(done));
  core_->driver.ask(number, static_cast<std::uint8_t>(kind), Bytes::copy_of(text), timeout);
}

void Node::Impl::doubt(const std::vector<std::string>& members) {
  if (!core_ || closing_) return;
  for (const std::string& name : members) core_->driver.doubt(name);
}

void Node::Impl::answered(Answered answers) {
  if (auto waiter = inquiries_.extract(answers.number)) waiter.mapped()(std::move(answers));
}

std::string Node::Impl::own_answer(uv::Asking kind, std::string_view text) {
  switch (kind) {
    case uv::Asking::paths: return uv::paths_answer(core_->driver, text);
    case uv::Asking::findings: {
      const auto snapshot = fresh_snapshot();
      return uv::findings_answer(assess(*snapshot, config_.health), config_, snapshot->keys);
    }
    case uv::Asking::links: return uv::links_answer(*fresh_snapshot());
    case uv::Asking::views: return uv::views_answer(*fresh_snapshot(), text);
    case uv::Asking::events: return uv::events_answer(events_.get(), *fresh_snapshot(), text, uv::http::wall_ms(), uv::kTheirEvents);
    case uv::Asking::certificate: return uv::tls_answer(core_->tls ? &core_->tls->transport.trust() : nullptr, text);
    case uv::Asking::reachability: break;  // takes its time: `on_question`
  }
  return {};
}

void Node::Impl::on_question(const Question& question) {
  const auto answer = [this, origin = question.origin, number = question.number](const std::string& text) {
    core_->driver.answer(origin, number, Bytes::copy_of(text));
  };
  const auto kind = static_cast<uv::Asking>(question.kind);
  if (kind != uv::Asking::reachability) return answer(own_answer(kind, question.text.text()));
  const auto check = [this](const std::string& member, auto done) { check_reach(member, std::move(done)); };
  uv::reach_answer(*core_->driver.make_snapshot(), question.text.text(), check, answer);
}

void Node::Impl::check_reach(const std::string& member, std::function<void(std::optional<ReachCheck>)> done) {
  if (!core_ || closing_) return done(std::nullopt);
  const auto waiter = reach_checks_.emplace(member, std::move(done));
  if (core_->driver.check_reach(member)) return;
  auto refused = reach_checks_.extract(waiter);
  refused.mapped()(std::nullopt);
}

void Node::Impl::checked(const ReachCheck& found) {
  while (auto waiter = reach_checks_.extract(found.member)) waiter.mapped()(found);
}

std::vector<TreeId> Node::Impl::trees_of(std::string_view topic) const {
  std::vector<TreeId> trees;
  for (const MessageId& id : core_->driver.held_ids()) {
    const auto held = core_->driver.held(id);
    if (held && held->topic == topic && std::find(trees.begin(), trees.end(), held->tree) == trees.end()) trees.push_back(held->tree);
  }
  return trees;
}

Result<MessageId> Node::Impl::probe(Bytes payload, Duration timeout, std::function<void(const Receipt&)> on_receipt) {
  return broadcast_checked(engine::kProbeTopic, std::move(payload), {.acks = kAckAll, .ack_timeout = timeout}, std::move(on_receipt));
}

}  // namespace plumvine
