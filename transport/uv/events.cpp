#include "events.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "health/dump.hpp"

namespace plumvine::uv {

void Events::add(EventKind kind, const LogRecord& record, std::int64_t wall_ms) {
  const std::uint64_t number = first_ + events_.size();
  events_.push_back({wall_ms, dump::event_json(id_of(number), wall_ms, kind, record)});
  bytes_ += events_.back().json.size();
  stats_.told.add(kind);
  while (events_.size() > 1 && (events_.size() > kCountMax || bytes_ > kBytesMax)) {
    bytes_ -= events_.front().json.size();
    events_.pop_front();
    ++first_;
    ++stats_.dropped;
  }
  drop_gone();
  std::erase_if(followers_, [&](const Follower& follower) {
    if (!keeps_up(*follower.stream)) return true;
    std::string text;
    append(text, follower.format, number, events_.back().json);
    return !follower.stream->write(text);
  });
}

bool Events::keeps_up(HttpStream& stream) {
  if (!stream.open()) return false;
  if (stream.waiting() <= kBehindMax) return true;
  ++stats_.followers_cut;
  stream.close();
  return false;
}

std::string Events::id_before(std::size_t count) const {
  return id_of(first_ - 1 + events_.size() - std::min(count, events_.size()));
}

void Events::append(std::string& out, Format format, std::uint64_t number, std::string_view event) const {
  if (format == Format::server_sent) {
    out += "id: " + id_of(number) + "\ndata: ";
    out += event;
    out += "\n\n";
  } else {
    out += event;
    out += '\n';
  }
}

std::string Events::retained(Format format, std::string_view after, Span span) const {
  std::uint64_t had = 0;
  if (after.starts_with(prefix_)) {
    after.remove_prefix(prefix_.size());
    (void)std::from_chars(after.data(), after.data() + after.size(), had);
  }
  std::string out;
  for (std::size_t i = 0; i < events_.size(); ++i) {
    if (first_ + i > had && span.has(events_[i].wall_ms)) append(out, format, first_ + i, events_[i].json);
  }
  return out;
}

void Events::newest_first(Span span, const std::function<void(std::uint64_t, std::int64_t, std::string_view)>& each) const {
  for (std::size_t i = events_.size(); i-- > 0;)
    if (span.has(events_[i].wall_ms)) each(first_ + i, events_[i].wall_ms, events_[i].json);
}

void Events::drop_gone() {
  std::erase_if(followers_, [](const Follower& follower) { return !follower.stream->open(); });
}

bool Events::has_room() {
  drop_gone();
  return followers_.size() < kFollowersMax;
}

void Events::follow(std::shared_ptr<HttpStream> stream, Format format, std::string_view after, Span span) {
  if (!has_room()) return stream->close();
  const std::string text = retained(format, after, span);
  if (!text.empty() && !stream->write(text)) return;
  followers_.push_back({std::move(stream), format});
}

EventStats Events::stats() const {
  EventStats out = stats_;
  out.retained = events_.size();
  out.bytes = bytes_;
  out.followers = static_cast<std::uint64_t>(
      std::count_if(followers_.begin(), followers_.end(), [](const Follower& follower) { return follower.stream->open(); }));
  return out;
}

}  // namespace plumvine::uv
