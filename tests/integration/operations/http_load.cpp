// Asks one HTTP server for so many requests a second over a few connections that stay open, beside others that stay open and
// say nothing, and probes it like a supervisor: one GET /livez every 100 ms, each on a new connection. One line of JSON.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace {

struct Options {
  sockaddr_in server{};
  double rate = 2000;
  double seconds = 10;
  std::size_t connections = 8;
  std::size_t idle = 200;
  std::vector<std::string> paths;
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int dial(const sockaddr_in& server) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
    std::fprintf(stderr, "http_load: cannot connect: %s\n", std::strerror(errno));
    std::exit(1);
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

/// One request at a time, on a connection that stays open.
class Client {
 public:
  explicit Client(const sockaddr_in& server) : fd_(dial(server)) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(fd_); }

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool busy() const { return asked_ != 0; }
  [[nodiscard]] double asked() const { return asked_; }
  void ask(const std::string& path) {
    const std::string text = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    asked_ = now();
    if (::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) broken = true;
  }
  /// Reads what is there; the status of the answer once it is whole, else 0.
  int read() {
    char block[65536];
    for (;;) {
      const ssize_t n = ::recv(fd_, block, sizeof block, 0);
      if (n > 0) {
        answer_.append(block, static_cast<std::size_t>(n));
        continue;
      }
      if (n == 0 || (errno != EAGAIN && errno != EINTR)) broken = true;
      if (n < 0 && errno == EINTR) continue;
      break;
    }
    const std::size_t head = answer_.find("\r\n\r\n");
    if (head == std::string::npos) return 0;
    const std::size_t at = answer_.find("Content-Length: ");
    std::size_t length = 0;
    if (at < head) std::from_chars(answer_.data() + at + 16, answer_.data() + head, length);
    if (answer_.size() < head + 4 + length) return 0;
    const int status = std::atoi(answer_.c_str() + answer_.find(' '));
    answer_.clear();
    took = now() - asked_;
    asked_ = 0;
    return status;
  }

  bool broken = false;
  double took = 0;

 private:
  int fd_;
  double asked_ = 0;
  std::string answer_;
};

struct Results {
  std::map<int, std::uint64_t> statuses;
  std::vector<double> took;
  std::uint64_t requests = 0, broken = 0, livez = 0, livez_bad = 0;
  double livez_max = 0;
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options) {
    for (std::size_t i = 0; i < options.idle; ++i) idle_.push_back(dial(options.server));
    for (std::size_t i = 0; i < options.connections; ++i) clients_.push_back(std::make_unique<Client>(options.server));
  }
  ~Load() {
    for (const int fd : idle_) ::close(fd);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  Results run() {
    const double begin = now(), end = begin + options_.seconds;
    double next_probe = begin;
    std::uint64_t due = 0;
    for (double t = begin; t < end; t = now()) {
      due = static_cast<std::uint64_t>((t - begin) * options_.rate);
      for (auto& client : clients_)
        if (!client->busy() && results_.requests < due) client->ask(options_.paths[results_.requests++ % options_.paths.size()]);
      if (!livez_ && t >= next_probe) {
        livez_ = std::make_unique<Client>(options_.server);
        livez_->ask("/livez");
        next_probe = t + 0.1;
      }
      wait();
    }
    const double last = now() + 10;
    while (now() < last && pending()) wait();
    if (livez_) ++results_.livez_bad;
    for (auto& client : clients_) results_.broken += client->busy() || client->broken ? 1 : 0;
    return results_;
  }
  /// Idle connections that the server has not ended.
  [[nodiscard]] std::size_t idle_open() const {
    return static_cast<std::size_t>(std::count_if(idle_.begin(), idle_.end(), [](int fd) {
      char byte;
      return ::recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
    }));
  }

 private:
  [[nodiscard]] bool pending() const {
    return livez_ || std::any_of(clients_.begin(), clients_.end(), [](const auto& c) { return c->busy() && !c->broken; });
  }
  void wait() {
    std::vector<pollfd> ready{{livez_ ? livez_->fd() : -1, POLLIN, 0}};
    for (const auto& client : clients_) ready.push_back({client->fd(), static_cast<short>(client->broken ? 0 : POLLIN), 0});
    ::poll(ready.data(), ready.size(), 1);
    if (ready[0].revents != 0) note_probe();
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      if (ready[i + 1].revents == 0) continue;
      if (const int status = clients_[i]->read(); status != 0) {
        ++results_.statuses[status];
        results_.took.push_back(clients_[i]->took);
      }
    }
  }
  void note_probe() {
    const int status = livez_->read();
    if (status == 0 && !livez_->broken) return;
    ++results_.livez;
    if (status != 200) ++results_.livez_bad;
    results_.livez_max = std::max(results_.livez_max, livez_->took);
    livez_.reset();
  }

  const Options& options_;
  std::vector<int> idle_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::unique_ptr<Client> livez_;
  Results results_;
};

bool parse(int argc, char** argv, Options& options) {
  if (argc < 2) return false;
  const std::string_view where = argv[1];
  const std::size_t colon = where.rfind(':');
  if (colon == std::string_view::npos) return false;
  options.server.sin_family = AF_INET;
  options.server.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1] + colon + 1)));
  if (::inet_pton(AF_INET, std::string(where.substr(0, colon)).c_str(), &options.server.sin_addr) != 1) return false;
  int i = 2;
  for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--rate") options.rate = std::strtod(argv[i + 1], nullptr);
    else if (flag == "--seconds") options.seconds = std::strtod(argv[i + 1], nullptr);
    else if (flag == "--connections") options.connections = std::strtoul(argv[i + 1], nullptr, 10);
    else if (flag == "--idle") options.idle = std::strtoul(argv[i + 1], nullptr, 10);
    else return false;
  }
  options.paths.assign(argv + i, argv + argc);
  return !options.paths.empty() && options.connections > 0 && options.rate > 0 && options.seconds > 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: http_load IPV4:PORT [--rate R] [--seconds S] [--connections C] [--idle I] PATH...\n");
    return 2;
  }
  Load load(options);
  Results results = load.run();
  std::sort(results.took.begin(), results.took.end());
  const auto share = [&](double p) {
    return results.took.empty() ? 0.0 : 1000 * results.took[static_cast<std::size_t>(p * static_cast<double>(results.took.size() - 1))];
  };
  std::uint64_t good = 0, answered = 0;
  for (const auto& [status, count] : results.statuses) {
    answered += count;
    if (status == 200) good = count;
  }
  fmt::print("{{\"seconds\":{},\"requests\":{},\"answered\":{},\"good\":{},\"per_s\":{:.0f},\"broken\":{},\"p50_ms\":{:.2f},\"p99_ms\":{:.2f},"
             "\"max_ms\":{:.2f},\"idle_open\":{},\"livez\":{},\"livez_bad\":{},\"livez_max_ms\":{:.1f}}}\n",
             options.seconds, results.requests, answered, good, static_cast<double>(answered) / options.seconds, results.broken,
             share(0.5), share(0.99), share(1), load.idle_open(), results.livez, results.livez_bad, results.livez_max * 1000);
  return 0;
}
