#pragma once

#include <stdexcept>
#include <string_view>

namespace plumvine::cli {

/// What answers is no plumvined, or one whose answers this version cannot read. `run` tells it, as `kUnreachable`.
class Foreign : public std::runtime_error {
 public:
  Foreign() : std::runtime_error("the answer is not one of plumvined") {}
};

/// Whether an answer with this content type may come from a plumvined that was asked for `path`, with its query.
bool is_type_of_ours(std::string_view path, long status, std::string_view type);

/// The same of a whole answer: an error is told in an error object, anything else has what every plumvined answers there. Whoever reads on uses `at`,
/// which throws where something is missing all the same.
bool is_answer_of_ours(std::string_view path, long status, std::string_view type, std::string_view body);

}  // namespace plumvine::cli
