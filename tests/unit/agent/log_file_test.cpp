// Log files: bounds, rotation, what happens when somebody moves them or there is no room.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/pch.hpp"
#include "tools/agent/log_file.hpp"
#include "tools/agent/logger.hpp"

using namespace plumvine;
using namespace plumvine::agent;

namespace {

struct LogFolder {
  std::filesystem::path path;
  LogFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "plumvine-log-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~LogFolder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string at(const char* name) const { return (path / name).string(); }
  [[nodiscard]] std::string text(const char* name) const {
    std::ifstream in(path / name);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator{}));
  }
};

LogRecord about(LogLevel level, std::string_view code, std::string text) { return {level, "node", code, std::move(text)}; }

}  // namespace

TEST_CASE("a log file is moved aside before a line would make it too large, and only so many are kept", "[log_file]") {
  LogFolder folder;
  LogFile file;
  REQUIRE(file.open(folder.at("log"), {.bytes_max = 10, .kept_max = 2}));
  for (const char* line : {"aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeee\n", "ffff\n", "gggg\n"}) REQUIRE(file.write(line));
  CHECK(folder.text("log") == "gggg\n");
  CHECK(folder.text("log.1") == "eeee\nffff\n");
  CHECK(folder.text("log.2") == "cccc\ndddd\n");
  CHECK(folder.files() == 3);
  struct stat about_it {};
  REQUIRE(stat(folder.at("log").c_str(), &about_it) == 0);
  CHECK((about_it.st_mode & 0137) == 0);  // nothing for others, nobody executes
}

TEST_CASE("a log file goes on where it was, also when nothing older is kept", "[log_file]") {
  LogFolder folder;
  std::ofstream(folder.path / "log") << "before\n";
  LogFile file;
  REQUIRE(file.open(folder.at("log"), {.bytes_max = 14, .kept_max = 0}));
  REQUIRE(file.write("after.\n"));
  CHECK(folder.text("log") == "before\nafter.\n");
  REQUIRE(file.write("more\n"));
  CHECK(folder.text("log") == "more\n");
  CHECK(folder.files() == 1);
}

TEST_CASE("what is no ordinary file is no log file, and the one before stays", "[log_file]") {
  LogFolder folder;
  LogFile file;
  REQUIRE(file.open(folder.at("log"), {}));
  const auto folder_itself = file.open(folder.path.string(), {});
  REQUIRE_FALSE(folder_itself);
  CHECK(folder_itself.error().message.find(folder.path.string()) != std::string::npos);
  CHECK(file.open("/dev/null", {}).error().message == "'/dev/null' is no ordinary file");
  REQUIRE(file.write("still here\n"));
  CHECK(folder.text("log") == "still here\n");
}

TEST_CASE("the log goes to its file, events of kind security to theirs, whatever the level is", "[log_file]") {
  LogFolder folder;
  Options options;
  options.log_file = folder.at("log");
  options.security_log = folder.at("security");
  Logger logger(LogFormat::text, LogLevel::info);
  REQUIRE(logger.open_files(options));
  logger.write(about(LogLevel::info, "PV1501", "an address"));
  logger.write(about(LogLevel::warn, "PV1120", "a stranger"));
  logger.write(about(LogLevel::info, "PV1121", "a key"), false);
  const std::string log = folder.text("log"), security = folder.text("security");
  CHECK(log.find("[PV1501] an address\n") != std::string::npos);
  CHECK(log.find("[PV1120] a stranger\n") != std::string::npos);
  CHECK(log.find("PV1121") == std::string::npos);
  CHECK(security.find("PV1501") == std::string::npos);
  CHECK(security.find("[PV1120] a stranger\n") != std::string::npos);
  CHECK(security.find("[PV1121] a key\n") != std::string::npos);
}

TEST_CASE("files that were moved away are made anew when they are opened again", "[log_file]") {
  LogFolder folder;
  Options options;
  options.log_file = folder.at("log");
  Logger logger(LogFormat::json, LogLevel::info);
  REQUIRE(logger.open_files(options));
  logger.write(about(LogLevel::info, "PV1501", "first"));
  std::filesystem::rename(folder.path / "log", folder.path / "moved");
  logger.write(about(LogLevel::info, "PV1501", "second"));
  REQUIRE(logger.open_files(options));
  logger.write(about(LogLevel::info, "PV1501", "third"));
  CHECK(folder.text("moved").find("second") != std::string::npos);
  CHECK(folder.text("log").find("third") != std::string::npos);
  CHECK(folder.text("log").find("second") == std::string::npos);
}
