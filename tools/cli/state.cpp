// The files of a stopped member: verified, put into one archive, and taken out of it again.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "commands.hpp"
#include "health/json_text.hpp"
#include "old_file.hpp"
#include "table.hpp"
#include "tar.hpp"
#include "transport/crypto/sha256.hpp"
#include "transport/uv/data_check.hpp"
#include "transport/uv/data_dir.hpp"
#include "transport/uv/answer_json.hpp"

namespace plumvine::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using uv::DataDir;
using uv::FileCheck;

constexpr const char* kUsageText = "state verify --data-dir DIR, or state export|import FILE --data-dir DIR";
constexpr std::string_view kFolder = "plumvine-state/";
constexpr const char* kManifest = "manifest.json";
constexpr const char* kFormat = "plumvine state 1";
/// Where an import lies until it is verified.
constexpr const char* kPart = "import.part";

Error failed(const std::string& what, const std::string& path) { return {Errc::system, fmt::format("cannot {} '{}': {}", what, path, std::strerror(errno))}; }

/// A whole file to read; nobody writes it meanwhile.
class Mapped {
 public:
  static Result<std::unique_ptr<Mapped>> open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat about {};
    if (fd < 0 || fstat(fd, &about) != 0) return failed("read", path);
    std::unique_ptr<Mapped> file(new Mapped);
    file->size_ = static_cast<std::size_t>(about.st_size);
    if (file->size_ > 0) file->at_ = mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, fd, 0);
    const bool good = file->at_ != MAP_FAILED;
    const Error error = failed("read", path);
    close(fd);
    if (!good) return file->at_ = nullptr, error;
    return file;
  }
  ~Mapped() {
    if (at_ != nullptr) munmap(at_, size_);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  [[nodiscard]] std::string_view bytes() const { return {static_cast<const char*>(at_), at_ == nullptr ? 0 : size_}; }

 private:
  Mapped() = default;
  void* at_ = nullptr;
  std::size_t size_ = 0;
};

/// A new file for its owner alone. It is gone again unless `finish` went well.
class NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)), fd_(open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {
    if (fd_ < 0) error_ = failed("write", path_);
    else if (fchmod(fd_, 0600) != 0) error_ = failed("write", path_);
  }
  ~NewFile() {
    if (fd_ < 0) return;
    close(fd_);
    unlink(path_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  void put(std::string_view bytes) {
    while (!error_ && !bytes.empty()) {
      const ssize_t n = write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) error_ = failed("write", path_);
      else bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  /// On the disk, and whole.
  Status finish() {
    if (!error_ && fsync(fd_) != 0) error_ = failed("write", path_);
    if (error_) return *error_;
    const int fd = std::exchange(fd_, -1);
    if (close(fd) == 0) return {};
    const Error error = failed("write", path_);
    unlink(path_.c_str());
    return error;
  }

 private:
  std::string path_;
  int fd_;
  std::optional<Error> error_;
};

std::string_view word_of(FileCheck::State state) {
  return state == FileCheck::State::good ? "good" : state == FileCheck::State::broken ? "broken" : "absent";
}

bool all_good(const std::vector<FileCheck>& checks) {
  return std::none_of(checks.begin(), checks.end(), [](const FileCheck& one) { return one.state == FileCheck::State::broken; });
}

/// Each broken one with what to do, on standard error.
void complain_of(const std::vector<FileCheck>& checks) {
  for (const FileCheck& one : checks)
    if (one.state == FileCheck::State::broken) complain(kBad, fmt::format("{} is broken: {}; {}", one.name, one.detail, one.next));
}

int verify(const Call& call, const DataDir&) {
  const auto checks = uv::check_data_files(call.data_dir);
  if (call.json) {
    Json files = Json::array();
    for (const FileCheck& one : checks) files.push_back({{"name", one.name}, {"state", word_of(one.state)}, {"detail", one.detail}, {"next", one.next}});
    put(uv::text_of({{"data_dir", call.data_dir}, {"good", all_good(checks)}, {"files", files}}));
  } else {
    Table table({"FILE", "STATE", "HAS"});
    for (const FileCheck& one : checks)
      table.row({one.name, std::string(word_of(one.state)), one.state == FileCheck::State::good ? one.detail : "-"});
    put(table.text());
    std::fflush(stdout);
    complain_of(checks);
  }
  return all_good(checks) ? kGood : kBad;
}

int export_state(const Call& call, const DataDir& dir) {
  const std::string& target = call.arguments[1];
  const auto checks = uv::check_data_files(call.data_dir);
  if (!all_good(checks)) {
    complain_of(checks);
    return complain(kBad, "nothing was exported: a backup of broken files is none");
  }
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(target, ignored))) {
    if (!call.force) return complain(kBad, fmt::format("{} exists already (--force overwrites it)", target));
    if (const auto why = remove_old(target)) return complain(kBad, *why);
  }
  const auto now_s = static_cast<std::int64_t>(std::time(nullptr));
  Json manifest{{"format", kFormat}, {"made", dump::time_text(now_s * 1000)}, {"by", "plumvine " PLUMVINE_VERSION}, {"files", Json::array()}};
  NewFile out(target);
  for (const std::string_view name : uv::kDataFiles) {
    const std::string path = dir.file(name);
    if (!fs::exists(path, ignored)) continue;
    const auto file = Mapped::open(path);
    if (!file) return complain(kBad, file.error().message);
    const std::string_view bytes = (*file)->bytes();
    if (bytes.empty()) continue;  // a write-ahead log that was carried over
    if (bytes.size() >= kTarFileMax) return complain(kBad, fmt::format("'{}' is above 8 GiB, which an archive has no number for: copy the folder", path));
    out.put(tar_header(std::string(kFolder) + std::string(name), bytes.size(), now_s));
    out.put(bytes);
    out.put(tar_padding(bytes.size()));
    manifest["files"].push_back({{"name", name}, {"size", bytes.size()}, {"sha256", sha256_hex(bytes)}});
  }
  if (manifest["files"].empty()) return complain(kBad, fmt::format("'{}' has no file of a member", call.data_dir));
  const std::string text = manifest.dump(2) + '\n';
  out.put(tar_header(std::string(kFolder) + kManifest, text.size(), now_s));
  out.put(text);
  out.put(tar_padding(text.size()));
  out.put(tar_end());
  if (const auto done = out.finish(); !done) return complain(kBad, done.error().message);
  const bool keys = fs::exists(dir.file("keyring.json"), ignored), signs = fs::exists(dir.file("origin.key"), ignored);
  const std::string_view secret = keys && signs ? "gossip keys and the key that signs are in it: keep it as you keep keys"
                                  : keys        ? "gossip keys are in it: keep it as you keep keys"
                                  : signs       ? "the key that signs is in it: keep it as you keep keys"
                                                : "payloads are in it in clear";
  if (call.json) {
    manifest["archive"] = target;
    manifest["keys"] = keys || signs;
    put(uv::text_of(manifest));
  } else {
    say(fmt::format("{}: {} files; {}", target, manifest["files"].size(), secret));
  }
  return kGood;
}

/// The files of an archive that its manifest vouches for.
Result<std::vector<TarEntry>> vouched(std::string_view archive) {
  auto files = read_tar(archive);
  if (!files) return files.error();
  for (TarEntry& file : *files) {
    if (!file.name.starts_with(kFolder)) return {Errc::invalid_argument, fmt::format("'{}' in it is not of a member's state", file.name)};
    file.name.erase(0, kFolder.size());
  }
  const auto manifest = std::find_if(files->begin(), files->end(), [](const TarEntry& file) { return file.name == kManifest; });
  const Json json = manifest == files->end() ? Json() : Json::parse(manifest->content, nullptr, false);
  if (!json.is_object() || json.value("format", Json()) != kFormat || !json.contains("files") || !json["files"].is_array())
    return {Errc::invalid_argument, "it has no manifest of a member's state"};
  files->erase(manifest);
  if (json["files"].size() != files->size()) return {Errc::invalid_argument, "it has other files than its manifest says"};
  for (const TarEntry& file : *files) {
    if (std::find(uv::kDataFiles.begin(), uv::kDataFiles.end(), file.name) == uv::kDataFiles.end())
      return {Errc::invalid_argument, fmt::format("'{}' in it is not of a member's state", file.name)};
    const auto row = std::find_if(json["files"].begin(), json["files"].end(),
                                  [&](const Json& one) { return one.is_object() && one.value("name", Json()) == file.name; });
    if (row == json["files"].end() || row->value("sha256", Json()) != sha256_hex(file.content))
      return {Errc::invalid_argument, fmt::format("'{}' in it is not what was exported: another SHA-256", file.name)};
  }
  return files;
}

/// Into a folder within the directory; there they are verified, then moved up. The last step is a few renames.
Status take_in(const std::vector<TarEntry>& files, const DataDir& dir) {
  const std::string part = dir.file(kPart);
  if (mkdir(part.c_str(), 0700) != 0) return failed("make the directory", part);
  for (const TarEntry& file : files) {
    NewFile out(part + '/' + file.name);
    out.put(file.content);
    if (auto done = out.finish(); !done) return done;
  }
  for (const FileCheck& one : uv::check_data_files(part))
    if (one.state == FileCheck::State::broken) return {Errc::invalid_argument, fmt::format("{} in it is broken: {}", one.name, one.detail)};
  for (const TarEntry& file : files)
    if (std::rename((part + '/' + file.name).c_str(), dir.file(file.name).c_str()) != 0) return failed("move into its place", dir.file(file.name));
  return {};
}

/// Whether there is nothing in it but what a lock takes.
bool is_empty(const std::string& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().filename() != "lock") return false;
  return !error;
}

int import_state(const Call& call, const DataDir& dir) {
  const std::string& source = call.arguments[1];
  if (!is_empty(call.data_dir)) return complain(kBad, fmt::format("'{}' is not empty: what is there would be lost; name another directory, or move it away", call.data_dir));
  const auto archive = Mapped::open(source);
  if (!archive) return complain(kBad, archive.error().message);
  const auto files = vouched((*archive)->bytes());
  if (!files) return complain(kBad, fmt::format("'{}': {}", source, files.error().message));
  const Status taken = take_in(*files, dir);
  std::error_code ignored;
  fs::remove_all(dir.file(kPart), ignored);
  if (!taken) return complain(kBad, fmt::format("'{}' was not imported: {}", source, taken.error().message));
  std::vector<std::string> list;
  for (const TarEntry& file : *files) list.push_back(file.name);
  if (call.json) put(uv::text_of({{"data_dir", call.data_dir}, {"files", list}}));
  else say(fmt::format("{}: {} files; never start two members of one name", call.data_dir, list.size()));
  return kGood;
}

}  // namespace

int state(const Call& call) {
  const auto& words = call.arguments;
  const bool verifies = words.size() == 1 && words[0] == "verify", exports = words.size() == 2 && words[0] == "export",
             imports = words.size() == 2 && words[0] == "import";
  if (call.data_dir.empty() || (!verifies && !exports && !imports)) return complain(kUsage, kUsageText);
  if (imports && mkdir(call.data_dir.c_str(), 0700) != 0 && errno != EEXIST) return complain(kBad, failed("make the directory", call.data_dir).message);
  const auto dir = DataDir::visit(call.data_dir);
  if (!dir) return complain(kBad, dir.error().message);
  return verifies ? verify(call, **dir) : exports ? export_state(call, **dir) : import_state(call, **dir);
}

}  // namespace plumvine::cli
