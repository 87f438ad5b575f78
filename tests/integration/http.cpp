#include "support/tcp_client.hpp"

#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

std::string request(std::string_view method, std::string_view path, std::string_view body = {}) {
  return std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

/// The answer to one request on a connection of its own: its status, and `text` after the header.
struct Answer {
  int status = 0;
  std::string text;
};
Answer ask(const Endpoint& where, std::string_view method, std::string_view path, std::string_view body = {}) {
  TcpClient client{where};
  std::string wire = request(method, path, body);
  wire.insert(wire.find("\r\n") + 2, "Connection: close\r\n");
  client.send(wire);
  REQUIRE(eventually([&] { return !client.poll(); }));
  return {client.status(), client.received.substr(std::min(client.received.find("\r\n\r\n") + 4, client.received.size()))};
}

void with_http(Config& config) { config.http = "127.0.0.1:0"; }

}  // namespace

TEST_CASE("what is published over HTTP reaches subscribers over HTTP", "[http]") {
  Cluster c{2, with_http};
  TcpClient subscriber{c.nodes[1]->http_address()};
  subscriber.send("GET /subscribe/news HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(eventually([&] { return (subscriber.poll(), subscriber.status() == 200); }));
  const Answer published = ask(c.nodes[0]->http_address(), "POST", "/publish/news", "over http");
  CHECK(published.status == 202);
  CHECK(eventually([&] { return (subscriber.poll(), subscriber.has(R"("payload":"over http")")); }));
  CHECK(c.journals[1]->wait([](const Journal& j) { return j.texts == std::vector<std::string>{"over http"}; }));
}

TEST_CASE("a node answers for itself over HTTP", "[http]") {
  Cluster c{2, with_http};
  const Endpoint where = c.nodes[0]->http_address();
  CHECK(ask(where, "GET", "/livez").status == 200);
  CHECK(ask(where, "GET", "/readyz").status == 200);
  const Answer members = ask(where, "GET", "/members");
  CHECK(members.status == 200);
  CHECK(members.text.find(R"("name":"n1")") != std::string::npos);
  CHECK(ask(where, "GET", "/no-such-page").status == 404);
  CHECK(ask(where, "POST", "/publish/big", std::string((1 << 20) + 1, 'x')).status == 413);
}

TEST_CASE("a dashboard is told of both members and the state, again each second", "[http]") {
  Cluster c{2, with_http};
  TcpClient viewer{c.nodes[0]->http_address()};
  viewer.send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(eventually([&] { return (viewer.poll(), viewer.has("event: members\ndata: {\"whole\":true") && viewer.has("event: state\ndata: {")); }));
  CHECK(viewer.has("text/event-stream"));
  CHECK(viewer.has(R"({"name":"n1","addr":)"));
  viewer.received.clear();
  CHECK(eventually([&] { return (viewer.poll(), viewer.has("event: state\ndata: {")); }));
  CHECK_FALSE(viewer.has("\"whole\":true"));
  c.nodes[0]->stop();  // ends what is open
  CHECK(eventually([&] { return !viewer.poll(); }));
}

TEST_CASE("the graph has the links of all members, as both ends tell of them", "[http]") {
  Cluster c{3, with_http};
  CHECK(eventually([&] {
    const Answer graph = ask(c.nodes[0]->http_address(), "GET", "/graph");
    const auto count = [&](std::string_view part) {
      int found = 0;
      for (auto at = graph.text.find(part); at != std::string::npos; at = graph.text.find(part, at + 1)) ++found;
      return found;
    };
    const int told = count(R"({"a":0,"b":1,"roles":[")") + count(R"({"a":0,"b":2,"roles":[")") + count(R"({"a":1,"b":2,"roles":[")");
    const int eager = count(R"("roles":["eager","eager"])");  // which of the three are lazy depends on who is the root
    return graph.status == 200 && count(R"("complete":true)") == 1 && told == 3 && eager >= 2;
  }));
}

TEST_CASE("leaving over HTTP is leaving", "[http]") {
  Cluster c{2, with_http};
  const Answer left = ask(c.nodes[0]->http_address(), "POST", "/leave");
  CHECK(left.status / 100 == 2);
  CHECK(eventually([&] { return state_of(*c.nodes[1], "n0") == MemberState::left; }));
  CHECK(ask(c.nodes[0]->http_address(), "POST", "/publish/t", "x").status >= 400);
}

TEST_CASE("a flood of requests does not make a node look dead", "[http]") {
  Cluster c{3, with_http};
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (int i = 0; i < 32; ++i) clients.push_back(std::make_unique<TcpClient>(c.nodes[0]->http_address()));
  const std::string many = request("GET", "/members") + request("GET", "/peers") + request("GET", "/healthz");
  std::size_t answered = 0;
  const auto end = std::chrono::steady_clock::now() + 3s;
  while (std::chrono::steady_clock::now() < end) {
    for (auto& client : clients) {
      client->send(many);
      client->poll();
      answered += client->received.size();
      client->received.clear();
    }
  }
  CHECK(answered > 0);
  for (const std::size_t n : {1U, 2U}) {
    CHECK(c.journals[n]->read([](const Journal& j) {
      const auto it = j.last_event.find("n0");
      return it == j.last_event.end() || it->second != MemberEvent::Kind::died;
    }));
  }
}

TEST_CASE("stopping ends streams that are open", "[http]") {
  Cluster c{1, with_http};
  TcpClient subscriber{c.nodes[0]->http_address()};
  subscriber.send("GET /subscribe/news HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(eventually([&] { return (subscriber.poll(), subscriber.status() == 200); }));
  c.nodes[0]->stop();
  CHECK(eventually([&] { return !subscriber.poll(); }));
}
