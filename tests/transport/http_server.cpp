#include "transport/uv/http_server.hpp"

#include "support/pch.hpp"
#include "support/tcp_client.hpp"
#include "support/uv_fixture.hpp"
#include "transport/uv/handle.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
using test::TcpClient;
using uv::HttpRequest;
using uv::HttpResponse;
using uv::HttpServer;

namespace {

struct Served : test::LoopFixture {
  std::vector<HttpRequest> requests;
  std::vector<std::pair<std::string, int>> observed;
  std::vector<std::shared_ptr<uv::HttpStream>> streams;
  std::function<HttpResponse(const HttpRequest&)> handler = {};
  std::unique_ptr<HttpServer> server;

  explicit Served(HttpServer::Limits limits = {}) {
    auto listening = HttpServer::listen(
        &loop, "127.0.0.1:0", limits,
        [this](const HttpRequest& request) {
          requests.push_back(request);
          return handler ? handler(request) : default_answer(request);
        },
        [this](const std::string& path, int status) { observed.emplace_back(path, status); });
    REQUIRE(listening);
    server = std::move(*listening);
  }
  HttpResponse default_answer(const HttpRequest& request) {
    HttpResponse response;
    if (request.path == "/stream") {
      response.stream = [this](std::shared_ptr<uv::HttpStream> stream) { streams.push_back(std::move(stream)); };
    } else {
      response.body = request.method + " " + request.path + " " + std::to_string(request.body.size());
    }
    return response;
  }
  bool answered(TcpClient& client, std::string_view text) {
    return run_until([&] { return (client.poll(), client.has(text)); });
  }
  bool ended(TcpClient& client, std::chrono::milliseconds limit = 10s) {
    return run_until([&] { return !client.poll(); }, limit);
  }
};

HttpServer::Limits quick() {
  HttpServer::Limits limits;
  limits.body_max = 1000;
  limits.request_timeout = 700ms;
  limits.stream_queue_max = 200'000;
  return limits;
}

}  // namespace

TEST_CASE("a request is handed over decoded, and its answer is counted", "[http]") {
  Served f;
  TcpClient client{f.server->address()};
  client.send("GET /publish/a%2Fb%20%C3%A9?x=1%262&y=a+b&z HTTP/1.1\r\nHost: h\r\nX-Thing: One\r\nx-thing: two\r\n\r\n");
  REQUIRE(f.answered(client, "GET /publish"));
  CHECK(client.status() == 200);
  REQUIRE(f.requests.size() == 1);
  const HttpRequest& request = f.requests[0];
  CHECK(request.method == "GET");
  CHECK(request.path == "/publish/a/b \xC3\xA9");
  CHECK(request.query == std::map<std::string, std::string>{{"x", "1&2"}, {"y", "a b"}, {"z", ""}});
  CHECK(request.headers.at("x-thing") == "One, two");
  CHECK(request.from.is_loopback());
  CHECK(f.observed == std::vector<std::pair<std::string, int>>{{request.path, 200}});
}

TEST_CASE("a connection serves many requests", "[http]") {
  Served f;
  TcpClient client{f.server->address()};
  for (int i = 0; i < 100; ++i) {
    client.received.clear();
    client.send("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    REQUIRE(f.answered(client, "GET /" + std::to_string(i) + " 0"));
  }
  CHECK_FALSE(client.closed);
}

TEST_CASE("HEAD is answered like GET, without the body", "[http]") {
  Served f;
  TcpClient client{f.server->address()};
  client.send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\nGET /last HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(f.answered(client, "GET /last 0"));
  CHECK(client.has("Content-Length: 8"));
  CHECK_FALSE(client.has("GET /x 0"));
}

TEST_CASE("a HEAD never opens a stream", "[http]") {
  Served f;
  TcpClient client{f.server->address()};
  client.send("HEAD /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  REQUIRE(f.ended(client));
  CHECK(client.status() == 200);
  CHECK(f.streams.empty());
}

TEST_CASE("bodies arrive whole, by length and in chunks, up to their limit", "[http]") {
  Served f{quick()};
  TcpClient sized{f.server->address()};
  sized.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  CHECK(f.answered(sized, "POST /a 1000"));
  TcpClient chunked{f.server->address()};
  chunked.send("POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  CHECK(f.answered(chunked, "POST /b 5"));
  CHECK(f.requests.back().body == "abcde");
}

TEST_CASE("a body that is too large gets 413", "[http]") {
  struct Row {
    const char* name;
    std::string request;
  };
  const std::string big(5000, 'x');
  const std::vector<Row> rows{
      {"by length", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n" + big},
      {"in chunks", "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + big + "\r\n0\r\n\r\n"},
      {"asked before", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n"},
      {"endless", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999\r\n\r\n"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Served f{quick()};
    TcpClient client{f.server->address()};
    client.send(row.request);
    CHECK(f.answered(client, R"("code":"too_large")"));
    CHECK(client.status() == 413);
    CHECK(f.requests.empty());
  }
}

TEST_CASE("requests that are not well-formed are refused", "[http]") {
  struct Row {
    const char* name;
    std::string request;
    int status;
    bool ours = true;
  };
  const std::vector<Row> rows{
      {"length and coding", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"unknown coding", "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
      {"no host", "GET /a HTTP/1.1\r\n\r\n", 400, false},
      {"broken escape", "GET /a%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"escape cut off", "GET /a?x=%2 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"header too large", "GET /a HTTP/1.1\r\nHost: h\r\nX: " + std::string(17'000, 'x') + "\r\n\r\n", 431},
      {"address too long", "GET /" + std::string(9'000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
      // These the library answers itself.
      {"header far too large", "GET /a HTTP/1.1\r\nHost: h\r\nX: " + std::string(60'000, 'x') + "\r\n\r\n", 431, false},
      {"address far too long", "GET /" + std::string(60'000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414, false},
      {"another protocol", "GET /a HTTP/3.7\r\nHost: h\r\n\r\n", 505, false},
      {"no request", "what is this\r\n\r\n", 400, false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Served f;
    TcpClient client{f.server->address()};
    client.send(row.request);
    CHECK(f.run_until([&] { return (client.poll(), client.status() != 0); }));
    CHECK(client.status() == row.status);
    if (row.ours) CHECK(f.answered(client, R"({"error":{"code":"bad_request")"));
    REQUIRE(f.observed.size() == 1);
    CHECK(f.observed[0].second == row.status);
    CHECK(f.requests.empty());
  }
}

TEST_CASE("a request must be whole in time, however steadily it drips", "[http]") {
  HttpServer::Limits limits = quick();
  limits.body_max = 1 << 20;
  Served f{limits};
  TcpClient headers{f.server->address()};
  TcpClient body{f.server->address()};
  headers.send("GET /slow HTTP/1.1\r\nHost: h\r\n");
  body.send("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  const auto start = std::chrono::steady_clock::now();
  CHECK(f.run_until([&] {
    headers.send("x");
    body.send("x");
    return !headers.poll() & !body.poll();
  }));
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(f.requests.empty());
  CHECK(f.server->stats().timed_out >= 1);  // the other one may have sent more header than there may be
}

TEST_CASE("idle connections are held, and do not keep others from being served", "[http]") {
  Served f{quick()};
  std::vector<std::unique_ptr<TcpClient>> idle;
  for (int i = 0; i < 200; ++i) {
    idle.push_back(std::make_unique<TcpClient>(f.server->address()));
    uv_run(&f.loop, UV_RUN_NOWAIT);
  }
  CHECK_FALSE(f.run_until([&] { return false; }, 2500ms));  // longer than a request may take
  TcpClient other{f.server->address()};
  other.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(f.answered(other, "GET /other 0"));
  for (auto& client : idle) client->send("GET /late HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(f.run_until([&] {
    return std::all_of(idle.begin(), idle.end(), [](auto& client) { return (client->poll(), client->has("GET /late 0")); });
  }));
}

TEST_CASE("when connections run out, the one that is idle for longest makes room", "[http]") {
  HttpServer::Limits limits = quick();
  limits.connections_max = 4;
  Served f{limits};
  std::vector<std::unique_ptr<TcpClient>> idle;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    idle.push_back(std::make_unique<TcpClient>(f.server->address()));
    REQUIRE(f.run_until([&] { return f.server->stats().connections == i; }));
  }
  CHECK(f.server->stats().evicted == 0);
  // The oldest of them is in the middle of a request: then it is not idle.
  idle[0]->send("GET /first HTTP/1.1\r\n");
  CHECK_FALSE(f.run_until([&] { return false; }, 100ms));
  TcpClient other{f.server->address()};
  other.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(f.answered(other, "GET /other 0"));
  CHECK(f.ended(*idle[1]));
  CHECK(f.server->stats().evicted == 1);
  idle[0]->send("Host: h\r\n\r\n");
  CHECK(f.answered(*idle[0], "GET /first 0"));
  CHECK(idle[2]->poll());
}

TEST_CASE("connections that never say anything do not keep a probe out", "[http]") {
  HttpServer::Limits limits = quick();
  limits.connections_max = 8;
  Served f{limits};
  std::vector<std::unique_ptr<TcpClient>> idle;
  for (int i = 0; i < 100; ++i) idle.push_back(std::make_unique<TcpClient>(f.server->address()));
  TcpClient probe{f.server->address()};
  probe.send("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(f.answered(probe, "GET /livez 0"));
  CHECK(f.server->stats().connections <= 8);
  CHECK(f.server->stats().evicted >= 93);
}

TEST_CASE("streams leave room for requests", "[http]") {
  HttpServer::Limits limits = quick();
  limits.streams_max = 2;
  Served f{limits};
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (std::size_t i = 0; i < 2; ++i) {
    clients.push_back(std::make_unique<TcpClient>(f.server->address()));
    clients.back()->send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    REQUIRE(f.run_until([&] { return f.streams.size() == i + 1; }));
  }
  TcpClient third{f.server->address()};
  third.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(f.answered(third, R"("code":"overloaded")"));
  CHECK(third.status() == 429);
  CHECK(f.streams.size() == 2);
  clients[0]->close();
  REQUIRE(f.run_until([&] { return !f.streams[0]->open(); }));
  TcpClient fourth{f.server->address()};
  fourth.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(f.run_until([&] { return f.streams.size() == 3; }));
}

TEST_CASE("a stream delivers what is written, when it is written", "[http]") {
  Served f;
  TcpClient client{f.server->address()};
  client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(f.run_until([&] { return f.streams.size() == 1; }));
  for (int i = 0; i < 5; ++i) {
    CHECK(f.streams[0]->write("line " + std::to_string(i) + "\n"));
    REQUIRE(f.answered(client, "line " + std::to_string(i) + "\n"));
  }
  CHECK(f.streams[0]->open());
  f.streams[0]->close();
  CHECK(f.answered(client, "\r\n0\r\n\r\n"));
  CHECK_FALSE(f.streams[0]->write("more"));
}

TEST_CASE("a stream whose client goes is closed", "[http]") {
  Served f;
  TcpClient client{f.server->address()};
  client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(f.run_until([&] { return f.streams.size() == 1; }));
  client.close();
  CHECK(f.run_until([&] { return !f.streams[0]->open(); }));
  CHECK_FALSE(f.streams[0]->write("x"));
}

TEST_CASE("a client that reads too slowly is closed, and its queue is bounded", "[http]") {
  Served f{quick()};
  TcpClient client{f.server->address(), 4096};
  client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(f.run_until([&] { return f.streams.size() == 1; }));
  const std::string chunk(50'000, 'x');
  int taken = 0;
  CHECK(f.run_until([&] {
    if (!f.streams[0]->write(chunk)) return true;
    ++taken;
    return false;
  }));
  CHECK(taken >= 4);  // the queue alone holds that much
  CHECK_FALSE(f.streams[0]->open());
  CHECK(f.ended(client));
}

TEST_CASE("slow handlers leave the loop room for other work", "[http]") {
  Served f;
  f.handler = [](const HttpRequest&) {
    const auto end = std::chrono::steady_clock::now() + 3ms;
    while (std::chrono::steady_clock::now() < end) {
    }
    return HttpResponse{};
  };
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<TcpClient>(f.server->address()));
    clients.back()->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  std::size_t most = 0;
  std::size_t before = 0;
  uv::Handle<uv_check_t> check;
  std::function<void()> look = [&] {
    most = std::max(most, f.requests.size() - before);
    before = f.requests.size();
  };
  check.init(&look, [&](uv_check_t* h) { return uv_check_init(&f.loop, h); });
  uv_check_start(check.get(), [](uv_check_t* h) { (*uv::self<std::function<void()>>(h))(); });
  CHECK(f.run_until([&] { return f.observed.size() == clients.size(); }));
  CHECK(most <= 4);
}

TEST_CASE("closing ends streams and requests, and leaves no handle", "[http]") {
  Served f;
  TcpClient waiting{f.server->address()};
  TcpClient half{f.server->address()};
  TcpClient open{f.server->address()};
  waiting.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  half.send("GET /half HTTP/1.1\r\n");
  REQUIRE(f.run_until([&] { return f.streams.size() == 1; }));
  f.streams[0]->write("last words");
  const Endpoint where = f.server->address();
  f.server.reset();
  CHECK_FALSE(f.streams[0]->open());
  CHECK_FALSE(f.streams[0]->write("x"));
  CHECK(f.ended(waiting));
  CHECK(f.ended(half));
  CHECK(f.ended(open));
  CHECK_FALSE(TcpClient{where}.connected());
}

TEST_CASE("a taken HTTP address is named", "[http]") {
  Served f;
  auto second = HttpServer::listen(&f.loop, f.server->address().to_string(), {}, {}, {});
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::address_in_use);
  CHECK(second.error().message.find(f.server->address().to_string()) != std::string::npos);
  CHECK_FALSE(HttpServer::listen(&f.loop, "127.0.0.1", {}, {}, {}));
}

TEST_CASE("an answer may come later, on a connection that goes on", "[http]") {
  Served f;
  std::vector<std::function<void(HttpResponse)>> waiting;
  f.handler = [&](const HttpRequest& request) {
    HttpResponse response = f.default_answer(request);
    if (request.path == "/later") response.later = [&](auto give) { waiting.push_back(std::move(give)); };
    return response;
  };
  const auto text = [](const char* body) {
    HttpResponse response;
    response.body = body;
    return response;
  };
  TcpClient patient{f.server->address()}, gone{f.server->address()}, left{f.server->address()};
  for (TcpClient* client : {&patient, &gone, &left}) client->send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(f.run_until([&] { return waiting.size() == 3; }));
  gone.close();
  TcpClient other{f.server->address()};
  other.send("GET /now HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(f.answered(other, "GET /now 0"));
  CHECK_FALSE(patient.has("HTTP/1.1"));
  waiting[0](text("at last"));
  waiting[0](text("twice"));
  waiting[1](text("nobody"));
  REQUIRE(f.answered(patient, "at last"));
  patient.send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(f.answered(patient, "GET /again 0"));
  f.server.reset();  // one still waits
  f.run_until([] { return false; }, 20ms);
  waiting[2](text("too late"));
}
