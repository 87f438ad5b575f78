#include "live.hpp"

#include <string>
#include <utility>

namespace plumvine::uv {
namespace {

/// A browser whose stream broke asks again after so long.
constexpr std::string_view kRetry = "retry: 1000\n\n";

std::string named(std::string_view event, std::string_view json) {
  return "event: " + std::string(event) + "\ndata: " + std::string(json) + "\n\n";
}

}  // namespace

void Live::add(std::shared_ptr<HttpStream> stream, std::string_view after, const Snapshot& snapshot, const HealthReport& report) {
  if (!watched()) (void)rows_.update(snapshot);  // else they are what the others were told last
  events_.follow(stream, Events::Format::server_sent, after.empty() ? events_.id_before(kEventsFirst) : std::string(after));
  if (!stream->open()) return;
  std::string text{kRetry};
  text += named("members", rows_.whole()) + named("state", dump::live_json(snapshot, report));
  if (stream->write(text)) viewers_.push_back(std::move(stream));
}

void Live::tell(const Snapshot& snapshot, const HealthReport& report) {
  if (!watched()) return;
  const std::string changed = rows_.update(snapshot);
  const std::string text = (changed.empty() ? std::string{} : named("members", changed)) + named("state", dump::live_json(snapshot, report));
  std::erase_if(viewers_, [&](const auto& viewer) { return !events_.keeps_up(*viewer) || !viewer->write(text); });
}

bool Live::watched() {
  std::erase_if(viewers_, [](const auto& viewer) { return !viewer->open(); });
  return !viewers_.empty();
}

}  // namespace plumvine::uv
