#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <uv.h>

#include <plumvine/node.hpp>

#include "logger.hpp"
#include "options.hpp"
#include "printer.hpp"
#include "publisher.hpp"
#include "systemd.hpp"

namespace plumvine::agent {

/// The agent: one node on one loop, standard input as a publisher, standard output as a subscriber, signals.
class Agent {
 public:
  Agent(Options options, std::vector<std::string> arguments);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// Runs until a signal ends it. Returns the exit status.
  int run();

 private:
  Handlers handlers();
  bool wants(std::string_view topic) const;
  void on_message(const Message& message);
  void announce();
  void on_wake();   // something happened on another thread
  void on_check();  // is the node ready to publish?
  void publish_waiting();
  void on_signal(int number);
  void begin_leave();
  [[nodiscard]] std::string status_text() const;
  void reload();
  void take_over(const Options& fresh);
  void take_over_files(const Options& fresh);
  void write_dump();
  void finish();
  void close_handles();
  void start_printer();
  void wait_until_ready();

  Options options_;
  std::vector<std::string> arguments_;
  Logger logger_;
  uv_loop_t loop_{};
  uv_async_t wake_{};
  uv_timer_t check_{};
  uv_signal_t signals_[4]{};
  std::optional<Systemd> systemd_;
  std::optional<Node> node_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Printer> printer_;
  std::thread leaver_;
  std::atomic<bool> left_{false};
  std::atomic<bool> output_closed_{false};
  bool leaving_ = false;
  bool finished_ = false;
  bool paused_ = false;
};

}  // namespace plumvine::agent
