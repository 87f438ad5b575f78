#include "child.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace demo {
namespace {

std::vector<char*> environment_of_child() {
  std::vector<char*> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with("PLUMVINE_")) kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

void close_fd(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

/// Runs in the forked child: nothing here may allocate.
[[noreturn]] void become(char* const* arguments, char* const* environment, const std::array<int, 3>& streams,
                         pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  ::setpgid(0, 0);
  for (int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_DFL);
  for (int target = 0; target < 3; ++target) ::dup2(streams[static_cast<std::size_t>(target)], target);
  ::execve(arguments[0], arguments, environment);
  ::_exit(127);
}

}  // namespace

Child::~Child() {
  if (pid_ > 0 && !ended_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
  }
  close_fd(input);
  close_fd(output);
  close_fd(log);
}

bool Child::start(const std::vector<std::string>& command, std::string& error) {
  std::array<std::array<int, 2>, 3> pipes{};
  for (auto& ends : pipes) {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      error = std::string("no pipe: ") + std::strerror(errno);
      return false;
    }
  }
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const std::vector<char*> environment = environment_of_child();
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(arguments.data(), environment.data(), {pipes[0][0], pipes[1][1], pipes[2][1]}, parent);
  close_fd(pipes[0][0]);
  close_fd(pipes[1][1]);
  close_fd(pipes[2][1]);
  input = pipes[0][1];
  output = pipes[1][0];
  log = pipes[2][0];
  for (int fd : {input, output, log}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
  // Larger pipes mean fewer wake-ups; a refusal does not matter.
  ::fcntl(output, F_SETPIPE_SZ, 1 << 20);
  if (pid_ < 0) {
    error = std::string("cannot start a process: ") + std::strerror(errno);
    return false;
  }
  return true;
}

void Child::signal(int number) const {
  if (pid_ > 0 && !ended_) ::kill(pid_, number);
}

bool Child::ended() {
  if (!ended_ && pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
  return ended_;
}

std::string Child::how() const {
  if (WIFSIGNALED(status_)) return "signal " + std::to_string(WTERMSIG(status_));
  return "exit " + std::to_string(WEXITSTATUS(status_));
}

void Child::close_input() { close_fd(input); }

std::string Child::read(int& fd) {
  std::string block(262144, '\0');
  const ssize_t length = ::read(fd, block.data(), block.size());
  if (length > 0) {
    block.resize(static_cast<std::size_t>(length));
    return block;
  }
  if (length == 0 || (errno != EAGAIN && errno != EINTR)) close_fd(fd);
  return {};
}

}  // namespace demo
