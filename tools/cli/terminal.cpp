#include "terminal.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

namespace plumvine::cli {
namespace {

constexpr std::array kWell{"alive", "healthy", "open", "up", "ok", "healthy:"};
constexpr std::array kLookAt{"suspect", "degraded", "degraded:", "warning", "partial", "draining"};
constexpr std::array kBad{"dead", "unhealthy", "unhealthy:", "blocked", "critical", "majority_lost"};

bool is_one_of(std::string_view word, const auto& words) { return std::find(words.begin(), words.end(), word) != words.end(); }

}  // namespace

bool shows_colours(std::FILE* stream) {
  const char* refused = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  if (refused != nullptr && *refused != '\0') return false;
  return isatty(fileno(stream)) != 0 && kind != nullptr && std::string_view(kind) != "dumb" && *kind != '\0';
}

std::string coloured(std::string_view word) {
  const int colour = is_one_of(word, kWell) ? 32 : is_one_of(word, kLookAt) ? 33 : is_one_of(word, kBad) ? 31 : 0;
  return colour == 0 ? std::string(word) : fmt::format("\x1b[{}m{}\x1b[0m", colour, word);
}

Progress::Progress(std::string what, std::size_t total) : what_(std::move(what)), total_(total), shown_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void Progress::next(std::string_view part) {
  if (shown_) std::fprintf(stderr, "\r\x1b[K%s", progress_line(what_, done_, total_, part).c_str());
  ++done_;
}

std::string progress_line(std::string_view what, std::size_t done, std::size_t total, std::string_view part) {
  constexpr std::size_t kWidth = 20;
  const std::size_t filled = total == 0 ? kWidth : kWidth * std::min(done, total) / total;
  return fmt::format("{} [{}{}] {:>2}/{} {}", what, std::string(filled, '#'), std::string(kWidth - filled, ' '), done, total, part);
}

}  // namespace plumvine::cli
