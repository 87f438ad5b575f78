#include "transport/uv/atomic_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/pch.hpp"
#include "support/uv_fixture.hpp"

using namespace plumvine;
namespace fs = std::filesystem;

namespace {

/// A folder of its own, gone with the test.
struct Folder {
  std::string path = (fs::temp_directory_path() / "plumvine-test-XXXXXX").string();
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() {
    fs::permissions(path, fs::perms::owner_all);
    fs::remove_all(path);
  }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator{}));
  }
};

}  // namespace

TEST_CASE("a file is replaced as a whole and is its owner's alone", "[file]") {
  const Folder folder;
  const std::string path = folder.path + "/ring.json";
  std::ofstream(path) << "old";
  fs::permissions(path, fs::perms::all);
  REQUIRE(uv::write_file(path, "new"));
  CHECK(*uv::read_file(path, 100) == "new");
  CHECK((fs::status(path).permissions() & fs::perms::mask) == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(folder.files() == 1);
}

TEST_CASE("a file that cannot be written or read is named, and nothing is left behind", "[file]") {
  const Folder folder;
  const auto nowhere = uv::write_file(folder.path + "/no/ring.json", "x");
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().message.find("/no/ring.json': No such file") != std::string::npos);
  fs::create_directory(folder.path + "/taken");
  CHECK_FALSE(uv::write_file(folder.path + "/taken", "x"));
  CHECK(folder.files() == 1);
  CHECK(uv::read_file(folder.path + "/none", 10).error().code == Errc::not_found);
  REQUIRE(uv::write_file(folder.path + "/big", std::string(2000, 'x')));
  CHECK(uv::read_file(folder.path + "/big", 1024).error().message.find("larger than 1 KiB") != std::string::npos);
}

TEST_CASE("of texts that come while one is written only the last is, and all are told in order", "[file]") {
  const Folder folder;
  test::LoopFixture f;
  std::vector<int> told;
  {
    uv::AtomicFile file(&f.loop, folder.path + "/peers.json");
    for (int i = 0; i < 5; ++i)
      file.save(std::to_string(i), [&told, i](const Status& status) {
        CHECK(status.has_value());
        told.push_back(i);
      });
    REQUIRE(f.run_until([&] { return told.size() == 5; }));
    CHECK(told == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(*uv::read_file(file.path(), 100) == "4");
    file.save("5", [&](const Status&) { told.push_back(5); });
    file.save("6", [&](const Status&) { told.push_back(6); });
  }  // the owner goes: what it asked for is written, nobody is told
  f.run_until([] { return false; }, std::chrono::milliseconds{100});
  CHECK(told.size() == 5);
  CHECK(*uv::read_file(folder.path + "/peers.json", 100) == "6");
}
