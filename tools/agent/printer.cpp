#include "printer.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace plumvine::agent {

Printer::Printer(int fd, std::function<void()> on_room, std::function<void()> on_closed)
    : fd_(fd), on_room_(std::move(on_room)), on_closed_(std::move(on_closed)), thread_([this] { run(); }) {}

Printer::~Printer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool Printer::full() {
  std::lock_guard lock(mutex_);
  return full_;
}

bool Printer::print(const std::string& line) {
  std::lock_guard lock(mutex_);
  if (closed_) return true;
  pending_ += line;
  pending_ += '\n';
  if (pending_.size() == line.size() + 1) wake_.notify_one();
  full_ = full_ || pending_.size() > kFullBytes;
  return !full_;
}

void Printer::run() {
  std::string batch;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
    if (pending_.empty()) return;
    batch.clear();
    batch.swap(pending_);
    lock.unlock();
    const bool good = write_all(batch);
    lock.lock();
    if (!good) {
      closed_ = true;
      pending_.clear();
    }
    // What was taken is written, so all of the queue has gone since: there is room again.
    const bool room = full_ && pending_.size() < kFullBytes / 2;
    if (room) full_ = false;
    lock.unlock();
    if (!good) on_closed_();
    if (room) on_room_();
    lock.lock();
    if (!good) return;
  }
}

bool Printer::write_all(const std::string& text) {
  using clock = std::chrono::steady_clock;
  std::size_t done = 0;
  auto give_up = clock::time_point::max();
  struct stat about {};
  const bool regular = fstat(fd_, &about) == 0 && S_ISREG(about.st_mode);
  // A pipe that polled writable takes its atomic size without blocking; a file takes everything.
  const std::size_t piece = regular ? text.size() : 4096;
  while (done < text.size()) {
    pollfd ready{fd_, POLLOUT, 0};
    poll(&ready, 1, 200);
    {
      std::lock_guard lock(mutex_);
      if (stopping_ && give_up == clock::time_point::max()) give_up = clock::now() + std::chrono::seconds{2};
    }
    if (clock::now() > give_up) return false;
    if (ready.revents == 0) continue;
    const ssize_t n = ::write(fd_, text.data() + done, std::min(text.size() - done, piece));
    if (n > 0)
      done += static_cast<std::size_t>(n);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
      return false;
  }
  return true;
}

}  // namespace plumvine::agent
