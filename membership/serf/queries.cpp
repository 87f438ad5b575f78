// Serf's queries: who is meant, acknowledgements, and those that Serf asks itself.
#include "pattern.hpp"
#include "serf.hpp"

#include <algorithm>

namespace plumvine::serf {
namespace {

constexpr std::string_view kInternal = "_serf_";
/// Serf's limit on an encoded response.
constexpr std::size_t kResponseMax = 1024;
/// Filters of one query, at most: each costs up to an expression times a value.
constexpr std::size_t kFiltersJudged = 16;

}  // namespace

bool Serf::on_query(const Query& query, Timestamp now) {
  if (!query_clock_.witness(query.time)) return counts_.add(SerfMessage::malformed), false;
  switch (queries_.see(query.time, {query.id, 0}, query_clock_.time())) {
    case Recent::Outcome::repeated: counts_.add(SerfMessage::repeated); return false;
    case Recent::Outcome::old: counts_.add(SerfMessage::old); return false;
    case Recent::Outcome::fresh: break;
  }
  counts_.add(SerfMessage::fresh);
  const bool passed_on = (query.flags & kQueryNoBroadcast) == 0;
  if (!concerns_us(query)) return passed_on;
  const auto to = Endpoint::from_raw(query.address, query.port);
  if (!to || !swim_.lives_at(*to)) {  // answers go to members only: nobody can make us send to strangers
    counts_.add(SerfMessage::stranger);
    return passed_on;
  }
  if ((query.flags & kQueryAck) != 0) respond(query, *to, kResponseAck, {}, now);
  if (query.name.starts_with(kInternal)) answer_internal(query, *to, now);
  return passed_on;
}

bool Serf::concerns_us(const Query& query) {
  if (query.filters.empty()) return true;
  if (query.filters.size() > kFiltersJudged) return counts_.add(SerfMessage::too_large), false;
  const Tags tags = decode_tags(swim_.self().meta.view());
  return std::all_of(query.filters.begin(), query.filters.end(), [&](BytesView bytes) {
    Filter filter;
    if (!decode(bytes, filter)) return counts_.add(SerfMessage::malformed), false;
    if (!filter.by_tag) return std::find(filter.nodes.begin(), filter.nodes.end(), name_) != filter.nodes.end();
    const auto tag = tags.find(std::string(filter.tag));
    const Found found = find_pattern(filter.expression, tag == tags.end() ? std::string_view{} : tag->second);
    if (found == Found::unsupported) counts_.add(SerfMessage::too_large);
    return found == Found::yes;
  });
}

void Serf::respond(const Query& query, const Endpoint& to, std::uint32_t flags, BytesView payload, Timestamp now) {
  const Bytes message = encode(Response{query.time, query.id, name_, flags, payload});
  if (message.size() > kResponseMax) return counts_.add(SerfMessage::too_large);
  counts_.add(SerfMessage::sent);
  swim_.send_user(to, message.view(), now, sealed_by_);
}

void Serf::answer_internal(const Query& query, const Endpoint& to, Timestamp now) {
  const std::string_view what = query.name.substr(kInternal.size());
  if (what == "conflict") {
    const std::string_view node = as_text(query.payload);
    if (node == name_) return;  // it asks the others about us
    const Member* member = swim_.find(node);
    const Bytes answer = member == nullptr ? encode_no_conflict() : encode_conflict(*member, status(node));
    return respond(query, to, 0, answer.view(), now);
  }
  if (auto keys = read_key_query(query, to, sealed_by_, by_stream_)) {
    outbox_.push(std::move(*keys));
  } else if (what.ends_with("-key")) {
    counts_.add(SerfMessage::malformed);
  }
  // A ping wants its acknowledgement only; what we do not know is Serf's own business.
}

}  // namespace plumvine::serf
