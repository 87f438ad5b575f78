#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "atomic_file.hpp"
#include "handle.hpp"
#include "transport/quic/tickets.hpp"

namespace plumvine::uv {

/// In the data directory.
inline constexpr std::string_view kTicketsFile = "quic.tickets";

/// What an earlier process kept of its links. Errc::not_found where there is no such file; Errc::invalid_argument where
/// it is not to be used, as one that others can read or write; Errc::system for anything else. The message names the
/// file.
Result<std::vector<quic::KnownEnd>> load_tickets(const std::string& path, const std::string& secret);

/// Keeps that file up to date: a few seconds after a change, and at the end. Loop thread only.
class TicketsFile {
 public:
  using Text = std::function<std::string()>;
  using Log = std::function<void(std::string)>;

  /// `text` tells what the file shall hold now; `log` gets a failure, once until it works again.
  TicketsFile(uv_loop_t* loop, std::string path, Text text, Log log);

  void changed();
  /// Writes a last time: the node ends. The loop goes on until it is done.
  void finish();

 private:
  void save();

  AtomicFile file_;
  Text text_;
  Log log_;
  Handle<uv_timer_t> timer_;
  bool due_ = false;
  bool failed_ = false;
};

}  // namespace plumvine::uv
