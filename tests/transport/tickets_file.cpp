#ifdef PLUMVINE_QUIC
#include "transport/uv/quic_tickets_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/pch.hpp"
#include "support/uv_fixture.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

/// A folder with a file of tickets, and whoever keeps it.
struct KeptTickets : LoopFixture {
  std::string folder = (std::filesystem::temp_directory_path() / "plumvine-tickets-XXXXXX").string();
  std::string path;
  std::vector<quic::KnownEnd> ends;
  std::vector<std::string> failures;

  KeptTickets() {
    REQUIRE(mkdtemp(folder.data()) != nullptr);
    path = folder + "/" + std::string(uv::kTicketsFile);
    quic::KnownEnd end{*Endpoint::parse("10.0.0.7:7947"), std::nullopt, Bytes::copy_of(std::string_view{"token"})};
    ends.push_back(end);
  }
  ~KeptTickets() {
    uv_run(&loop, UV_RUN_DEFAULT);  // what is being written ends
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  KeptTickets(const KeptTickets&) = delete;
  KeptTickets& operator=(const KeptTickets&) = delete;
  [[nodiscard]] std::string sealed() const {
    return quic::seal_tickets(ends, "secret", static_cast<std::int64_t>(std::time(nullptr)));
  }
};

}  // namespace

TEST_CASE("tickets are written a while after a change and at the end, for nobody else to read", "[quic]") {
  KeptTickets f;
  CHECK(uv::load_tickets(f.path, "secret").error().code == Errc::not_found);
  {
    uv::TicketsFile file(
        &f.loop, f.path, [&] { return f.sealed(); }, [&](std::string why) { f.failures.push_back(std::move(why)); });
    file.changed();
    REQUIRE(f.run_until([&] { return std::filesystem::exists(f.path); }));
    struct stat found {};
    REQUIRE(stat(f.path.c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0600);
    auto read = uv::load_tickets(f.path, "secret");
    REQUIRE(read);
    CHECK(read->size() == 1);
    f.ends.push_back(f.ends.front());
    f.ends.back().address.port = 1;
    file.finish();
    REQUIRE(f.run_until([&] {
      auto again = uv::load_tickets(f.path, "secret");
      return again && again->size() == 2;
    }));
  }
  CHECK(f.failures.empty());
}

TEST_CASE("tickets that others can use, or that another key sealed, are not taken", "[quic]") {
  KeptTickets f;
  std::ofstream(f.path, std::ios::binary) << f.sealed();
  REQUIRE(chmod(f.path.c_str(), 0600) == 0);
  CHECK(uv::load_tickets(f.path, "secret"));
  const auto other = uv::load_tickets(f.path, "another secret");
  REQUIRE_FALSE(other);
  CHECK(other.error().message.find(f.path) != std::string::npos);
  for (const mode_t mode : {mode_t{0640}, mode_t{0604}, mode_t{0620}}) {
    REQUIRE(chmod(f.path.c_str(), mode) == 0);
    const auto open = uv::load_tickets(f.path, "secret");
    REQUIRE_FALSE(open);
    CHECK(open.error().message.find("chmod 600") != std::string::npos);
  }
}

TEST_CASE("tickets that cannot be written are said once", "[quic]") {
  KeptTickets f;
  uv::TicketsFile file(
      &f.loop, f.folder + "/missing/quic.tickets", [&] { return f.sealed(); },
      [&](std::string why) { f.failures.push_back(std::move(why)); });
  file.changed();
  REQUIRE(f.run_until([&] { return f.failures.size() == 1; }));
  CHECK(f.failures.front().find("missing") != std::string::npos);
}
#endif
