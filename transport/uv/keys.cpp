#include "keys.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include <plumvine/detail/key_text.hpp>

#include "atomic_file.hpp"

namespace plumvine::uv {
namespace {

/// `kKeysMax` keys and much white space.
constexpr std::size_t kFileMax = 64 * 1024;
constexpr const char* kHistoryFormat = "plumvine key history 1";

}  // namespace

Result<std::vector<Bytes>> parse_keyring(std::string_view json) {
  const auto listed = nlohmann::json::parse(json, nullptr, false);
  if (!listed.is_array() || !std::all_of(listed.begin(), listed.end(), [](const auto& key) { return key.is_string(); }))
    return {Errc::invalid_argument, "not a JSON array of keys in base64"};
  std::vector<Bytes> keys;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    auto key = parse_key(listed[i].get_ref<const std::string&>());
    if (!key) return key.error().with("key " + std::to_string(i + 1));
    if (std::find(keys.begin(), keys.end(), *key) == keys.end()) keys.push_back(*key);
    if (keys.size() > kKeysMax) return {Errc::limit_reached, "more than " + std::to_string(kKeysMax) + " keys"};
  }
  if (keys.empty()) return {Errc::invalid_argument, "no key in it"};
  return keys;
}

std::string format_keyring(const std::vector<Bytes>& keys) {
  nlohmann::json listed = nlohmann::json::array();
  for (const Bytes& key : keys) listed.push_back(format_key(key.view()));
  return listed.dump(2) + '\n';
}

std::string format_key_history(const KeyHistory& history) {
  const nlohmann::ordered_json file{
      {"format", kHistoryFormat}, {"primary", history.primary}, {"used_at", history.used_at}, {"superseded", history.superseded}, {"since", history.since}};
  return file.dump(1) + '\n';
}

Result<KeyHistory> read_key_history(const std::string& path) {
  const auto text = read_file(path, kFileMax);
  if (!text && text.error().code == Errc::not_found) return KeyHistory{};
  if (!text) return text.error();
  const auto file = nlohmann::json::parse(*text, nullptr, false);
  try {
    if (file.is_object() && file.at("format") == kHistoryFormat && file.at("used_at").is_number_unsigned())
      return KeyHistory{file.at("primary"), file.at("used_at"), file.at("superseded"),
                        file.value("since", std::map<std::string, std::uint64_t>{})};  // older versions did not write it
  } catch (const nlohmann::json::exception&) {  // a field is missing, or of another type
  }
  return {Errc::invalid_argument, "it is no history of keys"};
}

Result<std::vector<Bytes>> read_keys(const std::string& encrypt, const std::string& keyring_file) {
  std::vector<Bytes> keys;
  if (!encrypt.empty()) {
    const auto key = parse_key(encrypt);
    if (!key) return key.error().with("encrypt");
    keys.push_back(*key);
  }
  if (keyring_file.empty()) return keys;
  const auto text = read_file(keyring_file, kFileMax);
  if (!text) return Error{Errc::system, text.error().message}.with("keyring");
  const auto listed = parse_keyring(*text);
  if (!listed) return Error{Errc::invalid_argument, listed.error().message}.with("keyring: '" + keyring_file + "'");
  for (const Bytes& key : *listed)
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  if (keys.size() > kKeysMax)
    return Error{Errc::invalid_argument, "more than " + std::to_string(kKeysMax) + " keys with `encrypt`"}.with("keyring");
  return keys;
}

std::string rights_problem(const std::string& path, const char* holds) {
  struct stat file {};
  if (path.empty() || stat(path.c_str(), &file) != 0) return {};
  // Of a file of root's a process that is not root is no more than a reader: its group is how it may read.
  const bool lent = file.st_uid == 0 && geteuid() != 0;
  if ((file.st_mode & (lent ? 027 : 077)) == 0) return {};
  std::string mode;
  for (const int shift : {6, 3, 0}) mode += static_cast<char>('0' + (file.st_mode >> shift & 7));
  return "Others than its owner can use '" + path + "' (mode 0" + mode + "), which holds " + holds + ": chmod " + (lent ? "640" : "600") + " it";
}

Result<KeySource> find_keys(const std::string& encrypt, const std::string& keyring_file, const std::string& data_dir) {
  auto configured = read_keys(encrypt, keyring_file);
  if (!configured) return configured.error();
  KeySource source{.keys = std::move(*configured), .file = keyring_file};
  if (!encrypt.empty() && !keyring_file.empty())
    source.note = "`encrypt` goes before the keys in '" + keyring_file + "', also after they have changed: take it out to keep changes";
  if (!keyring_file.empty() || data_dir.empty()) return source;
  source.file = data_dir + "/keyring.json";
  const auto text = read_file(source.file, kFileMax);
  if (!text && text.error().code == Errc::not_found) return source;
  auto kept = text ? parse_keyring(*text) : Result<std::vector<Bytes>>{text.error()};
  if (kept) {
    source.note = "Using the keys in '" + source.file + "'";
    if (!encrypt.empty()) source.note += "; `encrypt` is from before they changed and is not used";
    source.keys = std::move(*kept);
    return source;
  }
  const std::string why = "'" + source.file + "' cannot be understood: " + kept.error().message;
  if (source.keys.empty()) return Error{Errc::system, why + "; mend it, or set encrypt or keyring"}.with("data_dir");
  source.note = why;
  source.broken = true;
  return source;
}

}  // namespace plumvine::uv
