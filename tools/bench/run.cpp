// The parent of the members: starts them, tells them what to do by the phase, and looks at their counters each millisecond.
#include "run.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "certificates.hpp"
#include "control.hpp"

namespace plumvine::bench {
namespace {

constexpr double kSetupSeconds = 30;
/// Longest time without a delivery, once all is published.
constexpr std::uint64_t kSilenceNs = 3'000'000'000;
/// And longest time to drain.
constexpr std::uint64_t kDrainNs = 15'000'000'000;
constexpr double kFinishSeconds = 5;
/// Probes are published for so long at least: a publisher's window is narrow in its first second (transport/publish_window.hpp), and trees
/// are avoided for two while there are older ones. What is measured are members that have been publishing for a while.
constexpr std::uint64_t kWarmNs = 2'200'000'000;
constexpr unsigned kPauseUs = 150'000;
constexpr unsigned kPollUs = 1000;

/// Time that the machine's processors were busy, whoever kept them so. 0 where it is not told.
std::uint64_t machine_busy_ns() {
  std::ifstream stat{"/proc/stat"};
  std::string cpu;
  std::uint64_t user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, stolen = 0;
  if (!(stat >> cpu >> user >> nice >> system >> idle >> wait >> irq >> softirq >> stolen)) return 0;
  return (user + nice + system + irq + softirq + stolen) * (1'000'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

/// Waits until others use less than a quarter of a processor, or for so long.
void wait_for_quiet(double seconds) {
  const std::uint64_t until = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
  while (now_ns() < until) {
    const std::uint64_t busy = machine_busy_ns(), since = now_ns();
    ::usleep(200'000);
    if (4 * (machine_busy_ns() - busy) < now_ns() - since) return;
  }
}

double percentile(const std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

class Run {
 public:
  explicit Run(Options options) : options_(std::move(options)) {}
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  int run();

 private:
  bool start();
  bool warm_up();
  void measure();
  bool collect();
  nlohmann::ordered_json result() const;

  template <class Is>
  bool all(Is is) const {
    return std::all_of(control_->members.begin(), control_->members.begin() + options_.members, is);
  }
  template <class Of>
  std::uint64_t sum(Of of) const {
    std::uint64_t total = 0;
    for (unsigned i = 0; i < options_.members; ++i) total += of(control_->members[i]);
    return total;
  }
  /// Waits until `is` holds for all members; `why` is what is wrong if it does not in time.
  template <class Is>
  bool wait(Is is, double seconds, const char* why);
  bool lost_member();
  bool fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }
  [[nodiscard]] unsigned publishers() const { return options_.mode == Mode::all ? options_.members : 1; }

  Options options_;
  Certificates certificates_;
  Control* control_ = nullptr;
  std::vector<pid_t> children_;  ///< 0: has ended
  std::vector<std::thread> threads_;
  std::string error_;
  std::uint64_t began_ns_ = 0, ready_ns_ = 0, done_ns_ = 0, polled_ns_ = 0;
  std::uint64_t busy_ns_ = 0, own_ns_ = 0;
};

Run::~Run() {
  if (control_ == nullptr) return;
  control_->phase.store(Phase::stop);
  for (std::thread& thread : threads_) thread.join();
  for (const pid_t child : children_) {
    if (child == 0) continue;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  ::munmap(control_, sizeof *control_);
}

bool Run::lost_member() {
  for (unsigned i = 0; i < options_.members; ++i)
    if (control_->members[i].failed.load() != 0) return !fail(fmt::format("member {} failed", i));
  for (pid_t& child : children_) {
    if (child == 0 || ::waitpid(child, nullptr, WNOHANG) != child) continue;
    const auto number = &child - children_.data();
    child = 0;
    if (control_->members[static_cast<std::size_t>(number)].finished.load() == 0) return !fail(fmt::format("member {} died", number));
  }
  return false;
}

template <class Is>
bool Run::wait(Is is, double seconds, const char* why) {
  const std::uint64_t until = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
  while (!all(is)) {
    if (lost_member()) return false;
    if (now_ns() > until) return fail(why);
    ::usleep(kPollUs);
  }
  return true;
}

bool Run::start() {
  void* shared = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return fail("no shared memory");
  control_ = new (shared) Control;
  if (options_.tls) {
    if (const Status made = certificates_.make(options_.members); !made) return fail("certificates: " + made.error().message);
    options_.certificates = certificates_.directory();
  }
  const pid_t parent = ::getpid();
  for (unsigned i = 0; i < options_.members; ++i) {
    if (options_.threads) {
      threads_.emplace_back([this, i] { run_member(*control_, options_, i); });
      continue;
    }
    const pid_t child = ::fork();
    if (child < 0) return fail(fmt::format("member {} could not be forked", i));
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);  // it died before
      run_member(*control_, options_, i);
      ::_exit(0);
    }
    children_.push_back(child);
  }
  return true;
}

bool Run::warm_up() {
  if (!wait([](const Tally& tally) { return tally.settled.load() == 1; }, kSetupSeconds, "the members did not find each other in 30 s"))
    return false;
  control_->phase.store(Phase::warm);
  const std::uint64_t everybody = std::numeric_limits<std::uint64_t>::max() >> (64 - options_.members);
  const std::uint64_t warm = now_ns() + kWarmNs;
  return wait(
      [&, self = control_->members.data()](const Tally& tally) {
        const auto number = static_cast<unsigned>(&tally - self);
        return now_ns() >= warm && tally.settled.load() == 1 && (tally.heard.load() | (std::uint64_t{1} << number)) == everybody;
      },
      kSetupSeconds, "not every member heard a probe of each other one in 30 s");
}

void Run::measure() {
  const std::uint64_t busy = machine_busy_ns(), own = cpu_ns();
  const std::uint64_t began = now_ns();
  began_ns_ = began;
  control_->started_ns.store(began);
  control_->phase.store(Phase::run);
  const std::uint64_t published_by = began + static_cast<std::uint64_t>(options_.seconds * 1e9);
  std::uint64_t last = 0, progressed = began;
  for (;;) {
    ::usleep(kPollUs);
    polled_ns_ = now_ns();
    bool published = true;
    for (unsigned i = 0; i < publishers(); ++i) published = published && control_->members[i].sent_all.load() == 1;
    const std::uint64_t sent = sum([](const Tally& tally) { return tally.sent.load(); });
    const std::uint64_t delivered = sum([](const Tally& tally) { return tally.delivered.load(std::memory_order_acquire); });
    if (delivered != last) {
      last = delivered;
      progressed = polled_ns_;
    }
    done_ns_ = polled_ns_;
    if (lost_member()) return;
    if (published && delivered >= sent * (options_.members - 1)) break;
    if (polled_ns_ > published_by + kDrainNs || (polled_ns_ > published_by && polled_ns_ - progressed > kSilenceNs)) {
      done_ns_ = progressed;
      break;
    }
  }
  busy_ns_ = machine_busy_ns() - busy;
  own_ns_ = cpu_ns() - own;
}

bool Run::collect() {
  control_->phase.store(Phase::stop);
  if (!wait([](const Tally& tally) { return tally.finished.load() == 1; }, kFinishSeconds, "not every member ended in 5 s")) return false;
  if (const std::uint64_t wrong = sum([](const Tally& tally) { return tally.wrong.load(); }); wrong != 0)
    return fail(fmt::format("{} payloads came that nobody published", wrong));
  return true;
}

nlohmann::ordered_json Run::result() const {
  const auto total = [this](std::atomic<std::uint64_t> Tally::*field) { return sum([field](const Tally& tally) { return (tally.*field).load(); }); };
  const auto rounded = [](double value, double digits) { return std::round(value * digits) / digits; };
  const std::uint64_t sent = total(&Tally::sent), delivered = total(&Tally::delivered);
  const std::uint64_t expected = sent * (options_.members - 1);
  const double seconds = static_cast<double>(done_ns_ - began_ns_) / 1e9;
  const double wall = static_cast<double>(polled_ns_ - began_ns_) / 1e9;
  const auto millions = static_cast<double>(delivered) / 1e6;
  const double cpu = static_cast<double>(options_.threads ? own_ns_ : total(&Tally::cpu_ns)) / 1e9;
  std::vector<double> rss;
  std::uint64_t hops_max = 0, links_min = kMembersMax;
  for (unsigned i = 0; i < options_.members; ++i) {
    const auto kb = static_cast<double>(control_->members[i].rss_kb.load());
    rss.push_back(options_.threads ? kb / options_.members : kb);
    hops_max = std::max(hops_max, control_->members[i].hops_max.load());
    links_min = std::min(links_min, control_->members[i].links.load());
  }
  std::sort(rss.begin(), rss.end());
  std::vector<double> took;
  for (const auto& ns : control_->latency_ns)
    if (ns.load() != 0) took.push_back(static_cast<double>(ns.load()) / 1e3);
  std::sort(took.begin(), took.end());
  const auto latency = [&](double share) { return took.empty() ? nlohmann::ordered_json{} : nlohmann::ordered_json(std::round(percentile(took, share))); };
  nlohmann::ordered_json line{
      {"peer", "plumvine"},
      {"variant", variant_of(options_)},
      {"mode", to_string(options_.mode)},
      {"n", options_.members},
      {"size", options_.size},
      {"run", options_.run},
      {"secs", rounded(seconds, 1e3)},
      {"sent", sent},
      {"delivered", delivered},
      {"expected", expected},
      {"complete", expected == 0 ? 0.0 : rounded(static_cast<double>(delivered) / static_cast<double>(expected), 1e6)},
      {"deliv_per_s", std::round(static_cast<double>(delivered) / seconds)},
      {"mb_per_s", rounded(millions / seconds * static_cast<double>(options_.size), 1e2)},
      {"cpu_s", rounded(cpu, 1e3)},
      {"cpu_s_per_mdeliv", delivered == 0 ? 0.0 : rounded(cpu / millions, 1e4)},
      {"rss_kb_med", percentile(rss, 0.5)},
      {"rss_kb_max", rss.back()},
      {"gaps", total(&Tally::gaps)},
      {"dups", total(&Tally::dups)},
      {"p50_us", latency(0.5)},
      {"p99_us", latency(0.99)},
      {"max_us", latency(1)},
      // What follows is for those who read the lines of the peers' harness, and for us.
      {"broker_cpu_s", 0},
      {"broker_rss_kb", 0},
      {"would_block", total(&Tally::refused)},
      {"late", total(&Tally::late)},
      {"hops_mean", delivered == 0 ? 0.0 : rounded(static_cast<double>(total(&Tally::hops)) / static_cast<double>(delivered), 1e2)},
      {"hops_max", hops_max},
      {"links_min", links_min},
      {"setup_ms", (began_ns_ - ready_ns_) / 1'000'000},
      {"foreign_cpu", rounded(std::max(0.0, (static_cast<double>(busy_ns_) / 1e9 - cpu) / wall), 1e2)},
  };
  if (options_.mode == Mode::lat) {
    line["rate"] = options_.rate;
    line["lat_p50_us"] = line["p50_us"];
    line["lat_p99_us"] = line["p99_us"];
    line["lat_max_us"] = line["max_us"];
    line["lat_n"] = took.size();
  }
  return line;
}

int Run::run() {
  if (options_.quiet_wait > 0) wait_for_quiet(options_.quiet_wait);
  ready_ns_ = now_ns();
  // Whatever hangs, the program ends.
  ::alarm(static_cast<unsigned>(options_.seconds + 2 * kSetupSeconds + static_cast<double>(kDrainNs) / 1e9 + kFinishSeconds + 10));
  if (start() && warm_up()) {
    control_->phase.store(Phase::quiet);
    ::usleep(kPauseUs);
    measure();
    (void)collect();
  }
  nlohmann::ordered_json line;
  if (error_.empty()) {
    line = result();
  } else {
    line = {{"peer", "plumvine"}, {"mode", to_string(options_.mode)}, {"n", options_.members}, {"size", options_.size}, {"run", options_.run}, {"error", error_}};
    line["variant"] = variant_of(options_);
  }
  std::puts(line.dump().c_str());
  std::fflush(stdout);
  return error_.empty() ? 0 : 1;
}

}  // namespace

int run(const Options& options) {
  ::signal(SIGPIPE, SIG_IGN);
  return Run{options}.run();
}

}  // namespace plumvine::bench
