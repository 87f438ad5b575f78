#include "data_check.hpp"

#include <filesystem>
#include <functional>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "atomic_file.hpp"
#include "blocks_file.hpp"
#include "data_dir.hpp"
#include "history.hpp"
#include "keys.hpp"
#include "origin_keys_file.hpp"
#include "transport/crypto/ed25519.hpp"

namespace plumvine::uv {
namespace {

/// Far above what a member writes into one of its small files.
constexpr std::size_t kSmallMax = std::size_t{64} << 20;

using Found = Result<std::string>;

std::string counted(std::size_t count, std::string_view what) { return std::to_string(count) + ' ' + std::string(what) + (count == 1 ? "" : "s"); }

Found check_peers(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("cluster") || !json["cluster"].is_string()) return {Errc::invalid_argument, "it is no list of peers"};
  const auto label = json["cluster"].get<std::string>();
  const auto peers = parse_peers(text, label, std::numeric_limits<std::size_t>::max(), 0);
  if (!peers) return peers.error();
  return counted(peers->size(), "member") + " of the cluster \"" + label + '"';
}

Found check_keyring(const std::string& text) {
  const auto keys = parse_keyring(text);
  if (!keys) return keys.error();
  return counted(keys->size(), "key");
}

Found check_key_history(const std::string& path) {
  const auto history = read_key_history(path);
  if (!history) return history.error();
  return counted(history->superseded.size(), "key") + " superseded";
}

Found check_origin_key(const std::string& text) {
  const auto tools = make_sign_tools(text, 0, {});
  if (!tools) return tools.error();
  return "the key " + frame::name_of(tools->own.key);
}

Found check_origin_keys(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto label = json.is_object() && json.contains("cluster") && json["cluster"].is_string() ? json["cluster"].get<std::string>() : std::string{};
  const auto keys = parse_origin_keys(text, label);
  if (!keys) return keys.error();
  return counted(keys->size(), "key") + " of members of the cluster \"" + label + '"';
}

Found check_blocks(const std::string& text) {
  const auto blocks = parse_blocks(text, 0);
  if (!blocks) return blocks.error();
  return counted(blocks->size(), "block");
}

Found check_messages(const std::string& path) {
  const auto messages = check_history(path);
  if (!messages) return messages.error();
  return counted(*messages, "message");
}

FileCheck check(const std::string& folder, std::string_view name, const std::string& next, const std::function<Found(const std::string& path)>& look) {
  FileCheck out{std::string(name), FileCheck::State::absent, {}, {}};
  const std::string path = folder + '/' + out.name;
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::symlink_status(path, error))) return out;
  Found found = look(path);
  out.state = found ? FileCheck::State::good : FileCheck::State::broken;
  out.detail = found ? *found : found.error().message;
  if (!found) out.next = next;
  return out;
}

/// For files that are read as one text.
std::function<Found(const std::string&)> of_text(Found (*look)(const std::string&)) {
  return [look](const std::string& path) -> Found {
    const auto text = read_file(path, kSmallMax);
    return text ? look(*text) : Found{text.error()};
  };
}

}  // namespace

std::vector<FileCheck> check_data_files(const std::string& folder) {
  return {
      check(folder, "peers.json", "move it away: the member then joins by its seeds", of_text(check_peers)),
      check(folder, "keyring.json", "import a backup, or move it away and start with the current key by --keyring or --encrypt", of_text(check_keyring)),
      check(folder, "key-history.json", "move it away: the member then asks others which key is newer", check_key_history),
      check(folder, "origin.key", "import a backup, or move it away: a new key is made, and the other members have to forget this one",
            of_text(check_origin_key)),
      check(folder, "origin-keys.json", "import a backup, or move it away: the member then believes the first key that it hears of each other one",
            of_text(check_origin_keys)),
      check(folder, kBlocksFile, "import a backup, or move it away: the member then keeps nobody out", of_text(check_blocks)),
      check(folder, "messages.db", "import a backup, or move it away with its -wal and -shm: the member then begins with what comes, and readers with cursors get a gap",
            check_messages),
  };
}

}  // namespace plumvine::uv
