// Nodes under TLS: who gets in, what is on the wire, and certificates that change under load.
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "cluster.hpp"
#include "unit/tls/authority.hpp"

using namespace plumvine;
using namespace plumvine::test;
using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

/// The files of one member, each replaced as a whole.
class MemberFiles {
 public:
  MemberFiles() {
    std::string pattern = (fs::temp_directory_path() / "plumvine-tls-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    dir_ = pattern;
  }
  ~MemberFiles() {
    std::error_code ignored;
    fs::remove_all(dir_, ignored);
  }
  MemberFiles(const MemberFiles&) = delete;
  MemberFiles& operator=(const MemberFiles&) = delete;

  void write(const std::string& name, const std::string& text) const {
    const fs::path fresh = dir_ / (name + ".new");
    {
      std::ofstream out(fresh, std::ios::binary);
      out << text;
      REQUIRE(out.good());
    }
    fs::permissions(fresh, fs::perms::owner_read | fs::perms::owner_write);
    fs::rename(fresh, dir_ / name);
  }
  void write(const tls::PemTexts& pem) const {
    write("ca", pem.ca);
    write("key", pem.key);
    write("cert", pem.cert);
  }
  void name_in(Config& config) const {
    config.tls_cert = dir_ / "cert";
    config.tls_key = dir_ / "key";
    config.tls_ca = dir_ / "ca";
  }

 private:
  fs::path dir_;
};

/// Lines that nodes logged, from their own threads.
struct TlsLog {
  std::mutex mutex;
  std::vector<std::string> lines;
  void take(Config& config) {
    config.log_level = LogLevel::info;
    config.log = [this](const LogRecord& record) {
      const std::lock_guard lock{mutex};
      lines.push_back(std::string(record.code) + " " + record.text);
    };
  }
  std::size_t count(std::string_view code) {
    const std::lock_guard lock{mutex};
    return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) { return line.starts_with(code); }));
  }
};

/// A cluster with the label `prod` whose members all have certificates of one authority.
struct TlsCluster {
  Authority authority;
  std::vector<std::unique_ptr<MemberFiles>> files;
  TlsLog log;
  std::function<void(Config&)> more;

  std::function<void(Config&)> config() {
    return [this](Config& config) {
      config.cluster = "prod";
      files.push_back(std::make_unique<MemberFiles>());
      files.back()->write(authority.pem(config.name, "prod"));
      files.back()->name_in(config);
      log.take(config);
      if (more) more(config);
    };
  }
};

std::uint64_t udp_sent(const Cluster& cluster) {
  std::uint64_t sum = 0;
  for (const auto& node : cluster.nodes) sum += node->snapshot()->transport.udp_sent_bytes;
  return sum;
}

std::uint64_t tls_rejected(const Node& node, TlsReject why) { return node.snapshot()->transport.tls.rejected[why]; }

}  // namespace

TEST_CASE("a cluster under TLS without a keyring sends no packet outside", "[tls]") {
  TlsCluster secure;
  Cluster f(3, secure.config());
  std::vector<MessageId> ids;
  for (int i = 0; i < 50; ++i) {
    auto sent = f.nodes[static_cast<std::size_t>(i % 3)]->broadcast("m" + std::to_string(i));
    REQUIRE(sent);
    ids.push_back(*sent);
  }
  CHECK(f.exactly_once(ids));
  CHECK(udp_sent(f) == 0);
  for (const auto& node : f.nodes) {
    const auto snapshot = node->snapshot();
    CHECK(snapshot->transport.tls.on);
    CHECK(snapshot->transport.tls.packet_streams > 0);
    CHECK(snapshot->transport.tls.certificate_expires_s > wall_s());
    CHECK(snapshot->swim.plaintext_frames == 0);
  }
  REQUIRE(f.nodes[0]->send("n1", Bytes::copy_of(std::string_view{"for you"}), 5s));
}

TEST_CASE("under TLS with a keyring packets are sealed by it", "[tls]") {
  TlsCluster secure;
  secure.more = [](Config& config) { config.encrypt = "MDEyMzQ1Njc4OWFiY2RlZg=="; };
  Cluster f(3, secure.config());
  auto sent = f.nodes[0]->broadcast("x");
  REQUIRE(sent);
  CHECK(f.exactly_once({*sent}));
  CHECK(udp_sent(f) > 0);
  for (const auto& node : f.nodes) {
    CHECK(node->snapshot()->transport.tls.packet_streams == 0);
    CHECK(node->snapshot()->swim.plaintext_frames == 0);
    CHECK(node->snapshot()->swim.rejected[PacketReject::plaintext] == 0);
  }
}

TEST_CASE("who has no certificate of ours stays outside, and each side says why", "[tls]") {
  TlsCluster secure;
  Cluster f(2, secure.config());
  const std::string seed = f.nodes[0]->address().to_string();
  const Authority other("other CA");
  struct Row {
    const char* name;
    std::function<void(Config&, MemberFiles&)> change;
    TlsReject here;
    const char *code_here, *code_there;
  };
  const std::vector<Row> rows{
      {"no TLS", [](Config&, MemberFiles&) {}, TlsReject::plaintext, "PV1221", ""},
      {"another CA",
       [&](Config& c, MemberFiles& files) {
         tls::PemTexts pem = other.pem(c.name, "prod");
         pem.ca += secure.authority.ca.own().cert;
         files.write(pem);
         files.name_in(c);
       },
       TlsReject::unknown_ca, "PV1216", "PV1222"},
      {"another cluster",
       [&](Config& c, MemberFiles& files) {
         c.cluster = "test";
         files.write(secure.authority.pem(c.name, "test"));
         files.name_in(c);
       },
       TlsReject::refused_by_peer, "PV1222", "PV1218"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    MemberFiles files;
    TlsLog log;
    Config config = node_config("stranger");
    config.cluster = "prod";
    config.seeds = {seed};
    log.take(config);
    row.change(config, files);
    Journal journal;
    auto node = Node::start(config, journal_handlers(journal));
    if (!node) FAIL(node.error().message);
    CHECK(eventually([&] { return tls_rejected(*f.nodes[0], row.here) > 0 && secure.log.count(row.code_here) > 0; }));
    if (*row.code_there != '\0') CHECK(eventually([&] { return log.count(row.code_there) > 0; }));
    CHECK(alive_members(*node) == 1);
    CHECK(alive_members(*f.nodes[0]) == 2);
    CHECK_FALSE(state_of(*f.nodes[0], "stranger"));
  }
}

TEST_CASE("a node without TLS says so when it is dialled with it", "[tls]") {
  TlsLog log;
  Config plain = node_config("plain");
  plain.cluster = "prod";
  log.take(plain);
  Journal one, two;
  auto node = Node::start(plain, journal_handlers(one));
  REQUIRE(node);
  TlsCluster secure;
  Config config = node_config("n0");
  config.seeds = {node->address().to_string()};
  secure.config()(config);
  auto other = Node::start(config, journal_handlers(two));
  if (!other) FAIL(other.error().message);
  CHECK(eventually([&] { return log.count("PV1225") > 0 && secure.log.count("PV1224") > 0; }));
  CHECK(alive_members(*node) == 1);
}

TEST_CASE("a start with files that others would refuse is refused", "[tls]") {
  const Authority authority;
  MemberFiles files;
  Config config = node_config("a");
  files.name_in(config);
  auto missing = Node::start(config, {});
  REQUIRE_FALSE(missing);
  CHECK_THAT(missing.error().message, Contains("tls_cert: cannot read"));
  files.write(authority.pem("b"));
  auto another = Node::start(config, {});
  REQUIRE_FALSE(another);
  CHECK_THAT(another.error().message, Contains("tls_cert: '" + config.tls_cert + "'") && Contains("DNS:a"));
  config.tls_ca.clear();
  auto half = Node::start(config, {});
  REQUIRE_FALSE(half);
  CHECK_THAT(half.error().message, Contains("tls_ca"));
}

namespace {

/// Certificates and CAs of five members change under load.
void rotate_under_load(LinkTransport transport) {
  TlsCluster secure;
  secure.more = [&](Config& config) {
    config.tls_overlap = 3s;
    config.transport = transport;
  };
  Cluster f(5, secure.config());
  const auto links_over_quic = [&] {
    std::uint64_t ends = 0;
    for (const auto& node : f.nodes) ends += node->snapshot()->transport.quic.connections;
    return ends;
  };
  const bool quic = transport == LinkTransport::quic;
  if (quic) REQUIRE(eventually([&] { return links_over_quic() >= 8; }));  // four links at least, each with two ends
  std::atomic<bool> enough{false};
  std::vector<MessageId> ids;
  std::thread publisher([&] {
    for (int i = 0; !enough; ++i) {
      auto sent = f.nodes[static_cast<std::size_t>(i % 5)]->broadcast("t", Bytes::copy_of("load " + std::to_string(i)), BroadcastOptions{.wait = 5s});
      if (sent) ids.push_back(*sent);
      std::this_thread::yield();
      if (i % 16 == 0) usleep(1000);  // the pace of the load, nothing waits for it
    }
  });
  const auto taken_everywhere = [&](std::size_t times) { return eventually([&] { return secure.log.count("PV1510 New") >= 5 * times; }); };
  // New certificates of the same CA, by the change of a file.
  for (std::size_t i = 0; i < 5; ++i) secure.files[i]->write(secure.authority.pem("n" + std::to_string(i), "prod"));
  CHECK(taken_everywhere(1));
  // A bad file changes nothing.
  secure.files[0]->write("cert", "junk");
  CHECK(eventually([&] { return secure.log.count("PV1511") == 1; }));
  // Another CA: trusted by all first, then in use, then the old one goes.
  const Authority next("next CA");
  for (std::size_t i = 0; i < 5; ++i) {
    tls::PemTexts pem = secure.authority.pem("n" + std::to_string(i), "prod");
    pem.ca += next.ca.own().cert;
    secure.files[i]->write(pem);
  }
  CHECK(taken_everywhere(2));
  for (std::size_t i = 0; i < 5; ++i) secure.files[i]->write(next.pem("n" + std::to_string(i), "prod"));
  CHECK(taken_everywhere(3));
  // Whoever is connected by the old CA is cut off when the overlap is over.
  CHECK(eventually([&] {
    std::uint64_t cut = 0;
    for (const auto& node : f.nodes) cut += tls_rejected(*node, TlsReject::unknown_ca);
    return cut > 0;
  }));
  CHECK(secure.log.count("PV1216") > 0);
  enough = true;
  publisher.join();
  REQUIRE(ids.size() > 100);
  CHECK(f.exactly_once(ids));
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(eventually([&] { return alive_members(*f.nodes[i]) == 5; }));
    CHECK(f.journals[i]->read([](const Journal& j) { return j.lost; }) == 0);
    CHECK(f.nodes[i]->snapshot()->transport.quic.fallbacks == 0);
  }
  if (quic) CHECK(eventually([&] { return links_over_quic() >= 8; }));
}

}  // namespace

TEST_CASE("certificates and CAs change under load, and nothing is lost", "[tls]") { rotate_under_load(LinkTransport::tcp); }

#ifdef PLUMVINE_QUIC
TEST_CASE("certificates and CAs change under load over QUIC, and nothing is lost", "[quic]") { rotate_under_load(LinkTransport::quic); }
#endif

TEST_CASE("reload takes new files or says why not", "[tls]") {
  const Authority authority;
  MemberFiles files;
  Config config = node_config("a");
  files.write(authority.pem("a"));
  files.name_in(config);
  Journal journal;
  auto node = Node::start(config, journal_handlers(journal));
  if (!node) FAIL(node.error().message);
  const std::string before = node->snapshot()->transport.tls.certificate;
  files.write(authority.pem("a"));
  REQUIRE(node->reload(config));
  CHECK(eventually([&] { return node->snapshot()->transport.tls.certificate != before; }));
  const std::string after = node->snapshot()->transport.tls.certificate;
  files.write(authority.pem("b"));
  auto refused = node->reload(config);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Contains("DNS:a"));
  CHECK(node->snapshot()->transport.tls.certificate == after);
  Config off = config;
  off.tls_cert.clear();
  off.tls_key.clear();
  off.tls_ca.clear();
  CHECK_FALSE(node->reload(off));
}
