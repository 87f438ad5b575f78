// The messages of a topic as lines, from the history on where that is wanted.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "terminal.hpp"

namespace plumvine::cli {
namespace {

/// How far the history was read, on standard error, where that is a terminal; gone once what comes is live.
class HistoryProgress {
 public:
  explicit HistoryProgress(const Call& call) : client_(call.http), over_(call.from == "now" || isatty(STDERR_FILENO) == 0) {}
  ~HistoryProgress() { clear(); }
  HistoryProgress(const HistoryProgress&) = delete;
  HistoryProgress& operator=(const HistoryProgress&) = delete;

  /// Asks the agent how far it is, twice a second; `here` is the address that it knows the reader by.
  void look(const std::string& here) {
    const auto now = std::chrono::steady_clock::now();
    if (over_ || now < next_) return;
    next_ = now + std::chrono::milliseconds{500};
    const auto answer = client_.get("/lag");
    const auto json = nlohmann::json::parse(answer ? answer->body : "", nullptr, false);
    if (!json.is_object() || !json.contains("subscribers")) return;
    for (const auto& row : json["subscribers"]) {
      if (row.value("from", "") != here) continue;
      over_ = row.value("reads", "") != "history";
      if (over_) return clear();
      const auto behind = row.value("behind", std::size_t{0});
      total_ = std::max(total_, behind);
      show(total_ - behind);
    }
  }
  /// Before lines are written.
  void clear() {
    if (!std::exchange(shown_, false)) return;
    std::fputs("\r\x1b[K", stderr);
  }
  void wrote(std::string_view piece) { lines_ += static_cast<std::size_t>(std::count(piece.begin(), piece.end(), '\n')); }

 private:
  void show(std::size_t done) {
    std::fflush(stdout);
    std::fputs(("\r\x1b[K" + progress_line("history", done, total_, fmt::format("{} lines", lines_))).c_str(), stderr);
    shown_ = true;
  }

  Client client_;
  bool over_, shown_ = false;
  std::chrono::steady_clock::time_point next_{};
  std::size_t total_ = 0, lines_ = 0;
};

}  // namespace

int subscribe(const Call& call) {
  if (call.arguments.size() != 1) return complain(kUsage, "subscribe TOPIC [--from now|window|CURSOR|MESSAGE]");
  Client client(call.http);
  HistoryProgress progress(call);
  const auto answer = client.stream(
      fmt::format("/subscribe/{}?from={}", percent_encode(call.arguments[0]), percent_encode(call.from.empty() ? "now" : call.from)),
      [&](std::string_view piece) {
        progress.clear();
        progress.wrote(piece);
        return std::fwrite(piece.data(), 1, piece.size(), stdout) == piece.size() && std::fflush(stdout) == 0;
      },
      [&](const std::string& here) { progress.look(here); });
  progress.clear();
  if (!answer) return complain(kUnreachable, client.error());
  if (answer->status == 400) return complain(kUsage, fmt::format("subscribe {}{}: {}", call.arguments[0], call.from.empty() ? "" : " --from " + call.from, words_of(*answer)));
  return answer->status == 200 ? kGood : complain(kBad, words_of(*answer));
}

}  // namespace plumvine::cli
