#include "dot.hpp"

#include <array>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace plumvine::cli {
namespace {

using Json = nlohmann::json;

/// A name between quotes; members may have any characters.
std::string quoted(const Json& name) {
  std::string out = "\"";
  for (const char c : name.get<std::string>()) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  }
  return out + '"';
}

}  // namespace

std::string dot_of(std::string_view tree_json) {
  constexpr std::array kColours{"black", "blue", "darkgreen", "red", "purple", "orange3", "brown", "cyan4"};
  const Json json = Json::parse(tree_json);
  const std::string self = quoted(json.at("self"));
  std::string out = fmt::format("digraph plumvine {{\n  {} [penwidth=2];\n", self);
  std::set<std::string> drawn, lazy;
  std::size_t number = 0;
  for (const auto& tree : json.at("trees")) {
    const std::string root = tree.at("root").is_null() ? quoted(tree.at("tree")) : quoted(tree.at("root"));
    const std::string style = fmt::format("[color={}, label={}]", kColours[number++ % kColours.size()], root);
    const bool child = !tree.at("parent").is_null();
    if (child) out += fmt::format("  {} -> {} {};\n", quoted(tree.at("parent")), self, style);
    for (const auto& name : tree.at("eager")) {
      drawn.insert(quoted(name));
      if (!child || name != tree.at("parent")) out += fmt::format("  {} -> {} {};\n", self, quoted(name), style);
    }
    for (const auto& name : tree.at("lazy")) lazy.insert(quoted(name));
  }
  for (const auto& name : lazy) {
    if (!drawn.contains(name)) out += fmt::format("  {} -> {} [style=dashed, arrowhead=none];\n", self, name);
  }
  return out + "}\n";
}

}  // namespace plumvine::cli
