#pragma once

#include <functional>
#include <string>
#include <vector>

#include "atomic_file.hpp"
#include "data_dir.hpp"
#include "handle.hpp"

namespace plumvine::uv {

/// Keeps `peers.json` up to date: a few seconds after a change, and once an hour so that a quiet cluster does not grow
/// old. Those who were remembered and have not been seen yet stay until they are too old. Loop thread only.
class PeersFile {
 public:
  using Living = std::function<std::vector<KnownPeer>()>;
  using Log = std::function<void(std::string)>;

  /// `recalled` is what the file held; `living` tells who is alive now; `log` gets a failure, once until it works again.
  PeersFile(uv_loop_t* loop, std::string path, std::string label, std::vector<KnownPeer> recalled, Living living, Log log);

  /// A member came, changed or went; a `forgotten` one is not remembered.
  void changed();
  void forgotten(const std::string& name);
  /// Writes a last time: the node ends. The loop goes on until it is done.
  void finish();

 private:
  void arm(std::uint64_t ms);
  std::string text();
  void told(const Status& status);

  AtomicFile file_;
  std::string label_;
  std::vector<KnownPeer> recalled_;
  Living living_;
  Log log_;
  Handle<uv_timer_t> timer_;
  bool due_soon_ = false;
  bool failed_ = false;
};

}  // namespace plumvine::uv
