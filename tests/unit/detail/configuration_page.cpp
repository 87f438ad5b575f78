// docs/configuration.md is made from the source: the keys and values from the presets, the meanings from the comments of the fields.
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include <plumvine/config.hpp>

#include "support/pch.hpp"

using namespace plumvine;

namespace {

struct Meaning {
  std::string group, text;
};

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The fields of the structures that hold keys, each with the comment above it; fields below one comment share it.
std::map<std::string, Meaning> fields_of(const std::string& header) {
  const std::map<std::string, std::string> groups{{"SwimConfig", "Membership"}, {"TreeConfig", "Tree"}, {"LinkConfig", "Links"},
                                                  {"HealthConfig", "Health"}, {"Config", "Node"}, {"TopicConfig", "Topics"}};
  const std::regex structure(R"(^struct (\w+) \{$)"), field(R"(^  [\w:<>, ]+ (\w+)(?: = [^()]*|\{[^()]*\})?;(?: *//.*)?$)"),
      enumeration(R"(^  enum .*\} (\w+) = .*;$)");
  std::map<std::string, Meaning> found;
  std::string group, comment, line;
  bool fresh = false;
  std::istringstream text(header);
  while (std::getline(text, line)) {
    std::smatch match;
    if (std::regex_match(line, match, structure)) {
      const auto it = groups.find(match[1]);
      group = it == groups.end() ? "" : it->second;
      comment.clear();
    } else if (line == "};") {
      group.clear();
    } else if (group.empty()) {
      continue;
    } else if (const auto at = line.find("/// "); at != std::string::npos && line.find_first_not_of(' ') == at) {
      comment = (std::exchange(fresh, true) ? comment + " " : "") + line.substr(at + 4);
    } else {
      fresh = false;
      if (std::regex_match(line, match, field) || std::regex_match(line, match, enumeration))
        found.try_emplace((group == "Topics" ? "topics." : "") + match[1].str(), Meaning{group, comment});
      else
        comment.clear();
    }
  }
  return found;
}

/// The field behind a key, where the names differ.
std::string field_of(std::string_view key) {
  if (key == "join") return "seeds";
  if (key.starts_with("link_")) return std::string(key.substr(5));
  return std::string(key);
}

std::string shown(const std::string& value) {
  if (value.empty()) return "empty";
  const bool digits = value.find_first_not_of("0123456789") == std::string::npos && value.size() < 19;
  const std::uint64_t number = digits ? std::stoull(value) : 0;
  if (number >= 1 << 20 && number % (1 << 20) == 0) return "`" + std::to_string(number >> 20) + "MiB`";
  if (number >= 128 << 10 && number % (1 << 10) == 0) return "`" + std::to_string(number >> 10) + "KiB`";
  return "`" + value + "`";
}

/// The value of `lan`, and of those presets that have another.
std::string values(const std::string& key, const std::map<std::string, std::map<std::string, std::string>>& presets) {
  const std::string usual = presets.at("lan").at(key);
  std::string others;
  for (const char* preset : {"local", "wan", "large", "fast"}) {
    const std::string& value = presets.at(preset).at(key);
    if (value != usual) others += (others.empty() ? " (" : ", ") + std::string(preset) + " " + shown(value);
  }
  return shown(usual) + others + (others.empty() ? "" : ")");
}

constexpr std::string_view kIntro = R"(# Configuration

Every key, with its value in the preset `lan` and in brackets where `local`, `wan`, `large` and `fast` differ. This page is made from the source:
a test fails when the two differ, and leaves the page as it should be beside its program.

The agent takes keys from a preset (`preset = "wan"`), then a TOML file (`--config`), then the environment (`PLUMVINE_KEY` in capitals), then flags
(`--set key=value`); what comes later wins. `plumvine config validate FILE` names every problem of a file at once, `plumvine config show --origin` says
what is in force and why. In C++ the keys are fields of `plumvine::Config`, in the groups below. Durations are texts such as `200ms`,
`1.5s`, `2m`; sizes are bytes or texts such as `64MiB`; lists in a file are arrays, elsewhere texts parted by commas.

SIGHUP (`systemctl reload`), in C++ `Node::reload`, takes other values of all keys while a node runs, but of those that say *restart* below and those of
topics. The log line PV5002 names the keys that changed and those that still need a restart. A file with a mistake changes nothing (PV5006).

What measurements say:

- `lazy_fanout` is 3 where the model has 6: each further link costs announcements, and 3 + 3 links lose nothing ([trees](tree-numbers.md)).
- `roots` is best left at 0, and `zone` set, where members stand in several data centres ([trees](tree-numbers.md)).
- `probe_interval` and `suspicion_mult` decide how fast a death is known: 8.8 s with `lan`, 1.4 s with `fast` among 100 processes, none of them falsely
  ([membership](membership-numbers.md)).
- A preset's cost at rest, a member among 100: `lan` 675 bytes/s sent, `fast` 2,325, `wan` 427 ([membership](membership-numbers.md)).
- `max_message_size` may be raised to 512 MiB: payloads above 128 KiB go in parts ([large payloads](large-payloads.md)).
- `compression = "lz4"` pays where links are narrower than a processor is fast; it is off since loopback and fast networks are not.

)";

}  // namespace

TEST_CASE("the page of configuration keys is that of the source", "[config]") {
  const auto fields = fields_of(slurp(PLUMVINE_SOURCE_DIR "/include/plumvine/config.hpp") + slurp(PLUMVINE_SOURCE_DIR "/include/plumvine/topic.hpp"));
  std::map<std::string, std::map<std::string, std::string>> presets;
  for (const char* preset : {"local", "lan", "wan", "large", "fast"}) {
    Config config = *Config::from_preset(preset, "");
    for (const auto& [key, value] : config.describe()) presets[preset][key] = value;
  }
  std::map<std::string, std::string> tables;
  for (const auto& [key, value] : Config::lan("").describe()) {
    INFO(key);
    if (key == "preset") continue;
    const auto field = fields.find(field_of(key));
    REQUIRE(field != fields.end());
    CHECK_FALSE(field->second.text.empty());
    const std::string restart = Config::changes_while_running(key) ? "" : " *Restart.*";
    tables[field->second.group] += "| `" + key + "` | " + values(key, presets) + " | " + field->second.text + restart + " |\n";
  }
  Config with_topic = Config::lan("");
  with_topic.topics["NAME"] = {};
  for (const auto& [key, value] : with_topic.describe()) {
    if (!key.starts_with("topics.NAME.")) continue;
    INFO(key);
    const auto field = fields.find("topics." + key.substr(12));
    REQUIRE(field != fields.end());
    tables["Topics"] += "| `" + key + "` | " + shown(value) + " | " + field->second.text + " |\n";
  }
  std::string made{kIntro};
  for (const char* group : {"Node", "Topics", "Tree", "Membership", "Links", "Health"}) {
    REQUIRE_FALSE(tables[group].empty());
    made += "## " + std::string(group) + "\n\n| key | value | meaning |\n|---|---|---|\n" + tables[group] + "\n";
  }
  made += R"(## The agent

| key | value | meaning |
|---|---|---|
| `preset` | `lan` | What all other keys are before a file, the environment or a flag says something else. |
| `print` | empty | Topics whose messages are printed as JSON lines on standard output; `*` is all but reserved ones. |
| `publish` | empty | The topic on which each line of standard input is broadcast. |
| `log_format` | `text` | `text`, or `json`: one object a line. |
| `log_file` | empty | Where the log goes instead of standard error. Opened again at SIGHUP, so that others may move it away. |
| `log_file_max_bytes` | `16MiB` | A log file of this size becomes FILE.1, which becomes FILE.2, and so on; at least 64KiB. |
| `log_files_max` | `5` | How many older files are kept; up to 1000, 0: none. |
| `security_log` | empty | Where events of kind security go as well, whatever the log levels are. Bounded and opened again likewise; turning it on or off needs a restart. |
)";
  std::ofstream("configuration.md") << made;  // what to copy when this fails
  CHECK(slurp(PLUMVINE_SOURCE_DIR "/docs/configuration.md") == made);
}
