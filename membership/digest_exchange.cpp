// Table exchanges between our own members: digests first, then only the rows of the buckets that differ.
#include <algorithm>
#include <utility>
#include <vector>

#include "push_pull.hpp"
#include "table_digest.hpp"

namespace plumvine::swim {
namespace {

/// Who refused a digest gets whole tables for so long; by then it may be a newer version.
constexpr Duration kWholeTime = std::chrono::hours{1};

bool any(BytesView bits) {
  return std::any_of(bits.begin(), bits.end(), [](std::byte b) { return b != std::byte{0}; });
}

}  // namespace

bool Streams::compare(const Record& with, Timestamp now) {
  if (exchanging(with.endpoint)) return false;
  return open(with.endpoint,
              Stream{.purpose = StreamPurpose::periodic, .peer = with.endpoint, .name = with.member.name, .salt = core_.rng.next(),
                     .buckets = TableDigest::buckets_for(table_.size()), .reader = {false, core_.opening()}},
              now + core_.config.tcp_timeout);
}

void Streams::send_digest(std::uint64_t id, Stream& stream) {
  TableDigest digest(stream.salt, stream.buckets);
  table_.each_row([&](const wire::PushNodeState& row) { digest.add(row); });
  const wire::Buffer hashes = digest.hashes();
  const BytesView state = core_.user_state.view();
  wire::Buffer out;
  wire::encode(wire::Digest{stream.salt, hashes, static_cast<std::int64_t>(state.size())}, out);
  out.insert(out.end(), state.begin(), state.end());
  send_exchange(id, stream, out, true);
}

/// Rows that are the same here and there are not sent. So where ours is not among those that may differ, we are known as we are.
void Streams::compare_own(BytesView differing, std::uint64_t salt) {
  if (!TableDigest::marked(differing, salt, core_.identity.name)) table_.known_as_we_are();
}

void Streams::serve_digest(Map::iterator it, Timestamp now) {
  Stream& stream = it->second;
  const BytesView body = stream.reader.body();
  wire::Scratch scratch;
  wire::Digest theirs;
  MsgpackReader reader(body);
  if (!wire::decode(reader, theirs, scratch)) return reject(it, PacketReject::malformed, now);
  own_request(stream, body);
  TableDigest digest(theirs.salt, theirs.hashes.size() / wire::kBucketHash);
  table_.each_row([&](const wire::PushNodeState& row) { digest.add(row); });
  const wire::Buffer differing = digest.differing(theirs.hashes);
  if (!stream.to_self) compare_own(differing, theirs.salt);
  send_table(it->first, stream, false,
             [&](const wire::PushNodeState& row) { return TableDigest::marked(differing, theirs.salt, row.name); }, differing);
  if (stream.to_self || !any(differing)) {
    // With rows to come its state comes again, behind them.
    if (!stream.to_self) hand_up(reader.rest().first(static_cast<std::size_t>(theirs.user_state_size)));
    core_.stats.push_pulls.add(PushPullResult::in_ok);
    return finish(it, true, true, now);
  }
  stream.awaits_rows = true;
  stream.reader = {false, core_.opening()};
  buffered_ -= std::exchange(stream.held, 0);
  core_.timers.set({TimerKind::stream, it->first}, now + core_.config.tcp_timeout);
}

void Streams::digest_answered(Map::iterator it, Timestamp now) {
  Stream& stream = it->second;
  if (stream.reader.type() != wire::MessageType::push_pull) return whole_instead(it, true, now);
  const BytesView body = stream.reader.body();
  wire::Scratch scratch;
  wire::PushPullRows rows(body, scratch);
  const BytesView told = rows.header().differing;
  const wire::Buffer differing(told.begin(), told.end());
  if (differing.size() * 8 != stream.buckets) return reject(it, PacketReject::malformed, now);
  const bool fine = stream.to_self || acceptable(body, stream.peer, now);
  if (fine && !stream.to_self) {
    merge_own(body, stream.peer, now);
    compare_own(differing, stream.salt);
    if (any(differing)) {
      std::vector<std::uint64_t> known;  // what it has as we have it
      while (const auto row = rows.next()) known.push_back(TableDigest::hash_of(stream.salt, *row));
      std::sort(known.begin(), known.end());
      send_table(it->first, stream, false, [&](const wire::PushNodeState& row) {
        return TableDigest::marked(differing, stream.salt, row.name) &&
               !std::binary_search(known.begin(), known.end(), TableDigest::hash_of(stream.salt, row));
      });
    }
    merge_reply(body, stream.peer, now);
    core_.stats.digests.add(any(differing) ? DigestResult::differing : DigestResult::equal);
  }
  finish(it, fine, true, now);
}

void Streams::take_rows(Map::iterator it, Timestamp now) {
  Stream& stream = it->second;
  if (stream.reader.type() != wire::MessageType::push_pull) return reject(it, PacketReject::unknown_type, now);
  const bool fine = acceptable(stream.reader.body(), stream.peer, now);
  if (fine) merge(stream.reader.body(), stream.peer, now);
  core_.stats.push_pulls.add(fine ? PushPullResult::in_ok : PushPullResult::in_failed);
  finish(it, fine, true, now);
}

void Streams::whole_instead(Map::iterator it, bool close, Timestamp now) {
  const std::string name = std::move(it->second.name);
  const Endpoint peer = it->second.peer;
  drop(it, close);
  core_.stats.digests.add(DigestResult::refused);
  if (Record* record = table_.find(name)) record->whole_until = now + kWholeTime;
  exchange(peer, false, StreamPurpose::periodic, 0, now);
}

}  // namespace plumvine::swim
