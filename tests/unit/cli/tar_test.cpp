#include <array>
#include <cstdio>
#include <memory>

#include <stdlib.h>
#include <unistd.h>

#include "support/pch.hpp"
#include "tools/cli/tar.hpp"
#include "transport/crypto/sha256.hpp"

using namespace plumvine;

namespace {

/// What the system's tar makes of an archive.
std::string listed(const std::string& archive, const std::string& options) {
  char name[] = "/tmp/plumvine-tar-XXXXXX";
  const int fd = mkstemp(name);
  REQUIRE(fd >= 0);
  REQUIRE(write(fd, archive.data(), archive.size()) == static_cast<ssize_t>(archive.size()));
  close(fd);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(("TZ=UTC tar " + options + " -f " + name + " 2>&1").c_str(), "r"), pclose);
  REQUIRE(pipe);
  std::string out;
  std::array<char, 4096> buffer{};
  for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0;) out.append(buffer.data(), n);
  unlink(name);
  return out;
}

}  // namespace

TEST_CASE("tar reads back what was put in", "[tar]") {
  cli::Tar tar;
  const std::string large(100'000, 'x');
  tar.add("folder/a.txt", "first\n", 86400);
  tar.add("folder/empty", "", 0);
  tar.add("folder/large", large, 1);
  const std::string archive = tar.finish();
  CHECK(archive.size() % 512 == 0);
  const std::string list = listed(archive, "-tv");
  CHECK(list.find("-rw------- root/root         6 1970-01-02 00:00 folder/a.txt\n") != std::string::npos);
  CHECK(list.find("folder/empty\n") != std::string::npos);
  CHECK(listed(archive, "-x -O").size() == 6 + large.size());
  CHECK(listed(cli::gzip(archive), "-xz -O").size() == 6 + large.size());
}

TEST_CASE("an archive is taken apart again, and what is no whole archive of files is refused", "[tar]") {
  cli::Tar tar;
  tar.add("folder/a", "first", 1);
  tar.add("folder/b", std::string(1024, 'x'), 1);
  tar.add("folder/c", "", 1);
  const std::string archive = tar.finish();
  const auto files = cli::read_tar(archive);
  REQUIRE(files);
  REQUIRE(files->size() == 3);
  CHECK((*files)[0].name == "folder/a");
  CHECK((*files)[0].content == "first");
  CHECK((*files)[1].content.size() == 1024);
  CHECK((*files)[2].content.empty());

  const auto changed = [&](std::size_t at, char to) {
    std::string other = archive;
    other[at] = to;
    return other;
  };
  const auto why = [](const std::string& bytes) { return cli::read_tar(bytes).error().message; };
  CHECK_THAT(why(""), Catch::Contains("no tar archive"));
  CHECK_THAT(why("nonsense"), Catch::Contains("no tar archive"));
  CHECK_THAT(why(std::string(1024, 'n')), Catch::Contains("damaged"));
  CHECK_THAT(why(changed(0, 'F')), Catch::Contains("damaged"));       // the name
  CHECK_THAT(why(changed(124, '9')), Catch::Contains("damaged"));     // the size
  CHECK_THAT(why(archive.substr(0, 512 + 512 + 512 + 100)), Catch::Contains("cut off within 'folder/b'"));
  CHECK_THAT(why(archive.substr(0, archive.size() - 1024)), Catch::Contains("cut off"));
}

TEST_CASE("digests are those of the standard", "[tar]") {
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
