#include "flags.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace plumvine::agent {
namespace {

constexpr std::array kFlags{
    Flag{"--name", "name", "NAME", "member name: 1 to 128 of [A-Za-z0-9._-] (host name)"},
    Flag{"--bind", "bind", "HOST:PORT",
         "UDP and TCP for membership and links ([::]:7946; 0.0.0.0:7946 where IPv6 is off); port 0 = ephemeral"},
    Flag{"--advertise", "advertise", "HOST:PORT",
         "what others dial (the bound address, or the default route's source address)"},
    Flag{"--join", "", "HOST[:PORT]", "seed; repeatable, kept for ever; srv+NAME asks for SRV records", true},
    Flag{"--http", "http", "HOST:PORT|off", "metrics, health, admin (127.0.0.1:9090); port 0 = ephemeral"},
    Flag{"--preset", "", "local|lan|wan|large|fast", "base configuration (lan)"},
    Flag{"--config", "", "FILE", "TOML file of configuration keys"},
    Flag{"--set", "", "key=value", "override one key; repeatable", true},
    Flag{"--cluster", "cluster", "LABEL", "cluster label; frames of another label are dropped"},
    Flag{"--encrypt", "encrypt", "BASE64", "gossip key of 16, 24 or 32 bytes; others on this machine may see it here"},
    Flag{"--keyring", "keyring", "FILE", "gossip keys as Serf writes them: a JSON array of base64, the first is primary"},
    Flag{"--tls-cert", "tls_cert", "FILE", "TLS 1.3 on all streams, both ends with certificates: ours in PEM, it names us"},
    Flag{"--tls-key", "tls_key", "FILE", "its key in PEM"},
    Flag{"--tls-ca", "tls_ca", "FILE", "the CAs in PEM whose certificates are trusted"},
    Flag{"--data-dir", "data_dir", "DIR", "keeps known members and changed keys here over restarts"},
    Flag{"--transport", "transport", "tcp|quic", "tree links (tcp); quic needs TLS and has a UDP port of its own (quic_port)"},
    Flag{"--serf-events", "serf_events", "", "carry Serf's user events NAME to topic serf.NAME and back"},
    Flag{"--publish", "", "TOPIC", "broadcast each line of standard input"},
    Flag{"--print", "", "TOPIC", "print delivered messages as JSON lines; repeatable; * = all but reserved topics",
         true},
    Flag{"--log-level", "log_level", "error|warn|info|debug|trace", "what goes to standard error (info)"},
    Flag{"--log-format", "log_format", "text|json", "how it looks (text)"},
};

std::string allowed() {
  std::string out;
  for (const auto& flag : kFlags) out += fmt::format("{}, ", flag.flag);
  return out + "--help, --version";
}

Status put(Typed& typed, const Flag& flag, std::string value) {
  if (value.empty() && flag.flag != "--cluster") {
    return {Errc::invalid_argument, fmt::format("{}: '' is not {}", flag.flag, flag.value)};
  }
  if (flag.flag == "--join") {
    typed.join.push_back(std::move(value));
  } else if (flag.flag == "--print") {
    typed.print.push_back(std::move(value));
  } else if (flag.flag == "--publish") {
    typed.publish.push_back(std::move(value));
    if (typed.publish.size() > 1) {
      return {Errc::invalid_argument,
              fmt::format("--publish: '{}' is a second topic; standard input has one reader", typed.publish.back())};
    }
  } else if (flag.flag == "--preset") {
    typed.preset = std::move(value);
  } else if (flag.flag == "--config") {
    typed.file = std::move(value);
  } else if (flag.flag == "--set") {
    const auto equals = value.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return {Errc::invalid_argument, fmt::format("--set: '{}' is not key=value", value)};
    }
    typed.sets.emplace_back(value.substr(0, equals), value.substr(equals + 1));
  } else {
    typed.keys[std::string(flag.key)] = std::move(value);
  }
  return {};
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

Error unknown(std::string_view name) {
  if (!name.starts_with('-')) {
    return {Errc::invalid_argument, fmt::format("'{}' is not a flag (allowed: {})", name, allowed())};
  }
  std::vector<std::string_view> names;
  for (const auto& flag : kFlags) names.push_back(flag.flag);
  const auto near = nearest(name, names);
  const auto hint = edit_distance(near, name) <= 3 ? fmt::format(", did you mean {}?", near) : std::string{};
  return {Errc::invalid_argument, fmt::format("{}: unknown flag{} (allowed: {})", name, hint, allowed())};
}

}  // namespace

std::span<const Flag> flags() {
  return kFlags;
}

Result<Typed> parse_flags(const std::vector<std::string>& arguments) {
  Typed typed;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const auto equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
    const std::string name = argument.substr(0, equals);
    if (name == "--help" || name == "-h" || name == "--version") {
      if (equals != std::string::npos) {
        return {Errc::invalid_argument,
                fmt::format("{}: '{}' is a value, it takes none", name, argument.substr(equals + 1))};
      }
      (name == "--version" ? typed.version : typed.help) = true;
      continue;
    }
    const auto flag = std::find_if(kFlags.begin(), kFlags.end(), [&](const Flag& f) { return f.flag == name; });
    if (flag == kFlags.end()) return unknown(name);
    if (flag->value.empty()) {  // a switch
      if (equals != std::string::npos)
        return {Errc::invalid_argument, fmt::format("{}: '{}' is a value, it takes none", name, argument.substr(equals + 1))};
      typed.keys[std::string(flag->key)] = "true";
      continue;
    }
    std::string value;
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return {Errc::invalid_argument, fmt::format("{}: a value is missing: {}", name, flag->value)};
    }
    if (auto taken = put(typed, *flag, std::move(value)); !taken) return taken.error();
  }
  return typed;
}

std::string help_text() {
  std::string out =
      "plumvined: a member of a plumvine cluster\n"
      "Usage: plumvined [FLAG VALUE]...\n\n";
  for (const auto& flag : kFlags) {
    out += fmt::format("  {:<44} {}\n", fmt::format("{} {}", flag.flag, flag.value), flag.help);
  }
  out += fmt::format("  {:<44} {}\n  {:<44} {}\n", "--help", "this text", "--version", "the version");
  out +=
      "\nEvery configuration key can be set by --set, in the file, or as PLUMVINE_KEY in the environment;\n"
      "precedence: preset < file < environment < flag. SIGTERM leaves the cluster and ends, SIGHUP reads the\n"
      "configuration again, SIGUSR1 writes the node's state to a file.\n";
  return out;
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& names) {
  const auto it = std::min_element(names.begin(), names.end(), [&](std::string_view a, std::string_view b) {
    return edit_distance(a, word) < edit_distance(b, word);
  });
  return it == names.end() ? std::string_view{} : *it;
}

}  // namespace plumvine::agent
