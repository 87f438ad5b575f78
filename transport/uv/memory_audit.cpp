#include "memory_audit.hpp"

namespace plumvine::uv {
namespace {

std::uint64_t gain(std::uint64_t before, std::uint64_t now) { return now > before ? now - before : 0; }

}  // namespace

void MemoryAudit::configure(const Config& config) {
  const auto preset = Config::from_preset(config.preset, config.name);
  if (!preset) return;
  const auto mark = [this](MemoryPart part, bool raised) { raised_[static_cast<std::size_t>(part)] = raised; };
  mark(MemoryPart::store, config.tree.store_bytes() > preset->tree.store_bytes() ||
                              config.tree.sync_max_messages > preset->tree.sync_max_messages);
  mark(MemoryPart::queues, config.link.queue_max_bytes > preset->link.queue_max_bytes || config.tree.max_peers > preset->tree.max_peers);
  mark(MemoryPart::mailbox, config.mailbox_max_bytes > preset->mailbox_max_bytes || config.mailbox_max_messages > preset->mailbox_max_messages);
  mark(MemoryPart::members, config.swim.members_max > preset->swim.members_max);
}

void MemoryAudit::note(std::int64_t at_ms, const MemoryStats& now) {
  while (!samples_.empty() && at_ms - samples_.front().at_ms > kWindowMs) samples_.pop_front();
  samples_.push_back({at_ms, now.resident, now.parts});
}

void MemoryAudit::judge(std::int64_t at_ms, MemoryStats& now) const {
  now.gained = 0;
  now.gained_s = 0;
  now.gaining = MemoryPart::count_;
  for (const Sample& before : samples_) {
    if (at_ms - before.at_ms > kWindowMs) continue;
    if (at_ms - before.at_ms < kLeastMs) break;
    std::uint64_t usual = 0, most = 0;
    MemoryPart part = MemoryPart::count_;
    for (std::size_t i = 0; i < kParts; ++i) {
      const auto which = static_cast<MemoryPart>(i);
      const std::uint64_t gained = gain(before.parts[which], now.parts[which]);
      if (!raised_[i]) {
        usual += gained + gained / 2;
      } else if (gained > most) {
        most = gained;
        part = which;
      }
    }
    const std::uint64_t beyond = gain(usual, gain(before.resident, now.resident));
    if (beyond <= now.gained) continue;
    now.gained = beyond;
    now.gained_s = static_cast<double>(at_ms - before.at_ms) / 1000;
    now.gaining = most >= beyond / 2 ? part : MemoryPart::count_;
  }
}

}  // namespace plumvine::uv
