#include "key_queries.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace plumvine::serf {
namespace {

constexpr std::string_view kInternal = "_serf_";
/// In the order of `KeyCommand`.
constexpr std::array<std::string_view, 4> kNames{"list-keys", "install-key", "use-key", "remove-key"};
/// Serf's limit on an encoded response.
constexpr std::size_t kResponseMax = 1024;
/// Serf's members answer by packet only. Where those do not come through, these many others pass the answer on.
constexpr std::uint8_t kRelays = 2;

bool typed(BytesView payload, MessageType type) {
  return !payload.empty() && payload[0] == static_cast<std::byte>(type);
}

}  // namespace

std::optional<KeyQuery> read_key_query(const Query& query, const Endpoint& to, const Bytes& sealed_by, bool stream) {
  if (!query.name.starts_with(kInternal)) return std::nullopt;
  const auto name = std::find(kNames.begin(), kNames.end(), query.name.substr(kInternal.size()));
  if (name == kNames.end()) return std::nullopt;
  const auto command = static_cast<KeyCommand>(name - kNames.begin());
  KeyRequest request;
  const bool read = typed(query.payload, MessageType::key_request) && decode(query.payload.subspan(1), request);
  if (!read && command != KeyCommand::list) return std::nullopt;
  return KeyQuery{command,    Bytes::copy_of(request.key), request.used_at, std::string(query.source_node),
                  query.time, query.id,                    to,              sealed_by,
                  stream};
}

// --- asking ------------------------------------------------------------------------------------------------

void KeyQueries::ask(KeyCommand command, Bytes key, LTime time, std::vector<std::string> members, Timestamp now) {
  asked_ = true;
  command_ = command;
  key_ = std::move(key);
  time_ = time;
  round_end_ = now + kRoundTime;
  answers_.clear();
  for (std::string& name : members) {
    waiting_.push_back(answers_.size());
    answers_.push_back({.name = std::move(name)});
  }
  fill(now);
}

void KeyQueries::fill(Timestamp now) {
  while (!waiting_.empty() && pending_.size() < kAtOnce) {
    Pending pending{.index = waiting_.front(), .due = now, .ids = {}};
    waiting_.pop_front();
    send(pending, now);
    pending_.push_back(std::move(pending));
  }
  arm();
}

void KeyQueries::send(Pending& pending, Timestamp now) {
  ++pending.tries;
  pending.due = now + kTryTime;
  const Member* member = swim_.find(answers_[pending.index].name);
  if (member == nullptr) return;  // it went meanwhile
  const bool blocked = swim_.detail(member->name).packets != PacketPath::open;
  const bool stream = (pending.tries % 2 == 0) != blocked;
  pending.ids.push_back(send(member->endpoint(), command_, key_, 0, time_, {}, stream, now));
}

std::uint32_t KeyQueries::send(const Endpoint& to, KeyCommand command, const Bytes& key, std::uint64_t used_at, LTime time,
                               const Bytes& with, bool stream, Timestamp now) {
  const Bytes request = encode(KeyRequest{key.view(), used_at});
  const Member& self = swim_.self();
  const std::string name = fmt::format("{}{}", kInternal, kNames[static_cast<std::size_t>(command)]);
  // A new number each time: a member that has seen the query, and whose answer was lost, answers again.
  Query query{.time = time, .id = static_cast<std::uint32_t>(rng_.next()), .address = self.address.view(), .port = self.port};
  query.source_node = name_;
  query.relay_factor = stream ? kRelays : 0;
  query.flags = kQueryNoBroadcast;
  query.timeout_ns = std::chrono::nanoseconds{kTryTime * kTries}.count();
  query.name = name;
  query.payload = request.view();
  send(to, encode(query).view(), with, stream, now);
  return query.id;
}

void KeyQueries::send(const Endpoint& to, BytesView message, const Bytes& key, bool stream, Timestamp now) {
  counts_.add(SerfMessage::sent);
  if (stream) swim_.send_user_by_stream(to, message, now, key);
  else swim_.send_user(to, message, now, key);
}

void KeyQueries::on_response(const Response& response, Timestamp now) {
  if (learned(response)) return counts_.add(SerfMessage::fresh), arm();
  const auto it = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& pending) {
    return answers_[pending.index].name == response.from && response.time == time_ &&
           std::find(pending.ids.begin(), pending.ids.end(), response.id) != pending.ids.end();
  });
  if (it == pending_.end() || (response.flags & kResponseAck) != 0) return counts_.add(SerfMessage::stranger);
  Answer& answer = answers_[it->index];
  if (!typed(response.payload, MessageType::key_response) || !decode(response.payload.subspan(1), answer.response))
    return counts_.add(SerfMessage::malformed);
  counts_.add(SerfMessage::fresh);
  answer.came = true;
  pending_.erase(it);
  fill(now);
}

void KeyQueries::handle_timeout(Timestamp now) {
  std::erase_if(lessons_, [&](const Lesson& lesson) { return lesson.due <= now && !lesson.installed && lesson.tries >= kLessonTries; });
  for (Lesson& lesson : lessons_)
    if (lesson.due <= now) go_on(lesson, now);
  if (now >= round_end_) {
    waiting_.clear();
    pending_.clear();
  }
  std::erase_if(pending_, [&](const Pending& pending) { return pending.due <= now && pending.tries >= kTries; });
  for (Pending& pending : pending_)
    if (pending.due <= now) send(pending, now);
  fill(now);
}

void KeyQueries::arm() {
  due_ = kNever;
  for (const Lesson& lesson : lessons_) due_ = std::min(due_, lesson.due);
  for (const Pending& pending : pending_) due_ = std::min({due_, pending.due, round_end_});
}

std::vector<KeyQueries::Answer> KeyQueries::take_answers() {
  asked_ = false;
  key_ = {};
  return std::exchange(answers_, {});
}

void KeyQueries::teach(std::string_view member, const Bytes& key, std::uint64_t used_at, const Bytes& with, LTime time,
                       Timestamp now) {
  std::erase_if(lessons_, [&](const Lesson& lesson) { return lesson.member == member; });
  if (lessons_.size() >= kLessonsMax) return;  // it is heard again
  lessons_.push_back({.member = std::string(member), .key = key, .used_at = used_at, .with = with, .time = time, .due = now, .ids = {}});
  go_on(lessons_.back(), now);
  arm();
}

void KeyQueries::end_lessons() {
  lessons_.clear();
  arm();
}

void KeyQueries::go_on(Lesson& lesson, Timestamp now) {
  lesson.installed = !lesson.installed;
  if (lesson.installed) ++lesson.tries;
  lesson.due = now + (lesson.installed ? kLessonTime : kLessonPause);
  const Member* member = swim_.find(lesson.member);
  if (member == nullptr) return;  // it went meanwhile
  const KeyCommand command = lesson.installed ? KeyCommand::install : KeyCommand::use;
  const std::uint32_t id = send(member->endpoint(), command, lesson.key, lesson.used_at, lesson.time, lesson.with, true, now);
  if (!lesson.installed) lesson.ids.push_back(id);
}

/// Any answer to the second step ends a lesson: who refuses knows a later order.
bool KeyQueries::learned(const Response& response) {
  return std::erase_if(lessons_, [&](const Lesson& lesson) {
           return lesson.member == response.from && std::find(lesson.ids.begin(), lesson.ids.end(), response.id) != lesson.ids.end();
         }) != 0;
}

// --- being asked -------------------------------------------------------------------------------------------

std::optional<KeyQuery> KeyQueries::on_message(const swim::UserMessage& message, Timestamp now) {
  const BytesView bytes = message.message.view();
  if (typed(bytes, MessageType::response)) {
    Response response;
    if (decode(bytes.subspan(1), response)) on_response(response, now);
    return std::nullopt;
  }
  Query query;
  if (!typed(bytes, MessageType::query) || !decode(bytes.subspan(1), query)) return std::nullopt;
  const auto to = Endpoint::from_raw(query.address, query.port);
  if (!to || !swim_.lives_at(*to)) {  // answers go to members only
    counts_.add(SerfMessage::stranger);
    return std::nullopt;
  }
  return read_key_query(query, *to, message.key, message.stream);
}

void KeyQueries::answer(const KeyQuery& query, KeyResponse response, Timestamp now) {
  const std::size_t all = response.keys.size();
  for (;;) {
    const Bytes payload = encode(response);
    const Bytes message = encode(Response{query.time, query.id, name_, 0, payload.view()});
    if (message.size() <= kResponseMax || response.keys.empty()) return send(query.to, message.view(), query.sealed_by, query.stream, now);
    response.keys.pop_back();
    response.message = fmt::format("Truncated key list response, showing first {} of {} keys", response.keys.size(), all);
  }
}

}  // namespace plumvine::serf
