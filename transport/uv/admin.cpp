#include "admin.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include <nlohmann/json.hpp>

#include "admin_access.hpp"
#include "admin_block.hpp"
#include "admin_events.hpp"
#include "admin_http.hpp"
#include "admin_resync.hpp"
#include "dashboard.hpp"
#include "doctor.hpp"
#include "health/dump.hpp"
#include "links_inquiry.hpp"
#include "reachability.hpp"
#include "tls_inquiry.hpp"
#include "views_inquiry.hpp"

namespace plumvine::uv {
namespace {

constexpr std::size_t kSeedsMax = 256;
/// A history is read on when less than this waits for the client.
constexpr std::size_t kStreamFull = std::size_t{1} << 20;
/// Statuses that are counted by their number; any other counts as 500.
constexpr std::array kStatuses{200, 202, 304, 400, 401, 403, 404, 405, 408, 409, 413, 414, 422, 429, 431, 500, 501, 503, 504, 505};

using http::fail;
using http::header;
using http::json;
using http::wants;

/// What the node said to a command, as HTTP says it.
HttpResponse refused(const Error& error) {
  switch (error.code) {
    case Errc::too_large:
      return fail(413, "too_large", error.message, "split the message, or raise max_message_size on all members");
    case Errc::overloaded: {
      auto response = fail(429, "overloaded", error.message, "send it again a little later");
      response.headers["Retry-After"] = "1";
      return response;
    }
    case Errc::not_found:
      return fail(404, "not_found", error.message, "GET /members lists the names");
    case Errc::stopped:
      return fail(503, "stopped", error.message, "POST /rejoin brings a member back that has left");
    case Errc::system:
    case Errc::limit_reached:
      return fail(503, to_string(error.code), error.message, "see the agent's log");
    default:
      return fail(400, to_string(error.code), error.message, "change what the message names, and send it again");
  }
}

/// Seeds as a JSON array of strings, or as words between blanks and commas. nullopt: neither.
std::optional<std::vector<std::string>> seeds_of(const std::string& body) {
  std::vector<std::string> seeds;
  // `[::1]:7946` is no JSON.
  if (const auto parsed = nlohmann::json::parse(body, nullptr, false); parsed.is_array()) {
    for (const auto& item : parsed) {
      if (!item.is_string()) return std::nullopt;
      seeds.push_back(item.get<std::string>());
    }
    return seeds;
  }
  if (body.find('"') != std::string::npos) return std::nullopt;
  std::string word;
  for (const char c : body + ' ') {
    if (c != ' ' && c != ',' && c != '\n' && c != '\r' && c != '\t') {
      word += c;
    } else if (!word.empty()) {
      seeds.push_back(std::exchange(word, {}));
    }
  }
  return seeds;
}

/// `?timeout=`, or what there is without it.
Result<Duration> timeout_of(const HttpRequest& request, Duration usual) {
  constexpr Duration kTimeoutMax = std::chrono::seconds{60};
  const auto timeout = request.query.find("timeout");
  if (timeout == request.query.end()) return usual;
  auto parsed = parse_duration(timeout->second);
  if (!parsed) return parsed.error().with("timeout");
  if (*parsed <= Duration{0} || *parsed > kTimeoutMax)
    return Error{Errc::invalid_argument, "timeout=" + timeout->second + " is not from above 0 to 60s"};
  return *parsed;
}

/// The acknowledgements that `?ack=` asks for.
Result<BroadcastOptions> ack_wish(const HttpRequest& request) {
  BroadcastOptions options;
  const auto ack = request.query.find("ack");
  if (ack != request.query.end()) {
    const std::string& text = ack->second;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), options.acks);
    if (text == "all") options.acks = kAckAll;
    else if (error != std::errc{} || stop != text.data() + text.size() || options.acks == 0)
      return Error{Errc::invalid_argument, "ack=" + text + " is neither all nor a number of members from 1"};
  }
  const auto timeout = timeout_of(request, options.ack_timeout);
  if (!timeout) return timeout.error();
  options.ack_timeout = *timeout;
  return options;
}

struct ProbeWish {
  std::size_t size = 64, count = 1;
  Duration timeout = std::chrono::seconds{5};
};

/// What `?size=`, `?count=` and `?timeout=` ask for.
Result<ProbeWish> probe_wish(const HttpRequest& request, std::size_t size_max) {
  ProbeWish wish;
  const auto number = [&](const char* key, std::size_t least, std::size_t most, std::size_t& out) -> Status {
    const auto it = request.query.find(key);
    if (it == request.query.end()) return {};
    const std::string& text = it->second;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error == std::errc{} && stop == text.data() + text.size() && out >= least && out <= most) return {};
    return Error{Errc::invalid_argument, std::string(key) + "=" + text + " is not from " + std::to_string(least) + " to " + std::to_string(most)};
  };
  if (auto taken = number("size", 0, size_max, wish.size); !taken) return taken.error();
  if (auto taken = number("count", 1, kPathsMax, wish.count); !taken) return taken.error();
  const auto timeout = timeout_of(request, wish.timeout);
  if (!timeout) return timeout.error();
  wish.timeout = *timeout;
  return wish;
}

/// So long members have to say what is wrong, and so long once those that were silent are probed.
constexpr Duration kFindingsTime = std::chrono::seconds{2}, kFindingsAgain = std::chrono::seconds{3};

/// So long members have to say what they know of a message.
constexpr Duration kTraceTime = std::chrono::seconds{2};
/// Longer than they ping.
constexpr Duration kReachTime = std::chrono::seconds{3};

}  // namespace

class Admin::Impl {
 public:
  explicit Impl(AdminHost& host) : host_(host) {}

  HttpResponse handle(const HttpRequest& request);
  void observe(const std::string& path, int status);
  [[nodiscard]] std::vector<HttpCount> requests() const;
  [[nodiscard]] const PublishOnce& once() const { return once_; }

 private:
  struct Route {
    std::string_view method;
    std::string_view path;   ///< ends with `/` where the rest of the path is an argument
    std::string_view label;  ///< as it is counted
    bool guarded;            ///< changes something, or reads what others wrote
    HttpResponse (Impl::*answer)(const HttpRequest&, std::string_view rest);
  };
  static std::span<const Route> routes();
  static const Route* find(std::string_view path);

  HttpResponse page(const HttpRequest& request, std::string_view) { return dashboard_file(request, "page.html"); }
  HttpResponse dashboard_file(const HttpRequest&, std::string_view name);
  HttpResponse live(const HttpRequest&, std::string_view);
  HttpResponse graph(const HttpRequest&, std::string_view);
  HttpResponse metrics(const HttpRequest&, std::string_view);
  HttpResponse livez(const HttpRequest&, std::string_view);
  HttpResponse readyz(const HttpRequest&, std::string_view);
  HttpResponse healthz(const HttpRequest&, std::string_view);
  HttpResponse members(const HttpRequest& request, std::string_view) {
    return wants(request, "diff") ? views() : json(200, dump::members_json(*host_.fresh_snapshot()));
  }
  HttpResponse views();
  HttpResponse reachability(const HttpRequest&, std::string_view member);
  HttpResponse peers(const HttpRequest&, std::string_view) {
    return json(200, dump::peers_json(*host_.fresh_snapshot()));
  }
  HttpResponse tree(const HttpRequest& request, std::string_view);
  HttpResponse lag(const HttpRequest&, std::string_view) { return json(200, dump::lag_json(*host_.fresh_snapshot())); }
  HttpResponse config(const HttpRequest& request, std::string_view);
  HttpResponse events(const HttpRequest& request, std::string_view) { return events_response(host_, request); }
  HttpResponse metric_history(const HttpRequest&, std::string_view) { return json(200, host_.metric_history().json(http::wall_ms())); }
  HttpResponse state(const HttpRequest&, std::string_view);
  HttpResponse subscribe(const HttpRequest&, std::string_view topic);
  HttpResponse publish(const HttpRequest&, std::string_view topic);
  HttpResponse publish_and_wait(std::string topic, Bytes payload, BroadcastOptions options);
  HttpResponse join(const HttpRequest&, std::string_view);
  HttpResponse leave(const HttpRequest&, std::string_view);
  HttpResponse rejoin(const HttpRequest&, std::string_view);
  HttpResponse forget(const HttpRequest&, std::string_view name);
  HttpResponse promote(const HttpRequest&, std::string_view peer);
  HttpResponse doctor(const HttpRequest&, std::string_view);
  HttpResponse trace(const HttpRequest&, std::string_view id);
  HttpResponse test_delivery(const HttpRequest&, std::string_view);
  HttpResponse trim(const HttpRequest&, std::string_view);
  HttpResponse resync(const HttpRequest& request, std::string_view) { return resync_response(host_, request); }
  HttpResponse sync(const HttpRequest&, std::string_view) { return sync_response(host_); }
  HttpResponse list_blocks(const HttpRequest&, std::string_view) { return blocks_response(host_); }
  HttpResponse block(const HttpRequest& request, std::string_view command) { return block_response(host_, request, command); }
  HttpResponse list_keys(const HttpRequest&, std::string_view) { return order({}); }
  HttpResponse keys(const HttpRequest&, std::string_view command);
  HttpResponse order(KeyOrder order);
  HttpResponse verify_tls(const HttpRequest&, std::string_view);

  HealthReport judge(const Snapshot& snapshot) const { return assess(snapshot, host_.config().health); }

  AdminHost& host_;
  Graph graph_;
  std::map<std::pair<std::string_view, int>, std::uint64_t> counts_;
  PublishOnce once_;
};

std::span<const Admin::Impl::Route> Admin::Impl::routes() {
  static constexpr std::array table{
      Route{"GET", "/", "/", false, &Impl::page},
      Route{"GET", "/dashboard/", "/dashboard/FILE", false, &Impl::dashboard_file},
      Route{"GET", "/live", "/live", false, &Impl::live},
      Route{"GET", "/graph", "/graph", false, &Impl::graph},
      Route{"GET", "/metrics", "/metrics", false, &Impl::metrics},
      Route{"GET", "/livez", "/livez", false, &Impl::livez},
      Route{"GET", "/readyz", "/readyz", false, &Impl::readyz},
      Route{"GET", "/healthz", "/healthz", false, &Impl::healthz},
      Route{"GET", "/members", "/members", false, &Impl::members},
      Route{"GET", "/peers", "/peers", false, &Impl::peers},
      Route{"GET", "/tree", "/tree", false, &Impl::tree},
      Route{"GET", "/lag", "/lag", false, &Impl::lag},
      Route{"GET", "/sync", "/sync", false, &Impl::sync},
      Route{"GET", "/config", "/config", false, &Impl::config},
      Route{"GET", "/events", "/events", false, &Impl::events},
      Route{"GET", "/debug/history", "/debug/history", false, &Impl::metric_history},
      Route{"GET", "/debug/state", "/debug/state", false, &Impl::state},
      Route{"GET", "/doctor", "/doctor", false, &Impl::doctor},
      Route{"GET", "/trace/", "/trace/ID", false, &Impl::trace},
      Route{"GET", "/reachability", "/reachability", false, &Impl::reachability},
      Route{"GET", "/reachability/", "/reachability/MEMBER", false, &Impl::reachability},
      Route{"POST", "/test-delivery", "/test-delivery", true, &Impl::test_delivery},
      Route{"GET", "/subscribe/", "/subscribe/TOPIC", true, &Impl::subscribe},
      Route{"POST", "/publish/", "/publish/TOPIC", true, &Impl::publish},
      Route{"POST", "/join", "/join", true, &Impl::join},
      Route{"POST", "/leave", "/leave", true, &Impl::leave},
      Route{"POST", "/rejoin", "/rejoin", true, &Impl::rejoin},
      Route{"POST", "/forget/", "/forget/NAME", true, &Impl::forget},
      Route{"POST", "/promote/", "/promote/PEER", true, &Impl::promote},
      Route{"POST", "/trim", "/trim", true, &Impl::trim},
      Route{"POST", "/resync", "/resync", true, &Impl::resync},
      Route{"GET", "/keys", "/keys", true, &Impl::list_keys},  // shows secrets
      Route{"GET", "/block", "/block", false, &Impl::list_blocks},
      Route{"POST", "/block/", "/block/COMMAND", true, &Impl::block},
      Route{"POST", "/keys/", "/keys/COMMAND", true, &Impl::keys},
      Route{"POST", "/tls/verify", "/tls/verify", true, &Impl::verify_tls},
  };
  return table;
}

const Admin::Impl::Route* Admin::Impl::find(std::string_view path) {
  for (const auto& route : routes()) {
    const bool takes_rest = route.path.size() > 1 && route.path.ends_with('/');
    if (takes_rest ? path.starts_with(route.path) && path.size() > route.path.size() : path == route.path)
      return &route;
  }
  return nullptr;
}

HttpResponse Admin::Impl::handle(const HttpRequest& request) {
  const Route* route = find(request.path);
  if (route == nullptr)
    return fail(404, "not_found", "there is nothing at " + request.path, "GET / lists what there is");
  const std::string_view method = request.method == "HEAD" ? std::string_view{"GET"} : request.method;
  if (method != route->method) {
    auto response = fail(405, "method_not_allowed", request.method + " is not for " + std::string(route->label),
                         "use " + std::string(route->method));
    response.headers["Allow"] = route->method == "GET" ? "GET, HEAD" : std::string(route->method);
    return response;
  }
  if (route->guarded) {
    if (auto refusal = access_refusal(host_, request)) return std::move(*refusal);
  }
  return (this->*route->answer)(
      request, std::string_view(request.path).substr(std::min(route->path.size(), request.path.size())));
}

HttpResponse Admin::Impl::dashboard_file(const HttpRequest& request, std::string_view name) {
  const DashboardFile* file = find_dashboard_file(name);
  if (file == nullptr) return fail(404, "not_found", "the dashboard has no file '" + std::string(name) + "'", "GET / is the dashboard");
  HttpResponse response;
  response.content_type = file->content_type;
  response.headers["ETag"] = '"' + std::string(file->hash) + '"';
  response.headers["Cache-Control"] = "no-cache";  // ask each time whether it is still the same
  response.headers["Content-Security-Policy"] = std::string(kDashboardPolicy);
  response.headers["X-Content-Type-Options"] = "nosniff";
  response.headers["Referrer-Policy"] = "no-referrer";
  if (header(request, "if-none-match").find(file->hash) != std::string::npos) response.status = 304;
  else response.body = file->body;
  return response;
}

HttpResponse Admin::Impl::live(const HttpRequest& request, std::string_view) {
  if (!host_.events().has_room()) return too_many_followers();
  HttpResponse response;
  response.content_type = "text/event-stream";
  response.headers["Cache-Control"] = "no-store";
  response.stream = [this, after = header(request, "last-event-id")](std::shared_ptr<HttpStream> stream) { host_.watch(std::move(stream), after); };
  return response;
}

HttpResponse Admin::Impl::graph(const HttpRequest&, std::string_view) {
  if (std::string known = graph_.fresh(host_.fresh_snapshot()->at); !known.empty()) return json(200, std::move(known));
  HttpResponse response;
  response.later = [this](const std::function<void(HttpResponse)>& give) {
    if (!graph_.wait([give](std::string text) { give(json(200, std::move(text))); }, host_.fresh_snapshot()->at)) return;
    host_.ask(Asking::links, {}, Graph::kTime, [this](const Answered& answered) { graph_.answered(graph_json(*host_.fresh_snapshot(), answered)); });
  };
  return response;
}

HttpResponse Admin::Impl::metrics(const HttpRequest&, std::string_view) {
  const auto& render = host_.config().render_metrics;
  if (!render)
    return fail(404, "not_found", "this program exports no metrics", "call metrics::enable before the node starts");
  const auto snapshot = host_.fresh_snapshot();
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = render(*snapshot, judge(*snapshot));
  return response;
}

HttpResponse Admin::Impl::livez(const HttpRequest&, std::string_view) {
  return json(200, R"({"status":"live"})");
}

HttpResponse Admin::Impl::readyz(const HttpRequest&, std::string_view) {
  const auto snapshot = host_.fresh_snapshot();
  if (snapshot->not_ready_reason.empty()) return json(200, R"({"ready":true})");
  const nlohmann::ordered_json body{{"ready", false},
                                    {"reason", snapshot->not_ready_reason},
                                    {"error",
                                     {{"code", "not_ready"},
                                      {"message", snapshot->not_ready_reason},
                                      {"hint", "GET /healthz says what to look at"}}}};
  return json(503, body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

HttpResponse Admin::Impl::healthz(const HttpRequest& request, std::string_view) {
  const auto it = request.query.find("component");
  const std::string component = it == request.query.end() ? std::string{} : it->second;
  if (it != request.query.end() && !is_component(component)) {
    return fail(400, "bad_request", "no component '" + component + "'",
                "membership, tree, delivery, cache, security or loop");
  }
  auto report = judge(*host_.fresh_snapshot());
  if (!component.empty()) report = only_component(std::move(report), component);
  auto response = json(report.status == HealthStatus::unhealthy ? 503 : 200, dump::health_json(report));
  response.content_type = "application/health+json";
  return response;
}

HttpResponse Admin::Impl::config(const HttpRequest& request, std::string_view) {
  const Config in_force = host_.config_in_force();
  if (wants(request, "origin")) return json(200, dump::config_origins_json(host_.config(), in_force));
  return json(200, dump::config_json(in_force));
}

HttpResponse Admin::Impl::state(const HttpRequest&, std::string_view) {
  const auto snapshot = host_.fresh_snapshot();
  return json(200, dump::state_json(*snapshot, judge(*snapshot), host_.config_in_force()));
}

HttpResponse Admin::Impl::subscribe(const HttpRequest& request, std::string_view topic) {
  const auto wanted_from = request.query.find("from");
  auto from = read_from(wanted_from == request.query.end() ? "now" : wanted_from->second);
  if (!from) return fail(400, "bad_request", from.error().message, "from=now, from=window, from=ID of a message, or from=CURSOR of a line of this stream");
  if (topic.size() > 128 || (topic.starts_with('_') && topic != "*")) {
    return fail(400, "bad_request", "not a topic that can be read",
                "1 to 128 bytes, not starting with _; * is all topics");
  }
  const auto& topics = host_.config().topics;
  if (const auto policy = topics.find(topic); policy != topics.end() && !policy->second.subscribe) {
    return fail(409, "not_subscribed", "this node does not subscribe to " + std::string(topic),
                "ask another member, or set topics." + std::string(topic) + ".subscribe = true here and start it again");
  }
  if (from->kind == ReadFrom::Kind::message && !host_.in_history(from->behind)) {
    return fail(404, "not_found", "message " + to_string(from->behind) + " is not in the history of this node",
                "from=window begins with the oldest one that is; history_window and history_max_bytes, or sync_window without a data directory, say how long it is kept");
  }
  HttpResponse response;
  response.content_type = "application/x-ndjson";
  response.headers["Cache-Control"] = "no-store";
  response.stream = [this, wanted = std::string(topic), from = std::move(*from), who = request.from.to_string()](const std::shared_ptr<HttpStream>& stream) {
    const auto line = [stream](std::string text) { return stream->open() && stream->write(std::move(text) + '\n'); };
    host_.subscribe({.topic = wanted,
                     .on_message = [line](const Message& message, const std::string& cursor) { return line(dump::message_json(message, cursor)); },
                     .on_gap = [line](const LostEvent& lost, const std::string& cursor) { return line(dump::gap_json(lost, cursor)); },
                     .has_room = [stream] { return !stream->open() || stream->waiting() < kStreamFull; },
                     .waiting = [stream] { return stream->waiting(); },
                     .from = who},
                    from);
  };
  return response;
}

HttpResponse Admin::Impl::publish(const HttpRequest& request, std::string_view topic) {
  const auto wish = ack_wish(request);
  if (!wish) return fail(400, "bad_request", wish.error().message, "?ack=all&timeout=5s, or a number of members; at most 60s");
  const Bytes payload = Bytes::copy_of(std::string_view(request.body));
  if (auto before = once_.answered(request, wish->acks > 0, uv_hrtime())) return std::move(*before);
  if (wish->acks > 0) return publish_and_wait(std::string(topic), payload, *wish);
  auto id = host_.publish(topic, payload, *wish, {});
  if (!id) return refused(id.error());
  return once_.note(request, json(202, R"({"id":")" + to_string(*id) + R"("})"), uv_hrtime());
}

HttpResponse Admin::Impl::publish_and_wait(std::string topic, Bytes payload, BroadcastOptions options) {
  HttpResponse response;
  response.later = [this, topic = std::move(topic), payload = std::move(payload), options](const std::function<void(HttpResponse)>& give) {
    auto id = host_.publish(topic, payload, options, [give](const Receipt& receipt) {
      if (receipt.id == MessageId{}) return give(refused(Error{Errc::stopped, "the node was stopped"}));
      give(json(receipt.complete ? 200 : 504, dump::receipt_json(receipt)));
    });
    if (!id) give(refused(id.error()));
  };
  return response;
}

HttpResponse Admin::Impl::join(const HttpRequest& request, std::string_view) {
  auto seeds = seeds_of(request.body);
  if (!seeds || seeds->empty() || seeds->size() > kSeedsMax) {
    return fail(400, "bad_request", "the body names no seed, or too many",
                R"(["HOST:PORT"] or HOST:PORT, at most 256)");
  }
  const auto count = seeds->size();
  if (auto joined = host_.join(std::move(*seeds)); !joined) return refused(joined.error());
  return json(202, R"({"status":"joining","seeds":)" + std::to_string(count) + '}');
}

HttpResponse Admin::Impl::leave(const HttpRequest&, std::string_view) {
  if (auto left = host_.leave(); !left) return refused(left.error());
  return json(202, R"({"status":"leaving"})");
}

HttpResponse Admin::Impl::rejoin(const HttpRequest&, std::string_view) {
  if (auto joined = host_.rejoin(); !joined) return refused(joined.error());
  return json(202, R"({"status":"rejoining"})");
}

HttpResponse Admin::Impl::forget(const HttpRequest&, std::string_view name) {
  if (auto forgotten = host_.forget(name); !forgotten) return refused(forgotten.error());
  return json(202, R"({"status":"forgotten"})");
}

HttpResponse Admin::Impl::promote(const HttpRequest&, std::string_view peer) {
  if (auto promoted = host_.promote(peer); !promoted) return refused(promoted.error());
  return json(202, R"({"status":"promoted"})");
}

HttpResponse Admin::Impl::doctor(const HttpRequest&, std::string_view) {
  HttpResponse response;
  response.later = [this](const std::function<void(HttpResponse)>& give) {
    const auto finish = [this, give](const Answered& answered) {
      give(json(200, diagnose(host_.config().name, host_.own_answer(Asking::findings, ""), answered).json));
    };
    host_.ask(Asking::findings, "", kFindingsTime, [this, finish](const Answered& answered) {
      if (answered.missing.empty()) return finish(answered);
      // Membership may not have judged them yet. By then it has, or they answer.
      host_.doubt(answered.missing);
      host_.ask(Asking::findings, "", kFindingsAgain, finish);
    });
  };
  return response;
}

HttpResponse Admin::Impl::trace(const HttpRequest&, std::string_view text) {
  const auto id = parse_message_id(text);
  if (!id) return fail(400, "bad_request", id.error().message, "INSTANCE-SEQ, as publish answers and subscribe prints it");
  HttpResponse response;
  response.later = [this, id = *id](const std::function<void(HttpResponse)>& give) {
    const std::string question = paths_question({id});
    host_.ask(Asking::paths, question, kTraceTime, [this, id, question, give](const Answered& answered) {
      const Trace found = uv::trace(id, host_.config().name, host_.own_answer(Asking::paths, question), answered);
      if (!found.found) return give(fail(404, "not_found", "no member that answers knows message " + to_string(id),
                                         "messages are known for sync_window, and from a member's start on"));
      give(json(200, found.json));
    });
  };
  return response;
}

HttpResponse Admin::Impl::tree(const HttpRequest& request, std::string_view) {
  auto snapshot = host_.fresh_snapshot();
  const auto topic = request.query.find("topic");
  if (topic == request.query.end()) return json(200, dump::tree_json(*snapshot));
  const auto wanted = host_.trees_of(topic->second);
  auto some = std::make_shared<Snapshot>(*snapshot);
  std::erase_if(some->trees, [&](const TreeInfo& tree) { return std::find(wanted.begin(), wanted.end(), tree.tree) == wanted.end(); });
  return json(200, dump::tree_json(*some));
}

/// Who believes what of whom, here and elsewhere.
HttpResponse Admin::Impl::views() {
  HttpResponse response;
  response.later = [this](const std::function<void(HttpResponse)>& give) {
    const auto own = host_.fresh_snapshot();
    host_.ask(Asking::views, views_question(*own), kTraceTime, [own, give](const Answered& answered) { give(json(200, views_json(*own, answered))); });
  };
  return response;
}

HttpResponse Admin::Impl::reachability(const HttpRequest&, std::string_view member) {
  const std::string only(member);
  const auto own = host_.fresh_snapshot();
  const auto targets = reach_targets(*own, only);
  if (!only.empty() && targets.empty())
    return fail(404, "not_found", "no other member '" + only + "' that has not left", "GET /members lists the names");
  HttpResponse response;
  response.later = [this, own, only, targets](const std::function<void(HttpResponse)>& give) {
    struct Waiting {
      Reached reached;
      std::size_t open = 0;
    };
    auto waiting = std::make_shared<Waiting>();
    waiting->open = targets.size() + 1;
    const auto one_less = [this, own, waiting, only, give] {
      if (--waiting->open == 0) give(json(200, reach_json(*own, only, waiting->reached, host_.config().swim.udp_buffer_size)));
    };
    host_.ask(Asking::reachability, reach_question(host_.config().name, targets, only), kReachTime, [waiting, one_less](Answered answered) {
      waiting->reached.answered = std::move(answered);
      one_less();
    });
    for (const std::string& target : targets) {
      host_.check_reach(target, [waiting, one_less](std::optional<ReachCheck> found) {
        if (found) waiting->reached.checks.insert_or_assign(found->member, *found);
        one_less();
      });
    }
  };
  return response;
}

HttpResponse Admin::Impl::test_delivery(const HttpRequest& request, std::string_view) {
  const auto wish = probe_wish(request, host_.config().tree.max_message_size);
  if (!wish) return fail(400, "bad_request", wish.error().message, "?size=BYTES&count=1..16&timeout=5s");
  HttpResponse response;
  response.later = [this, wish = *wish](const std::function<void(HttpResponse)>& give) {
    auto probes = std::make_shared<Probes>();
    probes->size = wish.size;
    const auto finish = [this, probes, give] {
      host_.ask(Asking::paths, paths_question(probes->ids), kTraceTime, [probes, give](const Answered& answered) {
        give(json(probes->complete() ? 200 : 504, probes->json(answered)));
      });
    };
    auto open = std::make_shared<std::size_t>(wish.count);
    for (std::size_t i = 0; i < wish.count; ++i) {
      auto id = host_.probe(Bytes::copy_of(std::string(wish.size, 'p')), wish.timeout, [probes, open, finish, give](const Receipt& receipt) {
        if (*open == 0) return;  // answered already
        if (receipt.id == MessageId{}) {
          *open = 0;
          return give(refused(Error{Errc::stopped, "the node was stopped"}));
        }
        probes->receipts.push_back(receipt);
        if (--*open == 0) finish();
      });
      if (!id) {
        *open = 0;
        return give(refused(id.error()));
      }
      probes->ids.push_back(*id);
    }
  };
  return response;
}

HttpResponse Admin::Impl::trim(const HttpRequest&, std::string_view) {
  const auto report = host_.trim();
  if (!report) return refused(report.error());
  return json(200, dump::trim_json(report->messages, report->bytes, report->returned_bytes));
}

/// The key comes in the body, for paths get into logs: base64 alone, or `{"key": …, "force": true}`.
HttpResponse Admin::Impl::keys(const HttpRequest& request, std::string_view command) {
  KeyOrder wanted;
  const auto commands = {KeyCommand::list, KeyCommand::install, KeyCommand::use, KeyCommand::remove};
  const auto found = std::find_if(commands.begin(), commands.end(), [&](KeyCommand c) { return to_string(c) == command; });
  if (found == commands.end())
    return fail(404, "not_found", "no command of keys is called '" + std::string(command) + "'", "list, install, use or remove");
  wanted.command = *found;
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  if (body.is_object()) {
    const auto key = body.find("key"), force = body.find("force");
    const bool good = (key == body.end() || key->is_string()) && (force == body.end() || force->is_boolean());
    if (!good) return fail(400, "bad_request", "key is a string, force is true or false", R"({"key": "BASE64", "force": true})");
    if (key != body.end()) wanted.key = key->get<std::string>();
    if (force != body.end()) wanted.force = force->get<bool>();
  } else {
    wanted.key = request.body.substr(0, request.body.find_last_not_of(" \r\n\t") + 1);
  }
  return order(std::move(wanted));
}

HttpResponse Admin::Impl::order(KeyOrder order) {
  HttpResponse response;
  response.later = [this, order = std::move(order)](const std::function<void(HttpResponse)>& give) {
    host_.order_keys(order, [give](const Result<KeyReport>& report) {
      if (!report) return give(refused(report.error()));
      give(json(report->refused.empty() ? 200 : 409, dump::keys_json(*report)));
    });
  };
  return response;
}

/// `{"cert": PEM}`, with `"ca": PEM` where CAs are to change.
HttpResponse Admin::Impl::verify_tls(const HttpRequest& request, std::string_view) {
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  const bool good = body.is_object() && body.contains("cert") && body["cert"].is_string() && (!body.contains("ca") || body["ca"].is_string());
  if (!good) return fail(400, "bad_request", "the body names a certificate", R"({"cert": "PEM", "ca": "PEM"})");
  const Config& config = host_.config();
  if (config.tls_cert.empty()) return fail(409, "no_tls", "this member has no TLS", "start it with tls_cert, tls_key and tls_ca");
  const auto plan = read_plan(body["cert"].get_ref<const std::string&>(), body.value("ca", std::string{}), {config.name, config.cluster});
  if (!plan) return fail(plan.error().code == Errc::too_large ? 413 : 400, to_string(plan.error().code), plan.error().message, "give certificates in PEM");
  HttpResponse response;
  response.later = [this, plan = *plan](const std::function<void(HttpResponse)>& give) {
    const std::string question = tls_question(plan);
    host_.ask(Asking::certificate, question, kTraceTime, [this, plan, question, give](const Answered& answered) {
      give(json(200, tls_report(plan, host_.config().name, host_.own_answer(Asking::certificate, question), answered).json));
    });
  };
  return response;
}

void Admin::Impl::observe(const std::string& path, int status) {
  const Route* route = find(path);
  const bool known = std::find(kStatuses.begin(), kStatuses.end(), status) != kStatuses.end();
  ++counts_[{route == nullptr ? std::string_view{"other"} : route->label, known ? status : 500}];
}

std::vector<HttpCount> Admin::Impl::requests() const {
  auto counts = counts_;
  counts.try_emplace({"other", 404}, 0);
  for (const auto& route : routes()) {
    counts.try_emplace({route.label, 405}, 0);
    if (route.method == "GET") counts.try_emplace({route.label, 200}, 0);
    if (route.method == "POST" && route.label != "/keys/COMMAND" && route.label != "/trim" && route.label != "/tls/verify" && route.label != "/test-delivery") counts.try_emplace({route.label, 202}, 0);
    if (route.guarded) counts.try_emplace({route.label, 400}, 0), counts.try_emplace({route.label, 403}, 0);
  }
  for (const char* path : {"/readyz", "/healthz", "/publish/TOPIC"}) counts.try_emplace({path, 503}, 0);
  for (const char* path : {"/forget/NAME", "/promote/PEER"}) counts.try_emplace({path, 404}, 0);
  counts.try_emplace({"/trim", 200}, 0);
  for (const int code : {404, 503}) counts.try_emplace({"/resync", code}, 0);
  counts.try_emplace({"/trace/ID", 404}, 0);
  counts.try_emplace({"/reachability/MEMBER", 404}, 0);
  for (const int code : {200, 504}) counts.try_emplace({"/test-delivery", code}, 0);
  for (const char* path : {"/events", "/live"}) counts.try_emplace({path, 429}, 0);
  counts.try_emplace({"/events", 400}, 0);
  for (const char* path : {"/", "/dashboard/FILE"}) counts.try_emplace({path, 304}, 0);
  for (const int code : {200, 404, 409, 429, 503}) counts.try_emplace({"/keys/COMMAND", code}, 0);
  for (const int code : {404, 409}) counts.try_emplace({"/subscribe/TOPIC", code}, 0);
  for (const int code : {200, 413, 422, 429, 504}) counts.try_emplace({"/publish/TOPIC", code}, 0);
  std::vector<HttpCount> out;
  for (const auto& [key, count] : counts) out.push_back({std::string(key.first), key.second, count});
  return out;
}

Admin::Admin(AdminHost& host) : impl_(std::make_unique<Impl>(host)) {}
Admin::~Admin() = default;
HttpResponse Admin::handle(const HttpRequest& request) {
  return impl_->handle(request);
}
void Admin::observe(const std::string& path, int status) {
  impl_->observe(path, status);
}
std::vector<HttpCount> Admin::requests() const {
  return impl_->requests();
}
const PublishOnce& Admin::once() const { return impl_->once(); }

}  // namespace plumvine::uv
