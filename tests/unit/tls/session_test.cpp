#include "authority.hpp"
#include "transport/tls/session.hpp"

using namespace plumvine;
using Catch::Matchers::Contains;
using tls::Session;

namespace {

struct TlsEnd {
  tls::Sink sink;
  std::unique_ptr<Session> session;
  std::string received;
};

/// Two sessions, and the wire between them.
struct TlsWire {
  tls::TicketKey tickets;
  TlsEnd client, server;

  TlsWire(const std::shared_ptr<const tls::Credentials>& theirs, const std::shared_ptr<const tls::Credentials>& ours, Bytes resume = {},
          const tls::TicketKey* other_tickets = nullptr) {
    const auto judge = [](std::shared_ptr<const tls::Credentials> by) {
      return [by = std::move(by)](const std::vector<std::string>& chain, tls::Role peer) { return by->judge(chain, peer); };
    };
    client.session = std::make_unique<Session>(
        theirs, tls::SessionOptions{.role = tls::Role::client, .protocols = {"b"}, .resume = std::move(resume), .judge = judge(theirs)}, client.sink);
    server.session = std::make_unique<Session>(ours,
                                               tls::SessionOptions{.role = tls::Role::server,
                                                                   .protocols = {"a", "b"},
                                                                   .tickets = other_tickets != nullptr ? other_tickets : &tickets,
                                                                   .judge = judge(ours)},
                                               server.sink);
  }

  static void pass(TlsEnd& from, TlsEnd& to, std::size_t piece) {
    const std::string text(from.sink.content().text());
    from.sink.clear();
    std::array<std::byte, 5000> room;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      to.session->feed(as_bytes(std::string_view(text).substr(at, piece)));
      to.session->advance();
      while (const std::size_t n = to.session->read(room)) to.received.append(as_text(BytesView{room.data(), n}));
      to.session->keep_rest();
    }
  }

  void run(std::size_t piece = 100'000) {
    client.session->advance();
    while (client.sink.size() + server.sink.size() > 0) {
      pass(client, server, piece);
      pass(server, client, piece);
    }
  }
};

}  // namespace

TEST_CASE("both ends are up when each has judged the other", "[tls]") {
  const test::Authority authority;
  TlsWire wire(authority.credentials("a"), authority.credentials("b"));
  wire.client.session->advance();
  TlsWire::pass(wire.client, wire.server, 100'000);
  TlsWire::pass(wire.server, wire.client, 100'000);
  // The client has done its part, and the server has not said anything to it yet.
  CHECK(wire.client.session->state() == Session::State::handshaking);
  wire.run();
  CHECK(wire.client.session->state() == Session::State::up);
  CHECK(wire.server.session->state() == Session::State::up);
  CHECK(wire.client.session->peer().names == std::vector<std::string>{"b"});
  CHECK(wire.server.session->peer().names == std::vector<std::string>{"a"});
  CHECK(wire.server.session->protocol() == "b");
  CHECK_FALSE(wire.server.session->resumed());
}

TEST_CASE("bytes pass both ways in any pieces", "[tls]") {
  const test::Authority authority;
  const auto a = authority.credentials("a"), b = authority.credentials("b");
  std::string text(100'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
  for (const std::size_t piece : {1UL, 7UL, 1000UL, 65536UL}) {
    TlsWire wire(a, b);
    wire.run(piece);
    REQUIRE(wire.client.session->write(as_bytes(text)));
    REQUIRE(wire.server.session->write(as_bytes(std::string_view{"short"})));
    CHECK((std::string_view(wire.client.sink.content().text()).find(text.substr(0, 32)) == std::string_view::npos));
    wire.run(piece);
    CHECK((wire.server.received == text));
    CHECK(wire.client.received == "short");
    wire.client.session->end();
    wire.run(piece);
    CHECK(wire.server.session->state() == Session::State::ended);
  }
}

TEST_CASE("a refusal says why at both ends", "[tls]") {
  const test::Authority authority, other("other CA");
  struct Row {
    const char* name;
    std::shared_ptr<const tls::Credentials> client, server;
    TlsReject at_client, at_server;
  };
  const auto good = authority.credentials("a", "prod");
  for (const Row& row : {Row{"the client's CA is unknown", other.credentials("b", "prod"), good, TlsReject::unknown_ca, TlsReject::refused_by_peer},
                         Row{"another cluster", authority.credentials("b", "test"), good, TlsReject::wrong_cluster, TlsReject::refused_by_peer}}) {
    INFO(row.name);
    TlsWire wire(row.client, row.server);
    wire.run();
    CHECK(wire.client.session->state() == Session::State::failed);
    CHECK(wire.server.session->state() == Session::State::failed);
    CHECK(wire.client.session->failure() == row.at_client);
    CHECK(wire.server.session->failure() == row.at_server);
    CHECK_FALSE(wire.server.session->failure_text().empty());
  }
}

TEST_CASE("a client whose certificate is refused is never up", "[tls]") {
  // Only the server objects: the client trusts both CAs.
  const test::Authority authority, other("other CA");
  const auto server = authority.credentials("a");
  tls::PemTexts pem = other.pem("b");
  pem.ca += authority.ca.own().cert;
  const auto client = *tls::Credentials::load(pem, {"b", ""});
  TlsWire wire(client, server);
  wire.run();
  CHECK(wire.server.session->failure() == TlsReject::unknown_ca);
  CHECK(wire.client.session->state() == Session::State::failed);
  CHECK(wire.client.session->failure() == TlsReject::refused_by_peer);
  CHECK_THAT(wire.client.session->failure_text(), Contains("does not know the CA"));
}

TEST_CASE("a ticket shortens the next handshake and is judged anew", "[tls]") {
  const test::Authority authority;
  const auto a = authority.credentials("a"), b = authority.credentials("b");
  const tls::TicketKey tickets;
  TlsWire first(a, b, {}, &tickets);
  first.run();
  const Bytes ticket = first.client.session->take_ticket();
  REQUIRE_FALSE(ticket.empty());
  TlsWire second(a, b, ticket, &tickets);
  second.run();
  CHECK(second.client.session->state() == Session::State::up);
  CHECK(second.server.session->resumed());
  CHECK(second.client.session->resumed());
  CHECK(second.server.session->peer().names == std::vector<std::string>{"a"});
  CHECK(second.client.session->peer().names == std::vector<std::string>{"b"});
  // Meanwhile the server has other CAs: the ticket is no way around them.
  const test::Authority later("later CA");
  TlsWire third(a, later.credentials("b"), ticket, &tickets);
  third.run();
  CHECK(third.server.session->state() == Session::State::failed);
  CHECK(third.server.session->failure() == TlsReject::unknown_ca);
  CHECK(third.client.session->state() == Session::State::failed);
}

TEST_CASE("what is no TLS ends the session", "[tls]") {
  const test::Authority authority;
  TlsWire wire(authority.credentials("a"), authority.credentials("b"));
  wire.server.session->feed(as_bytes(std::string_view{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"}));
  CHECK(wire.server.session->advance() == Session::State::failed);
  CHECK(wire.server.session->failure() == TlsReject::protocol);
}

TEST_CASE("a broken record ends the session", "[tls]") {
  const test::Authority authority;
  TlsWire wire(authority.credentials("a"), authority.credentials("b"));
  wire.run();
  REQUIRE(wire.client.session->write(as_bytes(std::string_view{"hello"})));
  std::string text(wire.client.sink.content().text());
  wire.client.sink.clear();
  text.back() = static_cast<char>(text.back() ^ 1);
  wire.server.session->feed(as_bytes(text));
  std::array<std::byte, 100> room;
  CHECK(wire.server.session->read(room) == 0);
  CHECK(wire.server.session->state() == Session::State::failed);
}
