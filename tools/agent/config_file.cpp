#include <algorithm>

#include <fmt/format.h>
// The packaged library has only the parser that throws; the one that returns errors is header-only.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "options.hpp"

namespace plumvine::agent {
namespace {

std::string place(const std::string& path, const toml::source_region& source) {
  return fmt::format("{}:{}", path, source.begin.line);
}

// One value as `set_key` reads it; nullopt for tables, dates and nested arrays.
std::optional<std::string> as_text(const toml::node& node) {
  if (auto text = node.value_exact<std::string>()) return *text;
  if (auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  if (auto number = node.value_exact<std::int64_t>()) return fmt::format("{}", *number);
  if (auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  return std::nullopt;
}

std::optional<std::vector<std::string>> as_list(const toml::array& array) {
  std::vector<std::string> out;
  for (const auto& item : array) {
    auto text = as_text(item);
    if (!text) return std::nullopt;
    out.push_back(std::move(*text));
  }
  return out;
}

Status set_tags(const toml::table& table, Tags& tags) {
  Tags read;
  for (const auto& [tag, node] : table) {
    const auto value = node.value_exact<std::string>();
    if (!value || tag.str().empty())
      return {Errc::invalid_argument, fmt::format("'{}' must be a name with a text, as in role = \"web\"", tag.str())};
    read.emplace(tag.str(), *value);
  }
  tags = std::move(read);
  return {};
}

Status apply_entry(std::string_view key, const toml::node& node, Options& options) {
  if (const toml::table* table = node.as_table(); table != nullptr && key == "tags") return set_tags(*table, options.config.tags);
  if (const toml::array* array = node.as_array()) {
    auto list = as_list(*array);
    if (list && (key == "print" || key == "publish")) return set_topics(options, key, std::move(*list));
    if (list) return set_key(options, key, fmt::format("{}", fmt::join(*list, ",")));
  } else if (auto text = as_text(node)) {
    return set_key(options, key, *text);
  }
  return {Errc::invalid_argument, fmt::format("'{}' must be a text, a number, true, false or a list of them", key)};
}

}  // namespace

std::vector<std::string> apply_file(const std::string& path, Options& options, bool with_preset) {
  const toml::parse_result parsed = toml::parse_file(path);
  if (!parsed) {
    const auto& error = parsed.error();
    return {fmt::format("{}: {}", place(path, error.source()), error.description())};
  }
  std::vector<std::pair<toml::source_index, std::string>> problems;
  const auto apply = [&](std::string_view key, const toml::key& written, const toml::node& node) {
    auto status = apply_entry(key, node, options);
    if (status) {
      options.config.origins[std::string(key)] = std::string(kFromFile) + place(path, written.source());
      return;
    }
    std::string text = status.error().message;
    if (status.error().code != Errc::not_found && text.find(key) == std::string::npos)
      text = fmt::format("{}: {}", key, text);
    problems.emplace_back(written.source().begin.line, fmt::format("{}: {}", place(path, written.source()), text));
  };
  const auto apply_topics = [&](const toml::key& written, const toml::node& node) {
    const toml::table* topics = node.as_table();
    if (topics == nullptr) {
      problems.emplace_back(written.source().begin.line,
                            place(path, written.source()) + ": topics: must be tables, as in [topics.NAME]");
      return;
    }
    for (const auto& [name, topic] : *topics) {
      const toml::table* table = topic.as_table();
      if (table == nullptr) {
        problems.emplace_back(name.source().begin.line,
                              fmt::format("{}: topics.{}: must be a table, as in [topics.{}]", place(path, name.source()), name.str(), name.str()));
        continue;
      }
      for (const auto& [key, value] : *table) {
        const std::string full = fmt::format("topics.{}.{}", name.str(), key.str());
        if (!value.is_table()) apply(full, key, value);
        else
          problems.emplace_back(key.source().begin.line, fmt::format("{}: {}: a name with a dot is quoted, as in [topics.\"{}.{}\"]",
                                                                     place(path, key.source()), full, name.str(), key.str()));
      }
    }
  };
  // The preset is the base, wherever in the file it stands.
  for (const bool first : {true, false}) {
    for (const auto& [key, node] : parsed.table()) {
      const bool is_preset = key.str() == "preset";
      if (is_preset != first || (is_preset && !with_preset)) continue;
      if (key.str() == "topics") apply_topics(key, node);
      else apply(key.str(), key, node);
    }
  }
  std::stable_sort(problems.begin(), problems.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (auto& [line, text] : problems) out.push_back(std::move(text));
  return out;
}

}  // namespace plumvine::agent
