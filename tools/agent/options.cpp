#include "options.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <netdb.h>

#include "flags.hpp"
#include "health/json_text.hpp"
#include "transport/uv/keys.hpp"
#include "transport/uv/tls_files.hpp"

extern char** environ;

namespace plumvine::agent {
namespace {

constexpr std::array<std::string_view, 8> kAgentKeys{"preset",       "publish",            "print",         "log_format", "log_file",
                                                     "security_log", "log_file_max_bytes", "log_files_max"};

constexpr std::uint64_t kLogBytesLeast = 64ULL << 10;
constexpr std::uint32_t kLogFilesMost = 1000;

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == 0) return "node";
  return name.data();
}

Options defaults() {
  Options options;
  options.config = Config::lan(host_name());
  options.config.http = "127.0.0.1:9090";
  options.config.origins = {{"name", "default: the host's name"}, {"http", "default of the agent"}};
  return options;
}

// A preset is the base: it is set before anything else.
Status set_preset(Options& options, std::string_view preset) {
  auto made = Config::from_preset(preset, options.config.name);
  if (!made) return {Errc::invalid_argument, fmt::format("'{}' is not local, lan, wan, large or fast", preset)};
  made->http = options.config.http;
  made->origins = std::move(options.config.origins);
  options.config = std::move(*made);
  return {};
}

bool is_topic(std::string_view topic) {
  return !topic.empty() && topic.size() <= 128 && dump::is_utf8(topic) && dump::printable(topic) == topic;
}

// `Config::set` names the key already.
std::string message_of(const Error& error, std::string_view key, std::string_view shown) {
  std::string_view text = error.message;
  if (text.starts_with(std::string(key) + ": ")) text.remove_prefix(key.size() + 2);
  return error.code == Errc::not_found ? std::string(text) : fmt::format("{}: {}", shown, text);
}

bool is_known(const Options& options, std::string_view key) {
  if (std::find(kAgentKeys.begin(), kAgentKeys.end(), key) != kAgentKeys.end()) return true;
  const auto all = options.config.describe();
  return std::any_of(all.begin(), all.end(), [&](const auto& entry) { return entry.first == key; });
}

// PLUMVINE_KEY. A variable that is no key may belong to another program (a service of this name makes container
// platforms set some): it is passed over with a warning.
std::vector<std::string> apply_environment(Options& options) {
  constexpr std::string_view kPrefix = "PLUMVINE_";
  std::vector<std::string> problems;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view entry = *at;
    const auto equals = entry.find('=');
    if (!entry.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    const std::string variable(entry.substr(0, equals));
    std::string key = variable.substr(kPrefix.size());
    std::transform(key.begin(), key.end(), key.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (key == "preset" || key == "config") continue;  // taken before
    if (!is_known(options, key)) {
      options.warnings.push_back(
          fmt::format("the environment variable {} is no configuration key and was passed over", variable));
    } else if (auto status = set_key(options, key, entry.substr(equals + 1)); !status) {
      problems.push_back(message_of(status.error(), key, variable));
    } else {
      options.config.origins[key] = "environment " + variable;
    }
  }
  return problems;
}

std::string flag_of(std::string_view key) {
  for (const auto& flag : flags()) {
    if (flag.key == key) return std::string(flag.flag);
  }
  return std::string(key);
}

std::vector<std::string> apply_flags(const Typed& typed, Options& options) {
  std::vector<std::string> problems;
  for (const auto& [key, value] : typed.keys) {
    if (auto status = set_key(options, key, value); !status) {
      problems.push_back(message_of(status.error(), key, flag_of(key)));
    } else {
      options.config.origins[key] = "flag " + flag_of(key);
    }
  }
  for (const auto& seed : typed.join) {
    if (auto parsed = HostPort::parse(seed); !parsed) problems.push_back("--join: " + parsed.error().message);
  }
  if (!typed.join.empty()) {
    options.config.seeds = typed.join;
    options.config.origins["join"] = "flag --join";
  }
  for (const auto& [key, list] : {std::pair{"publish", &typed.publish}, {"print", &typed.print}}) {
    if (list->empty()) continue;
    if (auto status = set_topics(options, key, *list); !status)
      problems.push_back(fmt::format("--{}: {}", key, status.error().message));
  }
  for (const auto& [key, value] : typed.sets) {
    if (key == "preset") continue;  // taken before
    if (auto status = set_key(options, key, value); !status) {
      problems.push_back(fmt::format("--set: {}", message_of(status.error(), key, key)));
    } else {
      options.config.origins[key] = "flag --set";
    }
  }
  return problems;
}

// What the node listens on and advertises are addresses; a name is resolved once, here.
std::vector<std::string> resolve_names(Config& config) {
  std::vector<std::string> problems;
  for (const auto& [field, text] : {std::pair{"bind", &config.bind}, {"advertise", &config.advertise}}) {
    if (text->empty() || Endpoint::parse(*text)) continue;
    auto named = HostPort::parse(*text);
    if (!named || !named->has_port || named->srv) continue;  // `validate` says what is wrong
    if (named->host == "localhost") {  // it needs no hosts file (RFC 6761, section 6.3)
      named->host = "127.0.0.1";
      *text = named->to_string();
      continue;
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int status = getaddrinfo(named->host.c_str(), nullptr, &hints, &found);
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> guard(found, freeaddrinfo);
    if (status != 0 || found == nullptr) {
      problems.push_back(fmt::format("--{}: '{}' has no address: {}", field, named->host, gai_strerror(status)));
      continue;
    }
    std::array<char, NI_MAXHOST> host{};
    const addrinfo* best = found;
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
      if (at->ai_family == AF_INET && best->ai_family != AF_INET) best = at;
    }
    getnameinfo(best->ai_addr, best->ai_addrlen, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST);
    *text = HostPort{.host = host.data(), .port = named->port, .has_port = true}.to_string();
  }
  return problems;
}

std::vector<std::string> check(const Options& options, const Typed& typed) {
  std::vector<std::string> problems;
  for (const auto& problem : options.config.validate()) {
    const bool from_flag = typed.keys.contains(problem.field) || (problem.field == "join" && !typed.join.empty());
    const auto origin = options.config.origins.find(problem.field);
    const bool from_file = origin != options.config.origins.end() && origin->second.starts_with(kFromFile);
    const std::string where = from_flag ? "--" : from_file ? origin->second.substr(kFromFile.size()) + ": " : "";
    problems.push_back(fmt::format("{}{} {}", where, problem.field, problem.message));
  }
  if (!options.log_file.empty() && options.log_file == options.security_log)
    problems.push_back(fmt::format("security_log '{}' is log_file, too; give it a file of its own", options.security_log));
  return problems;
}

std::optional<Refusal> apply_config_file(const std::string& path, Options& options, bool with_preset) {
  // A file that cannot be read is the machine's refusal, everything else the user's.
  struct stat about {};
  if (stat(path.c_str(), &about) != 0 || access(path.c_str(), R_OK) != 0) {
    return Refusal{1, {fmt::format("--config: cannot read '{}': {}", path, std::strerror(errno))}};
  }
  if (S_ISDIR(about.st_mode)) return Refusal{1, {fmt::format("--config: cannot read '{}': it is a directory", path)}};
  options.config_file = path;
  if (auto problems = apply_file(path, options, with_preset); !problems.empty()) return Refusal{2, std::move(problems)};
  return std::nullopt;
}

/// The keyring file, looked at before the node does: a file that cannot be read is the machine's refusal.
std::optional<Refusal> check_keys(const Config& config) {
  const auto keys = uv::read_keys(config.encrypt, config.keyring);
  if (keys) return std::nullopt;
  const std::string& message = keys.error().message;
  return Refusal{keys.error().code == Errc::system ? 1 : 2, {(message.starts_with("keyring") ? "--" : "") + message}};
}

/// The same for certificate, key and CA.
std::optional<Refusal> check_tls(const Config& config) {
  if (config.tls_cert.empty()) return std::nullopt;
  const auto loaded = uv::load_tls(config);
  if (loaded) return std::nullopt;
  std::string flag = loaded.error().message;
  if (flag.starts_with("tls_")) flag = "--tls-" + flag.substr(4);
  return Refusal{loaded.error().code == Errc::system ? 1 : 2, {std::move(flag)}};
}

std::optional<Refusal> check_secrets(const Config& config) {
  auto refusal = check_keys(config);
  return refusal ? refusal : check_tls(config);
}

std::string chosen(const std::string& flag, const char* variable) {
  if (!flag.empty()) return flag;
  const char* value = std::getenv(variable);
  return value == nullptr ? std::string{} : std::string(value);
}

/// The preset that a flag or the environment names, and which of them.
std::pair<std::string, std::string> preset_of(const Typed& typed) {
  std::pair<std::string, std::string> out{typed.preset, "flag --preset"};
  for (const auto& [key, value] : typed.sets) {
    if (key == "preset") out = {value, "flag --set"};
  }
  if (out.first.empty()) out = {chosen({}, "PLUMVINE_PRESET"), "environment PLUMVINE_PRESET"};
  return out;
}

}  // namespace

std::string Refusal::text() const {
  std::string out;
  for (const auto& problem : problems) out += (out.empty() ? "" : "; ") + problem;
  if (status != 0) std::replace(out.begin(), out.end(), '\n', ' ');
  return out;
}

Status set_topics(Options& options, std::string_view key, std::vector<std::string> topics) {
  for (const auto& topic : topics) {
    if (!is_topic(topic)) {
      return {Errc::invalid_argument,
              fmt::format("'{}' is not a topic: 1 to 128 bytes of UTF-8 without control characters",
                          dump::printable(topic))};
    }
    if (key == "publish" && topic.starts_with('_')) {
      return {Errc::invalid_argument, fmt::format("'{}' is reserved: topics that start with _", topic)};
    }
  }
  if (key == "publish" && topics.size() > 1) {
    return {Errc::invalid_argument, fmt::format("'{}' is a second topic; standard input has one reader", topics[1])};
  }
  (key == "publish" ? options.publish : options.print) = std::move(topics);
  return {};
}

Status set_key(Options& options, std::string_view key, std::string_view text) {
  if (key == "preset") return set_preset(options, text);
  if (key == "publish" || key == "print") {
    std::vector<std::string> topics;
    for (std::string_view rest = text; !rest.empty();) {
      const auto comma = rest.find(',');
      topics.emplace_back(rest.substr(0, comma));
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    return set_topics(options, key, std::move(topics));
  }
#ifndef PLUMVINE_QUIC
  if (key == "transport" && text == "quic") return {Errc::invalid_argument, "'quic' is not tcp, which is what this build has"};
#endif
  if (key == "log_format") {
    if (text != "text" && text != "json")
      return {Errc::invalid_argument, fmt::format("'{}' is not text or json", text)};
    options.log_format = text == "json" ? LogFormat::json : LogFormat::text;
    return {};
  }
  if (key == "log_file" || key == "security_log") {
    (key == "log_file" ? options.log_file : options.security_log) = text;
    return {};
  }
  if (key == "log_file_max_bytes") {
    auto size = parse_size(text);
    if (!size) return size.error();
    if (*size < kLogBytesLeast) return {Errc::invalid_argument, fmt::format("is {}, must be at least 64KiB", text)};
    options.log_limits.bytes_max = *size;
    return {};
  }
  if (key == "log_files_max") {
    std::uint32_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || stop != text.data() + text.size() || number > kLogFilesMost)
      return {Errc::invalid_argument, fmt::format("'{}' is not a whole number from 0 to {}", text, kLogFilesMost)};
    options.log_limits.kept_max = number;
    return {};
  }
  if (key == "http" && text == "off") {
    options.config.http.clear();
    return {};
  }
  auto status = options.config.set(key, text);
  if (status || status.error().code != Errc::not_found || key.starts_with("topics.")) return status;
  const auto all = options.config.describe();
  std::vector<std::string_view> names(kAgentKeys.begin(), kAgentKeys.end());
  for (const auto& entry : all) names.push_back(entry.first);
  return {Errc::not_found,
          fmt::format("unknown key '{}'; did you mean '{}'?", dump::printable(key), nearest(key, names))};
}

std::optional<Refusal> read_options(const std::vector<std::string>& arguments, Options& options) {
  auto typed = parse_flags(arguments);
  if (!typed) return Refusal{2, {typed.error().message}};
  if (typed->help) return Refusal{0, {help_text()}};
  if (typed->version) return Refusal{0, {std::string("plumvined ") + PLUMVINE_VERSION + "\n"}};
  options = defaults();
  const auto [preset, named_by] = preset_of(*typed);
  if (!preset.empty()) {
    if (auto status = set_preset(options, preset); !status) return Refusal{2, {"--preset: " + status.error().message}};
    options.config.origins["preset"] = named_by;
  }
  if (const auto file = chosen(typed->file, "PLUMVINE_CONFIG"); !file.empty()) {
    if (auto refusal = apply_config_file(file, options, preset.empty())) return refusal;
  }
  if (auto problems = apply_environment(options); !problems.empty()) return Refusal{2, std::move(problems)};
  if (auto problems = apply_flags(*typed, options); !problems.empty()) return Refusal{2, std::move(problems)};
  if (auto problems = resolve_names(options.config); !problems.empty()) return Refusal{1, std::move(problems)};
  if (auto problems = check(options, *typed); !problems.empty()) return Refusal{2, std::move(problems)};
  return check_secrets(options.config);
}

std::optional<Refusal> validate_file(const std::string& path) {
  Options options = defaults();
  auto refusal = apply_config_file(path, options, true);
  if (refusal && refusal->status == 1) return refusal;
  auto problems = refusal ? std::move(refusal->problems) : std::vector<std::string>{};
  for (auto& name : resolve_names(options.config)) problems.push_back(std::move(name));
  for (auto& problem : check(options, {})) problems.push_back(std::move(problem));
  if (problems.empty()) return check_secrets(options.config);
  return Refusal{2, std::move(problems)};
}

}  // namespace plumvine::agent
