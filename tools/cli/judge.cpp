// Other programs answer HTTP, too: what a plumvined answers, by what it was asked.
#include "judge.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

namespace plumvine::cli {
namespace {

using Json = nlohmann::json;

enum class Kind {
  object,   ///< one object that has the key
  some,     ///< a list of objects that have the key, at least one
  any,      ///< the same, or an empty one
  lines,    ///< newline-delimited JSON
  metrics,  ///< Prometheus' text
};

struct Shape {
  std::string_view path;  ///< ends with `/` where an argument follows
  Kind kind;
  std::string_view key;
  long bad = 0;  ///< a status of 300 or more that comes with the same shape: the answer is bad, and there is one
};

/// The first one whose path fits is meant.
constexpr std::array kShapes{
    Shape{"/members?diff=1", Kind::object, "agree"},
    Shape{"/members", Kind::some, "name"},
    Shape{"/peers", Kind::object, "links"},
    Shape{"/tree", Kind::object, "trees"},
    Shape{"/lag", Kind::object, "origins"},
    Shape{"/sync", Kind::object, "links"},
    Shape{"/healthz", Kind::object, "status", 503},
    Shape{"/readyz", Kind::object, "ready", 503},
    Shape{"/config", Kind::object, "eager_fanout"},
    Shape{"/block/", Kind::object, "what"},
    Shape{"/block", Kind::any, "what"},
    Shape{"/doctor", Kind::object, "findings"},
    Shape{"/trace/", Kind::object, "paths"},
    Shape{"/reachability", Kind::object, "members"},
    Shape{"/test-delivery", Kind::object, "members", 504},
    Shape{"/keys/", Kind::object, "members", 409},
    Shape{"/tls/verify", Kind::object, "members"},
    Shape{"/debug/state", Kind::object, "version"},
    Shape{"/debug/history", Kind::object, "samples"},
    Shape{"/publish/", Kind::object, "id", 504},
    Shape{"/join", Kind::object, "status"},
    Shape{"/leave", Kind::object, "status"},
    Shape{"/rejoin", Kind::object, "status"},
    Shape{"/forget/", Kind::object, "status"},
    Shape{"/promote/", Kind::object, "status"},
    Shape{"/trim", Kind::object, "messages"},
    Shape{"/resync", Kind::object, "asked"},
    Shape{"/metrics", Kind::metrics, ""},
    Shape{"/events?cluster=1", Kind::object, "events"},
    Shape{"/events?follow=1&cluster=1", Kind::object, "events"},
    Shape{"/events", Kind::lines, ""},
    Shape{"/subscribe/", Kind::lines, ""},
};

const Shape* shape_of(std::string_view path) {
  const auto fits = [&](const Shape& shape) {
    if (!path.starts_with(shape.path)) return false;
    const std::string_view rest = path.substr(shape.path.size());
    return shape.path.ends_with('/') || rest.empty() || rest[0] == '?' || rest[0] == '&' || rest[0] == '/';
  };
  const auto found = std::find_if(kShapes.begin(), kShapes.end(), fits);
  return found == kShapes.end() ? nullptr : &*found;
}

bool is_type(std::string_view type, std::string_view wanted) {
  return type.starts_with(wanted) && (type.size() == wanted.size() || type[wanted.size()] == ';' || type[wanted.size()] == ' ');
}

bool is_json(std::string_view type) { return is_type(type, "application/json") || is_type(type, "application/health+json"); }

bool has(const Json& json, std::string_view key) { return json.is_object() && json.contains(key); }

bool is_error(const Json& json) {
  if (!has(json, "error") || !json["error"].is_object()) return false;
  const Json& error = json["error"];
  const auto is_text = [&](const char* key) { return error.contains(key) && error[key].is_string(); };
  return is_text("code") && is_text("message") && is_text("hint");
}

bool has_shape(const Json& json, const Shape& shape) {
  if (shape.kind == Kind::object) return has(json, shape.key);
  if (!json.is_array() || (shape.kind == Kind::some && json.empty())) return false;
  return std::all_of(json.begin(), json.end(), [&](const Json& one) { return has(one, shape.key); });
}

}  // namespace

bool is_type_of_ours(std::string_view path, long status, std::string_view type) {
  if (status < 200 || (status >= 300 && status < 400)) return false;
  if (status >= 300) return is_json(type);
  const Shape* shape = shape_of(path);
  if (shape == nullptr) return false;
  if (shape->kind == Kind::lines) return is_type(type, "application/x-ndjson");
  if (shape->kind == Kind::metrics) return is_type(type, "text/plain; version=0.0.4");
  return is_json(type);
}

bool is_answer_of_ours(std::string_view path, long status, std::string_view type, std::string_view body) {
  if (!is_type_of_ours(path, status, type)) return false;
  const Shape& shape = *shape_of(path);
  const bool text = shape.kind == Kind::lines || shape.kind == Kind::metrics;
  if (status < 300 && text) return true;
  const Json json = Json::parse(body, nullptr, false);
  if (status >= 300 && is_error(json)) return true;
  return !text && (status < 300 || status == shape.bad) && has_shape(json, shape);
}

}  // namespace plumvine::cli
