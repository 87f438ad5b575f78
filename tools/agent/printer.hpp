#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace plumvine::agent {

/// Writes lines to standard output from a thread of its own, so that a slow pipe never holds the loop up.
/// Bounded: above `kFullBytes` the producer is asked to pause, below half of it to go on.
class Printer {
 public:
  static constexpr std::size_t kFullBytes = 4u << 20;

  /// `on_room` is called on the writer's thread when the queue has fallen below half after it was full, and
  /// `on_closed` when standard output does not take any more.
  Printer(int fd, std::function<void()> on_room, std::function<void()> on_closed);
  /// Writes what is queued, at most for two seconds, then ends the thread.
  ~Printer();
  Printer(const Printer&) = delete;
  Printer& operator=(const Printer&) = delete;

  /// Queues a line (the line feed is added). False: the queue is now full, pause until `on_room`.
  bool print(const std::string& line);
  [[nodiscard]] bool full();

 private:
  void run();
  bool write_all(const std::string& text);

  int fd_;
  std::function<void()> on_room_;
  std::function<void()> on_closed_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string pending_;
  bool full_ = false;
  bool closed_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace plumvine::agent
