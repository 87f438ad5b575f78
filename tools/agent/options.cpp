#include "options.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

extern char** environ;

namespace plumvine::agent {
namespace {

constexpr const char* kPresets = "local|lan|wan|large|fast";

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == 0) return "node";
  return name.data();
}

Refusal refuse(std::string text, int status = 2) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return {status, "plumvined: " + text};
}

// Changing the preset keeps what is no part of a preset.
Status set_preset(Options& options, std::string_view preset) {
  auto made = Config::from_preset(preset, options.config.name);
  if (!made) return made.error();
  Config config = std::move(*made);
  config.bind = options.config.bind;
  config.advertise = options.config.advertise;
  config.seeds = options.config.seeds;
  config.cluster = options.config.cluster;
  config.http = options.config.http;
  config.log_level = options.config.log_level;
  options.config = std::move(config);
  return {};
}

Status set_list(std::vector<std::string>& out, std::string_view text) {
  out.clear();
  for (std::string_view rest = text; !rest.empty();) {
    const auto comma = rest.find(',');
    out.emplace_back(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  return {};
}

// The flags as typed, before anything is applied.
struct Flags {
  std::string file;
  std::string preset;
  std::map<std::string, std::string> keys;  // flag's key -> value
  std::vector<std::string> join, publish, print, sets;
};

// Flags of parts that this version does not have: refused, never ignored.
constexpr std::array<const char*, 7> kNotBuilt{"--keyring", "--encrypt", "--tls-cert", "--tls-key", "--tls-ca", "--serf-events", "--data-dir"};

void declare(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", std::string("plumvined ") + PLUMVINE_VERSION);
  app.add_option("--config", flags.file, "TOML file")->type_name("FILE");
  app.add_option("--preset", flags.preset, "base configuration (lan)")->type_name(kPresets);
  const auto key = [&](const char* flag, const char* name, const char* help, const char* type) {
    app.add_option_function<std::string>(flag, [&flags, name](const std::string& value) { flags.keys[name] = value; }, help)->type_name(type);
  };
  key("--name", "name", "member name (host name): 1 to 128 of [A-Za-z0-9._-]", "NAME");
  key("--bind", "bind", "UDP and TCP for membership and links ([::]:7946, or 0.0.0.0:7946 without IPv6); port 0 = ephemeral", "HOST:PORT");
  key("--advertise", "advertise", "what others dial (the bound address, or the default route's)", "HOST:PORT");
  key("--http", "http", "metrics, health, admin (127.0.0.1:9090); port 0 = ephemeral; off", "HOST:PORT|off");
  key("--cluster", "cluster", "cluster label; frames of another label are dropped", "LABEL");
  key("--transport", "transport", "tree links", "tcp");
  key("--log-level", "log_level", "to standard error (info)", "error|warn|info|debug|trace");
  key("--log-format", "log_format", "(text)", "text|json");
  app.add_option("--join", flags.join, "seed, repeatable; kept for ever")->type_name("HOST[:PORT]")->allow_extra_args(false);
  app.add_option("--set", flags.sets, "override one key, repeatable")->type_name("key=value")->allow_extra_args(false);
  app.add_option("--publish", flags.publish, "broadcast each line of standard input on TOPIC")->type_name("TOPIC")->allow_extra_args(false);
  app.add_option("--print", flags.print, "print delivered messages as JSON lines, repeatable; * = all")->type_name("TOPIC")->allow_extra_args(false);
}

std::optional<Refusal> parse(const std::vector<std::string>& arguments, Flags& flags) {
  for (const auto& argument : arguments) {
    for (const char* flag : kNotBuilt) {
      if (argument == flag || argument.starts_with(std::string(flag) + "=")) return refuse(fmt::format("{}: not supported by this version", flag));
    }
  }
  CLI::App app{"plumvined: a member of a plumvine cluster", "plumvined"};
  declare(app, flags);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return Refusal{0, app.help()};
  } catch (const CLI::CallForVersion&) {
    return Refusal{0, std::string("plumvined ") + PLUMVINE_VERSION};
  } catch (const CLI::ParseError& error) {
    return refuse(fmt::format("{} (see plumvined --help)", error.what()));
  }
  return std::nullopt;
}

Status apply_environment(Options& options) {
  constexpr std::string_view kPrefix = "PLUMVINE_";
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view entry = *at;
    const auto equals = entry.find('=');
    if (!entry.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    std::string key(entry.substr(kPrefix.size(), equals - kPrefix.size()));
    std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (key == "preset" || key == "config") continue;  // taken before
    if (auto status = set_key(options, key, entry.substr(equals + 1)); !status) return status.error().with(entry.substr(0, equals));
  }
  return {};
}

Status apply_flags(const Flags& flags, Options& options) {
  for (const auto& [key, value] : flags.keys) {
    std::string flag = "--" + key;
    std::replace(flag.begin(), flag.end(), '_', '-');
    if (auto status = set_key(options, key, value); !status) return Error{status.error().code, fmt::format("{}: {}", flag, status.error().message)};
  }
  if (!flags.join.empty()) {
    options.config.seeds.clear();
    for (const auto& seed : flags.join) {
      if (auto parsed = HostPort::parse(seed); !parsed) return parsed.error().with("--join");
      options.config.seeds.push_back(seed);
    }
  }
  if (!flags.publish.empty()) options.publish = flags.publish;
  if (!flags.print.empty()) options.print = flags.print;
  for (const auto& pair : flags.sets) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos) return {Errc::invalid_argument, fmt::format("--set: '{}' is not key=value", pair)};
    if (auto status = set_key(options, pair.substr(0, equals), pair.substr(equals + 1)); !status) return status.error().with("--set");
  }
  return {};
}

// A file that cannot be read is the machine's refusal (1), everything else the user's (2).
std::optional<Refusal> apply_config_file(const std::string& path, Options& options, bool with_preset) {
  if (path.empty()) return std::nullopt;
  if (!std::ifstream(path).good()) return refuse(fmt::format("--config: cannot read '{}'", path), 1);
  options.config_file = path;
  if (auto status = apply_file(path, options, with_preset); !status) return refuse(status.error().message);
  return std::nullopt;
}

std::optional<Refusal> check(const Options& options) {
  const auto problems = options.config.validate();
  std::string all;
  for (const auto& problem : problems) all += fmt::format("{}{} {}", all.empty() ? "" : "; ", problem.field, problem.message);
  if (!all.empty()) return refuse(all);
  if (options.publish.size() > 1) return refuse("--publish: given twice; standard input has one reader");
  for (const auto* list : {&options.publish, &options.print}) {
    for (const auto& topic : *list) {
      const bool bad = topic.empty() || topic.size() > 128 || std::any_of(topic.begin(), topic.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
      if (bad) return refuse(fmt::format("{}: '{}' is not a topic: 1 to 128 bytes without control characters", list == &options.publish ? "--publish" : "--print", topic));
    }
  }
  if (!options.publish.empty() && options.publish[0].starts_with('_')) return refuse(fmt::format("--publish: '{}' is reserved: topics that start with _", options.publish[0]));
  return std::nullopt;
}

}  // namespace

const std::vector<std::string>& agent_keys() {
  static const std::vector<std::string> keys{"preset", "publish", "print", "log_format", "transport"};
  return keys;
}

Status set_key(Options& options, std::string_view key, std::string_view text) {
  if (key == "preset") return set_preset(options, text);
  if (key == "publish") return set_list(options.publish, text);
  if (key == "print") return set_list(options.print, text);
  if (key == "transport") {
    if (text == "tcp") return {};
    return {Errc::invalid_argument, fmt::format("transport: '{}' is not supported by this version (allowed: tcp)", text)};
  }
  if (key == "log_format") {
    if (text != "text" && text != "json") return {Errc::invalid_argument, fmt::format("log_format: '{}' is not text or json", text)};
    options.log_format = text == "json" ? LogFormat::json : LogFormat::text;
    return {};
  }
  if (key == "http" && text == "off") {
    options.config.http.clear();
    options.http_off = true;
    return {};
  }
  return options.config.set(key, text);
}

std::optional<Refusal> reread_options(const std::vector<std::string>& arguments, Options& options) {
  Flags flags;
  if (auto refusal = parse(arguments, flags)) return refusal;
  options = Options{};
  options.config = Config::lan(host_name());
  options.config.http = "127.0.0.1:9090";
  const char* environment_preset = std::getenv("PLUMVINE_PRESET");
  const char* environment_file = std::getenv("PLUMVINE_CONFIG");
  const std::string file = !flags.file.empty() ? flags.file : environment_file != nullptr ? environment_file : "";
  const std::string preset = !flags.preset.empty() ? flags.preset : environment_preset != nullptr ? environment_preset : "";
  if (!preset.empty()) {
    if (auto status = set_preset(options, preset); !status) return refuse(status.error().with("--preset").message);
  }
  if (auto refusal = apply_config_file(file, options, preset.empty())) return refusal;
  if (auto status = apply_environment(options); !status) return refuse(status.error().message);
  if (auto status = apply_flags(flags, options); !status) return refuse(status.error().message);
  return check(options);
}

std::optional<Refusal> read_options(int argc, const char* const* argv, Options& options) {
  return reread_options(std::vector<std::string>(argv + 1, argv + argc), options);
}

}  // namespace plumvine::agent
