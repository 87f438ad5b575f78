#include "live.hpp"

#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>

#include "dump.hpp"
#include "json_text.hpp"

namespace plumvine::dump {
namespace {

std::int64_t milliseconds(Timestamp at) { return at.ns / 1'000'000; }

/// Milliseconds with three decimals; unknown is null.
std::string rtt_text(double seconds) {
  if (seconds < 0) return "null";
  const auto micros = static_cast<std::int64_t>(std::llround(seconds * 1e6));
  const std::string rest = std::to_string(1000 + micros % 1000);
  return std::to_string(micros / 1000) + '.' + rest.substr(1);
}

std::string row_of(const MemberInfo& info) {
  const Member& member = info.member;
  std::string out = "{\"name\":";
  append_any(out, member.name);
  out += ",\"addr\":";
  append_any(out, member.endpoint().to_string());
  out += ",\"state\":";
  append_any(out, to_string(member.state));
  out += ",\"since_ms\":" + std::to_string(milliseconds(member.since)) + ",\"rtt_ms\":" + rtt_text(info.rtt_s) +
         ",\"incarnation\":" + std::to_string(static_cast<std::uint32_t>(member.incarnation)) + ",\"zone\":";
  const Tags tags = info.tags();
  const auto zone = tags.find(std::string{kTagZone});
  append_any(out, zone == tags.end() ? std::string_view{} : std::string_view{zone->second});
  out += ",\"accused_by\":[";
  for (std::size_t i = 0; i < info.accused_by.size(); ++i) {
    if (i > 0) out += ',';
    append_any(out, info.accused_by[i]);
  }
  out += info.speaks_links ? "],\"link\":true" : "],\"link\":false";
  return out + (info.self ? ",\"self\":true}" : ",\"self\":false}");
}

/// `"NAME":{"le":[…],"counts":[…],"sum":…}`: counts by bucket, one more than there are bounds.
template <class Histogram>
void append_histogram(std::string& out, std::string_view name, const Histogram& histogram) {
  const auto list = [&out](const auto& values, auto text) {
    out += '[';
    bool first = true;
    for (const auto value : values) {
      if (!std::exchange(first, false)) out += ',';
      out += text(value);
    }
    out += ']';
  };
  out += ",\"" + std::string(name) + "\":{\"le\":";
  list(histogram.bounds(), [](double value) { return std::to_string(value); });
  out += ",\"counts\":";
  list(histogram.counts(), [](std::uint64_t value) { return std::to_string(value); });
  out += ",\"sum\":" + std::to_string(histogram.sum()) + '}';
}

void append_totals(std::string& out, const Snapshot& s) {
  std::uint64_t lost = 0, missing = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(Loss::count_); ++i) lost += s.tree.lost[static_cast<Loss>(i)];
  for (const OriginInfo& origin : s.origins) missing += origin.missing;
  const std::pair<std::string_view, std::uint64_t> totals[] = {
      {"broadcast", s.tree.broadcast},
      {"delivered", s.tree.delivered},
      {"duplicate", s.tree.duplicate},
      {"gossip_sent", s.tree.gossip_sent},
      {"ihave_sent", s.tree.ihave_sent},
      {"graft_sent", s.tree.graft_sent},
      {"prune_sent", s.tree.prune_sent},
      {"lost", lost},
      {"missing", missing},
      {"queue_bytes", s.queue_bytes},
      {"sent_bytes", s.transport.udp_sent_bytes + s.transport.tcp_sent_bytes},
      {"received_bytes", s.transport.udp_received_bytes + s.transport.tcp_received_bytes},
  };
  out += ",\"totals\":{";
  bool first = true;
  for (const auto& [name, value] : totals) {
    if (!std::exchange(first, false)) out += ',';
    out += '"' + std::string(name) + "\":" + std::to_string(value);
  }
  out += '}';
}

}  // namespace

std::string live_json(const Snapshot& snapshot, const HealthReport& report) {
  std::string out = "{\"at_ms\":" + std::to_string(milliseconds(snapshot.at)) + ",\"health\":" + health_json(report) +
                    ",\"peers\":" + peers_json(snapshot);
  append_totals(out, snapshot);
  append_histogram(out, "latency", snapshot.tree.delivery_latency);
  append_histogram(out, "hops", snapshot.tree.message_hops);
  return out + '}';
}

std::string MemberRows::update(const Snapshot& snapshot) {
  std::map<std::string, std::string, std::less<>> now;
  std::string rows, gone;
  for (const MemberInfo& info : snapshot.members) {
    const auto& row = now.emplace(info.member.name, row_of(info)).first->second;
    const auto before = rows_.find(info.member.name);
    if (before != rows_.end() && before->second == row) continue;
    rows += (rows.empty() ? "" : ",") + row;
  }
  for (const auto& [name, row] : rows_) {
    if (now.contains(name)) continue;
    if (!gone.empty()) gone += ',';
    append_any(gone, name);
  }
  rows_ = std::move(now);
  if (rows.empty() && gone.empty()) return {};
  return "{\"whole\":false,\"rows\":[" + rows + "],\"gone\":[" + gone + "]}";
}

std::string MemberRows::whole() const {
  std::string rows;
  for (const auto& [name, row] : rows_) rows += (rows.empty() ? "" : ",") + row;
  return "{\"whole\":true,\"rows\":[" + rows + "],\"gone\":[]}";
}

}  // namespace plumvine::dump
