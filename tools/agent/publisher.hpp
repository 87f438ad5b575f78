#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include <plumvine/bytes.hpp>

namespace plumvine::agent {

/// Cuts a byte stream into lines. A last line without a line feed counts; lines above the limit are
/// skipped and reported by number, however long they are.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t line_max) : line_max_(line_max) {}
  void feed(std::string_view data, const std::function<void(Bytes)>& line,
            const std::function<void(std::uint64_t)>& skipped);
  void finish(const std::function<void(Bytes)>& line, const std::function<void(std::uint64_t)>& skipped);

 private:
  void end_line(const std::function<void(Bytes)>& line, const std::function<void(std::uint64_t)>& skipped);
  std::size_t line_max_;
  std::string partial_;
  bool any_ = false;  ///< the current line has bytes (or was begun)
  bool too_long_ = false;
  std::uint64_t number_ = 1;
};

/// Reads standard input on a thread of its own and hands lines over in order. Bounded: the reader stops while
/// `kFullBytes` or `kFullLines` wait, so the writer of the pipe feels the cluster's pace.
class Publisher {
 public:
  static constexpr std::size_t kFullBytes = 4u << 20;
  static constexpr std::size_t kFullLines = 16384;

  /// `on_lines` is called on the reader's thread when there is something to take; `on_skipped` for each line too long.
  Publisher(int fd, std::size_t line_max, std::function<void()> on_lines,
            std::function<void(std::uint64_t)> on_skipped);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  /// Begins to read.
  void start();
  /// Publishes waiting lines in order until `publish` returns false (that line is kept) or none is left.
  void drain(const std::function<bool(const Bytes&)>& publish);

 private:
  void run();
  int fd_;
  LineSplitter splitter_;
  std::function<void()> on_lines_;
  std::function<void(std::uint64_t)> on_skipped_;
  int wake_[2] = {-1, -1};
  std::mutex mutex_;
  std::condition_variable room_;
  std::deque<Bytes> lines_;
  std::size_t bytes_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace plumvine::agent
