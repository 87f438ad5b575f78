#include "push_pull.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "wire/packet.hpp"

namespace plumvine::swim {
namespace {

/// A user message that is not connected by then is given up; whoever waits for an answer sends another.
constexpr Duration kUserTime = std::chrono::milliseconds{2500};

bool is_exchange(StreamPurpose purpose) {
  return purpose == StreamPurpose::periodic || purpose == StreamPurpose::stranger || purpose == StreamPurpose::seed ||
         purpose == StreamPurpose::lost;
}

/// What memberlist answers when the start of a stream cannot be read.
std::string_view complaint(PacketReject why) {
  switch (why) {
    case PacketReject::encrypted: return "remote state is encrypted and encryption is not configured";
    case PacketReject::plaintext: return "encryption is configured but remote state is not encrypted";
    case PacketReject::undecryptable: return "no installed keys could decrypt the message";
    default: return {};
  }
}

std::uint64_t hash_of(BytesView bytes) { return hash_name(as_text(bytes)); }

}  // namespace

Duration push_pull_scaled(Duration interval, std::size_t members) {
  constexpr std::size_t kThreshold = 32;
  if (members <= kThreshold) return interval;
  const double multiplier = std::ceil(std::log2(static_cast<double>(members)) - std::log2(static_cast<double>(kThreshold))) + 1.0;
  return interval * static_cast<std::int64_t>(multiplier);
}

void Streams::start(Timestamp now) {
  const Duration interval = core_.config.push_pull_interval;
  if (interval > Duration{0}) core_.timers.set({TimerKind::push_pull}, now + core_.rng.jitter(interval) + interval);
  else core_.timers.cancel({TimerKind::push_pull});
}

void Streams::tick(Timestamp now) {
  core_.timers.set({TimerKind::push_pull}, now + push_pull_scaled(core_.config.push_pull_interval, table_.size()));
  if (!begin_periodic(now)) tick_early(false, now);
}

bool Streams::begin_periodic(Timestamp now) {
  const auto chosen = table_.random(1, [](const Record& r) { return r.member.state == MemberState::alive && r.incompatible.empty(); });
  if (chosen.empty()) return false;
  const Record& with = *chosen[0];
  if (with.digests && now >= with.whole_until) return compare(with, now);
  return exchange(with.endpoint, false, StreamPurpose::periodic, 0, now);
}

void Streams::tick_early(bool news, Timestamp now) {
  constexpr std::size_t kMembersPerPause = 250;  // a table costs what it has rows
  const Duration longest = core_.config.push_pull_interval / 16;
  const auto size = static_cast<std::int64_t>(std::max<std::size_t>(table_.size() / kMembersPerPause, 1));
  const Duration shortest = core_.config.gossip_interval > Duration{0} ? core_.config.gossip_interval * size : longest;
  early_ = news ? std::min(shortest, longest) : early_ * 2;
  if (early_ > longest) early_ = Duration{0};
  if (early_ > Duration{0}) core_.timers.set({TimerKind::push_pull}, now + early_ / 2 + core_.rng.jitter(early_));
}

// --- opening -----------------------------------------------------------------------------------------------

bool Streams::exchanging(const Endpoint& with) const {
  return std::any_of(streams_.begin(), streams_.end(), [&](const auto& entry) {
    return entry.second.peer == with && is_exchange(entry.second.purpose);
  });
}

bool Streams::exchange(const Endpoint& to, bool join, StreamPurpose purpose, std::uint64_t context, Timestamp now) {
  if (exchanging(to)) return false;
  return open(to, Stream{.purpose = purpose, .peer = to, .context = context, .join = join, .reader = {false, core_.opening()}},
              now + core_.config.tcp_timeout);
}

bool Streams::ping(const Endpoint& to, std::string_view name, std::uint32_t sequence, StreamPurpose purpose,
                   std::uint64_t context, Timestamp deadline) {
  return open(to, Stream{.purpose = purpose, .peer = to, .context = context, .sequence = sequence, .name = std::string(name), .reader = {false, core_.opening()}},
              deadline);
}

void Streams::user(const Endpoint& to, BytesView message, const Bytes& key, Timestamp now) {
  wire::Buffer out;
  wire::encode(wire::UserHeader{static_cast<std::int64_t>(message.size())}, out);
  out.insert(out.end(), message.begin(), message.end());
  open(to, Stream{.purpose = StreamPurpose::user, .peer = to, .message = Bytes::copy_of(out), .key = key, .reader = {false, core_.opening()}},
       now + std::min(core_.config.tcp_timeout, kUserTime));
}

bool Streams::open(const Endpoint& to, Stream stream, Timestamp deadline) {
  if (opened_ >= kOpenedMax) {
    core_.stats.rejected.add(PacketReject::stream_limit);
    return false;
  }
  if (to.port == 0 || to.is_unspecified()) return false;
  const std::uint64_t id = kOwnStream | ++last_own_;
  ++opened_;
  std::string name = stream.name;
  streams_.emplace(id, std::move(stream));
  core_.timers.set({TimerKind::stream, id}, deadline);
  core_.outbox.push(OpenStream{StreamId{id}, to, std::move(name)});
  return true;
}

void Streams::connected(StreamId stream_id, Timestamp now) {
  const auto id = static_cast<std::uint64_t>(stream_id);
  const auto it = streams_.find(id);
  if (it == streams_.end() || it->second.purpose == StreamPurpose::accepted) return;
  Stream& stream = it->second;
  stream.connected = true;
  if (is_exchange(stream.purpose)) {
    core_.timers.set({TimerKind::stream, id}, now + core_.config.tcp_timeout);
    return stream.buckets != 0 ? send_digest(id, stream) : send_table(id, stream, true);
  }
  if (stream.purpose == StreamPurpose::user) {
    send_bytes(id, stream.message.view(), true);
    return finish(it, true, true, now);
  }
  const Identity& self = core_.identity;
  send(id, wire::Ping{stream.sequence, stream.name, self.address.view(), self.port, self.name}, true);
}

void Streams::send_table(std::uint64_t id, Stream& stream, bool dialling, const Wanted& wanted, BytesView differing) {
  wire::Buffer rows;
  std::int64_t count = 0;
  table_.each_row([&](const wire::PushNodeState& row) {
    if (wanted && !wanted(row)) return;
    wire::encode(row, rows);
    ++count;
  });
  core_.stats.table_rows_sent += static_cast<std::uint64_t>(count);
  const BytesView state = core_.user_state.view();
  wire::Buffer out;
  out.reserve(64 + differing.size() + rows.size() + state.size());
  wire::encode(wire::PushPullHeader{count, static_cast<std::int64_t>(state.size()), stream.join, differing}, out);
  out.insert(out.end(), rows.begin(), rows.end());
  out.insert(out.end(), state.begin(), state.end());
  send_exchange(id, stream, out, dialling);
}

void Streams::send_exchange(std::uint64_t id, Stream& stream, BytesView message, bool dialling) {
  stream.request_hash = hash_of(message.subspan(1));
  send_bytes(id, message, dialling);
}

template <class Message>
void Streams::send(std::uint64_t id, const Message& message, bool dialling) {
  wire::Buffer out;
  wire::encode(message, out);
  send_bytes(id, out, dialling);
}

void Streams::send_bytes(std::uint64_t id, BytesView message, bool dialling) {
  wire::Layers layers = core_.layers(false);
  // Who opened the stream with an old key may have no other.
  if (const auto it = streams_.find(id); it != streams_.end())
    layers.key = dialling ? it->second.key : it->second.reader.opened_by();
  core_.outbox.push(SendStream{StreamId{id}, wire::wrap_stream(layers, dialling, message)});
}

// --- receiving ---------------------------------------------------------------------------------------------

void Streams::accepted(StreamId stream_id, const Endpoint& from, Timestamp now) {
  const auto id = static_cast<std::uint64_t>(stream_id);
  if (accepted_ >= kAcceptedMax && !make_room(now)) {
    core_.stats.rejected.add(PacketReject::stream_limit);
    core_.outbox.push(CloseStream{stream_id});
    return;
  }
  ++accepted_;
  streams_.insert_or_assign(id, Stream{.purpose = StreamPurpose::accepted, .peer = from, .heard = now, .reader = {true, core_.opening()}});
  core_.timers.set({TimerKind::stream, id}, now + core_.config.tcp_timeout);
}

bool Streams::make_room(Timestamp now) {
  auto victim = streams_.end();
  const auto patience = [](const Stream& s) { return std::pair(s.awaits_rows && !s.reader.opened_by().empty(), s.heard); };
  for (auto it = streams_.begin(); it != streams_.end(); ++it) {
    const Stream& stream = it->second;
    if (stream.purpose != StreamPurpose::accepted || now - stream.heard < kSilentMin) continue;
    if (victim == streams_.end() || patience(stream) < patience(victim->second)) victim = it;
  }
  if (victim == streams_.end()) return false;
  reject(victim, PacketReject::stream_limit, now);
  return true;
}

void Streams::received(StreamId stream_id, BytesView data, Timestamp now) {
  const auto it = streams_.find(static_cast<std::uint64_t>(stream_id));
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  stream.heard = now;
  const auto progress = stream.reader.feed(data);
  buffered_ += stream.reader.buffered() - stream.held;
  stream.held = stream.reader.buffered();
  if (progress != wire::StreamReader::Progress::more && stream.reader.in_clear() && !core_.identity.secure_streams) ++core_.stats.plaintext_frames;
  if (progress == wire::StreamReader::Progress::failed) return reject(it, stream.reader.failure(), now);
  if (progress == wire::StreamReader::Progress::done) {
    table_.heard(now);
    return stream.purpose == StreamPurpose::accepted ? request_complete(it, now) : reply_complete(it, now);
  }
  if (buffered_ > kBufferedMax) reject(it, PacketReject::stream_limit, now);
}

void Streams::request_complete(Map::iterator it, Timestamp now) {
  const auto& reader = it->second.reader;
  if (it->second.awaits_rows) return take_rows(it, now);
  switch (reader.type()) {
    case wire::MessageType::push_pull: return serve_push_pull(it, now);
    case wire::MessageType::digest: return serve_digest(it, now);
    case wire::MessageType::ping: serve_ping(it->first, reader.body(), now); return finish(it, true, true, now);
    case wire::MessageType::user:
      core_.user_message(it->second.peer, reader.body(), reader.opened_by(), true);
      return finish(it, true, true, now);
    default: return reject(it, PacketReject::unknown_type, now);
  }
}

void Streams::serve_ping(std::uint64_t id, BytesView body, Timestamp now) {
  wire::Ping ping;
  wire::Scratch scratch;
  if (!wire::decode_body(body, ping, scratch)) return core_.stats.rejected.add(PacketReject::malformed);
  if (!ping.node.empty() && !table_.is_self(ping.node)) return core_.stats.rejected.add(PacketReject::wrong_name);
  send(id, wire::Ack{ping.sequence, {}}, false);
  if (ping_observer_ && !ping.source_node.empty()) ping_observer_(ping.source_node, now);
}

bool Streams::own_request(Stream& stream, BytesView body) {
  const std::uint64_t hash = hash_of(body);
  for (auto& [id, other] : streams_) {
    if (is_exchange(other.purpose) && other.request_hash == hash) other.to_self = stream.to_self = true;
  }
  return stream.to_self;
}

std::string Streams::teller(const Endpoint& peer) const {
  const Record* record = table_.living_at(peer);
  return record == nullptr ? peer.to_string() : record->member.name;
}

void Streams::merge_own(BytesView body, const Endpoint& peer, Timestamp now) {
  wire::Scratch scratch;
  wire::PushPullRows rows(body, scratch);
  while (const auto row = rows.next())
    if (table_.is_self(row->name)) table_.merge_own(*row, now, teller(peer));
}

void Streams::serve_push_pull(Map::iterator it, Timestamp now) {
  Stream& stream = it->second;
  const BytesView body = stream.reader.body();
  wire::Scratch scratch;
  own_request(stream, body);
  const bool fine = acceptable(body, stream.peer, now);
  stream.join = wire::PushPullRows(body, scratch).header().join;
  // What the other side says about us comes first: the answer then carries the refutation, and a member that
  // was restarted or cut off is alive again after one exchange.
  if (fine && !stream.to_self) merge_own(body, stream.peer, now);
  send_table(it->first, stream, false);
  if (fine && !stream.to_self) merge(body, stream.peer, now);
  core_.stats.push_pulls.add(fine ? PushPullResult::in_ok : PushPullResult::in_failed);
  finish(it, fine, true, now);
}

bool Streams::in_other_key(const Stream& stream) const {
  const Bytes& key = stream.reader.opened_by();
  return !key.empty() && !core_.identity.keyring->is_primary(key) && core_.seals();
}

void Streams::speak_its_key(Map::iterator it, Timestamp now) {
  const Stream& failed = it->second;
  Stream again{.purpose = is_exchange(failed.purpose) ? failed.purpose : StreamPurpose::stranger, .peer = failed.peer,
               .context = is_exchange(failed.purpose) ? failed.context : 0, .key = failed.reader.opened_by(), .join = failed.join,
               .reader = {false, core_.opening()}};
  finish(it, false, true, now, "it has only an older key");
  const Endpoint peer = again.peer;
  if (!exchanging(peer)) open(peer, std::move(again), now + core_.config.tcp_timeout);
}

void Streams::note_key(const Stream& stream) {
  if (!in_other_key(stream)) return;
  if (const Record* record = table_.living_at(stream.peer)) core_.outbox.push(OtherKey{record->member.name, stream.reader.opened_by()});
}

void Streams::reply_complete(Map::iterator it, Timestamp now) {
  Stream& stream = it->second;
  const auto type = stream.reader.type();
  wire::Scratch scratch;
  if (type == wire::MessageType::error && stream.key.empty() && in_other_key(stream)) return speak_its_key(it, now);
  if (!is_exchange(stream.purpose)) {
    wire::Ack ack;
    const bool ok = type == wire::MessageType::ack && wire::decode_body(stream.reader.body(), ack, scratch) &&
                    ack.sequence == stream.sequence;
    if (ok) note_key(stream);
    return finish(it, ok, true, now);
  }
  if (stream.buckets != 0) return digest_answered(it, now);
  if (type == wire::MessageType::error) {
    wire::ErrorReply error;
    wire::decode_body(stream.reader.body(), error, scratch);
    core_.log(LogLevel::warn, "PV1109",
              fmt::format("Table exchange with {} failed, remote error: {}", stream.peer.to_string(), error.text.substr(0, 256)),
              {{"address", stream.peer.to_string()}});
    return finish(it, false, true, now, "it answers: " + std::string(error.text.substr(0, 256)));
  }
  if (type != wire::MessageType::push_pull) return reject(it, PacketReject::unknown_type, now);
  const bool fine = stream.to_self || acceptable(stream.reader.body(), stream.peer, now);
  if (fine && !stream.to_self) {
    merge_reply(stream.reader.body(), stream.peer, now);
    note_key(stream);
  }
  finish(it, fine, true, now, fine ? "" : "its members' versions do not go with ours");
}

void Streams::merge_reply(BytesView body, const Endpoint& peer, Timestamp now) {
  table_.spread_merged(table_.size() > 1);
  merge(body, peer, now);
  table_.spread_merged(true);
}

/// Rows about ourselves are always taken: what others remember of an old version of us is to be refuted.
bool Streams::usable(const wire::PushNodeState& row) const {
  constexpr auto alive = static_cast<std::int64_t>(MemberState::alive);
  return table_.is_self(row.name) || table_.version_problem(row.name, row.versions, row.state == alive).empty();
}

void Streams::say_versions(const std::string& text, const std::string& culprit, const Endpoint& peer, Timestamp now) {
  constexpr Duration kPause = std::chrono::minutes{1};
  constexpr std::size_t kSaidMax = 256;
  if (versions_said_.size() >= kSaidMax) std::erase_if(versions_said_, [&](const auto& said) { return now - said.second >= kPause; });
  if (versions_said_.size() >= kSaidMax) return;
  const auto [it, fresh] = versions_said_.try_emplace(peer.host() + ' ' + culprit, now);
  if (!fresh && now - it->second < kPause) return;
  it->second = now;
  core_.log(LogLevel::warn, "PV1106", fmt::format("Table exchange with {}{}: {}", peer.to_string(), text, culprit),
            {{"address", peer.to_string()}, {"reason", culprit}});
}

bool Streams::acceptable(BytesView body, const Endpoint& peer, Timestamp now) {
  constexpr auto alive = static_cast<std::int64_t>(MemberState::alive);
  wire::Scratch scratch;
  VersionCheck versions;
  std::optional<std::string> culprit;
  std::size_t used = 0;
  // memberlist refuses a table for one row. We leave that row out, and refuse only where nothing else is there.
  wire::PushPullRows rows(body, scratch);
  while (const auto row = rows.next()) {
    if (usable(*row)) {
      ++used;
      if (!table_.is_self(row->name)) versions.add(row->versions, row->state == alive, true);
    } else if (!culprit) {
      culprit = table_.version_problem(row->name, row->versions, row->state == alive);
    }
  }
  for (std::size_t i = 0; i < rows.passed_over(); ++i) core_.stats.rejected.add(PacketReject::malformed);
  if (!rows.ok()) {
    if (rows.passed_over() == 0) core_.stats.rejected.add(PacketReject::malformed);
    return false;
  }
  if (culprit) {
    core_.stats.rejected.add(PacketReject::incompatible_version);
    if (used > 0) say_versions(": a member was left out", *culprit, peer, now);
  }
  if (used > 0 || !culprit) {
    culprit.reset();
    const auto view = [](const Versions& v) { return BytesView(reinterpret_cast<const std::byte*>(v.data()), v.size()); };
    for (const auto& record : table_.records())
      if (record->incompatible.empty())
        versions.add(view(record->member.versions), record->member.state == MemberState::alive, false);
    wire::PushPullRows again(body, scratch);
    while (const auto row = again.next()) {
      if (!usable(*row) || table_.is_self(row->name)) continue;
      culprit = versions.check(row->name, row->versions);
      if (culprit) break;
    }
    for (const auto& record : table_.records()) {
      if (culprit) break;
      if (record->incompatible.empty()) culprit = versions.check(record->member.name, view(record->member.versions));
    }
    if (!culprit) return true;
    core_.stats.rejected.add(PacketReject::incompatible_version);
  }
  say_versions(" refused", *culprit, peer, now);
  return false;
}

void Streams::merge(BytesView body, const Endpoint& peer, Timestamp now) {
  wire::Scratch scratch;
  const std::string whose = teller(peer);
  wire::PushPullRows rows(body, scratch);
  while (const auto row = rows.next())
    if (usable(*row)) table_.merge(*row, now, whose);
  hand_up(rows.user_state());
}

void Streams::hand_up(BytesView state) {
  if (state.empty() || !speaks_serf(core_.config)) return;
  if (state.size() > kUserStateKeptMax) return core_.stats.rejected.add(PacketReject::too_large);
  core_.outbox.push(UserState{Bytes::copy_of(state)});
}

// --- ending ------------------------------------------------------------------------------------------------

/// What came in on an accepted stream is the beginning of a table exchange.
bool Streams::asks_for_table(const Stream& stream) {
  const auto type = stream.reader.type();
  return stream.awaits_rows || type == wire::MessageType::push_pull || type == wire::MessageType::digest;
}

void Streams::reject(Map::iterator it, PacketReject why, Timestamp now) {
  core_.stats.rejected.add(why);
  const Stream& stream = it->second;
  if (why == PacketReject::undecryptable || why == PacketReject::encrypted) core_.no_key_fits(stream.peer, now);
  if (why == PacketReject::plaintext) core_.in_clear = {stream.peer, now, core_.in_clear.count + 1};
  if (why == PacketReject::wrong_label) core_.label_differs(stream.peer, now);
  if (stream.purpose == StreamPurpose::accepted) {
    const std::string_view text = complaint(why);
    if (!text.empty()) send(it->first, wire::ErrorReply{text}, false);
    if (asks_for_table(stream)) core_.stats.push_pulls.add(PushPullResult::in_failed);
  }
  finish(it, false, true, now, "its answer was refused: " + std::string(to_string(why)));
}

void Streams::drop(Map::iterator it, bool close) {
  const std::uint64_t id = it->first;
  buffered_ -= it->second.held;
  (it->second.purpose == StreamPurpose::accepted ? accepted_ : opened_) -= 1;
  core_.timers.cancel({TimerKind::stream, id});
  streams_.erase(it);
  if (close) core_.outbox.push(CloseStream{StreamId{id}});
}

void Streams::finish(Map::iterator it, bool ok, bool close, Timestamp now, std::string problem, StreamContact contact) {
  const Stream& stream = it->second;
  const StreamResult result{stream.purpose, stream.context, stream.peer, ok, stream.to_self, std::move(problem), contact, stream.name};
  if (is_exchange(stream.purpose)) core_.stats.push_pulls.add(ok ? PushPullResult::out_ok : PushPullResult::out_failed);
  const bool exchanged = stream.purpose != StreamPurpose::accepted || asks_for_table(stream);
  drop(it, close);
  if (exchanged) observer_(result, now);
}

void Streams::closed(StreamId stream_id, Timestamp now, bool no_way) {
  const auto it = streams_.find(static_cast<std::uint64_t>(stream_id));
  if (it == streams_.end()) return;
  const Stream& stream = it->second;
  if (stream.buckets != 0 && stream.connected && !stream.reader.started()) return whole_instead(it, false, now);
  if (stream.purpose == StreamPurpose::accepted) {
    if (stream.reader.started()) core_.stats.rejected.add(PacketReject::malformed);
    if (asks_for_table(stream)) core_.stats.push_pulls.add(PushPullResult::in_failed);
  }
  finish(it, false, false, now, stream.connected ? "it closed the connection; maybe its cluster label or key is another" : "it cannot be connected to",
         no_way ? StreamContact::unreachable : StreamContact::refused);
}

void Streams::due(std::uint64_t id, Timestamp now) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  if (it->second.purpose == StreamPurpose::accepted) return reject(it, PacketReject::timed_out, now);
  const bool connected = it->second.connected;
  finish(it, false, true, now, connected ? "it was connected to and did not answer" : "connecting to it took too long",
         connected ? StreamContact::silent : StreamContact::unreachable);
}

}  // namespace plumvine::swim
