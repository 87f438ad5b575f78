#include "transport/uv/resolver.hpp"

#include <netinet/in.h>

#include "support/pch.hpp"
#include "support/uv_fixture.hpp"
#include "transport/uv/udp.hpp"

using namespace plumvine;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t kTypeA = 1, kTypeAaaa = 28, kTypeSrv = 33;

void put16(std::string& out, std::uint16_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value & 0xff));
}

std::string encode_name(const std::string& name) {
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t dot = std::min(name.find('.', at), name.size());
    out.push_back(static_cast<char>(dot - at));
    out += name.substr(at, dot - at);
    at = dot + 1;
  }
  return out + '\0';
}

/// A name server of one test: answers from a table of record bodies by name and type.
struct NameServer {
  std::map<std::pair<std::string, std::uint16_t>, std::vector<std::string>> records;
  int queries = 0;
  TransportStats stats;
  Endpoint address;
  std::unique_ptr<uv::UdpSocket> socket;

  explicit NameServer(uv_loop_t* loop) {
    auto fd = uv::bind_datagram(*Endpoint::parse("127.0.0.1:0"));
    REQUIRE(fd);
    address = uv::local_endpoint(fd->get());
    socket = std::make_unique<uv::UdpSocket>(
        loop, std::move(*fd), stats, [this](const Endpoint& from, BytesView packet) { answer(from, as_text(packet)); });
    REQUIRE(socket->start());
  }
  void answer(const Endpoint& from, std::string_view query) {
    ++queries;
    std::string name;
    std::size_t at = 12;
    while (query[at] != 0) {
      const auto length = static_cast<std::size_t>(query[at]);
      name += (name.empty() ? "" : ".") + std::string(query.substr(at + 1, length));
      at += length + 1;
    }
    const auto type = static_cast<std::uint16_t>(static_cast<unsigned char>(query[at + 1]) << 8 |
                                                 static_cast<unsigned char>(query[at + 2]));
    const auto found = records.find({name, type});
    const bool known = std::any_of(records.begin(), records.end(), [&](auto& entry) { return entry.first.first == name; });
    std::string reply{query.substr(0, 2)};
    put16(reply, known ? 0x8180 : 0x8183);  // no error, or no such name
    put16(reply, 1);
    put16(reply, static_cast<std::uint16_t>(found == records.end() ? 0 : found->second.size()));
    put16(reply, 0);
    put16(reply, 0);
    reply += query.substr(12, at + 5 - 12);
    if (found != records.end()) {
      for (const std::string& body : found->second) {
        put16(reply, 0xc00c);  // the name asked for
        put16(reply, type);
        put16(reply, 1);
        put16(reply, 0);
        put16(reply, 60);
        put16(reply, static_cast<std::uint16_t>(body.size()));
        reply += body;
      }
    }
    socket->send(from, as_bytes(reply));
  }
  void add_service(const std::string& name, const std::string& target, std::uint16_t port) {
    std::string body;
    put16(body, 1);
    put16(body, 1);
    put16(body, port);
    records[{name, kTypeSrv}].push_back(body + encode_name(target));
  }
};

struct Resolving : test::LoopFixture {
  uv::UvLoop under{&loop};
  NameServer server{&loop};
  std::vector<std::pair<std::string, std::vector<std::string>>> answers;
  uv::Resolver resolver{under, [this](const HostPort& name, const std::vector<Endpoint>& found) {
                          std::vector<std::string> texts;
                          for (const Endpoint& endpoint : found) texts.push_back(endpoint.to_string());
                          std::sort(texts.begin(), texts.end());
                          answers.emplace_back(name.to_string(), texts);
                        }};
  Resolving() { resolver.use_servers(server.address.to_string()); }

  std::vector<std::string> ask(const std::string& name) {
    answers.clear();
    resolver.resolve(*HostPort::parse(name));
    REQUIRE(answers.empty());
    REQUIRE(run_until([&] { return answers.size() == 1; }, 20s));
    CHECK(answers[0].first == name);
    return answers[0].second;
  }
};

std::string v4(std::initializer_list<int> bytes) {
  std::string out;
  for (const int byte : bytes) out.push_back(static_cast<char>(byte));
  return out;
}

}  // namespace

TEST_CASE("a name gives all its IPv4 and IPv6 addresses, with the port asked for", "[resolver]") {
  Resolving f;
  f.server.records[{"seed.test.example", kTypeA}] = {v4({10, 0, 0, 1}), v4({10, 0, 0, 2})};
  f.server.records[{"seed.test.example", kTypeAaaa}] = {std::string("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05", 16)};
  CHECK(f.ask("seed.test.example:7000") ==
        std::vector<std::string>{"10.0.0.1:7000", "10.0.0.2:7000", "[fd00::5]:7000"});
}

TEST_CASE("only addresses of the wanted kind are taken, literals as they are", "[resolver]") {
  Resolving f;
  f.server.records[{"seed.test.example", kTypeA}] = {v4({10, 0, 0, 1})};
  f.server.records[{"seed.test.example", kTypeAaaa}] = {std::string("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05", 16)};
  f.resolver.use_family(IpFamily::v6);
  CHECK(f.ask("seed.test.example:7000") == std::vector<std::string>{"[fd00::5]:7000"});
  CHECK(f.ask("10.0.0.9:7000") == std::vector<std::string>{"10.0.0.9:7000"});
  f.resolver.use_family(IpFamily::v4);
  CHECK(f.ask("seed.test.example:7000") == std::vector<std::string>{"10.0.0.1:7000"});
}

TEST_CASE("an SRV name gives its targets with their own ports", "[resolver]") {
  Resolving f;
  f.server.add_service("_plumvine._tcp.test.example", "one.test.example", 7001);
  f.server.add_service("_plumvine._tcp.test.example", "two.test.example", 7002);
  f.server.records[{"one.test.example", kTypeA}] = {v4({10, 0, 0, 1})};
  f.server.records[{"two.test.example", kTypeA}] = {v4({10, 0, 0, 2})};
  CHECK(f.ask("srv+_plumvine._tcp.test.example") == std::vector<std::string>{"10.0.0.1:7001", "10.0.0.2:7002"});
}

TEST_CASE("a name of one family gives that one, behind SRV too", "[resolver]") {
  Resolving f;
  const std::string six("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x06", 16);
  f.server.records[{"six.test.example", kTypeAaaa}] = {six};
  CHECK(f.ask("six.test.example:7000") == std::vector<std::string>{"[fd00::6]:7000"});
  f.server.add_service("_plumvine._tcp.test.example", "six.test.example", 7001);
  f.server.add_service("_plumvine._tcp.test.example", "gone.test.example", 7002);
  CHECK(f.ask("srv+_plumvine._tcp.test.example") == std::vector<std::string>{"[fd00::6]:7001"});
}

TEST_CASE("a name whose address changed gives the new one", "[resolver]") {
  Resolving f;
  f.server.records[{"seed.test.example", kTypeA}] = {v4({10, 0, 0, 1})};
  CHECK(f.ask("seed.test.example:7000") == std::vector<std::string>{"10.0.0.1:7000"});
  f.server.records[{"seed.test.example", kTypeA}] = {v4({10, 0, 0, 2})};
  CHECK(f.ask("seed.test.example:7000") == std::vector<std::string>{"10.0.0.2:7000"});
}

TEST_CASE("a name that does not exist is answered empty, and asked anew next time", "[resolver]") {
  Resolving f;
  CHECK(f.ask("gone.test.example:1").empty());
  f.server.records[{"gone.test.example", kTypeA}] = {v4({10, 0, 0, 9})};
  CHECK(f.ask("gone.test.example:1") == std::vector<std::string>{"10.0.0.9:1"});
}

TEST_CASE("many names at once are all answered, a bounded number at a time", "[resolver]") {
  Resolving f;
  for (int i = 0; i < 300; ++i) {
    const std::string name = "n" + std::to_string(i) + ".test.example";
    f.server.records[{name, kTypeA}] = {v4({10, 0, 1, i % 256})};
    f.resolver.resolve(*HostPort::parse(name + ":1"));
  }
  REQUIRE(f.run_until([&] { return f.answers.size() == 300; }, 20s));
  const auto empty = std::count_if(f.answers.begin(), f.answers.end(), [](auto& answer) { return answer.second.empty(); });
  CHECK(empty > 0);    // over the bound
  CHECK(empty < 100);  // the bound is not smaller than it says
}

TEST_CASE("a resolver may go while its questions are open", "[resolver]") {
  test::LoopFixture f;
  uv::UvLoop under{&f.loop};
  int answers = 0;
  auto silent = uv::bind_datagram(*Endpoint::parse("127.0.0.1:0"));
  REQUIRE(silent);
  {
    uv::Resolver resolver{under, [&](const HostPort&, const std::vector<Endpoint>&) { ++answers; }};
    resolver.use_servers(uv::local_endpoint(silent->get()).to_string());
    resolver.resolve(*HostPort::parse("never.test.example:1"));
    resolver.resolve(*HostPort::parse("srv+never.test.example"));
    CHECK_FALSE(f.run_until([&] { return answers != 0; }, 20ms));
  }
  CHECK_FALSE(f.run_until([&] { return answers != 0; }, 20ms));
}
