#include "tcp_levels.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace plumvine::bench {

namespace {

struct Listener {
  int fd = -1;
  sockaddr_in address{};
};

Listener listen_anywhere() {
  Listener l;
  l.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  l.address.sin_family = AF_INET;
  l.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof l.address;
  const bool good = l.fd >= 0 && ::bind(l.fd, reinterpret_cast<sockaddr*>(&l.address), sizeof l.address) == 0 &&
                    ::listen(l.fd, 1) == 0 && ::getsockname(l.fd, reinterpret_cast<sockaddr*>(&l.address), &size) == 0;
  if (!good && l.fd >= 0) ::close(l.fd);
  if (!good) l.fd = -1;
  return l;
}

int connect_to(const Listener& l) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&l.address), sizeof l.address) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

bool send_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::send(fd, data, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool receive_all(int fd, char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::recv(fd, data, size, 0);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

/// One process of the line: takes all, then hands it on; the last one answers with one byte.
int hand_on(const Listener& own, int next) {
  const int from = ::accept(own.fd, nullptr, nullptr);
  std::size_t bytes = 0;
  if (from < 0 || !receive_all(from, reinterpret_cast<char*>(&bytes), sizeof bytes)) return 1;
  const auto block = std::make_unique_for_overwrite<char[]>(bytes);
  if (!receive_all(from, block.get(), bytes)) return 1;
  char done = 1;
  if (next >= 0) {
    const bool passed = send_all(next, reinterpret_cast<const char*>(&bytes), sizeof bytes) && send_all(next, block.get(), bytes) &&
                        receive_all(next, &done, 1);
    if (!passed) return 1;
  }
  return send_all(from, &done, 1) ? 0 : 1;
}

/// Starts the processes of one line; the first one's connection.
int start_line(std::size_t levels, std::vector<pid_t>& children) {
  std::vector<Listener> line(levels);
  int to = -1;
  for (Listener& l : line) l = listen_anywhere();
  for (std::size_t i = 0; i < levels; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      // All listen already, so whoever connects early waits in the backlog.
      const int next = i + 1 < levels ? connect_to(line[i + 1]) : -1;
      ::_exit(hand_on(line[i], next));
    }
    if (child > 0) children.push_back(child);
  }
  if (line.front().fd >= 0) to = connect_to(line.front());
  for (const Listener& l : line) {
    if (l.fd >= 0) ::close(l.fd);
  }
  return to;
}

/// Hands all to one line and waits until its last process has it.
bool feed(int to, const char* block, std::size_t bytes) {
  char done = 0;
  return to >= 0 && send_all(to, reinterpret_cast<const char*>(&bytes), sizeof bytes) && send_all(to, block, bytes) &&
         receive_all(to, &done, 1);
}

}  // namespace

double tcp_levels(std::size_t lines, std::size_t levels, std::size_t bytes) {
  const auto block = std::make_unique_for_overwrite<char[]>(bytes);
  std::memset(block.get(), 'x', bytes);
  std::vector<pid_t> children;
  std::vector<int> first(lines);
  for (int& to : first) to = start_line(levels, children);
  std::atomic<std::size_t> served{0};
  std::vector<std::thread> senders;
  const auto began = std::chrono::steady_clock::now();
  for (const int to : first) senders.emplace_back([&, to] { served += feed(to, block.get(), bytes) ? 1 : 0; });
  for (std::thread& sender : senders) sender.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  for (const int to : first) {
    if (to >= 0) ::close(to);
  }
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  return served == lines ? took.count() : -1;
}

}  // namespace plumvine::bench
