// One member: a node on a loop of its own, which publishes on the loop's thread and counts what it is told.
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <plumvine/plumvine.hpp>
#include <plumvine/uv.hpp>

#include "control.hpp"

namespace plumvine::bench {
namespace {

constexpr std::uint64_t kTickMs = 2;
constexpr std::uint64_t kProbeNs = 20'000'000;
constexpr std::uint64_t kLookNs = 50'000'000;
/// Published between two turns of the loop.
constexpr std::size_t kBurstBytes = 65536;
constexpr std::size_t kBurstMax = 1024;

/// Where a member is: on loopback, or in its network namespace.
std::string address_of(const Options& options, unsigned number) {
  return options.netns.empty() ? "127.0.0.1" : "10.97.0." + std::to_string(number + 1);
}

Config config_of(const Options& options, unsigned number, unsigned seed_port) {
  Config config = Config::local("n" + std::to_string(number));
  config.bind = address_of(options, number) + ":" + std::to_string(options.port == 0 ? 0 : options.port + number);
  config.tree.max_message_size = std::max<std::uint64_t>(config.tree.max_message_size, options.size);
  if (number != 0) config.seeds = {address_of(options, 0) + ":" + std::to_string(seed_port)};
  if (options.tls) {
    const std::string file = options.certificates + "/n" + std::to_string(number);
    config.tls_cert = file + ".pem";
    config.tls_key = file + "-key.pem";
    config.tls_ca = options.certificates + "/ca.pem";
    config.transport = options.transport;
    // Behind those of all members.
    if (options.port != 0) config.quic_port = options.port + options.members + number;
  }
  if (options.topology == Topology::full) {
    const unsigned others = options.members - 1;
    // A member dials half of the links that it wants, and shall dial everybody.
    config.tree.eager_fanout = config.tree.lazy_fanout = others;
    config.tree.max_peers = 2 * others;
    config.tree.roots = options.members;
  }
  return config;
}

/// The sequences of one source that have come, in order or not.
class Received {
 public:
  enum class Was : std::uint8_t { next, ahead, late, duplicate };
  Was take(std::uint64_t sequence);
  /// Missing below the highest.
  [[nodiscard]] std::uint64_t gaps() const noexcept { return gaps_; }

 private:
  static constexpr std::size_t kHolesMax = 65536;
  std::uint64_t highest_ = 0;
  std::uint64_t gaps_ = 0;
  std::vector<std::uint64_t> holes_;  ///< of these, ascending; `kHolesMax` at most, others stay gaps
};


Received::Was Received::take(std::uint64_t sequence) {
  if (sequence == highest_ + 1) {
    highest_ = sequence;
    return Was::next;
  }
  if (sequence > highest_) {
    for (std::uint64_t hole = highest_ + 1; hole < sequence && holes_.size() < kHolesMax; ++hole) holes_.push_back(hole);
    gaps_ += sequence - highest_ - 1;
    highest_ = sequence;
    return Was::ahead;
  }
  const auto hole = std::lower_bound(holes_.begin(), holes_.end(), sequence);
  if (hole == holes_.end() || *hole != sequence) return Was::duplicate;
  holes_.erase(hole);
  --gaps_;
  return Was::late;
}

class Member {
 public:
  Member(Control& control, const Options& options, unsigned number)
      : control_(control), options_(options), number_(number), tally_(control.members[number]), sources_(options.members),
        payload_(options.size, 'x') {}
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  Status run();

 private:
  Status open();
  void close();
  void join();
  void publish();
  void publish_at_rate();
  /// False: not now.
  bool send(Header header, std::size_t size);
  void take(const Message& message);
  void look();
  void turn(bool wait) { (void)uv_run(&loop_, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT); }
  [[nodiscard]] Phase phase() const { return control_.phase.load(std::memory_order_acquire); }
  [[nodiscard]] bool publishes() const { return number_ == 0 || options_.mode == Mode::all; }
  [[nodiscard]] std::uint64_t end_ns() const {
    return control_.started_ns.load() + static_cast<std::uint64_t>(options_.seconds * 1e9);
  }

  Control& control_;
  const Options& options_;
  const unsigned number_;
  Tally& tally_;
  uv_loop_t loop_{};
  uv_timer_t tick_{};
  std::optional<Node> node_;
  std::vector<Received> sources_;
  std::string payload_;
  std::uint64_t delivered_ = 0;
  std::uint64_t hops_ = 0;
  std::uint64_t hops_max_ = 0;
  bool writable_ = true;
};

/// This process goes into the network namespace that `ip netns add` made.
Status enter_netns(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{Errc::system, std::strerror(errno)}.with(path);
  const int status = ::setns(fd, CLONE_NEWNET);
  const int why = errno;
  ::close(fd);
  if (status < 0) return Error{Errc::system, std::strerror(why)}.with("entering " + path);
  return {};
}

Status Member::open() {
  if (!options_.netns.empty()) {
    if (Status entered = enter_netns(options_.netns + std::to_string(number_)); !entered) return entered;
  }
  if (number_ != 0) {
    while (control_.seed_port.load() == 0 && phase() != Phase::stop) ::usleep(1000);
    if (phase() == Phase::stop) return {Errc::stopped, "member 0 did not start"};
  }
  if (const int status = uv_loop_init(&loop_); status < 0) return Error{Errc::system, uv_strerror(status)}.with("event loop");
  (void)uv_timer_init(&loop_, &tick_);
  // Wakes the loop, that it looks at the phase.
  (void)uv_timer_start(&tick_, [](uv_timer_t*) {}, kTickMs, kTickMs);
  Handlers handlers;
  handlers.on_messages = [this](std::span<const Message> messages) {
    for (const Message& message : messages) take(message);
  };
  handlers.on_writable = [this] { writable_ = true; };
  auto node = attach(&loop_, config_of(options_, number_, control_.seed_port.load()), std::move(handlers));
  if (!node) return node.error();
  node_.emplace(std::move(*node));
  if (number_ == 0) control_.seed_port.store(node_->bind_address().port);
  return {};
}

/// Only threads have to: a process ends as a whole.
void Member::close() {
  node_.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&tick_), nullptr);
  (void)uv_run(&loop_, UV_RUN_DEFAULT);
  (void)uv_loop_close(&loop_);
}

void Member::take(const Message& message) {
  Header header;
  if (message.payload.size() < sizeof header) {
    ++tally_.wrong;
    return;
  }
  std::memcpy(&header, message.payload.data(), sizeof header);
  if (header.source >= options_.members || header.source == number_) {
    ++tally_.wrong;
    return;
  }
  if (header.kind == Header::probe) {
    tally_.heard.fetch_or(std::uint64_t{1} << header.source);
    return;
  }
  if (message.payload.size() != options_.size) {
    ++tally_.wrong;
    return;
  }
  Received& source = sources_[header.source];
  switch (source.take(header.sequence)) {
    case Received::Was::next: break;
    case Received::Was::ahead: break;
    case Received::Was::late: tally_.late.fetch_add(1, std::memory_order_relaxed); break;
    case Received::Was::duplicate: tally_.dups.fetch_add(1, std::memory_order_relaxed); return;
  }
  if (header.kind == Header::sampled) {
    const std::uint64_t every = options_.mode == Mode::lat ? 1 : kSampleEvery;
    auto& longest = control_.latency_ns[(header.sequence / every) % kSamplesMax];
    const std::uint64_t took = now_ns() - header.sent_ns;
    std::uint64_t known = longest.load(std::memory_order_relaxed);
    while (took > known && !longest.compare_exchange_weak(known, took, std::memory_order_relaxed)) {}
  }
  hops_ += message.hops;
  hops_max_ = std::max<std::uint64_t>(hops_max_, message.hops);
  tally_.delivered.store(++delivered_, std::memory_order_release);
}

bool Member::send(Header header, std::size_t size) {
  if (!writable_) return false;
  std::memcpy(payload_.data(), &header, sizeof header);
  const auto id = node_->broadcast(Bytes::copy_of(std::string_view{payload_}.substr(0, size)));
  if (id) return true;
  if (id.error().code != Errc::overloaded) {
    std::fprintf(stderr, "plumvine-bench: member %u: %s\n", number_, id.error().message.c_str());
    tally_.failed.store(1);
  }
  ++tally_.refused;
  writable_ = false;
  return false;
}

/// Is everybody here, and is the shape of the trees what it will be?
void Member::look() {
  const auto snapshot = node_->snapshot();
  const auto alive = std::ranges::count_if(snapshot->members, [](const MemberInfo& m) { return m.member.state == MemberState::alive; });
  const auto links = std::ranges::count_if(snapshot->links, [](const LinkInfo& link) { return link.state == LinkState::up; });
  const bool shaped = !snapshot->trees.empty() && std::ranges::all_of(snapshot->trees, [](const TreeInfo& t) { return t.settled; });
  bool settled = alive == options_.members && snapshot->synced && shaped;
  if (options_.topology == Topology::full) {
    const bool root = std::ranges::find(snapshot->trees, snapshot->name, &TreeInfo::root) != snapshot->trees.end();
    settled = settled && links == options_.members - 1 && root;
  }
  tally_.links.store(static_cast<std::uint64_t>(links));
  tally_.settled.store(settled ? 1 : 0);
}

void Member::join() {
  std::uint64_t looked = 0, probed = 0;
  while (phase() < Phase::quiet) {
    const std::uint64_t now = now_ns();
    if (now - looked > kLookNs) {
      look();
      looked = now;
    }
    if (phase() == Phase::warm && now - probed > kProbeNs) {
      (void)send({number_, Header::probe, 0, 0}, std::min(options_.size, sizeof(Header) + 40));
      probed = now;
    }
    turn(true);
  }
  while (phase() == Phase::quiet) turn(true);
}

void Member::publish() {
  const std::size_t burst = std::clamp<std::size_t>(kBurstBytes / options_.size, 1, kBurstMax);
  const std::uint64_t end = end_ns();
  std::uint64_t sent = 0;
  bool done = !publishes();
  while (phase() == Phase::run) {
    bool blocked = false;
    if (!done) {
      for (std::size_t i = 0; i < burst && !blocked; ++i) {
        Header header{number_, Header::data, sent + 1, 0};
        if (number_ == 0 && header.sequence % kSampleEvery == 0 && header.sequence / kSampleEvery < kSamplesMax) {
          header.kind = Header::sampled;
          header.sent_ns = now_ns();
        }
        blocked = !send(header, options_.size);
        if (!blocked) ++sent;
      }
      tally_.sent.store(sent, std::memory_order_relaxed);
      done = now_ns() >= end;
      if (done) tally_.sent_all.store(1);
    }
    turn(done || blocked);
  }
}

void Member::publish_at_rate() {
  const std::uint64_t end = end_ns();
  const std::uint64_t gap = 1'000'000'000 / options_.rate;
  std::uint64_t next = control_.started_ns.load() + gap;
  std::uint64_t sent = 0;
  // The loop's timer ticks too seldom to be on time.
  uv_timer_t due;
  (void)uv_timer_init(&loop_, &due);
  while (phase() == Phase::run) {
    std::uint64_t now = now_ns();
    if (publishes() && now >= next && now < end && sent + 1 < kSamplesMax) {
      if (send({number_, Header::sampled, sent + 1, now_ns()}, options_.size)) {
        tally_.sent.store(++sent);
        next += gap;
      }
    }
    if (publishes() && now >= end) tally_.sent_all.store(1);
    now = now_ns();
    const bool waits = !publishes() || now >= end || next > now;
    if (publishes() && now < end && next > now)
      (void)uv_timer_start(&due, [](uv_timer_t*) {}, (next - now + 999'999) / 1'000'000, 0);
    turn(waits);
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&due), nullptr);
  turn(false);
}

Status Member::run() {
  if (Status opened = open(); !opened) return opened;
  join();
  const std::uint64_t cpu = cpu_ns();
  if (phase() == Phase::run) options_.mode == Mode::lat ? publish_at_rate() : publish();
  tally_.cpu_ns.store(cpu_ns() - cpu);
  std::uint64_t gaps = 0;
  for (const Received& source : sources_) gaps += source.gaps();
  tally_.gaps.store(gaps);
  tally_.hops.store(hops_);
  tally_.hops_max.store(hops_max_);
  tally_.rss_kb.store(rss_kb());
  tally_.finished.store(1);
  if (options_.threads) close();
  return {};
}

}  // namespace

std::uint64_t cpu_ns() noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_usec) * 1000;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

std::uint64_t rss_kb() {
  std::ifstream status{"/proc/self/status"};
  std::uint64_t all = 0, shared = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) all = std::stoull(line.substr(6));
    if (line.starts_with("RssShmem:")) shared = std::stoull(line.substr(9));
  }
  return all - std::min(all, shared);
}

void run_member(Control& control, const Options& options, unsigned number) {
  Member member{control, options, number};
  if (const Status status = member.run(); !status) {
    if (status.error().code != Errc::stopped) std::fprintf(stderr, "plumvine-bench: member %u: %s\n", number, status.error().message.c_str());
    control.members[number].failed.store(1);
  }
}

}  // namespace plumvine::bench
