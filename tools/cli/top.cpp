// A node at a glance, again each second.
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <optional>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "top_view.hpp"

namespace plumvine::cli {
namespace {

constexpr auto kRefresh = std::chrono::seconds{1};
/// Rates and percentiles are of so many samples.
constexpr std::size_t kWindow = 10;

volatile std::sig_atomic_t ended = 0;

/// The terminal as `top` wants it: keys at once, a screen of its own. As it was before, afterwards.
class Screen {
 public:
  Screen() {
    struct sigaction action {};
    action.sa_handler = [](int) { ended = 1; };  // without SA_RESTART: waiting ends
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
    keys_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    if (keys_) tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    put("\x1b[?1049h\x1b[?25l");
  }
  ~Screen() {
    put("\x1b[?25h\x1b[?1049l");
    if (keys_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// As many lines as the terminal has.
  void show(std::string_view text) {
    winsize size{};
    const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1;
    std::string out = "\x1b[H";
    for (std::size_t line = 0; !text.empty() && (!known || line + 1 < size.ws_row); ++line) {
      const auto end = text.find('\n');
      out += text.substr(0, end);
      out += "\x1b[K\r\n";
      text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    }
    put(out + "\x1b[J");
  }
  /// Waits for the next refresh; false: somebody wants to end.
  bool wait() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const auto deadline = std::chrono::steady_clock::now() + kRefresh;
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
      if (ended != 0) return false;
      if (left <= 0) return true;
      if (poll(&input, keys_ ? 1 : 0, static_cast<int>(left)) <= 0) continue;
      char key = 0;
      if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q') return false;
    }
  }

 private:
  static void put(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  termios before_{};
  bool keys_ = false;
};

std::optional<TopSample> sample(Client& client) {
  TopSample out;
  out.at_s = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  const auto metrics = client.get("/metrics"), health = client.get("/healthz"), peers = client.get("/peers");
  if (!metrics || !health || !peers) return std::nullopt;
  out.metrics = parse_metrics(metrics->body);
  out.health = health->body;
  out.peers = peers->body;
  return out;
}

int once(const Call& call, Client& client, const TopSample& first) {
  std::this_thread::sleep_for(kRefresh);  // rates need two
  const auto second = sample(client);
  if (!second) return complain(kUnreachable, client.error());
  const std::string json = top_json(first, *second);
  put(call.json ? json : top_text(json));
  return nlohmann::json::parse(json).at("status") == "unhealthy" ? kBad : kGood;
}

}  // namespace

int top(const Call& call) {
  Client client(call.http);
  auto first = sample(client);
  if (!first) return complain(kUnreachable, client.error());
  if (call.once || call.json || isatty(STDOUT_FILENO) == 0) return once(call, client, *first);
  std::deque<TopSample> window{std::move(*first)};
  Screen screen;
  std::string text = top_text(top_json(window.front(), window.back()));
  for (;;) {
    screen.show(text + "\nq ends");
    if (!screen.wait()) return kGood;
    auto next = sample(client);
    if (!next) {
      text = client.error() + '\n';
      continue;
    }
    window.push_back(std::move(*next));
    if (window.size() > kWindow) window.pop_front();
    text = top_text(top_json(window.front(), window.back()));
  }
}

}  // namespace plumvine::cli
