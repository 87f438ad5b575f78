#include "resolver.hpp"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>

#include <algorithm>
#include <map>

#include "socket.hpp"

namespace plumvine::uv {
namespace {

constexpr int kTriesPerServer = 2;
constexpr int kTimeoutMs = 2000;
constexpr std::size_t kEndpointsMax = 256;
constexpr std::size_t kSrvTargetsMax = 32;

/// c-ares wants one initialisation per process, before any channel.
void init_library() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  (void)status;
}

}  // namespace

/// One name on its way: a channel of its own, watched by poll handles and one timer.
class Resolver::Lookup {
 public:
  Lookup(Resolver& owner, HostPort name) : owner_(owner), name_(std::move(name)) {}
  ~Lookup() {
    closing_ = true;
    if (channel_ != nullptr) ares_destroy(channel_);
  }

  void start() {
    init_library();
    ares_options options{};
    options.timeout = kTimeoutMs;
    options.tries = kTriesPerServer;
    options.sock_state_cb = [](void* data, ares_socket_t fd, int readable, int writable) {
      static_cast<Lookup*>(data)->watch(fd, readable != 0, writable != 0);
    };
    options.sock_state_cb_data = this;
    timer_.init(this, [&](uv_timer_t* h) { return uv_timer_init(owner_.loop_.raw(), h); });
    ++pending_;  // keeps the look-up unfinished while it is being started
    if (ares_init_options(&channel_, &options, ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) ==
        ARES_SUCCESS) {
      if (!owner_.servers_.empty()) (void)ares_set_servers_ports_csv(channel_, owner_.servers_.c_str());
      name_.srv ? ask_services() : ask_addresses(name_.host, name_.port);
    } else {
      channel_ = nullptr;
    }
    one_done();
    arm();
  }

  [[nodiscard]] const HostPort& name() const { return name_; }
  [[nodiscard]] std::vector<Endpoint> take() { return std::move(found_); }

 private:
  struct AddressQuery {
    Lookup* lookup;
    std::uint16_t port;
  };

  void ask_services() {
    ++pending_;
    ares_query(
        channel_, name_.host.c_str(), ns_c_in, ns_t_srv,
        [](void* data, int status, int, unsigned char* reply, int length) {
          static_cast<Lookup*>(data)->on_services(status, reply, length);
        },
        this);
  }

  void on_services(int status, const unsigned char* reply, int length) {
    if (closing_) return;
    ares_srv_reply* records = nullptr;
    if (status == ARES_SUCCESS && ares_parse_srv_reply(reply, length, &records) == ARES_SUCCESS) {
      std::size_t count = 0;
      for (auto* record = records; record != nullptr && count < kSrvTargetsMax; record = record->next, ++count)
        ask_addresses(record->host, record->port);
      ares_free_data(records);
    }
    one_done();
  }

  void ask_addresses(const std::string& host, std::uint16_t port) {
    ++pending_;
    ares_addrinfo_hints hints{};
    hints.ai_family = owner_.family_ == IpFamily::v4 ? AF_INET : owner_.family_ == IpFamily::v6 ? AF_INET6 : AF_UNSPEC;
    hints.ai_flags = ARES_AI_NOSORT;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(
        channel_, host.c_str(), nullptr, &hints,
        [](void* data, int status, int, ares_addrinfo* result) {
          const std::unique_ptr<AddressQuery> query{static_cast<AddressQuery*>(data)};
          query->lookup->on_addresses(query->port, status == ARES_SUCCESS ? result : nullptr);
          if (result != nullptr) ares_freeaddrinfo(result);
        },
        new AddressQuery{this, port});
  }

  void on_addresses(std::uint16_t port, const ares_addrinfo* result) {
    if (closing_) return;
    for (const auto* node = result == nullptr ? nullptr : result->nodes; node != nullptr; node = node->ai_next) {
      Endpoint endpoint = to_endpoint(node->ai_addr);
      endpoint.port = port;
      const bool known = std::find(found_.begin(), found_.end(), endpoint) != found_.end();
      if (!known && found_.size() < kEndpointsMax) found_.push_back(endpoint);
    }
    one_done();
  }

  void one_done() {
    // The channel must not be destroyed inside one of its own callbacks.
    if (--pending_ == 0) owner_.finished(this);
  }

  void watch(ares_socket_t fd, bool readable, bool writable) {
    if (!readable && !writable) {
      polls_.erase(fd);
      return;
    }
    auto& poll = polls_[fd];
    if (!poll && poll.init(this, [&](uv_poll_t* h) { return uv_poll_init(owner_.loop_.raw(), h, fd); }) < 0) {
      polls_.erase(fd);  // unwatched, the query runs into its timeout
      return;
    }
    uv_poll_start(poll.get(), (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                  [](uv_poll_t* h, int status, int events) { self<Lookup>(h)->ready(h, status, events); });
  }

  void ready(uv_poll_t* handle, int status, int events) {
    uv_os_fd_t fd = -1;
    if (uv_fileno(reinterpret_cast<uv_handle_t*>(handle), &fd) != 0) return;
    const bool both = status < 0;  // let c-ares find the error itself
    ares_process_fd(channel_, both || (events & UV_READABLE) != 0 ? fd : ARES_SOCKET_BAD,
                    both || (events & UV_WRITABLE) != 0 ? fd : ARES_SOCKET_BAD);
    arm();
  }

  void arm() {
    timeval next{};
    if (channel_ == nullptr || ares_timeout(channel_, nullptr, &next) == nullptr) {
      uv_timer_stop(timer_.get());
      return;
    }
    const auto ms = static_cast<std::uint64_t>(next.tv_sec) * 1000 + static_cast<std::uint64_t>(next.tv_usec) / 1000 + 1;
    uv_timer_start(timer_.get(), [](uv_timer_t* h) { self<Lookup>(h)->expire(); }, ms, 0);
  }

  void expire() {
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm();
  }

  Resolver& owner_;
  HostPort name_;
  ares_channel channel_ = nullptr;
  bool closing_ = false;
  int pending_ = 0;
  std::vector<Endpoint> found_;
  Handle<uv_timer_t> timer_;
  std::map<ares_socket_t, Handle<uv_poll_t>> polls_;
};

Resolver::Resolver(UvLoop& loop, Answer answer) : loop_(loop), answer_(std::move(answer)) {}

Resolver::~Resolver() { *alive_ = false; }

void Resolver::resolve(const HostPort& name) {
  const std::string host = name.host.find(':') == std::string::npos ? name.host : "[" + name.host + "]";
  if (auto literal = Endpoint::parse(host + ":" + std::to_string(name.port)); literal && !name.srv)
    return answer_soon(name, {*literal});
  if (name.host == "localhost" && !name.srv) {  // nobody needs to be asked (RFC 6761, section 6.3)
    const auto port = std::to_string(name.port);
    return answer_soon(name, {*Endpoint::parse("127.0.0.1:" + port), *Endpoint::parse("[::1]:" + port)});
  }
  if (waiting_.size() >= kQueueMax) return answer_soon(name, {});
  waiting_.push_back(name);
  start_waiting();
}

void Resolver::answer_soon(HostPort name, std::vector<Endpoint> found) {
  loop_.soon([this, alive = alive_, name = std::move(name), found = std::move(found)] {
    if (*alive) answer_(name, found);
  });
}

void Resolver::start_waiting() {
  while (!waiting_.empty() && running_.size() < kParallel) {
    running_.push_back(std::make_unique<Lookup>(*this, std::move(waiting_.front())));
    waiting_.pop_front();
    running_.back()->start();
  }
}

void Resolver::finished(Lookup* lookup) {
  loop_.soon([this, alive = alive_, lookup] {
    if (!*alive) return;
    const auto it =
        std::find_if(running_.begin(), running_.end(), [&](const auto& entry) { return entry.get() == lookup; });
    if (it == running_.end()) return;
    const std::unique_ptr<Lookup> done = std::move(*it);
    running_.erase(it);
    start_waiting();
    answer_(done->name(), done->take());
  });
}

}  // namespace plumvine::uv
