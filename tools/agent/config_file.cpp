#include <fmt/format.h>
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

// Arrays are lists of texts or numbers, joined by commas.
std::optional<std::string> as_list(const toml::array& array) {
  std::string out;
  for (const auto& item : array) {
    auto text = as_text(item);
    if (!text) return std::nullopt;
    if (!out.empty()) out += ',';
    out += *text;
  }
  return out;
}

Status apply_entry(const std::string& path, const toml::key& key, const toml::node& node, Options& options) {
  const std::string where = place(path, node.source());
  if (key == "topics") return {Errc::invalid_argument, where + ": topic tables are not supported by this version"};
  const toml::array* array = node.as_array();
  const auto text = array != nullptr ? as_list(*array) : as_text(node);
  if (!text) return {Errc::invalid_argument, fmt::format("{}: '{}' must be a text, number, true/false or a list", where, key.str())};
  if (auto status = set_key(options, key.str(), *text); !status) return status.error().with(where);
  return {};
}

}  // namespace

Status apply_file(const std::string& path, Options& options, bool with_preset) {
  const toml::parse_result parsed = toml::parse_file(path);
  if (!parsed) {
    const auto& error = parsed.error();
    return {error.source().begin.line == 0 ? Errc::system : Errc::invalid_argument,
            fmt::format("{}: {}", place(path, error.source()), error.description())};
  }
  // The preset is the base, wherever in the file it stands.
  if (const toml::node* preset = parsed.table().get("preset"); with_preset && preset != nullptr) {
    if (auto status = apply_entry(path, toml::key{"preset"}, *preset, options); !status) return status;
  }
  for (const auto& [key, node] : parsed.table()) {
    if (key == "preset") continue;
    if (auto status = apply_entry(path, key, node, options); !status) return status;
  }
  return {};
}

}  // namespace plumvine::agent
