#include "data_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <nlohmann/json.hpp>

namespace plumvine::uv {
namespace {

constexpr const char* kFormat = "plumvine peers 1";

Error failed(const std::string& what, const std::string& path) {
  return Error{Errc::system, "cannot " + what + " '" + path + "': " + std::strerror(errno)}.with("data_dir");
}

std::string holder_of(int fd) {
  std::array<char, 32> pid{};
  const ssize_t n = pread(fd, pid.data(), pid.size() - 1, 0);
  const std::string text(pid.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::string format_peers(std::string_view label, const std::vector<KnownPeer>& peers) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const KnownPeer& peer : peers) {
    nlohmann::ordered_json row{{"name", peer.name}, {"address", peer.endpoint.to_string()}, {"seen", peer.seen_s}};
    try {
      (void)row.dump();
    } catch (const nlohmann::json::type_error&) {
      continue;
    }
    list.push_back(std::move(row));
  }
  return nlohmann::ordered_json{{"format", kFormat}, {"cluster", label}, {"peers", std::move(list)}}.dump(1) + '\n';
}

Result<std::vector<KnownPeer>> parse_peers(std::string_view json, std::string_view label, std::size_t max, std::int64_t now_s) {
  const auto file = nlohmann::json::parse(json, nullptr, false);
  const auto text = [](const nlohmann::json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string{};
  };
  if (!file.is_object() || text(file, "format") != kFormat || !file.contains("peers") || !file["peers"].is_array())
    return {Errc::invalid_argument, "it is no list of peers"};
  if (text(file, "cluster") != label)
    return {Errc::not_found, "its peers are of the cluster \"" + text(file, "cluster") + "\""};
  std::vector<KnownPeer> peers;
  for (const auto& row : file["peers"]) {
    if (!row.is_object() || !row.contains("seen") || !row["seen"].is_number_integer())
      return {Errc::invalid_argument, "peer " + std::to_string(peers.size() + 1) + " is none"};
    const auto endpoint = Endpoint::parse(text(row, "address"));
    KnownPeer peer{text(row, "name"), endpoint ? *endpoint : Endpoint{}, row["seen"].get<std::int64_t>()};
    if (peer.name.empty() || peer.endpoint.port == 0)
      return {Errc::invalid_argument, "peer " + std::to_string(peers.size() + 1) + " has no name or address"};
    peers.push_back(std::move(peer));
  }
  std::erase_if(peers, [&](const KnownPeer& peer) { return peer.seen_s < now_s - kPeerKeptS; });
  std::stable_sort(peers.begin(), peers.end(), [](const auto& a, const auto& b) { return a.seen_s > b.seen_s; });
  if (peers.size() > max) peers.resize(max);
  return peers;
}

Result<std::unique_ptr<DataDir>> DataDir::open(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return failed("make the directory", path);
  return lock(path, "give each node a directory of its own");
}

Result<std::unique_ptr<DataDir>> DataDir::visit(const std::string& path) {
  auto dir = lock(path, "stop that one first");
  if (dir && !(*dir)->read_only_.empty()) return Error{Errc::system, (*dir)->read_only_}.with("data_dir");
  return dir;
}

Result<std::unique_ptr<DataDir>> DataDir::lock(const std::string& path, const char* advice) {
  struct stat about {};
  if (stat(path.c_str(), &about) != 0) return failed("use", path);
  if (!S_ISDIR(about.st_mode)) return Error{Errc::system, "'" + path + "' is no directory"}.with("data_dir");
  std::unique_ptr<DataDir> dir(new DataDir(path));
  const std::string file = dir->file("lock");
  Fd fd{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!fd) {
    dir->read_only_ = failed("write", file).message;
    return dir;
  }
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed("lock", file);
    return Error{Errc::system, "'" + path + "' is in use by another process (" + holder_of(fd.get()) +
                                   "); " + advice}
        .with("data_dir");
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd.get(), 0) != 0 || pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    dir->read_only_ = failed("write", file).message;
  dir->lock_ = std::move(fd);
  return dir;
}

std::string DataDir::set_aside(std::string_view name) const {
  const std::string from = file(name), to = from + ".bad";
  if (std::rename(from.c_str(), to.c_str()) == 0) return "moved to '" + to + "'";
  return "it stays, since it cannot be moved: " + std::string(std::strerror(errno));
}

}  // namespace plumvine::uv
