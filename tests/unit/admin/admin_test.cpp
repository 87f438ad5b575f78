#include <nlohmann/json.hpp>

#include <plumvine/metrics.hpp>

#include "support/pch.hpp"
#include "support/snapshots.hpp"
#include "transport/uv/admin.hpp"

using namespace plumvine;
using namespace plumvine::uv;
using nlohmann::json;

namespace {

/// A node made of one snapshot, which remembers what it was asked to do.
class FakeHost final : public AdminHost {
 public:
  Snapshot state = test::cluster();
  Config settings = Config::lan("a");
  std::optional<Error> refuse;
  std::vector<std::string> calls;
  Subscriber subscriber;
  ReadFrom from;

  std::shared_ptr<const Snapshot> fresh_snapshot() override { return std::make_shared<Snapshot>(state); }
  const Config& config() const override { return settings; }
  Result<MessageId> publish(std::string_view topic, Bytes payload, BroadcastOptions options,
                            std::function<void(const Receipt&)> on_receipt) override {
    if (options.acks > 0) {
      calls.push_back("acks " + std::to_string(options.acks) + " in " + format_duration(options.ack_timeout));
      receipt = std::move(on_receipt);
    }
    if (refuse) return *refuse;
    calls.push_back("publish " + std::string(topic) + " " + std::string(payload.text()));
    return MessageId{InstanceId{0xab}, 7};
  }
  Token secret;
  const Token* token() const override { return &secret; }
  Status block(std::string_view what, std::optional<Duration> left) override {
    return answer("block " + std::string(what) + (left ? " for " + format_duration(*left) : ""));
  }
  Status unblock(std::string_view what) override { return answer("unblock " + std::string(what)); }
  Status join(std::vector<std::string> seeds) override {
    std::string call = "join";
    for (const auto& seed : seeds) call += " " + seed;
    return answer(call);
  }
  Status leave() override { return answer("leave"); }
  Status rejoin() override { return answer("rejoin"); }
  Status forget(std::string_view name) override { return answer("forget " + std::string(name)); }
  Status promote(std::string_view peer) override { return answer("promote " + std::string(peer)); }
  Result<TrimReport> trim() override {
    calls.push_back("trim");
    return TrimReport{3, 400, 4096};
  }
  Status resync(std::string_view peer) override { return answer("resync " + std::string(peer)); }
  std::map<std::string, Timestamp, std::less<>> digests;
  std::optional<Timestamp> digest_at(std::string_view peer) const override {
    const auto it = digests.find(peer);
    return it == digests.end() ? std::nullopt : std::optional{it->second};
  }
  void ask(Asking kind, const std::string& text, Duration, std::function<void(Answered)> done) override {
    calls.push_back("ask " + std::to_string(static_cast<int>(kind)) + " " + text);
    answered = std::move(done);
  }
  std::string own_answer(Asking, std::string_view) override { return said; }
  void doubt(const std::vector<std::string>& members) override {
    std::string names;
    for (const auto& name : members) names += " " + name;
    calls.push_back("doubt" + names);
  }
  void check_reach(const std::string& member, std::function<void(std::optional<ReachCheck>)> done) override {
    calls.push_back("check " + member);
    reach_done.push_back(std::move(done));
  }
  std::vector<TreeId> trees_of(std::string_view topic) const override { return topic == "t" ? std::vector<TreeId>{topic_tree} : std::vector<TreeId>{}; }
  std::vector<std::function<void(std::optional<ReachCheck>)>> reach_done;
  TreeId topic_tree{};
  Result<MessageId> probe(Bytes payload, Duration timeout, std::function<void(const Receipt&)> on_receipt) override {
    if (refuse) return *refuse;
    calls.push_back("probe " + std::to_string(payload.size()) + " in " + format_duration(timeout));
    probed.push_back(std::move(on_receipt));
    return MessageId{InstanceId{0xab}, probed.size()};
  }
  std::function<void(Answered)> answered;
  std::string said;
  std::vector<std::function<void(const Receipt&)>> probed;
  Events& events() override { return told; }
  const MetricHistory& metric_history() const override { return recorded; }
  Events told{InstanceId{0xab}};
  MetricHistory recorded;
  void order_keys(KeyOrder order, std::function<void(Result<KeyReport>)> done) override {
    calls.push_back("keys " + std::string(to_string(order.command)) + " " + order.key + (order.force ? " force" : ""));
    keys_done = std::move(done);
  }
  void watch(std::shared_ptr<HttpStream> viewer, std::string_view after) override {
    calls.push_back("watch after " + std::string(after));
    told.follow(std::move(viewer), Events::Format::server_sent, after);
  }
  std::function<void(Result<KeyReport>)> keys_done;
  std::function<void(const Receipt&)> receipt;
  std::optional<MessageId> remembered;
  bool in_history(const MessageId& id) const override { return remembered == id; }
  void subscribe(Subscriber wanted, ReadFrom where) override {
    calls.push_back("subscribe " + wanted.topic);
    subscriber = std::move(wanted);
    from = std::move(where);
  }

 private:
  Status answer(const std::string& call) {
    if (refuse) return *refuse;
    calls.push_back(call);
    return {};
  }
};

class FakeStream final : public HttpStream {
 public:
  std::string text;
  bool is_open = true;
  bool write(std::string_view data) override {
    text += data;
    return is_open;
  }
  void close() override { is_open = false; }
  [[nodiscard]] bool open() const override { return is_open; }
  [[nodiscard]] std::size_t waiting() const override { return text.size(); }
};

struct Fixture {
  FakeHost host;
  Admin admin{host};

  HttpRequest request(const std::string& method, const std::string& path, const std::string& body = {}) {
    HttpRequest r;
    r.method = method;
    r.path = path;
    r.body = body;
    r.headers["host"] = "127.0.0.1:9090";
    r.from = Endpoint::parse("127.0.0.1:40000").value();
    return r;
  }
  HttpResponse get(const std::string& path) { return admin.handle(request("GET", path)); }
  HttpResponse post(const std::string& path, const std::string& body = {}) {
    return admin.handle(request("POST", path, body));
  }
};

std::string code_of(const HttpResponse& response) {
  return json::parse(response.body)["error"]["code"];
}

}  // namespace

TEST_CASE("a publish that is sent again with its key goes out once", "[admin]") {
  Fixture f;
  auto request = f.request("POST", "/publish/t", "hello");
  request.headers["idempotency-key"] = "k";
  f.host.refuse = Error{Errc::overloaded, "full"};
  CHECK(f.admin.handle(request).status == 429);  // what was refused is not remembered
  f.host.refuse.reset();
  CHECK(f.admin.handle(request).body == f.admin.handle(request).body);
  CHECK(f.host.calls.size() == 1);
}

TEST_CASE("every reading path answers with its type", "[admin]") {
  Fixture f;
  metrics::enable(f.host.settings);
  for (const char* path : {"/livez", "/readyz", "/members", "/peers", "/tree", "/lag", "/config", "/debug/state", "/debug/history"}) {
    const auto response = f.get(path);
    CAPTURE(path);
    CHECK(response.status == 200);
    CHECK(response.content_type == "application/json");
    CHECK_FALSE(json::parse(response.body, nullptr, false).is_discarded());
    CHECK(f.admin.handle(f.request("HEAD", path)).status == 200);
  }
  CHECK(f.get("/healthz").content_type == "application/health+json");
  CHECK(f.get("/metrics").content_type.starts_with("text/plain; version=0.0.4"));
  CHECK(f.get("/metrics").body.find("plumtree_eager_peers 1\n") != std::string::npos);
  CHECK(f.get("/").content_type.starts_with("text/html"));
}

TEST_CASE("the page loads nothing from elsewhere and links to every path", "[admin]") {
  Fixture f;
  const auto page = f.get("/").body;
  for (const char* path : {"/metrics", "/livez", "/readyz", "/healthz", "/members", "/peers", "/tree", "/graph", "/lag",
                           "/config", "/events", "/live", "/debug/state", "/debug/history"}) {
    CHECK(page.find("href=\"" + std::string(path) + "\"") != std::string::npos);
  }
  for (const char* name : {"page.html", "page.css", "page.js", "graph.js", "layout.js", "charts.js", "tables.js", "tools.js", "icon.svg"}) {
    const auto file = f.get("/dashboard/" + std::string(name));
    CAPTURE(name);
    REQUIRE(file.status == 200);
    CHECK(file.body.find("innerHTML") == std::string::npos);
    for (auto at = file.body.find("http:"); at != std::string::npos; at = file.body.find("http:", at + 1))
      CHECK(file.body.substr(at, 26) == "http://www.w3.org/2000/svg");  // the name of a format, not an address
    CHECK(file.body.find("https:") == std::string::npos);
  }
}

TEST_CASE("files of the dashboard have types, a strict policy and a tag that saves sending them again", "[admin]") {
  Fixture f;
  const auto type = [&](const char* path) { return f.get(path).content_type; };
  CHECK(type("/") == "text/html; charset=utf-8");
  CHECK(type("/dashboard/page.css") == "text/css; charset=utf-8");
  CHECK(type("/dashboard/page.js") == "text/javascript; charset=utf-8");
  CHECK(type("/dashboard/icon.svg") == "image/svg+xml");
  auto page = f.get("/");
  const std::string policy = page.headers["Content-Security-Policy"];
  CHECK(policy.starts_with("default-src 'none';"));
  CHECK(policy.find("unsafe") == std::string::npos);
  CHECK(page.headers["X-Content-Type-Options"] == "nosniff");
  CHECK(page.headers["Cache-Control"] == "no-cache");
  CHECK(page.body.ends_with("</html>\n"));

  auto again = f.request("GET", "/");
  again.headers["if-none-match"] = page.headers["ETag"];
  CHECK(f.admin.handle(again).status == 304);
  CHECK(f.admin.handle(again).body.empty());
  again.headers["if-none-match"] = f.get("/dashboard/page.css").headers["ETag"];
  CHECK(f.admin.handle(again).status == 200);
  CHECK(f.get("/dashboard/none.js").status == 404);
  CHECK(f.get("/dashboard/../page.js").status == 404);
}

TEST_CASE("a dashboard is told how things are as server-sent events, while there is room", "[admin]") {
  Fixture f;
  auto request = f.request("GET", "/live");
  request.headers["last-event-id"] = "00000000000000ab-3";
  const auto response = f.admin.handle(request);
  CHECK(response.content_type == "text/event-stream");
  REQUIRE(response.stream);
  response.stream(std::make_shared<FakeStream>());
  CHECK(f.host.calls == std::vector<std::string>{"watch after 00000000000000ab-3"});
  std::vector<std::shared_ptr<FakeStream>> others;
  while (f.host.told.has_room()) f.host.told.follow(others.emplace_back(std::make_shared<FakeStream>()), Events::Format::lines, "");
  CHECK(f.get("/live").status == 429);
  CHECK(code_of(f.get("/live")) == "overloaded");
}

TEST_CASE("the graph of all links is put together from what members say, for all who ask meanwhile", "[admin]") {
  Fixture f;
  std::vector<HttpResponse> given;
  for (int i = 0; i < 2; ++i) {
    const auto response = f.get("/graph");
    REQUIRE(response.later);
    response.later([&](HttpResponse later) { given.push_back(std::move(later)); });
  }
  REQUIRE(f.host.calls == std::vector<std::string>{"ask 3 "});
  f.host.answered({1, true, {{"b", Bytes::copy_of(std::string_view(R"({"links":[["a",true,1]],"trees":[],"left_off":0})"))}}, {}});
  REQUIRE(given.size() == 2);
  CHECK(given[0].status == 200);
  CHECK(json::parse(given[1].body)["edges"][0]["roles"] == json({"eager", "eager"}));
  f.host.state.at = f.host.state.at + std::chrono::seconds{1};
  CHECK(json::parse(f.get("/graph").body)["age_ms"] == 1000);
  f.host.state.at = f.host.state.at + std::chrono::seconds{1};
  CHECK(f.get("/graph").later);
}

TEST_CASE("readiness and health choose the status", "[admin]") {
  Fixture f;
  f.host.state.not_ready_reason = "no seed has answered";
  CHECK(f.get("/readyz").status == 503);
  CHECK(json::parse(f.get("/readyz").body)["error"]["message"] == "no seed has answered");
  CHECK(f.get("/livez").status == 200);

  f.host.state.partition = PartitionState::partial;
  CHECK(f.get("/healthz").status == 200);  // degraded
  f.host.state.links.clear();
  CHECK(f.get("/healthz").status == 503);
  auto request = f.request("GET", "/healthz");
  request.query["component"] = "membership";
  CHECK(f.admin.handle(request).status == 200);
  request.query["component"] = "tree";
  CHECK(f.admin.handle(request).status == 503);
  request.query["component"] = "nonsense";
  CHECK(f.admin.handle(request).status == 400);
}

TEST_CASE("unknown paths are 404, wrong methods 405 with what is allowed", "[admin]") {
  Fixture f;
  for (const char* path : {"/nothing", "/members/", "/publish", "/publish/", "/events/", "/promote", "/debug", ""}) {
    CAPTURE(path);
    CHECK(f.get(path).status == 404);
    CHECK(code_of(f.get(path)) == "not_found");
  }
  CHECK(f.post("/members").status == 405);
  CHECK(f.post("/members").headers["Allow"] == "GET, HEAD");
  CHECK(f.get("/publish/t").status == 405);
  CHECK(f.get("/publish/t").headers["Allow"] == "POST");
  CHECK(f.host.calls.empty());
}

TEST_CASE("operations reach the node", "[admin]") {
  Fixture f;
  const auto published = f.post("/publish/a/b", "hello");
  CHECK(published.status == 202);
  CHECK(json::parse(published.body)["id"] == "00000000000000ab-7");
  CHECK(f.post("/publish/t").status == 202);
  CHECK(f.post("/join", R"(["h:1", "h2"])").status == 202);
  CHECK(f.post("/join", "h3 [::1]:7\n").status == 202);
  CHECK(f.post("/leave").status == 202);
  CHECK(f.post("/rejoin").status == 202);
  CHECK(f.post("/forget/odd name").status == 202);
  CHECK(f.post("/promote/b").status == 202);
  CHECK(f.post("/trim").body == "{\"messages\":3,\"bytes\":400,\"returned_bytes\":4096}\n");
  CHECK(f.host.calls == std::vector<std::string>{"publish a/b hello", "publish t ", "join h:1 h2", "join h3 [::1]:7",
                                                 "leave", "rejoin", "forget odd name", "promote b", "trim"});
  for (const char* body : {"", "  ", "[]", "[1]", R"(["a")", R"([["a"]])"}) CHECK(f.post("/join", body).status == 400);
}

TEST_CASE("the node's refusals have their statuses", "[admin]") {
  Fixture f;
  const auto status_of = [&](Errc code) {
    f.host.refuse = Error{code, "because"};
    const auto response = f.post("/publish/t", "x");
    CHECK(json::parse(response.body)["error"]["message"] == "because");
    return response.status;
  };
  CHECK(status_of(Errc::invalid_argument) == 400);
  CHECK(status_of(Errc::too_large) == 413);
  CHECK(status_of(Errc::overloaded) == 429);
  CHECK(status_of(Errc::stopped) == 503);
  CHECK(status_of(Errc::not_found) == 404);
  f.host.refuse = Error{Errc::overloaded, "because"};
  CHECK(f.post("/publish/t", "x").headers["Retry-After"] == "1");
}

TEST_CASE("what changes state is for this machine and for no other page", "[admin]") {
  Fixture f;
  for (const char* path : {"/publish/t", "/join", "/leave", "/rejoin", "/forget/x", "/promote/x", "/trim", "/resync"}) {
    auto remote = f.request("POST", path, "h:1");
    remote.from = Endpoint::parse("10.1.2.3:40000").value();
    CHECK(f.admin.handle(remote).status == 403);
  }
  auto remote = f.request("GET", "/subscribe/t");
  remote.from = Endpoint::parse("[2001:db8::1]:1").value();
  CHECK(f.admin.handle(remote).status == 403);
  auto reader = f.request("GET", "/members");
  reader.from = Endpoint::parse("10.1.2.3:40000").value();
  CHECK(f.admin.handle(reader).status == 200);

  struct Row {
    const char *host, *origin, *site;
    int status;
  };
  for (const auto& row : {Row{"127.0.0.1:9090", "", "", 202},
                          {"127.0.0.1:9090", "http://127.0.0.1:9090", "same-origin", 202},
                          {"localhost:9090", "http://localhost:9090", "", 202},
                          {"[::1]:9090", "http://[::1]:9090", "", 202},
                          {"127.0.0.1:9090", "http://evil.example", "cross-site", 403},
                          {"127.0.0.1:9090", "http://127.0.0.1:8080", "same-site", 403},
                          {"127.0.0.1:9090", "null", "", 403},
                          {"127.0.0.1:9090", "", "cross-site", 403},
                          {"evil.example:9090", "http://evil.example:9090", "same-origin", 403},
                          {"evil.example:9090", "", "same-origin", 403},
                          {"node.example:9090", "", "", 202}}) {
    auto request = f.request("POST", "/leave");
    request.headers["host"] = row.host;
    if (*row.origin) request.headers["origin"] = row.origin;
    if (*row.site) request.headers["sec-fetch-site"] = row.site;
    CAPTURE(row.host, row.origin, row.site);
    CHECK(f.admin.handle(request).status == row.status);
  }
}

TEST_CASE("a subscription streams printed lines, each with a cursor, until the client goes", "[admin]") {
  Fixture f;
  const auto response = f.get("/subscribe/a/b");
  CHECK(response.status == 200);
  CHECK(response.content_type == "application/x-ndjson");
  REQUIRE(response.stream);
  auto stream = std::make_shared<FakeStream>();
  response.stream(stream);
  CHECK(f.host.calls == std::vector<std::string>{"subscribe a/b"});
  Message message;
  message.topic = "a/b";
  message.payload = Bytes::copy_of("x");
  CHECK(f.host.subscriber.on_message(message, "c-1"));
  CHECK(stream->text.ends_with("}\n"));
  CHECK(json::parse(stream->text)["payload"] == "x");
  CHECK(json::parse(stream->text)["cursor"] == "c-1");
  stream->text.clear();
  CHECK(f.host.subscriber.on_gap({.origin = "o", .instance = InstanceId{10}, .range = {3, 9}, .reason = LossReason::history_gap}, "c-2"));
  const auto gap = json::parse(stream->text);
  CHECK(gap["history_gap"] == json{{"origin", "o"}, {"instance", "000000000000000a"}, {"first", 3}, {"last", 9}, {"reason", "history_gap"}});
  CHECK(gap["cursor"] == "c-2");
  CHECK(f.host.subscriber.has_room());
  stream->text.assign(std::size_t{1} << 20, 'x');
  CHECK_FALSE(f.host.subscriber.has_room());
  stream->close();
  CHECK_FALSE(f.host.subscriber.on_message(message, "c-1"));
  CHECK(f.host.subscriber.has_room());  // and then it turns out to be gone

  const auto from = [&](const std::string& text) {
    auto request = f.request("GET", "/subscribe/t");
    request.query["from"] = text;
    const auto answer = f.admin.handle(request);
    if (answer.stream) answer.stream(std::make_shared<FakeStream>());
    return answer.status;
  };
  for (const char* bad : {"abc", ""}) CHECK(from(bad) == 400);
  CHECK(from("now") == 200);
  CHECK(f.host.from.kind == ReadFrom::Kind::now);
  CHECK(from("window") == 200);
  CHECK(f.host.from.kind == ReadFrom::Kind::window);
  Cursor had;
  had.add(InstanceId{5}, {1, 7});
  CHECK(from(had.to_string()) == 200);
  CHECK(f.host.from.kind == ReadFrom::Kind::cursor);
  CHECK(f.host.from.had == had);
  CHECK(f.get("/subscribe/_x").status == 400);
  CHECK(f.get("/subscribe/*").status == 200);
  f.host.settings.topics["images"].subscribe = false;
  const auto refused = f.get("/subscribe/images");
  CHECK(refused.status == 409);
  CHECK_THAT(refused.body, Catch::Contains("not_subscribed") && Catch::Contains("topics.images.subscribe = true"));
}

TEST_CASE("events come as lines, as a stream, or as server-sent events where the client accepts them", "[admin]") {
  Fixture f;
  const auto tell = [&](const std::string& text) { f.host.told.add(EventKind::member, {LogLevel::info, "membership", "PV1105", text}, 0); };
  tell("Member b left");
  const auto lines = f.get("/events");
  CHECK(lines.content_type == "application/x-ndjson");
  CHECK(json::parse(lines.body)["text"] == "Member b left");
  auto request = f.request("GET", "/events");
  request.query["follow"] = "1";
  const auto followed = f.admin.handle(request);
  REQUIRE(followed.stream);
  auto stream = std::make_shared<FakeStream>();
  followed.stream(stream);
  tell("Member c left");
  CHECK(std::count(stream->text.begin(), stream->text.end(), '\n') == 2);

  request = f.request("GET", "/events");
  request.headers["accept"] = "text/event-stream";
  request.headers["last-event-id"] = "00000000000000ab-1";
  const auto page = f.admin.handle(request);
  CHECK(page.content_type == "text/event-stream");
  REQUIRE(page.stream);
  auto sent = std::make_shared<FakeStream>();
  page.stream(sent);
  CHECK(sent->text.starts_with("id: 00000000000000ab-2\ndata: {"));
  request = f.request("GET", "/events");
  request.query["after"] = "00000000000000ab-2";
  CHECK(f.admin.handle(request).body.empty());

  for (std::size_t i = 2; i < Events::kFollowersMax; ++i) f.host.told.follow(std::make_shared<FakeStream>(), Events::Format::lines, "");
  request.query["follow"] = "1";
  CHECK(f.admin.handle(request).status == 429);
}

TEST_CASE("events can be asked for by time, and of all members", "[admin]") {
  Fixture f;
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  f.host.told.add(EventKind::member, {LogLevel::info, "membership", "PV1105", "old"}, now_ms - 7'200'000);
  f.host.told.add(EventKind::member, {LogLevel::info, "membership", "PV1105", "new"}, now_ms - 60'000);
  const auto asked = [&](const std::map<std::string, std::string>& query) {
    auto request = f.request("GET", "/events");
    request.query = query;
    return f.admin.handle(request);
  };
  CHECK(json::parse(asked({{"since", "1h"}}).body)["text"] == "new");
  CHECK(json::parse(asked({{"since", "3h"}, {"window", "90m"}}).body)["text"] == "old");
  using Query = std::map<std::string, std::string>;
  for (const Query& bad : {Query{{"since", "yesterday"}}, Query{{"since", "0s"}}, Query{{"since", "9000h"}}, Query{{"window", "1m"}},
                           Query{{"since", "1h"}, {"window", "1m"}, {"follow", "1"}}, Query{{"cluster", "1"}, {"follow", "1"}}})
    CHECK(asked(bad).status == 400);

  std::optional<HttpResponse> given;
  const auto all = asked({{"cluster", "1"}, {"since", "1h"}});
  REQUIRE(all.later);
  all.later([&](HttpResponse response) { given = std::move(response); });
  CHECK(f.host.calls.back() == "ask 6 3600000 0");
  Answered answered;
  answered.missing = {"b"};
  f.host.answered(answered);
  REQUIRE(given);
  const auto list = json::parse(given->body);
  CHECK(list["silent"] == json::array({"b"}));
  REQUIRE(list["events"].size() == 1);
  CHECK(list["events"][0]["text"] == "new");
  CHECK(list["events"][0]["member"] == "a");
}

TEST_CASE("digests are compared by order, and what came of it can be read", "[admin]") {
  Fixture f;
  CHECK(json::parse(f.post("/resync").body) == json::parse(R"({"asked":["b","c"]})"));
  auto request = f.request("POST", "/resync");
  request.query["from"] = "c";
  CHECK(json::parse(f.admin.handle(request).body) == json::parse(R"({"asked":["c"]})"));
  CHECK(f.host.calls == std::vector<std::string>{"resync ", "resync c"});
  f.host.digests["c"] = f.host.state.at - std::chrono::milliseconds{250};
  f.host.state.origins = {{.name = "b", .missing = 3}, {.name = "c", .missing = 4}};
  f.host.state.tree.sync_recovered = 9;
  f.host.state.tree.lost.add(Loss::evicted, 2);
  CHECK(json::parse(f.get("/sync").body) ==
        json::parse(R"({"self":"a","missing":7,"recovered":9,"lost":2,"links":[{"peer":"b","digest_age_ms":null},{"peer":"c","digest_age_ms":250.0}]})"));
  f.host.refuse = Error{Errc::not_found, "no link to a member 'x'"};
  CHECK(f.post("/resync").status == 404);
  f.host.refuse = Error{Errc::limit_reached, "not synced"};
  CHECK(f.post("/resync").status == 503);
}

TEST_CASE("a subscription behind a message needs one that is in the history", "[admin]") {
  Fixture f;
  f.host.remembered = MessageId{InstanceId{0xab}, 7};
  auto request = f.request("GET", "/subscribe/t");
  request.query["from"] = "00000000000000ab-8";
  const auto refused = f.admin.handle(request);
  CHECK(refused.status == 404);
  CHECK_THAT(refused.body, Catch::Contains("00000000000000ab-8 is not in the history") && Catch::Contains("from=window"));
  request.query["from"] = "00000000000000ab-7";
  const auto taken = f.admin.handle(request);
  REQUIRE(taken.stream);
  taken.stream(std::make_shared<FakeStream>());
  CHECK(f.host.from.kind == ReadFrom::Kind::message);
  CHECK(f.host.from.behind == MessageId{InstanceId{0xab}, 7});
}

TEST_CASE("the configuration says where each value comes from when asked", "[admin]") {
  Fixture f;
  f.host.settings.swim.probe_interval = std::chrono::seconds{7};
  f.host.settings.cluster = "blue";
  f.host.settings.origins["cluster"] = "flag --cluster";
  auto request = f.request("GET", "/config");
  request.query["origin"] = "1";
  const auto config = json::parse(f.admin.handle(request).body);
  CHECK(config["cluster"] == json{{"value", "blue"}, {"origin", "flag --cluster"}});
  CHECK(config["probe_interval"] == json{{"value", "7s"}, {"origin", "program"}});
  CHECK(config["gossip_nodes"]["origin"] == "preset lan");
  CHECK(json::parse(f.get("/config").body)["cluster"] == "blue");
}

TEST_CASE("requests are counted by route and status, from zero", "[admin]") {
  Fixture f;
  const auto count = [&](const std::string& path, int code) -> std::int64_t {
    for (const auto& r : f.admin.requests()) {
      if (r.path == path && r.code == code) return static_cast<std::int64_t>(r.count);
    }
    return -1;
  };
  CHECK(count("/metrics", 200) == 0);
  CHECK(count("/publish/TOPIC", 429) == 0);
  CHECK(count("other", 404) == 0);
  f.admin.observe("/metrics", 200);
  f.admin.observe("/publish/any topic", 202);
  f.admin.observe("/publish/another", 202);
  for (int i = 0; i < 1000; ++i) f.admin.observe("/guess" + std::to_string(i), 404);
  f.admin.observe("", 431);
  CHECK(count("/metrics", 200) == 1);
  CHECK(count("/publish/TOPIC", 202) == 2);
  CHECK(count("other", 404) == 1000);
  CHECK(count("other", 431) == 1);
  CHECK(f.admin.requests().size() < 130);
}

TEST_CASE("a message with ?ack= is answered when its receipt is there", "[admin]") {
  Fixture f;
  const auto answer = [&](const std::string& ack, const std::string& timeout, bool complete) {
    auto request = f.request("POST", "/publish/t", "x");
    request.query["ack"] = ack;
    if (!timeout.empty()) request.query["timeout"] = timeout;
    const HttpResponse now = f.admin.handle(request);
    REQUIRE(now.later);
    HttpResponse late;
    now.later([&](HttpResponse response) { late = std::move(response); });
    f.host.receipt({.id = {InstanceId{171}, 7}, .complete = complete, .acked = {"b"}, .missing = {"c"}});
    return late;
  };
  const auto good = answer("1", "", true);
  CHECK(good.status == 200);
  CHECK(good.body == "{\"id\":\"00000000000000ab-7\",\"complete\":true,\"acked\":[\"b\"],\"missing\":[\"c\"]}\n");
  CHECK(answer("all", "2s", false).status == 504);
  CHECK(f.host.calls == std::vector<std::string>{"acks 1 in 5s", "publish t x", "acks 4294967295 in 2s", "publish t x"});
  for (const auto& [key, value] : {std::pair{"ack", "some"}, {"ack", "0"}, {"timeout", "5"}, {"timeout", "61s"}, {"timeout", "0s"}}) {
    auto request = f.request("POST", "/publish/t", "x");
    request.query[key] = value;
    CHECK(f.admin.handle(request).status == 400);
  }
}

TEST_CASE("orders about keys are answered when the members have answered", "[admin]") {
  Fixture f;
  const auto answer = [&](const HttpRequest& request, Result<KeyReport> report) {
    HttpResponse now = f.admin.handle(request), late;
    REQUIRE(now.later);
    bool came = false;
    now.later([&](HttpResponse response) { late = std::move(response), came = true; });
    CHECK_FALSE(came);
    f.host.keys_done(std::move(report));
    CHECK(came);
    return late;
  };
  KeyReport report{.command = KeyCommand::list, .ok = true};
  report.members = {{"a", KeyReport::Outcome::confirmed, "", {"K1", "K2"}, "K1"}, {"b", KeyReport::Outcome::silent}};
  const HttpResponse listed = answer(f.request("GET", "/keys"), report);
  CHECK(listed.status == 200);
  CHECK(listed.body ==
        R"({"command":"list","ok":true,"refused":null,"members":[{"name":"a","outcome":"confirmed","message":"","primary":"K1",)"
        R"("keys":["K1","K2"]},{"name":"b","outcome":"silent","message":""}],"keys":{"K1":1,"K2":1},"primaries":{"K1":1}})"
        "\n");
  report = {.command = KeyCommand::use, .refused = "the key is not installed at b"};
  CHECK(answer(f.request("POST", "/keys/use", R"({"key":"K2","force":true})"), report).status == 409);
  CHECK(answer(f.request("POST", "/keys/install", "K3\n"), Error{Errc::overloaded, "another one"}).status == 429);
  CHECK(answer(f.request("POST", "/keys/remove", "K3"), Error{Errc::invalid_argument, "primary"}).status == 400);
  CHECK(f.host.calls == std::vector<std::string>{"keys list ", "keys use K2 force", "keys install K3", "keys remove K3"});
  CHECK(f.admin.handle(f.request("POST", "/keys/rotate")).status == 404);
  CHECK(f.admin.handle(f.request("POST", "/keys/use", R"({"key":7})")).status == 400);
  HttpRequest stranger = f.request("GET", "/keys");
  stranger.from = *Endpoint::parse("10.0.0.9:1");
  CHECK(f.admin.handle(stranger).status == 403);
}

TEST_CASE("the way of a message is put together from what members say", "[admin]") {
  Fixture f;
  f.host.said = R"([{"state":"held","delivered":true,"hops":0,"delay_ms":0,"from":null,"sent":["b"],"told":[]}])";
  std::optional<HttpResponse> given;
  auto response = f.get("/trace/00000000000000ab-7");
  REQUIRE(response.later);
  response.later([&](HttpResponse later) { given = std::move(later); });
  REQUIRE(f.host.calls == std::vector<std::string>{"ask 1 00000000000000ab-7"});
  const auto says = [](const char* member, std::string_view text) { return Answered::Answer{member, Bytes::copy_of(text)}; };
  f.host.answered({1, false,
                   {says("b", R"([{"state":"held","delivered":true,"hops":1,"delay_ms":0.5,"from":"a","sent":["c"],"told":[]}])"),
                    says("c", R"([{"state":"unknown","delivered":false}])"), says("d", ""), says("e", R"([{"state":7}])"), says("f", "[]"),
                    says("g", R"([{"state":"held","delivered":true,"hops":"two","delay_ms":1,"from":null}])")},
                   {"x"}});
  REQUIRE(given);
  CHECK(given->status == 200);
  const json answer = json::parse(given->body);
  CHECK(answer["id"] == "00000000000000ab-7");
  REQUIRE(answer["paths"].size() == 3);
  CHECK(answer["paths"][0]["member"] == "a");
  CHECK(answer["paths"][1]["from"] == "a");
  CHECK(answer["paths"][1]["delay_ms"] == 0.5);
  CHECK(answer["paths"][2]["state"] == "unknown");
  CHECK(answer["silent"] == json({"d", "e", "f", "g", "x"}));

  f.host.said = R"([{"state":"unknown","delivered":false}])";
  f.get("/trace/00000000000000ab-8").later([&](HttpResponse later) { given = std::move(later); });
  f.host.answered({2, true, {says("b", R"([{"state":"unknown","delivered":false}])")}, {}});
  CHECK(given->status == 404);
  CHECK(f.get("/trace/nothing").status == 400);
}

TEST_CASE("the doctor probes who is silent, and asks again", "[admin]") {
  Fixture f;
  f.host.said = R"({"version":"1.0","settings":{},"reasons":[{"code":"PV2005","evidence":{}}]})";
  std::optional<HttpResponse> given;
  const auto give = [&](HttpResponse later) { given = std::move(later); };
  const Answered::Answer well{"b", Bytes::copy_of(std::string_view(R"({"version":"1.0","settings":{},"reasons":[]})"))};
  f.get("/doctor").later(give);
  f.host.answered({1, true, {well}, {}});
  REQUIRE(given);
  CHECK(given->status == 200);
  CHECK(json::parse(given->body)["findings"][0]["code"] == "PV2005");
  CHECK(f.host.calls == std::vector<std::string>{"ask 2 "});

  given.reset();
  f.get("/doctor").later(give);
  f.host.answered({2, false, {well}, {"c", "d"}});
  CHECK_FALSE(given);
  CHECK(f.host.calls == std::vector<std::string>{"ask 2 ", "ask 2 ", "doubt c d", "ask 2 "});
  f.host.answered({3, false, {well}, {"d"}});
  REQUIRE(given);
  CHECK(json::parse(given->body)["silent"] == json({"d"}));
}

TEST_CASE("probes show who gets messages, and how fast", "[admin]") {
  Fixture f;
  std::optional<HttpResponse> given;
  HttpRequest request = f.request("POST", "/test-delivery");
  request.query = {{"size", "10"}, {"count", "2"}, {"timeout", "3s"}};
  auto response = f.admin.handle(request);
  REQUIRE(response.later);
  response.later([&](HttpResponse later) { given = std::move(later); });
  REQUIRE(f.host.calls == std::vector<std::string>{"probe 10 in 3s", "probe 10 in 3s"});
  f.host.probed[0]({{InstanceId{0xab}, 1}, true, {"b", "c"}, {}});
  CHECK_FALSE(f.host.answered);
  f.host.probed[1]({{InstanceId{0xab}, 2}, false, {"b"}, {"c"}});
  REQUIRE(f.host.answered);
  CHECK(f.host.calls.back() == "ask 1 00000000000000ab-1 00000000000000ab-2");
  f.host.answered({1, true,
                   {{"b", Bytes::copy_of(std::string_view(R"([{"state":"held","delivered":true,"hops":1,"delay_ms":0.5,"from":"a"},)"
                                                          R"({"state":"held","delivered":true,"hops":2,"delay_ms":0.25,"from":"c"}])"))}},
                   {}});
  REQUIRE(given);
  CHECK(given->status == 504);
  const json answer = json::parse(given->body);
  CHECK(answer["complete"] == false);
  CHECK(answer["missing"] == json({"c"}));
  CHECK(answer["members"][0] == json({{"member", "b"}, {"received", 2}, {"hops", 2}, {"delay_ms", 0.5}}));
  CHECK(answer["members"][1] == json({{"member", "c"}, {"received", 1}, {"hops", nullptr}, {"delay_ms", nullptr}}));

  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"size", "x"}, {"size", "99999999999"}, {"count", "0"}, {"count", "17"}, {"timeout", "0s"}, {"timeout", "5"}}) {
    request.query = {{key, value}};
    CHECK(f.admin.handle(request).status == 400);
  }
  f.host.refuse = Error{Errc::overloaded, "too much"};
  f.post("/test-delivery").later([&](HttpResponse later) { given = std::move(later); });
  CHECK(given->status == 429);
}

TEST_CASE("blocks are given and taken back in the body, and listed by anybody", "[admin]") {
  Fixture f;
  f.host.state.blocks.push_back(BlockInfo{.what = "10.0.0.0/8", .left_s = -1, .refused = 7});
  f.host.state.blocks.push_back(BlockInfo{.what = "name:mad", .left_s = 12.5, .refused = 0});
  auto list = f.get("/block");
  CHECK(list.status == 200);
  CHECK(json::parse(list.body) == json::parse(R"([{"what":"10.0.0.0/8","left_s":null,"refused":7},{"what":"name:mad","left_s":12.5,"refused":0}])"));
  CHECK(f.post("/block/list").body == list.body);
  CHECK(f.post("/block/add", R"({"what": "10.1.0.0/16", "ttl": "10m"})").status == 200);
  CHECK(f.post("/block/add", " name:mad \n").status == 200);
  CHECK(f.post("/block/rm", R"({"what": "identity:plumvine://blue/eve"})").status == 200);
  CHECK(f.host.calls == std::vector<std::string>{"block 10.1.0.0/16 for 10m", "block name:mad", "unblock identity:plumvine://blue/eve"});
  for (const char* bad : {"", "{}", R"({"what": 1})", R"({"what": "x", "until": "10m"})", R"({"what": "x", "ttl": "10"})"}) {
    INFO(bad);
    CHECK(f.post("/block/add", bad).status == 400);
  }
  CHECK(f.post("/block/mv", "x").status == 404);
  f.host.refuse = Error{Errc::not_found, "'name:x' is not blocked"};
  CHECK(f.post("/block/rm", "name:x").status == 404);
  f.host.refuse = Error{Errc::limit_reached, "there are 1024 blocks already"};
  CHECK(f.post("/block/add", "name:x").status == 503);
}
