#include "subscribers.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace plumvine::uv {
namespace {

/// Read in one turn of the loop for one subscriber.
constexpr std::size_t kEntriesATurn = 256;
/// Not 0: libuv runs a timer that is due at once again within the same turn.
constexpr std::uint64_t kNextMs = 1;
/// A subscriber without room is looked at again after so long.
constexpr std::uint64_t kNoRoomMs = 20;

Timestamp now() { return Timestamp{static_cast<std::int64_t>(uv_hrtime())}; }

std::uint64_t messages_in(const Cursor& cursor) {
  std::uint64_t count = 0;
  for (const auto& [origin, set] : cursor.origins())
    for (const SequenceRange& range : set.list()) count += range.last - range.first + 1;
  return count;
}

}  // namespace

Result<ReadFrom> read_from(std::string_view text) {
  if (text == "now") return ReadFrom{};
  if (text == "window") return ReadFrom{ReadFrom::Kind::window, {}, {}};
  if (const auto id = parse_message_id(text)) return ReadFrom{ReadFrom::Kind::message, {}, *id};
  auto cursor = Cursor::parse(text);
  if (!cursor) return cursor.error();
  return ReadFrom{ReadFrom::Kind::cursor, std::move(*cursor), {}};
}

Subscribers::Subscribers(uv_loop_t* loop, HistorySource& source) : source_(source) {
  (void)timer_.init(this, [loop](uv_timer_t* timer) { return uv_timer_init(loop, timer); });
}

void Subscribers::add(Subscriber subscriber, ReadFrom from) {
  auto reader = std::make_unique<Reader>();
  reader->subscriber = std::move(subscriber);
  if (from.kind == ReadFrom::Kind::now) {
    reader->had = source_.position();
  } else if (from.kind == ReadFrom::Kind::cursor) {
    reader->history = source_.read(reader->subscriber.topic);
    reader->had = std::move(from.had);
    if (!tell_gaps(*reader, source_.position().without(reader->had).without(source_.readable()))) return;
  } else {
    begin_at_window(*reader);
    if (from.kind == ReadFrom::Kind::message) reader->behind = from.behind;
  }
  // The HTTP server holds fewer streams than this; what lies above has lost its client.
  if (readers_.size() >= kMax) readers_.erase(readers_.begin());
  readers_.push_back(std::move(reader));
  arm();
}

void Subscribers::deliver(const Message& message) {
  bool later = false;
  std::erase_if(readers_, [&](const auto& reader) {
    if (reader->history) return false;
    if (!wants(*reader, message) || reader->subscriber.has_room()) return !tell(*reader, message);
    reader->history = source_.read(reader->subscriber.topic);
    return !(later = true);
  });
  if (later) arm();
}

bool Subscribers::wants(const Reader& reader, const Message& message) {
  const std::string& topic = reader.subscriber.topic;
  return topic == "*" ? !message.topic.starts_with('_') : topic == message.topic;
}

void Subscribers::lost(const LostEvent& lost) {
  Cursor missing;
  missing.add(lost.instance, lost.range);
  std::erase_if(readers_, [&](const auto& reader) {
    if (reader->history || missing.without(reader->had).empty()) return false;
    reader->had.add(missing);
    ++gaps_;
    return !reader->subscriber.on_gap(lost, reader->had.to_string());
  });
}

bool Subscribers::tell(Reader& reader, const Message& message) {
  if (reader.had.contains(message.id)) return true;  // it had that before, from another member
  reader.had.add(message.id);
  if (!wants(reader, message)) return true;
  const auto& waiting = reader.subscriber.waiting;
  const std::size_t before = waiting ? waiting() : 0;
  if (!reader.subscriber.on_message(message, reader.had.to_string())) return false;
  if (!waiting) return true;
  const std::size_t after = waiting();
  reader.backlog.handed(after - std::min(before, after), now());
  reader.backlog.waits(after);
  return true;
}

std::vector<SubscriberInfo> Subscribers::infos() {
  std::vector<SubscriberInfo> infos;
  infos.reserve(readers_.size());
  std::optional<Cursor> position;
  for (const auto& reader : readers_) {
    const std::size_t bytes = reader->subscriber.waiting ? reader->subscriber.waiting() : 0;
    reader->backlog.waits(bytes);
    SubscriberInfo info{.topic = reader->subscriber.topic,
                        .from = reader->subscriber.from,
                        .reads_history = reader->history != nullptr,
                        .behind = reader->backlog.count(),
                        .bytes = bytes,
                        .age_s = to_seconds(reader->backlog.age(now()))};
    if (info.reads_history) {
      if (!position) position = source_.position();
      info.behind += messages_in(position->without(reader->had));
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

bool Subscribers::tell_gaps(Reader& reader, const Cursor& missing) {
  for (const auto& [origin, set] : missing.origins()) {
    const bool ours = source_.is_ours(origin);
    const std::string name = ours ? std::string{} : source_.name_of(origin);
    for (const SequenceRange& range : set.list()) {
      reader.had.add(origin, range);
      if (ours) continue;
      ++gaps_;
      if (!reader.subscriber.on_gap({.origin = name, .instance = origin, .range = range, .reason = LossReason::history_gap},
                                    reader.had.to_string()))
        return false;
    }
  }
  return true;
}

void Subscribers::begin_at_window(Reader& reader) {
  reader.behind.reset();
  reader.entries.clear();
  reader.next = 0;
  reader.history = source_.read(reader.subscriber.topic);
  reader.had = source_.position().without(source_.readable());
}

bool Subscribers::read_on(Reader& reader) {
  if (!reader.subscriber.has_room()) return true;
  if (reader.next == reader.entries.size()) {
    reader.entries = reader.history->next(reader.had, kEntriesATurn);
    reader.next = 0;
    if (reader.entries.empty() && !reader.behind) return catch_up(reader);
    if (reader.entries.empty()) begin_at_window(reader);  // the message left the history before it was read: all that is there came later
  }
  while (reader.next < reader.entries.size()) {
    const HistoryEntry& entry = reader.entries[reader.next];
    if (reader.behind) {
      reader.had.add(entry.id);
      if (entry.id == *reader.behind) reader.behind.reset();
    } else {
      if (!reader.subscriber.has_room()) return true;
      const Message message{.id = entry.id, .origin = entry.origin, .topic = entry.topic, .payload = entry.payload, .hops = entry.hops};
      if (!tell(reader, message)) return false;
    }
    ++reader.next;
  }
  return true;
}

/// Everything there is was read. What was told meanwhile and cannot be read is a gap; from here on it gets what comes.
bool Subscribers::catch_up(Reader& reader) {
  reader.history.reset();
  reader.entries = {};
  reader.next = 0;
  return tell_gaps(reader, source_.position().without(reader.had));
}

void Subscribers::pump() {
  std::erase_if(readers_, [&](const auto& reader) { return reader->history && !read_on(*reader); });
  arm();
}

void Subscribers::arm() {
  bool reading = false;
  bool room = false;
  for (const auto& reader : readers_) {
    if (!reader->history) continue;
    reading = true;
    room = room || reader->subscriber.has_room();
  }
  if (!reading) return;
  (void)uv_timer_start(timer_.get(), [](uv_timer_t* timer) { self<Subscribers>(timer)->pump(); }, room ? kNextMs : kNoRoomMs, 0);
}

}  // namespace plumvine::uv
