#include "admin.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "admin_page.hpp"
#include "health/dump.hpp"

namespace plumvine::uv {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kJson = "application/json";

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

HttpResponse json_answer(std::string body, int status = 200) { return {status, std::string(kJson), std::move(body) + "\n", {}, {}}; }

HttpResponse refuse(int status, std::string_view code, std::string_view message, std::string_view hint = {}) {
  return json_answer(dump::error_json(code, message, hint), status);
}

HttpResponse refuse(const Error& error) {
  int status = 400;
  switch (error.code) {
    case Errc::too_large: status = 413; break;
    case Errc::overloaded: status = 429; break;
    case Errc::stopped: status = 503; break;
    case Errc::not_found: status = 404; break;
    case Errc::system: case Errc::timed_out: status = 500; break;
    default: break;
  }
  return refuse(status, to_string(error.code), error.message, status == 429 ? "the cluster is behind: try again shortly" : "");
}

/// Where a path belongs: its route's name and what follows it.
struct Match {
  std::string_view route;
  std::string_view rest;
};

/// Routes that end in `/` take the rest of the path as their argument.
struct Route {
  std::string_view path;
  std::string_view method;
};
constexpr std::array<Route, 17> kRoutes{{{"/", "GET"},
                                         {"/metrics", "GET"},
                                         {"/livez", "GET"},
                                         {"/readyz", "GET"},
                                         {"/healthz", "GET"},
                                         {"/members", "GET"},
                                         {"/peers", "GET"},
                                         {"/tree", "GET"},
                                         {"/lag", "GET"},
                                         {"/config", "GET"},
                                         {"/debug/state", "GET"},
                                         {"/favicon.ico", "GET"},
                                         {"/subscribe/", "GET"},
                                         {"/publish/", "POST"},
                                         {"/join", "POST"},
                                         {"/leave", "POST"},
                                         {"/rejoin", "POST"}}};
constexpr std::string_view kOther = "other";
constexpr std::array<int, 11> kStatuses{200, 202, 400, 403, 404, 405, 413, 429, 431, 500, 503};

const Route* find_route(std::string_view path) {
  for (const auto& route : kRoutes) {
    if (route.path == path) return &route;
    if (route.path.size() > 1 && route.path.back() == '/' && path.size() > route.path.size() && path.starts_with(route.path)) return &route;
  }
  return nullptr;
}

std::string_view header(const HttpRequest& request, const char* name) {
  const auto it = request.headers.find(name);
  return it == request.headers.end() ? std::string_view{} : std::string_view{it->second};
}

/// A page of another site must not steer this node through a browser. Browsers say where a request comes from; a name
/// that resolves to us (rebinding) is no address of ours either.
bool from_another_site(const HttpRequest& request) {
  const auto site = header(request, "sec-fetch-site");
  if (!site.empty() && site != "same-origin" && site != "none") return true;
  const auto origin = header(request, "origin");
  if (origin.empty()) return false;
  const auto host = header(request, "host");
  if (origin != "http://" + std::string(host)) return true;
  auto parsed = HostPort::parse(host);
  if (!parsed) return true;
  return parsed->host != "localhost" && !Endpoint::parse((parsed->host.find(':') == std::string::npos ? parsed->host : "[" + parsed->host + "]") + ":1");
}

}  // namespace

class Admin::Impl {
 public:
  explicit Impl(AdminHost& host) : host_(host) {
    for (const auto& route : kRoutes) {
      for (const int status : kStatuses) counts_[{std::string(route.path), status}] = 0;
    }
    for (const int status : kStatuses) counts_[{std::string(kOther), status}] = 0;
  }

  HttpResponse handle(const HttpRequest& request);
  void observe(const std::string& path, int status) {
    const Route* route = find_route(path);
    const std::string_view name = route == nullptr ? kOther : route->path;
    if (const auto it = counts_.find({std::string(name), status}); it != counts_.end()) ++it->second;
    else counts_.emplace(std::pair{std::string(name), status}, 1);
  }
  [[nodiscard]] std::vector<HttpCount> requests() const {
    std::vector<HttpCount> out;
    for (const auto& [key, count] : counts_) out.push_back({key.first, key.second, count});
    return out;
  }

 private:
  HttpResponse get(const Route& route, const HttpRequest& request);
  HttpResponse post(const Route& route, const HttpRequest& request);
  HttpResponse metrics();
  HttpResponse ready();
  HttpResponse health(const HttpRequest& request);
  HttpResponse config();
  HttpResponse state();
  HttpResponse subscribe(std::string_view topic, const HttpRequest& request);
  HttpResponse publish(std::string_view topic, const HttpRequest& request);
  HttpResponse join(const HttpRequest& request);
  [[nodiscard]] static HttpResponse done(const Status& status);

  AdminHost& host_;
  std::map<std::pair<std::string, int>, std::uint64_t> counts_;
};

HttpResponse Admin::Impl::handle(const HttpRequest& request) {
  const Route* route = find_route(request.path);
  if (route == nullptr) return refuse(404, "not_found", "no such path: " + request.path, "GET / lists the paths there are");
  const std::string_view method = request.method == "HEAD" ? std::string_view{"GET"} : std::string_view{request.method};
  if (method != route->method) {
    auto answer = refuse(405, "method_not_allowed", fmt::format("{} is for {}", request.path, route->method));
    answer.headers["Allow"] = route->method == "GET" ? "GET, HEAD" : std::string(route->method);
    return answer;
  }
  if (route->method == "POST" || route->path == "/subscribe/") {
    if (!request.from.is_loopback()) {
      return refuse(403, "forbidden", "this path is for callers on the same host", "call it through the agent's loopback address");
    }
    if (from_another_site(request)) return refuse(403, "forbidden", "requests of other web sites are refused");
  }
  return route->method == "GET" ? get(*route, request) : post(*route, request);
}

HttpResponse Admin::Impl::get(const Route& route, const HttpRequest& request) {
  if (route.path == "/") return {200, "text/html; charset=utf-8", std::string(status_page()), {{"Cache-Control", "no-cache"}}, {}};
  if (route.path == "/favicon.ico") return {200, "image/svg+xml", std::string(favicon()), {{"Cache-Control", "max-age=86400"}}, {}};
  if (route.path == "/livez") return json_answer(R"({"status":"alive"})");
  if (route.path == "/metrics") return metrics();
  if (route.path == "/readyz") return ready();
  if (route.path == "/healthz") return health(request);
  if (route.path == "/config") return config();
  if (route.path == "/debug/state") return state();
  if (route.path == "/subscribe/") return subscribe(std::string_view(request.path).substr(route.path.size()), request);
  const auto snapshot = host_.fresh_snapshot();
  if (route.path == "/members") return json_answer(dump::members_json(*snapshot));
  if (route.path == "/peers") return json_answer(dump::peers_json(*snapshot));
  if (route.path == "/tree") return json_answer(dump::tree_json(*snapshot));
  return json_answer(dump::lag_json(*snapshot));
}

HttpResponse Admin::Impl::post(const Route& route, const HttpRequest& request) {
  if (route.path == "/publish/") return publish(std::string_view(request.path).substr(route.path.size()), request);
  if (route.path == "/join") return join(request);
  return done(route.path == "/leave" ? host_.leave() : host_.rejoin());
}

HttpResponse Admin::Impl::done(const Status& status) {
  return status ? json_answer(R"({"status":"accepted"})", 202) : refuse(status.error());
}

HttpResponse Admin::Impl::metrics() {
  const auto& render = host_.config().render_metrics;
  if (!render) return refuse(404, "not_found", "this program was built without metrics", "link plumvine::metrics and call metrics::enable(config)");
  const auto snapshot = host_.fresh_snapshot();
  return {200, "text/plain; version=0.0.4; charset=utf-8", render(*snapshot, assess(*snapshot, host_.config().health)), {}, {}};
}

HttpResponse Admin::Impl::ready() {
  const auto snapshot = host_.fresh_snapshot();
  const std::string& reason = snapshot->not_ready_reason;
  Json body{{"ready", reason.empty()}};
  if (!reason.empty()) body["reason"] = reason;
  return json_answer(text_of(body), reason.empty() ? 200 : 503);
}

HttpResponse Admin::Impl::health(const HttpRequest& request) {
  std::string component;
  if (const auto it = request.query.find("component"); it != request.query.end()) component = it->second;
  static constexpr std::array<std::string_view, 6> known{"membership", "tree", "delivery", "cache", "security", "loop"};
  if (!component.empty() && std::find(known.begin(), known.end(), component) == known.end()) {
    return refuse(400, "invalid_argument", fmt::format("no component '{}'", component), fmt::format("there are {}", fmt::join(known, ", ")));
  }
  const auto report = assess(*host_.fresh_snapshot(), host_.config().health);
  HealthStatus status = component.empty() ? report.status : HealthStatus::healthy;
  for (const auto& reason : report.reasons) {
    if (reason.component == component) status = std::max(status, reason.severity);
  }
  auto answer = json_answer(dump::health_json(report, component), status == HealthStatus::unhealthy ? 503 : 200);
  answer.content_type = "application/health+json";
  return answer;
}

HttpResponse Admin::Impl::config() {
  Json out = Json::object();
  for (const auto& [key, value] : host_.config().describe()) out[key] = value;
  return json_answer(text_of(out));
}

HttpResponse Admin::Impl::state() {
  const auto snapshot = host_.fresh_snapshot();
  const auto report = assess(*snapshot, host_.config().health);
  return json_answer(fmt::format(R"({{"health":{},"members":{},"peers":{},"tree":{},"lag":{}}})", dump::health_json(report),
                                 dump::members_json(*snapshot), dump::peers_json(*snapshot), dump::tree_json(*snapshot),
                                 dump::lag_json(*snapshot)));
}

HttpResponse Admin::Impl::subscribe(std::string_view topic, const HttpRequest& request) {
  if (topic.empty()) return refuse(400, "invalid_argument", "a topic is missing", "GET /subscribe/TOPIC");
  if (const auto it = request.query.find("from"); it != request.query.end() && it->second != "now") {
    return refuse(400, "invalid_argument", fmt::format("from: '{}' is not supported by this version", it->second), "use from=now");
  }
  HttpResponse answer;
  answer.content_type = "application/x-ndjson";
  answer.headers["Cache-Control"] = "no-cache";
  if (request.method == "HEAD") return answer;
  answer.stream = [this, name = std::string(topic)](std::shared_ptr<HttpStream> stream) {
    host_.subscribe(name, [stream](const Message& message) {
      return stream->open() && stream->write(dump::message_json(message, to_string(message.id)) + "\n");
    });
  };
  return answer;
}

HttpResponse Admin::Impl::publish(std::string_view topic, const HttpRequest& request) {
  auto id = host_.publish(topic, Bytes::copy_of(request.body));
  if (!id) return refuse(id.error());
  return json_answer(text_of({{"id", to_string(*id)}}), 202);
}

HttpResponse Admin::Impl::join(const HttpRequest& request) {
  const Json body = Json::parse(request.body, nullptr, false);
  const Json& list = body.is_object() && body.contains("seeds") ? body["seeds"] : body;
  std::vector<std::string> seeds;
  if (list.is_array()) {
    for (const auto& seed : list) {
      if (!seed.is_string()) return refuse(400, "invalid_argument", "a seed is a text HOST[:PORT]");
      seeds.push_back(seed.get<std::string>());
    }
  }
  if (seeds.empty()) return refuse(400, "invalid_argument", "no seed given", R"(send a JSON list: ["HOST:PORT"])");
  return done(host_.join(std::move(seeds)));
}

Admin::Admin(AdminHost& host) : impl_(std::make_unique<Impl>(host)) {}
Admin::~Admin() = default;
HttpResponse Admin::handle(const HttpRequest& request) { return impl_->handle(request); }
void Admin::observe(const std::string& path, int status) { impl_->observe(path, status); }
std::vector<HttpCount> Admin::requests() const { return impl_->requests(); }

}  // namespace plumvine::uv
