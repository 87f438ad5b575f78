// A small service with a libuv loop of its own that holds feature flags, the same ones in every instance.
//
//   flags NAME [--bind HOST:PORT] [--join HOST:PORT] [--http HOST:PORT]
//
// Commands on standard input: `set FLAG VALUE`, `get FLAG`, `list`, `members`, `quit`. A change made elsewhere is
// printed as it arrives. The node runs on the service's loop: handlers and commands share one thread, no lock.
#include <plumvine/metrics.hpp>
#include <plumvine/uv.hpp>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include <uv.h>

#include "flag_table.hpp"

namespace {

constexpr std::string_view kWrites = "flags";    // lines of FlagTable
constexpr std::string_view kAsk = "flags.ask";   // a newcomer asks for the whole table

class Service {
 public:
  explicit Service(uv_loop_t* loop) : loop_(loop) {}

  bool start(plumvine::Config config) {
    auto node = plumvine::attach(loop_, std::move(config), {
        .on_message = [this](const plumvine::Message& message) { on_message(message); },
        .on_member = [this](const plumvine::MemberEvent& event) { on_member(event); },
    });
    if (!node) {
      std::cerr << "flags: " << node.error().message << '\n';
      return false;
    }
    node_.emplace(std::move(*node));
    std::cout << "listening " << node_->address().to_string() << std::endl;
    start_timer(&ask_timer_, 100, 250, [](uv_timer_t* timer) { static_cast<Service*>(timer->data)->ask(); });
    return true;
  }

  /// Reads commands from a pipe or a terminal.
  bool read_commands() {
    if (uv_guess_handle(0) == UV_TTY) {
      uv_tty_init(loop_, &input_.tty, 0, 0);
    } else {
      uv_pipe_init(loop_, &input_.pipe, 0);
      if (uv_pipe_open(&input_.pipe, 0) != 0) {
        std::cerr << "flags: standard input must be a pipe or a terminal\n";
        return false;
      }
    }
    input_.stream.data = this;
    uv_read_start(&input_.stream, allocate, [](uv_stream_t* stream, ssize_t length, const uv_buf_t* buffer) {
      static_cast<Service*>(stream->data)->on_input(length, buffer->base);
    });
    return true;
  }

  /// Tells the cluster, gives the news half a second to spread, then ends; the loop runs empty.
  void quit() {
    if (quitting_) return;
    quitting_ = true;
    if (!node_->leave(std::chrono::seconds{0})) std::cerr << "flags: left without telling anybody\n";
    close(&input_.stream);
    close(&ask_timer_);
    start_timer(&quit_timer_, 500, 0, [](uv_timer_t* timer) {
      auto* self = static_cast<Service*>(timer->data);
      self->node_->stop();
      close(timer);
      close(&self->interrupt_);
    });
  }

  void quit_on_interrupt() {
    uv_signal_init(loop_, &interrupt_);
    interrupt_.data = this;
    uv_signal_start(&interrupt_, [](uv_signal_t* signal, int) { static_cast<Service*>(signal->data)->quit(); }, SIGINT);
  }

 private:
  void on_message(const plumvine::Message& message) {
    if (message.topic == kWrites) {
      table_known_ = true;
      for (const std::string& name : table_.merge(message.text())) show(name);
    } else if (message.topic == kAsk && answers(message.origin)) {
      publish(kWrites, table_.to_lines());
    }
  }

  void on_member(const plumvine::MemberEvent& event) {
    std::cout << "member " << event.member.name << ' ' << plumvine::to_string(event.kind) << std::endl;
  }

  /// A process that joins hears what is published from then on; the table as it was before it must ask for,
  /// again and again until somebody has answered.
  void ask() {
    if (table_known_) {
      uv_timer_stop(&ask_timer_);
      return;
    }
    const bool others = std::ranges::any_of(node_->members(), [&](const plumvine::Member& member) {
      return member.name != node_->name() && member.state == plumvine::MemberState::alive;
    });
    if (others && node_->snapshot()->synced) publish(kAsk, "?");
  }

  /// One answer is enough: the living member with the smallest name beside the asking one gives it.
  bool answers(std::string_view asker) {
    std::string first;
    for (const plumvine::Member& member : node_->members()) {
      if (member.name == asker || member.state != plumvine::MemberState::alive) continue;
      if (first.empty() || member.name < first) first = member.name;
    }
    return first == node_->name();
  }

  void publish(std::string_view topic, const std::string& text) {
    const auto id = node_->broadcast(topic, plumvine::Bytes::copy_of(text));
    if (!id) std::cerr << "flags: " << id.error().message << '\n';
  }

  void on_input(ssize_t length, char* data) {
    const std::unique_ptr<char[]> block(data);
    if (length < 0) return quit();
    pending_.append(block.get(), static_cast<std::size_t>(length));
    std::size_t end = 0;
    while ((end = pending_.find('\n')) != std::string::npos) {
      const std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      command(line);
    }
  }

  void command(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string name;
    std::string value;
    words >> verb >> name;
    std::getline(words >> std::ws, value);
    if (verb == "set" && !name.empty()) {
      publish(kWrites, table_.write(name, value, node_->name()));
      show(name);
    } else if (verb == "get" && !name.empty()) {
      show(name);
    } else if (verb == "list") {
      for (const auto& entry : table_.all()) show(entry.first);
    } else if (verb == "members") {
      for (const plumvine::Member& member : node_->members()) {
        std::cout << member.name << ' ' << plumvine::to_string(member.state) << std::endl;
      }
    } else if (verb == "quit") {
      quit();
    } else {
      std::cout << "commands: set FLAG VALUE, get FLAG, list, members, quit" << std::endl;
    }
  }

  void show(const std::string& name) {
    const FlagTable::Flag* flag = table_.find(name);
    if (flag == nullptr) {
      std::cout << name << " is not set" << std::endl;
    } else {
      std::cout << name << " = " << flag->value << " (by " << flag->writer << ')' << std::endl;
    }
  }

  void start_timer(uv_timer_t* timer, std::uint64_t first_ms, std::uint64_t repeat_ms, uv_timer_cb callback) {
    uv_timer_init(loop_, timer);
    timer->data = this;
    uv_timer_start(timer, callback, first_ms, repeat_ms);
  }

  template <class Handle>
  static void close(Handle* handle) {
    auto* base = reinterpret_cast<uv_handle_t*>(handle);
    if (uv_is_closing(base) == 0) uv_close(base, nullptr);
  }

  static void allocate(uv_handle_t*, std::size_t size, uv_buf_t* buffer) {
    *buffer = uv_buf_init(new char[size], static_cast<unsigned>(size));
  }

  uv_loop_t* loop_;
  std::optional<plumvine::Node> node_;
  FlagTable table_;
  bool table_known_ = false;
  bool quitting_ = false;
  std::string pending_;
  union {
    uv_stream_t stream;
    uv_pipe_t pipe;
    uv_tty_t tty;
  } input_{};
  uv_timer_t ask_timer_{};
  uv_timer_t quit_timer_{};
  uv_signal_t interrupt_{};
};

int refuse(std::string_view word) {
  std::cerr << "flags: unexpected '" << word << "' (flags NAME [--bind HOST:PORT] [--join HOST:PORT] [--http HOST:PORT])\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return refuse(argc < 2 ? "end" : argv[1]);
  auto config = plumvine::Config::lan(argv[1]);
  for (int i = 2; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) return refuse(flag);
    if (flag == "--bind") {
      config.bind = argv[i + 1];
    } else if (flag == "--join") {
      config.seeds.emplace_back(argv[i + 1]);
    } else if (flag == "--http") {
      config.http = argv[i + 1];
    } else {
      return refuse(flag);
    }
  }
  plumvine::metrics::enable(config);

  uv_loop_t loop;
  uv_loop_init(&loop);
  int result = 1;
  {
    Service service(&loop);
    if (service.start(std::move(config))) {
      service.quit_on_interrupt();
      if (!service.read_commands()) service.quit();
      result = uv_run(&loop, UV_RUN_DEFAULT);
    }
  }
  // The node's handles are gone one turn after its destruction at the latest.
  uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop) == 0 ? result : 1;
}
