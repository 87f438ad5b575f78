#include "publisher.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace plumvine::agent {

void LineSplitter::feed(std::string_view data, const std::function<void(Bytes)>& line,
                        const std::function<void(std::uint64_t)>& skipped) {
  while (!data.empty()) {
    const auto end = data.find('\n');
    const auto part = data.substr(0, end);
    any_ = true;
    if (partial_.size() + part.size() > line_max_) {
      too_long_ = true;
      partial_.clear();
    }
    if (!too_long_) partial_ += part;
    if (end == std::string_view::npos) return;
    end_line(line, skipped);
    data = data.substr(end + 1);
  }
}

void LineSplitter::finish(const std::function<void(Bytes)>& line, const std::function<void(std::uint64_t)>& skipped) {
  if (any_) end_line(line, skipped);
}

void LineSplitter::end_line(const std::function<void(Bytes)>& line, const std::function<void(std::uint64_t)>& skipped) {
  if (too_long_)
    skipped(number_);
  else
    line(Bytes::copy_of(partial_));
  ++number_;
  partial_.clear();
  any_ = too_long_ = false;
}

Publisher::Publisher(int fd, std::size_t line_max, std::function<void()> on_lines,
                     std::function<void(std::uint64_t)> on_skipped)
    : fd_(fd), splitter_(line_max), on_lines_(std::move(on_lines)), on_skipped_(std::move(on_skipped)) {
  if (pipe2(wake_, O_CLOEXEC) != 0) wake_[0] = wake_[1] = -1;
}

Publisher::~Publisher() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  room_.notify_one();
  if (wake_[1] >= 0) close(wake_[1]);
  if (thread_.joinable()) thread_.join();
  if (wake_[0] >= 0) close(wake_[0]);
}

void Publisher::start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void Publisher::drain(const std::function<bool(const Bytes&)>& publish) {
  std::unique_lock lock(mutex_);
  while (!lines_.empty()) {
    const Bytes line = lines_.front();
    lock.unlock();
    const bool taken = publish(line);
    lock.lock();
    if (!taken) return;
    bytes_ -= line.size();
    lines_.pop_front();
    if (bytes_ < kFullBytes / 2 && lines_.size() < kFullLines / 2) room_.notify_one();
  }
}

void Publisher::run() {
  std::vector<char> buffer(256 * 1024);
  const auto take = [this](Bytes line) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return stopping_ || (bytes_ < kFullBytes && lines_.size() < kFullLines); });
    bytes_ += line.size();
    lines_.push_back(std::move(line));
    const bool first = lines_.size() == 1;
    lock.unlock();
    if (first) on_lines_();
  };
  for (;;) {
    pollfd ready[2] = {{fd_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    if (poll(ready, 2, -1) < 0 && errno != EINTR) break;
    if (ready[1].revents != 0) return;
    const ssize_t n = read(fd_, buffer.data(), buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) break;
    splitter_.feed({buffer.data(), static_cast<std::size_t>(n)}, take, on_skipped_);
    std::lock_guard lock(mutex_);
    if (stopping_) return;
  }
  splitter_.finish(take, on_skipped_);
}

}  // namespace plumvine::agent
