#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include <uv.h>

#include <plumvine/result.hpp>

namespace plumvine::uv {

/// Replaces a file as a whole: a new one beside it (mode 0600), flushed to the disk, then renamed. A reader, and a
/// crash, find either the old file or the new one. Errors name the path.
Status write_file(const std::string& path, const std::string& text);
/// The file's text. Errc::not_found if there is none, Errc::system for anything else; above `bytes_max` too.
Result<std::string> read_file(const std::string& path, std::size_t bytes_max);

/// `write_file` beside the loop, since a disk may take its time. One write at a time; of texts that come meanwhile only
/// the last is written. Loop thread only.
class AtomicFile {
 public:
  AtomicFile(uv_loop_t* loop, std::string path);
  /// Does not wait; `done`s that were not called yet never are.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  using Done = std::function<void(const Status&)>;
  /// `done` is called once, on the loop, in the order of the calls, after this text or a later one was written.
  void save(std::string text, Done done);
  /// Texts that come from now on go to this file.
  void move_to(std::string path);
  [[nodiscard]] const std::string& path() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace plumvine::uv
