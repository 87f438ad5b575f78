#include "origin_keys_file.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace plumvine::uv {
namespace {

constexpr const char* kFormat = "plumvine origin keys 1";
constexpr std::uint64_t kSoonMs = 1000;
constexpr std::uint64_t kRefreshMs = 3600'000;
constexpr std::int64_t kSecondUs = 1'000'000;

}  // namespace

std::string format_origin_keys(std::string_view label, const std::vector<frame::KeptKey>& keys) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const frame::KeptKey& kept : keys) {
    nlohmann::ordered_json row{{"member", kept.member},
                               {"key", frame::to_text(kept.key)},
                               {"proven", kept.proven},
                               {"seen", kept.seen_us / kSecondUs}};
    try {
      (void)row.dump();
    } catch (const nlohmann::json::type_error&) {
      continue;
    }
    list.push_back(std::move(row));
  }
  return nlohmann::ordered_json{{"format", kFormat}, {"cluster", label}, {"keys", std::move(list)}}.dump(1) + '\n';
}

Result<std::vector<frame::KeptKey>> parse_origin_keys(std::string_view json, std::string_view label) {
  const auto file = nlohmann::json::parse(json, nullptr, false);
  const auto text = [](const nlohmann::json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string{};
  };
  if (!file.is_object() || text(file, "format") != kFormat || !file.contains("keys") || !file["keys"].is_array())
    return {Errc::invalid_argument, "it is no list of keys"};
  if (text(file, "cluster") != label)
    return {Errc::not_found, "its keys are of the cluster \"" + text(file, "cluster") + "\""};
  std::vector<frame::KeptKey> keys;
  for (const auto& row : file["keys"]) {
    const std::string which = "key " + std::to_string(keys.size() + 1);
    if (!row.is_object() || !row.contains("seen") || !row["seen"].is_number_integer() || !row.contains("proven") ||
        !row["proven"].is_boolean())
      return {Errc::invalid_argument, which + " is none"};
    const auto key = frame::parse_origin_key(text(row, "key"));
    const auto seen_s = row["seen"].get<std::int64_t>();
    frame::KeptKey kept{text(row, "member"), key.value_or(frame::OriginKey{}), row["proven"].get<bool>(), 0};
    if (!key || kept.member.empty() || seen_s < 0 || seen_s > INT64_MAX / kSecondUs)
      return {Errc::invalid_argument, which + " has no member, key or time"};
    kept.seen_us = seen_s * kSecondUs;
    keys.push_back(std::move(kept));
  }
  return keys;
}

OriginKeysFile::OriginKeysFile(uv_loop_t* loop, std::string path, std::string label, Keys keys, Log log)
    : file_(loop, std::move(path)), label_(std::move(label)), keys_(std::move(keys)), log_(std::move(log)) {
  (void)timer_.init(this, [&](uv_timer_t* h) { return uv_timer_init(loop, h); });
  arm(kRefreshMs);
}

void OriginKeysFile::arm(std::uint64_t ms) {
  uv_timer_start(
      timer_.get(),
      [](uv_timer_t* h) {
        auto* me = self<OriginKeysFile>(h);
        me->due_soon_ = false;
        me->file_.save(format_origin_keys(me->label_, me->keys_()), [me](const Status& status) {
          if (!status && !me->failed_) me->log_(status.error().message);
          me->failed_ = !status;
        });
        me->arm(kRefreshMs);
      },
      ms, 0);
}

void OriginKeysFile::look(std::uint64_t version) {
  if (std::exchange(version_, version) != version && !std::exchange(due_soon_, true)) arm(kSoonMs);
}

void OriginKeysFile::finish() {
  file_.save(format_origin_keys(label_, keys_()), {});
}

}  // namespace plumvine::uv
