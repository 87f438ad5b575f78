#include "atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace plumvine::uv {
namespace {

Error failed(const std::string& what, const std::string& path) {
  return {Errc::system, "cannot " + what + " '" + path + "': " + std::strerror(errno)};
}

bool write_all(int fd, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return fsync(fd) == 0;
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Status write_file(const std::string& path, const std::string& text) {
  std::string fresh = path + ".XXXXXX";
  const int fd = mkostemp(fresh.data(), O_CLOEXEC);  // mode 0600
  if (fd < 0) return failed("write", path);
  const bool written = write_all(fd, text);
  Status status = written ? Status{} : Status{failed("write", path)};
  ::close(fd);
  if (status && std::rename(fresh.c_str(), path.c_str()) != 0) status = failed("replace", path);
  if (!status) {
    ::unlink(fresh.c_str());
    return status;
  }
  // The new name is on the disk once the folder is. Not every file system can do that; the file itself is safe.
  if (const int folder = ::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
    (void)fsync(folder);
    ::close(folder);
  }
  return {};
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  errno = 0;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) {
    const bool missing = errno == ENOENT;
    Error error = failed("read", path);
    if (missing) error.code = Errc::not_found;
    return error;
  }
  std::string text(bytes_max + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return failed("read", path);
  if (text.size() > bytes_max)
    return Error{Errc::system, "cannot read '" + path + "': it is larger than " + std::to_string(bytes_max / 1024) + " KiB"};
  return text;
}

/// Outlives its owner while a write is under way.
struct AtomicFile::State {
  uv_loop_t* loop = nullptr;
  std::string path;
  bool abandoned = false;
  bool writing = false;
  std::optional<std::string> next;
  std::vector<Done> waiting;  ///< for `next`

  struct Work {
    uv_work_t request{};
    std::shared_ptr<State> state;
    std::string path;
    std::string text;
    std::vector<Done> done;
    Status status;
  };

  static void start(const std::shared_ptr<State>& state) {
    auto* work = new Work{.state = state, .path = state->path, .text = std::move(*state->next), .done = std::exchange(state->waiting, {}), .status = {}};
    state->next.reset();
    state->writing = true;
    work->request.data = work;
    uv_queue_work(
        state->loop, &work->request,
        [](uv_work_t* request) {
          auto* self = static_cast<Work*>(request->data);
          self->status = write_file(self->path, self->text);
        },
        [](uv_work_t* request, int) { finish(std::unique_ptr<Work>(static_cast<Work*>(request->data))); });
  }
  static void finish(std::unique_ptr<Work> work) {
    const std::shared_ptr<State> state = work->state;
    state->writing = false;
    for (const Done& done : work->done)
      if (done && !state->abandoned) done(work->status);
    if (state->next && !state->writing) start(state);
  }
};

AtomicFile::AtomicFile(uv_loop_t* loop, std::string path) : state_(std::make_shared<State>()) {
  state_->loop = loop;
  state_->path = std::move(path);
}

AtomicFile::~AtomicFile() { state_->abandoned = true; }

void AtomicFile::save(std::string text, Done done) {
  state_->next = std::move(text);
  state_->waiting.push_back(std::move(done));
  if (!state_->writing) State::start(state_);
}

void AtomicFile::move_to(std::string path) { state_->path = std::move(path); }

const std::string& AtomicFile::path() const { return state_->path; }

}  // namespace plumvine::uv
