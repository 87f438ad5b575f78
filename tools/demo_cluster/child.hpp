#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace demo {

/// A process that this one started, with pipes to its three standard streams. It gets SIGKILL when this process
/// ends in whatever way, and does not see the terminal's Ctrl-C. Environment settings of the agent
/// (`PLUMVINE_…`) are not passed on.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  /// False with one line in `error` when the program cannot be started.
  bool start(const std::vector<std::string>& command, std::string& error);

  void signal(int number) const;
  /// True once the process has ended; does not wait.
  bool ended();
  /// After `ended()`: in words, for example `exit 0` or `signal 9`.
  [[nodiscard]] std::string how() const;
  [[nodiscard]] bool ended_well() const { return ended_ && status_ == 0; }

  /// Closes the child's standard input.
  void close_input();
  /// Reads what there is from `fd` (output or log), at most 256 KiB; closes it at its end.
  std::string read(int& fd);

  int input = -1;   ///< write end, non-blocking
  int output = -1;  ///< read ends, non-blocking
  int log = -1;

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

}  // namespace demo
