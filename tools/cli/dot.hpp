#pragma once

#include <string>
#include <string_view>

namespace plumvine::cli {

/// The answer of `GET /tree` as a graph for Graphviz: payloads flow along arrows, one colour a tree; links that only announce are dashed.
std::string dot_of(std::string_view tree_json);

}  // namespace plumvine::cli
