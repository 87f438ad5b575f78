#include "log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace plumvine::agent {
namespace {

Error problem(std::string_view what, const std::string& path, int number) {
  return {Errc::system, "cannot " + std::string(what) + " '" + path + "': " + std::strerror(number)};
}

}  // namespace

Status LogFile::open(std::string path, Limits limits) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
  if (fd < 0) return problem("open", path, errno);
  struct stat about {};
  if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
    ::close(fd);
    return {Errc::invalid_argument, "'" + path + "' is no ordinary file"};
  }
  close();
  fd_ = fd;
  size_ = static_cast<std::uint64_t>(about.st_size);
  path_ = std::move(path);
  limits_ = limits;
  return {};
}

void LogFile::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Status LogFile::write(std::string_view line) {
  if (size_ > 0 && size_ + line.size() > limits_.bytes_max) {
    if (auto rotated = rotate(); !rotated) return rotated;
  }
  std::size_t done = 0;
  while (done < line.size()) {
    const auto n = ::write(fd_, line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const Error why = problem("write", path_, n < 0 ? errno : ENOSPC);
      // A line begun is taken back, so that the next one does not hang on to it.
      if (done > 0 && ftruncate(fd_, static_cast<off_t>(size_)) != 0) size_ += done;
      return why;
    }
    done += static_cast<std::size_t>(n);
  }
  size_ += done;
  return {};
}

Status LogFile::rotate() {
  const auto old = [this](std::uint32_t number) { return path_ + "." + std::to_string(number); };
  for (std::uint32_t number = limits_.kept_max; number > 1; --number) {
    if (std::rename(old(number - 1).c_str(), old(number).c_str()) != 0 && errno != ENOENT) return problem("rename", old(number - 1), errno);
  }
  // With nothing kept the file itself goes.
  const int moved = limits_.kept_max == 0 ? ::unlink(path_.c_str()) : std::rename(path_.c_str(), old(1).c_str());
  if (moved != 0 && errno != ENOENT) return problem("rename", path_, errno);
  return open(path_, limits_);
}

}  // namespace plumvine::agent
