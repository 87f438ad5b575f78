#include "views_inquiry.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <plumvine/detail/rng.hpp>

#include "answer_json.hpp"
#include "health/json_text.hpp"

namespace plumvine::uv {
namespace {

constexpr std::size_t kBuckets = 64;
/// 48 bits of a bucket are enough to differ, and 64 times 12 digits fit a question.
constexpr std::size_t kDigits = 12;
constexpr std::uint64_t kBucketMask = (1ULL << (4 * kDigits)) - 1;
static_assert(kBuckets * kDigits <= kQuestionMax);

using Digest = std::array<std::uint64_t, kBuckets>;

/// The same on every machine, for all compare it.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return mix64(hash);
}

std::size_t bucket_of(std::string_view name) { return hash_of(name) % kBuckets; }

bool lives(MemberState state) { return state == MemberState::alive || state == MemberState::suspect; }

Digest digest_of(const Snapshot& view) {
  Digest digest{};
  for (const MemberInfo& info : view.members) {
    const Member& m = info.member;
    std::string row = m.name + '\0' + std::string(to_string(m.state));
    if (lives(m.state)) row += fmt::format(" {}", static_cast<std::uint32_t>(m.incarnation));
    digest[bucket_of(m.name)] += hash_of(row);  // in no order
  }
  for (auto& bucket : digest) bucket &= kBucketMask;
  return digest;
}

std::optional<Digest> read_digest(std::string_view text) {
  if (text.size() != kBuckets * kDigits) return std::nullopt;
  Digest digest{};
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const std::string_view part = text.substr(i * kDigits, kDigits);
    const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), digest[i], 16);
    if (error != std::errc{} || stop != part.data() + part.size()) return std::nullopt;
  }
  return digest;
}

/// What somebody believes of one member.
struct Belief {
  std::string state = "unknown";
  std::uint64_t incarnation = 0;
  [[nodiscard]] bool lives() const { return state == "alive" || state == "suspect"; }
  [[nodiscard]] bool same(const Belief& other) const {
    if (lives() || other.lives()) return state == other.state && incarnation == other.incarnation;
    return state == other.state || state == "unknown" || other.state == "unknown";
  }
  [[nodiscard]] Json json() const {
    Json out{{"state", state}, {"incarnation", nullptr}};
    if (lives()) out["incarnation"] = incarnation;
    return out;
  }
  friend auto operator<=>(const Belief&, const Belief&) = default;
};
using View = std::map<std::string, Belief, std::less<>>;

struct Answer {
  std::set<std::size_t> buckets;  ///< of which all rows are here
  View rows;
  bool cut = false;
};

std::optional<Answer> read_answer(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("buckets") || !json["buckets"].is_array() || !json.contains("rows") || !json["rows"].is_object() ||
      !json.contains("cut") || !json["cut"].is_boolean())
    return std::nullopt;
  Answer answer;
  answer.cut = json["cut"].get<bool>();
  for (const auto& bucket : json["buckets"]) {
    if (!bucket.is_number_unsigned()) return std::nullopt;
    answer.buckets.insert(bucket.get<std::size_t>());
  }
  for (const auto& [name, row] : json["rows"].items()) {
    if (!row.is_array() || row.size() != 2 || !row[0].is_string() || !row[1].is_number_unsigned()) return std::nullopt;
    answer.rows[name] = {row[0].get<std::string>(), row[1].get<std::uint64_t>()};
  }
  return answer;
}

const Belief& belief_in(const View& view, const std::string& name) {
  static const Belief nothing;
  const auto it = view.find(name);
  return it == view.end() ? nothing : it->second;
}

}  // namespace

std::string views_question(const Snapshot& own) {
  std::string text;
  for (const std::uint64_t bucket : digest_of(own)) text += fmt::format("{:012x}", bucket);
  return text;
}

std::string views_answer(const Snapshot& own, std::string_view question) {
  const auto theirs = read_digest(question);
  if (!theirs) return {};
  const Digest ours = digest_of(own);
  std::map<std::size_t, Json> differing;
  for (std::size_t i = 0; i < kBuckets; ++i)
    if (ours[i] != (*theirs)[i]) differing[i] = Json::object();
  for (const MemberInfo& info : own.members) {
    const Member& m = info.member;
    if (const auto bucket = differing.find(bucket_of(m.name)); bucket != differing.end())
      bucket->second[dump::to_utf8(m.name)] = Json::array({to_string(m.state), static_cast<std::uint32_t>(m.incarnation)});
  }
  constexpr std::size_t kFrame = 64;  // what is around the rows
  constexpr std::size_t kOfBucket = 4;
  std::size_t size = kFrame;
  Json out{{"buckets", Json::array()}, {"rows", Json::object()}, {"cut", false}};
  for (auto& [number, rows] : differing) {
    const std::size_t more = rows.dump().size() + kOfBucket;
    if (size + more > kAnswerMax) {
      out["cut"] = true;
      continue;
    }
    size += more;
    out["buckets"].push_back(number);
    out["rows"].update(rows);
  }
  return text_of(out);
}

std::string views_json(const Snapshot& own, const Answered& answered) {
  View ours;
  std::map<std::string, std::size_t> buckets;  // by the name as it is shown
  for (const MemberInfo& info : own.members) {
    const std::string name = dump::to_utf8(info.member.name);
    ours[name] = {std::string(to_string(info.member.state)), static_cast<std::uint32_t>(info.member.incarnation)};
    buckets[name] = bucket_of(info.member.name);
  }
  std::map<std::string, std::map<Belief, std::vector<std::string>>> differ;  // member, what is said, by whom
  std::vector<std::string> agreeing, cut, silent = answered.missing;
  for (const auto& [who, text] : answered.answers) {
    const auto answer = read_answer(text.text());
    if (!answer) {
      silent.push_back(who);
      continue;
    }
    bool same = true;
    const auto compare = [&](const std::string& name) {
      const Belief& theirs = belief_in(answer->rows, name);
      if (belief_in(ours, name).same(theirs)) return;
      same = false;
      differ[name][theirs].push_back(who);
    };
    for (const auto& [name, bucket] : buckets)
      if (answer->buckets.contains(bucket)) compare(name);
    for (const auto& [name, belief] : answer->rows)
      if (!ours.contains(name)) compare(name);
    if (answer->cut) cut.push_back(who);
    else if (same) agreeing.push_back(who);
  }
  std::sort(silent.begin(), silent.end());
  Json disagreements = Json::array();
  for (const auto& [name, beliefs] : differ) {
    Json elsewhere = Json::array();
    for (const auto& [belief, who] : beliefs) {
      Json said = belief.json();
      said["says"] = who;
      elsewhere.push_back(std::move(said));
    }
    disagreements.push_back({{"member", name}, {"here", belief_in(ours, name).json()}, {"elsewhere", std::move(elsewhere)}});
  }
  const bool agree = differ.empty() && cut.empty() && silent.empty();
  return text_of({{"self", own.name}, {"agree", agree}, {"members", own.members.size()}, {"agreeing", agreeing}, {"disagreements", disagreements},
                  {"cut", cut}, {"silent", silent}});
}

}  // namespace plumvine::uv
