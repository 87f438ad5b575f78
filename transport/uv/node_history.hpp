#pragma once

#include <functional>
#include <memory>
#include <string>

#include <plumvine/snapshot.hpp>

#include "history.hpp"
#include "subscribers.hpp"
#include "transport/driver.hpp"

namespace plumvine::uv {

/// What one node remembers of delivered messages, in its data directory or only in the repair store, and those who read it.
/// Loop thread only.
class NodeHistory final : public HistorySource {
 public:
  /// Gets a failure to write, once until it works again.
  using Log = std::function<void(std::string)>;

  /// `file` is null where nothing is kept over restarts.
  NodeHistory(uv_loop_t* loop, Driver& driver, std::unique_ptr<History> file, InstanceId self, Log log);

  void subscribe(Subscriber subscriber, ReadFrom from) { subscribers_.add(std::move(subscriber), std::move(from)); }
  /// A subscriber can begin behind this message.
  [[nodiscard]] bool has(const MessageId& id) const { return file_ ? file_->held().contains(id) : driver_.held(id).has_value(); }
  /// Before the user's handler is told the same.
  void deliver(const Message& message);
  void lost(const LostEvent& lost);
  /// The loop's turn is over: what it brought is written. False: there is no file.
  bool end_turn();
  /// Writes a last time: the node ends.
  void finish();
  [[nodiscard]] HistoryInfo info();

  // HistorySource
  Cursor position() override { return driver_.position(); }
  Cursor readable() override;
  std::unique_ptr<HistoryReader> read(const std::string& topic) override;
  bool is_ours(InstanceId origin) override;
  std::string name_of(InstanceId origin) override;

 private:
  void save_position(std::int64_t now_us);
  void told(const Status& status);

  Driver& driver_;
  std::unique_ptr<History> file_;
  InstanceId self_;
  Log log_;
  Subscribers subscribers_;
  std::int64_t saved_us_ = 0;
  bool moved_ = false;   ///< since the position was saved
  std::string problem_;      ///< why nothing can be written; empty: it can
};

}  // namespace plumvine::uv
