#include "node_history.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace plumvine::uv {
namespace {

constexpr std::int64_t kPositionEveryUs = 1'000'000;

std::int64_t wall_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

/// Reads the repair store. What leaves it before it was read is missing here, and a gap to the subscriber.
class StoreReader final : public HistoryReader {
 public:
  StoreReader(Driver& driver, std::string topic) : driver_(driver), topic_(std::move(topic)) {}

  std::vector<HistoryEntry> next(const Cursor& had, std::size_t count) override {
    std::vector<HistoryEntry> out;
    if (at_ == ids_.size()) refill(had);
    std::size_t bytes = 0;
    while (at_ < ids_.size() && out.size() < count && bytes < kBytesAtOnce) {
      const auto held = driver_.held(ids_[at_++]);
      if (!held || had.contains(held->id)) continue;
      HistoryEntry entry{held->id, std::string(held->origin), std::string(held->topic), held->round, {}};
      if (topic_ == "*" || topic_ == held->topic) entry.payload = held->payload.bytes;
      bytes += entry.payload.size();
      out.push_back(std::move(entry));
    }
    return out;
  }

 private:
  void refill(const Cursor& had) {
    ids_ = driver_.held_ids();
    at_ = 0;
    std::erase_if(ids_, [&](const MessageId& id) { return had.contains(id); });
  }

  Driver& driver_;
  std::string topic_;
  std::vector<MessageId> ids_;
  std::size_t at_ = 0;
};

}  // namespace

NodeHistory::NodeHistory(uv_loop_t* loop, Driver& driver, std::unique_ptr<History> file, InstanceId self, Log log)
    : driver_(driver), file_(std::move(file)), self_(self), log_(std::move(log)), subscribers_(loop, *this) {}

void NodeHistory::deliver(const Message& message) {
  if (file_) {
    file_->add(message, wall_us());
    moved_ = true;
  }
  subscribers_.deliver(message);
}

void NodeHistory::lost(const LostEvent& lost) {
  moved_ = true;
  subscribers_.lost(lost);
}

bool NodeHistory::end_turn() {
  if (!file_) return false;
  const std::int64_t now_us = wall_us();
  // The first position is that of the first sync: whoever is killed right after it goes on from there.
  if (driver_.synced() && (saved_us_ == 0 || (moved_ && now_us - saved_us_ >= kPositionEveryUs))) save_position(now_us);
  else told(file_->commit(now_us));
  return true;
}

void NodeHistory::save_position(std::int64_t now_us) {
  saved_us_ = now_us;
  moved_ = false;
  told(file_->save_position(driver_.position(), now_us));
}

void NodeHistory::finish() {
  if (file_ && driver_.synced()) save_position(wall_us());
}

void NodeHistory::told(const Status& status) {
  if (status) {
    if (file_->writable()) problem_.clear();
  } else if (std::exchange(problem_, status.error().message).empty()) {
    log_(problem_);
  }
}

HistoryInfo NodeHistory::info() {
  HistoryInfo info;
  info.gaps = subscribers_.gaps();
  info.subscribers = subscribers_.infos();
  if (!file_) return info;
  info.kept = true;
  info.problem = problem_;
  info.messages = file_->messages();
  info.bytes = file_->bytes();
  info.dropped = file_->dropped();
  return info;
}

Cursor NodeHistory::readable() {
  if (file_) return file_->held();
  Cursor held;
  for (const MessageId& id : driver_.held_ids()) {
    if (driver_.held(id)) held.add(id);
  }
  return held;
}

std::unique_ptr<HistoryReader> NodeHistory::read(const std::string& topic) {
  if (file_) return file_->read(topic);
  return std::make_unique<StoreReader>(driver_, topic);
}

bool NodeHistory::is_ours(InstanceId origin) {
  if (origin == self_) return true;
  return file_ && std::ranges::find(file_->former_selves(), origin) != file_->former_selves().end();
}

std::string NodeHistory::name_of(InstanceId origin) {
  const auto snapshot = driver_.make_snapshot();  // kept while it is read
  for (const OriginInfo& info : snapshot->origins)
    if (info.instance == origin) return info.name;
  return {};
}

}  // namespace plumvine::uv
