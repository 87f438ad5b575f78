// A way that delays and loses packets, between network namespaces: an interface of each is a TUN device of this process, which passes IPv4
// packets on by their destination. For tools/bench/losses, where the kernel has no netem.
// Usage, as root: plumvine-bench-router NAME N DELAY_MS LOSS_PERCENT MBIT SEED
// Namespace NAMEi has the device `lossy`, and is to have the address 10.97.0.(i+1). DELAY_MS is one way, LOSS_PERCENT of the packets each
// way, MBIT the rate to each namespace (a queue of 100 ms is in front of it). Says `ready` when the devices are there; ends with its input,
// and tells what it has passed, lost, and had no room for.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace {

using Nanos = std::int64_t;
constexpr Nanos kQueue = 100'000'000;
constexpr std::size_t kPacketMax = 65536;

Nanos now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<Nanos>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// A TUN device in this network namespace; -1 and `errno`.
int open_device(const std::string& netns) {
  const int place = ::open(("/run/netns/" + netns).c_str(), O_RDONLY | O_CLOEXEC);
  if (place < 0) return -1;
  const int entered = ::setns(place, CLONE_NEWNET);
  ::close(place);
  if (entered < 0) return -1;
  const int device = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ifreq wish{};
  wish.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(wish.ifr_name, "lossy", IFNAMSIZ - 1);
  return device >= 0 && ::ioctl(device, TUNSETIFF, &wish) < 0 ? -1 : device;
}

/// The way to one namespace.
struct Way {
  struct Packet {
    Nanos due;
    std::vector<char> bytes;
  };
  int device = -1;
  Nanos line_free = 0;
  std::deque<Packet> flying;  ///< in order, as all are delayed alike
};

struct Router {
  std::vector<Way> ways;
  Nanos delay;
  double loss;
  double bits_per_ns;
  std::mt19937_64 random;
  std::uint64_t passed = 0, lost = 0, dropped = 0;

  void take(const char* bytes, std::size_t size) {
    constexpr std::size_t kHead = 20, kDestination = 16;
    if (size < kHead || bytes[0] >> 4 != 4) return;
    const auto to = static_cast<std::size_t>(static_cast<unsigned char>(bytes[kDestination + 3])) - 1;
    if (to >= ways.size()) return;
    if (std::generate_canonical<double, 53>(random) < loss) {
      ++lost;
      return;
    }
    Way& way = ways[to];
    const Nanos at = now();
    const Nanos begin = std::max(at, way.line_free);
    if (begin - at > kQueue) {
      ++dropped;
      return;
    }
    way.line_free = begin + static_cast<Nanos>(static_cast<double>(8 * size) / bits_per_ns);
    way.flying.push_back({way.line_free + delay, {bytes, bytes + size}});
  }
  /// Passes on what is due; when the next one is.
  Nanos deliver() {
    Nanos next = INT64_MAX;
    for (Way& way : ways) {
      for (; !way.flying.empty() && way.flying.front().due <= now(); way.flying.pop_front()) {
        const auto& bytes = way.flying.front().bytes;
        (::write(way.device, bytes.data(), bytes.size()) > 0 ? passed : dropped) += 1;
      }
      if (!way.flying.empty()) next = std::min(next, way.flying.front().due);
    }
    return next;
  }
  void run() {
    std::vector<pollfd> watched{{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
    for (const Way& way : ways) watched.push_back({.fd = way.device, .events = POLLIN, .revents = 0});
    std::vector<char> room(kPacketMax);
    while (watched[0].revents == 0) {
      const Nanos next = deliver();
      const Nanos wait = std::clamp<Nanos>(next - now(), 0, 1'000'000'000);
      const timespec time{.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
      (void)::ppoll(watched.data(), watched.size(), &time, nullptr);
      for (const Way& way : ways) {
        for (int i = 0; i < 64; ++i) {
          const ssize_t n = ::read(way.device, room.data(), room.size());
          if (n <= 0) break;
          take(room.data(), static_cast<std::size_t>(n));
        }
      }
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "plumvine-bench-router: NAME N DELAY_MS LOSS_PERCENT MBIT SEED\n");
    return 2;
  }
  Router router{.ways = std::vector<Way>(std::strtoul(argv[2], nullptr, 10)),
                .delay = static_cast<Nanos>(std::strtod(argv[3], nullptr) * 1e6),
                .loss = std::strtod(argv[4], nullptr) / 100,
                .bits_per_ns = std::strtod(argv[5], nullptr) / 1000,
                .random = std::mt19937_64(std::strtoull(argv[6], nullptr, 10))};
  if (router.ways.empty() || router.ways.size() > 64 || router.delay < 0 || !(router.loss >= 0 && router.loss < 1) || !(router.bits_per_ns > 0)) {
    std::fprintf(stderr, "plumvine-bench-router: 1 to 64 namespaces, a delay, a loss below 100, and a rate above 0\n");
    return 2;
  }
  for (std::size_t i = 0; i < router.ways.size(); ++i) {
    router.ways[i].device = open_device(argv[1] + std::to_string(i));
    if (router.ways[i].device < 0) {
      std::fprintf(stderr, "plumvine-bench-router: namespace %s%zu: %s\n", argv[1], i, std::strerror(errno));
      return 1;
    }
  }
  std::puts("ready");
  std::fflush(stdout);
  router.run();
  std::printf("passed %llu lost %llu no_room %llu\n", static_cast<unsigned long long>(router.passed),
              static_cast<unsigned long long>(router.lost), static_cast<unsigned long long>(router.dropped));
  return 0;
}
