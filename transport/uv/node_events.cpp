// What a node says: log lines, events, changes of its health, and the state for those who look at the dashboard; the metrics that
// it notes for later.
#include <chrono>

#include "health/codes.hpp"
#include "memory.hpp"
#include "node_impl.hpp"
#include "transport/codes.hpp"

namespace plumvine {
namespace {

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

void Node::Impl::log(LogLevel level, std::string_view code, std::string text, LogFields fields) {
  tell({level, "node", code, std::move(text), std::move(fields)});
}

void Node::Impl::tell(const LogRecord& record) {
  if (const auto* row = code::find(record.code); row != nullptr && row->kind) return tell(*row->kind, record);
  if (config_.log && record.level <= config_.log_level_of(record.component)) config_.log(record);
}

void Node::Impl::tell(EventKind kind, const LogRecord& record) {
  if (events_) events_->add(kind, record, wall_ms());
  if (config_.log && config_.log_security && kind == EventKind::security) return config_.log(record);
  if (config_.log && record.level <= config_.log_level_of(record.component)) config_.log(record);
}

MemoryStats Node::Impl::memory(const Snapshot& snapshot) const {
  // What a message or a member takes beside its bytes, about.
  constexpr std::uint64_t kMessage = 300, kMember = 1024;
  MemoryStats stats;
  stats.resident = uv::resident_bytes();
  stats.blocks = blocks_.stats();
  stats.parts.add(MemoryPart::store, snapshot.tree.store_bytes + kMessage * snapshot.tree.store_messages);
  stats.parts.add(MemoryPart::queues, snapshot.queue_bytes);
  stats.parts.add(MemoryPart::mailbox, snapshot.loop.mailbox_bytes);
  stats.parts.add(MemoryPart::members, kMember * snapshot.members.size());
  stats.parts.add(MemoryPart::events, snapshot.events.bytes);
  stats.parts.add(MemoryPart::samples, snapshot.recorded_bytes);
  core_->memory_audit.judge(static_cast<std::int64_t>(uv_hrtime() / 1'000'000), stats);
  return stats;
}

void Node::Impl::watch(std::shared_ptr<uv::HttpStream> viewer, std::string_view after) {
  const auto snapshot = fresh_snapshot();
  live_->add(std::move(viewer), after, *snapshot, assess(*snapshot, config_.health));
  if (!live_->watched() || uv_is_active(reinterpret_cast<uv_handle_t*>(core_->teller.get())) != 0) return;
  (void)uv_timer_start(core_->teller.get(), [](uv_timer_t* timer) { uv::self<Impl>(timer)->tell_viewers(); }, uv::Live::kIntervalMs,
                       uv::Live::kIntervalMs);
}

void Node::Impl::tell_viewers() {
  if (closing_ || !live_->watched()) return (void)uv_timer_stop(core_->teller.get());
  const auto snapshot = fresh_snapshot();
  live_->tell(*snapshot, assess(*snapshot, config_.health));
}

void Node::Impl::sample() {
  if (closing_) return;
  const auto snapshot = fresh_snapshot();
  core_->memory_audit.note(static_cast<std::int64_t>(uv_hrtime() / 1'000'000), snapshot->memory);
  const HealthReport report = assess(*snapshot, config_.health);
  if (config_.render_metrics) core_->metric_history.record(config_.render_metrics(*snapshot, report), wall_ms());
  std::map<std::string, HealthReason> now;
  for (const HealthReason& reason : report.reasons) {
    if (!reasons_.contains(reason.code)) tell_health(reason, true);
    now.emplace(reason.code, reason);
  }
  for (const auto& [code, reason] : reasons_)
    if (!now.contains(code)) tell_health(reason, false);
  reasons_ = std::move(now);
}

void Node::Impl::tell_health(const HealthReason& reason, bool begins) {
  const health::Code* row = health::find_code(reason.code);
  if (row == nullptr) return;
  const EventKind kind = row->component == "membership" ? EventKind::member
                         : row->component == "tree"     ? EventKind::tree
                         : row->component == "delivery" ? EventKind::delivery
                         : row->component == "security" ? EventKind::security
                                                        : EventKind::load;
  LogFields fields{{"health", begins ? std::string(to_string(reason.severity)) : std::string{"over"}}};
  tell(kind, {begins ? LogLevel::warn : LogLevel::info, "health", row->code,
              (begins ? "Health is " + std::string(to_string(reason.severity)) + ": " : std::string{"Over: "}) + std::string(row->cause),
              std::move(fields)});
}

Result<TrimReport> Node::Impl::trim_caches() {
  auto report = std::make_shared<TrimReport>();
  auto trimmed = change([this, report](Driver& driver) {
    const std::uint64_t before = uv::resident_bytes();
    const Trimmed freed = driver.trim();
    uv::release_free_memory();
    const std::uint64_t after = uv::resident_bytes();
    *report = {freed.messages, freed.bytes, before > after ? before - after : 0};
    log(LogLevel::info, code::kTrimmed,
        "Caches trimmed by order: " + std::to_string(report->messages) + " messages of " + std::to_string(report->bytes) + " bytes; " +
            std::to_string(report->returned_bytes) + " bytes of memory went back to the system",
        {{"messages", std::to_string(report->messages)}, {"bytes", std::to_string(report->bytes)},
         {"returned_bytes", std::to_string(report->returned_bytes)}});
    return Status{};
  });
  if (!trimmed) return trimmed.error();
  return *report;
}

}  // namespace plumvine
