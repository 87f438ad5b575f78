#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace plumvine::cli {

/// Colours are for terminals that know them, and for nobody who has set NO_COLOR (no-color.org).
bool shows_colours(std::FILE* stream);

/// The word as people shall see it: states that are well are green, those to look at yellow, bad ones red; anything else as it is.
std::string coloured(std::string_view word);

/// One line of work done on standard error, where that is a terminal; it is gone when the work is over.
class Progress {
 public:
  Progress(std::string what, std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// The next part begins.
  void next(std::string_view part);

 private:
  std::string what_;
  std::size_t total_, done_ = 0;
  bool shown_;
};
/// What such a line says: `bundle [#####               ]  3/12 metrics.txt`.
std::string progress_line(std::string_view what, std::size_t done, std::size_t total, std::string_view part);

}  // namespace plumvine::cli
