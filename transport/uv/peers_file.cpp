#include "peers_file.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <string_view>
#include <utility>

namespace plumvine::uv {
namespace {

constexpr std::uint64_t kSoonMs = 3000;
constexpr std::uint64_t kRefreshMs = 3600'000;

}  // namespace

PeersFile::PeersFile(uv_loop_t* loop, std::string path, std::string label, std::vector<KnownPeer> recalled, Living living, Log log)
    : file_(loop, std::move(path)),
      label_(std::move(label)),
      recalled_(std::move(recalled)),
      living_(std::move(living)),
      log_(std::move(log)) {
  (void)timer_.init(this, [&](uv_timer_t* h) { return uv_timer_init(loop, h); });
  arm(kRefreshMs);
}

void PeersFile::arm(std::uint64_t ms) {
  uv_timer_start(
      timer_.get(),
      [](uv_timer_t* h) {
        auto* me = self<PeersFile>(h);
        me->due_soon_ = false;
        me->file_.save(me->text(), [me](const Status& status) { me->told(status); });
        me->arm(kRefreshMs);
      },
      ms, 0);
}

void PeersFile::changed() {
  if (!std::exchange(due_soon_, true)) arm(kSoonMs);
}

void PeersFile::forgotten(const std::string& name) {
  std::erase_if(recalled_, [&](const KnownPeer& peer) { return peer.name == name; });
  changed();
}

void PeersFile::finish() { file_.save(text(), {}); }

/// The living, and those remembered who are not among them.
std::string PeersFile::text() {
  std::vector<KnownPeer> peers = living_();
  std::set<std::string_view> names;
  std::set<Endpoint> places;
  for (const KnownPeer& peer : peers) {
    names.insert(peer.name);
    places.insert(peer.endpoint);
  }
  const auto lives = [&](const KnownPeer& old) { return names.contains(old.name) || places.contains(old.endpoint); };
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t oldest = std::chrono::duration_cast<std::chrono::seconds>(now).count() - kPeerKeptS;
  std::vector<KnownPeer> kept;
  for (const KnownPeer& old : recalled_)
    if (old.seen_s >= oldest && !lives(old)) kept.push_back(old);
  recalled_ = peers;  // who goes from now on is remembered with the time at which it was last alive
  recalled_.insert(recalled_.end(), kept.begin(), kept.end());
  return format_peers(label_, recalled_);
}

void PeersFile::told(const Status& status) {
  if (!status && !failed_) log_(status.error().message);
  failed_ = !status;
}

}  // namespace plumvine::uv
