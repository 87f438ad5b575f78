#include "agent.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include <plumvine/uv.hpp>
#ifdef PLUMVINE_HAS_METRICS
#include <plumvine/metrics.hpp>
#endif

#include "health/dump.hpp"

namespace plumvine::agent {
namespace {

constexpr int kSignals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
/// After the farewell was spread, others' probes are still answered for so long.
constexpr std::uint64_t kLingerMs = 300;
/// How often readiness is looked at while standard input waits for it.
constexpr std::uint64_t kReadyCheckMs = 20;

}  // namespace

Agent::Agent(Options options, std::vector<std::string> arguments)
    : options_(std::move(options)),
      arguments_(std::move(arguments)),
      logger_(options_.log_format, options_.config.log_level_of("agent")) {
  std::signal(SIGPIPE, SIG_IGN);
  uv_loop_init(&loop_);
}

Agent::~Agent() {
  if (leaver_.joinable()) leaver_.join();
}

bool Agent::wants(std::string_view topic) const {
  for (const auto& wanted : options_.print) {
    if (wanted == topic || (wanted == "*" && !topic.starts_with('_'))) return true;
  }
  return false;
}

void Agent::on_message(const Message& message) {
  if (!printer_ || !wants(message.topic) || printer_->print(dump::message_json(message))) return;
  paused_ = true;
  node_->pause_delivery(true);
}

Handlers Agent::handlers() {
  Handlers handlers;
  handlers.on_message = [this](const Message& message) { on_message(message); };
  handlers.on_writable = [this] { publish_waiting(); };
  return handlers;
}

void Agent::start_printer() {
  const auto wake = [this] { uv_async_send(&wake_); };
  printer_ = std::make_unique<Printer>(STDOUT_FILENO, wake, [this, wake] {
    output_closed_ = true;
    wake();
  });
}

int Agent::run() {
  Config config = options_.config;
  if (auto opened = logger_.open_files(options_); !opened) {
    std::fprintf(stderr, "plumvined: %s\n", opened.error().message.c_str());
    uv_loop_close(&loop_);
    return 1;
  }
  config.log_security = !options_.security_log.empty();
  config.log = [this](const LogRecord& record) { logger_.write(record, record.level <= options_.config.log_level_of(record.component)); };
#ifdef PLUMVINE_HAS_METRICS
  metrics::enable(config);
#endif
  wake_.data = check_.data = this;
  uv_async_init(&loop_, &wake_, [](uv_async_t* handle) { static_cast<Agent*>(handle->data)->on_wake(); });
  uv_timer_init(&loop_, &check_);
  for (auto& signal : signals_) {
    uv_signal_init(&loop_, &signal);
    signal.data = this;
  }
  systemd_.emplace(&loop_);
  if (!options_.print.empty()) start_printer();
  auto node = attach(&loop_, config, handlers());
  if (!node) {
    std::fprintf(stderr, "plumvined: %s\n", node.error().message.c_str());
    printer_.reset();
    close_handles();
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
    return 1;
  }
  node_.emplace(std::move(*node));
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    uv_signal_start(
        &signals_[i], [](uv_signal_t* handle, int number) { static_cast<Agent*>(handle->data)->on_signal(number); },
        kSignals[i]);
  }
  announce();
  for (const auto& warning : options_.warnings) logger_.line(LogLevel::warn, "PV5010", warning);
  if (!options_.publish.empty()) {
    const auto limit = options_.config.tree.max_message_size;
    publisher_ = std::make_unique<Publisher>(
        STDIN_FILENO, limit, [this] { uv_async_send(&wake_); },
        [this, limit](std::uint64_t number) {
          logger_.line(LogLevel::warn, "PV5003",
                       fmt::format("line {} of standard input is above max_message_size ({} bytes) and was skipped",
                                   number, limit));
        });
    wait_until_ready();
  }
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
  return 0;
}

void Agent::wait_until_ready() {
  uv_timer_start(
      &check_, [](uv_timer_t* handle) { static_cast<Agent*>(handle->data)->on_check(); }, 0, kReadyCheckMs);
}

void Agent::announce() {
  const Endpoint http = node_->http_address();
  const std::string line = fmt::format("plumvined ready name={} bind={} http={}\n", node_->name(),
                                       node_->bind_address().to_string(), http.port == 0 ? "off" : http.to_string());
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
  systemd_->ready([this] { return status_text(); });
}

std::string Agent::status_text() const {
  if (leaving_) return "leaving the cluster";
  const auto snapshot = node_->snapshot();
  if (!snapshot->not_ready_reason.empty()) return "not ready: " + snapshot->not_ready_reason;
  return node_->health().message;
}

void Agent::on_check() {
  if (!node_->snapshot()->not_ready_reason.empty()) return;
  uv_timer_stop(&check_);
  publisher_->start();
  publish_waiting();
}

void Agent::publish_waiting() {
  if (!publisher_ || leaving_) return;
  publisher_->drain([this](const Bytes& line) {
    auto sent = node_->broadcast(options_.publish[0], line);
    if (sent) return true;
    if (sent.error().code == Errc::overloaded) return false;  // goes on when `on_writable` says so
    if (sent.error().code == Errc::stopped) {
      // The node has left on an operator's word: the lines wait until it is back.
      if (!uv_is_active(reinterpret_cast<uv_handle_t*>(&check_))) wait_until_ready();
      return false;
    }
    logger_.line(LogLevel::warn, "PV5004",
                 fmt::format("a line of standard input was refused: {}", sent.error().message));
    return true;
  });
}

void Agent::on_wake() {
  if (left_) {
    if (finished_) return;
    finished_ = true;
    uv_timer_start(
        &check_, [](uv_timer_t* handle) { static_cast<Agent*>(handle->data)->finish(); }, kLingerMs, 0);
    return;
  }
  if (output_closed_.exchange(false)) {
    logger_.line(LogLevel::warn, "PV5005", "standard output was closed; messages are no longer printed");
    options_.print.clear();
  }
  if (paused_ && (!printer_ || options_.print.empty() || !printer_->full())) {
    paused_ = false;
    node_->pause_delivery(false);
  }
  publish_waiting();
}

void Agent::on_signal(int number) {
  switch (number) {
    case SIGHUP:
      return reload();
    case SIGUSR1:
      return write_dump();
    default:
      break;
  }
  if (leaving_) _exit(0);  // asked twice: at once
  begin_leave();
}

void Agent::begin_leave() {
  leaving_ = true;
  uv_timer_stop(&check_);
  systemd_->stopping();
  logger_.line(LogLevel::info, "PV5001", "leaving the cluster");
  leaver_ = std::thread([this] {
    (void)node_->leave(options_.config.leave_timeout);
    left_ = true;
    uv_async_send(&wake_);
  });
}

void Agent::finish() {
  node_->stop();
  publisher_.reset();
  printer_.reset();
  close_handles();
}

void Agent::close_handles() {
  for (auto& signal : signals_) uv_close(reinterpret_cast<uv_handle_t*>(&signal), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&check_), nullptr);
  systemd_->close();
}

void Agent::reload() {
  systemd_->reloading();
  Options fresh;
  if (auto refusal = read_options(arguments_, fresh)) {
    logger_.line(LogLevel::error, "PV5006", "the configuration was not taken over: " + refusal->text());
  } else {
    take_over(fresh);
  }
  systemd_->reloaded();  // also with the old configuration: the service goes on
}

void Agent::take_over(const Options& fresh) {
  auto changes = node_->reload(fresh.config);
  if (!changes) return logger_.line(LogLevel::error, "PV5006", "the configuration was not taken over: " + changes.error().message);
  options_.config.take_over(fresh.config);
  auto& restart = changes->need_restart;
  if (fresh.publish != options_.publish) restart.emplace_back("publish");
  logger_.set_level(fresh.config.log_level_of("agent"));
  logger_.set_format(fresh.log_format);
  take_over_files(fresh);
  if (fresh.security_log.empty() != options_.security_log.empty()) restart.emplace_back("security_log");
  if (fresh.print != options_.print) {
    options_.print = fresh.print;
    if (!printer_ && !options_.print.empty()) start_printer();
  }
  const std::string taken = changes->taken.empty() ? "" : fmt::format("; changed: {}", fmt::join(changes->taken, ", "));
  logger_.line(LogLevel::info, "PV5002",
               "the configuration was read again" + taken +
                   (restart.empty() ? "" : fmt::format("; these keys need a restart: {}", fmt::join(restart, ", "))));
}

/// Files are opened again in any case: somebody may have moved them away.
void Agent::take_over_files(const Options& fresh) {
  if (auto opened = logger_.open_files(fresh); !opened) {
    logger_.line(LogLevel::error, "PV5006", "the log goes where it went before: " + opened.error().message);
  }
}

void Agent::write_dump() {
  const char* temporary = std::getenv("TMPDIR");
  std::string folder = options_.config.data_dir;
  if (folder.empty()) folder = temporary != nullptr ? temporary : "/tmp";
  std::string path = fmt::format("{}/plumvined-{}-XXXXXX.json", folder, node_->name());
  const int fd = mkstemps(path.data(), 5);  // a name that nobody could foresee and link elsewhere
  const std::string text = dump::state_json(*node_->snapshot(), node_->health(), options_.config) + "\n";
  std::size_t done = 0;
  while (fd >= 0 && done < text.size()) {
    const auto n = ::write(fd, text.data() + done, text.size() - done);
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  if (fd >= 0) close(fd);
  if (done == text.size()) {
    logger_.line(LogLevel::info, "PV5007", "state written to " + path);
  } else {
    logger_.line(LogLevel::error, "PV5008",
                 fmt::format("cannot write the state to {}: {}", path, std::strerror(errno)));
  }
}

}  // namespace plumvine::agent
