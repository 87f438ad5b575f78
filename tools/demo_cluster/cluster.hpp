#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "child.hpp"
#include "lines.hpp"

namespace demo {

/// One `plumvined` and what it has said so far.
struct Node {
  std::string name;
  Child child;
  std::string bind;   ///< HOST:PORT from the ready line; empty before it
  std::string http;
  bool killed = false;
  bool stopping = false;
  std::optional<Receipt> receipt;    ///< every node but the publisher has one
  std::deque<std::string> last_log;  ///< the last lines of its log
  std::string log_pending;
};

/// The nodes of the demonstration and the pipes to them. One thread; `turn` does everything that waits.
class Cluster {
 public:
  Cluster(std::string programs, const LineFile& file) : programs_(std::move(programs)), file_(file) {}

  /// Starts a node; `seed` is empty for the first one, which publishes.
  bool start_node(const std::string& name, const std::string& seed, std::string& error);

  /// Waits at most `wait_ms` for something to happen and takes it in: printed lines, log lines, room in the
  /// publisher's input. False when a node ended that should not have.
  bool turn(int wait_ms, std::string& error);

  /// The publisher gets the file's bytes up to here, and the end of input after the last one.
  void allow_input(std::size_t offset) { input_allowed_ = offset; }
  void begin_input() { input_open_ = true; }
  [[nodiscard]] std::size_t input_sent() const { return input_sent_; }

  void kill(Node& node);
  /// SIGTERM to all; waits until they end, at most `timeout_ms` each, then SIGKILL. What they still print counts.
  void stop(int timeout_ms);

  [[nodiscard]] std::vector<std::unique_ptr<Node>>& nodes() { return nodes_; }
  [[nodiscard]] Node& publisher() { return *nodes_.front(); }
  /// Received lines of the survivor (publisher and killed node apart) that has the fewest.
  [[nodiscard]] std::uint64_t slowest_survivor() const;
  [[nodiscard]] std::uint64_t received_by_all() const;

  /// The last log lines of every node, for the reader of a failed run.
  [[nodiscard]] std::string logs() const;

 private:
  void take_log(Node& node, const std::string& text);
  void pump();

  std::string programs_;
  const LineFile& file_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::size_t input_sent_ = 0;
  std::size_t input_allowed_ = 0;
  bool input_open_ = false;
};

/// Milliseconds on a clock that never goes back.
std::int64_t now_ms();
/// 1234567 as `1,234,567`.
std::string grouped(std::uint64_t number);

}  // namespace demo
