#include "tree_search.hpp"

#include <algorithm>
#include <optional>

#include "tree_world.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

/// One thing that may happen next.
struct Choice {
  enum class Kind : std::uint8_t { deliver, fire, publish, reset, relink, root_dies } kind{};
  TreeWorld::Direction link{};
  friend bool operator==(const Choice&, const Choice&) = default;
};

std::string describe(const Choice& choice) {
  const std::string pair = std::to_string(choice.link.from) + "-" + std::to_string(choice.link.to);
  switch (choice.kind) {
    case Choice::Kind::deliver: return "deliver " + pair;
    case Choice::Kind::fire: return "deadline";
    case Choice::Kind::publish: return "publish at " + std::to_string(choice.link.to);
    case Choice::Kind::reset: return "reset " + pair;
    case Choice::Kind::relink: return "relink " + pair;
    case Choice::Kind::root_dies: return "root dies";
  }
  return {};
}

/// Steps at different nodes commute. Time moves for all, and a link has two ends.
bool independent(const Choice& a, const Choice& b) {
  const auto local = [](const Choice& c) { return c.kind == Choice::Kind::deliver || c.kind == Choice::Kind::publish; };
  return local(a) && local(b) && a.link.to != b.link.to;
}

Duration latency_of(std::uint32_t a, std::uint32_t b) { return 5ms + 3ms * ((a * 5 + b * 5 + a * b) % 7); }

class OrderSearch {
 public:
  OrderSearch(std::uint32_t nodes, std::uint32_t depth, bool cold, TreeConfig config)
      : nodes_(nodes), depth_(depth), cold_(cold), config_(std::move(config)) {}

  SearchResult run() {
    explore({});
    return result_;
  }

 private:
  TreeWorld start() const {
    TreeWorld world(config_, 1);
    for (std::uint32_t i = 0; i < nodes_; ++i) world.add();
    world.tell_all();
    for (std::uint32_t a = 0; a < nodes_; ++a) {
      for (std::uint32_t b = a + 1; b < nodes_; ++b) {
        if (nodes_ < 4 || b != a + 2 || a != 0) world.link(a, b, latency_of(a, b));  // four: all links but one
      }
    }
    if (!cold_) world.run_for(7s);
    return world;
  }

  void apply(TreeWorld& world, const Choice& choice) const {
    switch (choice.kind) {
      case Choice::Kind::deliver: return world.deliver(choice.link);
      case Choice::Kind::fire: return world.fire();
      case Choice::Kind::publish: return world.publish(choice.link.to);
      case Choice::Kind::reset: return world.reset(choice.link.from, choice.link.to);
      case Choice::Kind::relink: return world.link(choice.link.from, choice.link.to, latency_of(choice.link.from, choice.link.to));
      case Choice::Kind::root_dies: return world.crash(world.first_root());
    }
  }

  std::vector<Choice> choices(const TreeWorld& world) const {
    using Kind = Choice::Kind;
    std::vector<Choice> out;
    for (const auto& direction : world.under_way()) out.push_back({Kind::deliver, direction});
    if (world.next_to_fire()) out.push_back({Kind::fire, {}});
    const auto done = [this](Kind kind) {
      return std::find_if(path_.begin(), path_.end(), [kind](const Choice& c) { return c.kind == kind; });
    };
    if (done(Kind::publish) == path_.end()) out.push_back({Kind::publish, {0, nodes_ - 1}});
    const auto reset = done(Kind::reset);
    if (reset == path_.end()) {
      for (const auto& direction : world.links()) {
        if (direction.from < direction.to) out.push_back({Kind::reset, direction});
      }
    } else if (done(Kind::relink) == path_.end()) {
      out.push_back({Kind::relink, reset->link});
    }
    if (done(Kind::root_dies) == path_.end() && nodes_ > 3) out.push_back({Kind::root_dies, {}});
    return out;
  }

  /// `asleep`: choices whose orders were tried from an earlier branch and that nothing since depends on (sleep sets).
  void explore(std::vector<Choice> asleep) {
    if (!result_.violations.empty()) return;
    TreeWorld world = start();
    const std::uint64_t before = world.steps();
    for (const Choice& choice : path_) apply(world, choice);
    if (path_.size() == depth_ || !world.violations().empty()) return finish(world, before);
    const auto possible = choices(world);
    for (const Choice& choice : possible) {
      if (std::find(asleep.begin(), asleep.end(), choice) != asleep.end()) continue;
      std::vector<Choice> still;
      for (const Choice& other : asleep) {
        if (independent(other, choice)) still.push_back(other);
      }
      path_.push_back(choice);
      explore(std::move(still));
      path_.pop_back();
      asleep.push_back(choice);
    }
  }

  void finish(TreeWorld& world, std::uint64_t before) {
    ++result_.runs;
    if (world.violations().empty()) {
      world.run_for(4s);
      world.tell_all();  // of a death
      for (const std::uint32_t a : world.alive_nodes()) {
        for (const std::uint32_t b : world.alive_nodes()) {
          if (a < b) world.link(a, b, latency_of(a, b));  // what the overlay would see to
        }
      }
      world.run_for(8s);
      world.check_rest();
    }
    result_.steps += world.steps() - before;
    if (world.violations().empty()) return;
    result_.violations = world.violations();
    std::string story = "after:";
    for (const Choice& choice : path_) story += " " + describe(choice) + ";";
    result_.violations.push_back(story);
  }

  std::uint32_t nodes_;
  std::uint32_t depth_;
  bool cold_;
  TreeConfig config_;
  std::vector<Choice> path_;
  SearchResult result_;
};

/// Draws what happens in one swarm run.
class Swarm {
 public:
  Swarm(std::uint64_t seed, TreeConfig config) : rng_(mix64(seed) ^ 0x737761726d), world_(std::move(config), seed) {
    const auto nodes = static_cast<std::uint32_t>(4 + rng_.below(21));
    latency_max_ = rng_.chance(0.5) ? 5ms : 60ms;
    world_.loss = rng_.chance(0.5) ? 0 : rng_.unit() * 0.03;
    for (std::uint32_t i = 0; i < nodes; ++i) world_.add();
    world_.tell_all();
    for (std::uint32_t i = 0; i < nodes; ++i) {
      connect(i, (i + 1) % nodes);
      for (int chord = 0; chord < 2; ++chord) connect(i, static_cast<std::uint32_t>(rng_.below(nodes)));
    }
  }

  SearchResult run() {
    const auto events = 10 + rng_.below(40);
    for (std::uint64_t i = 0; i < events && world_.violations().empty(); ++i) {
      world_.run_for(rng_.jitter(rng_.chance(0.5) ? Duration{100ms} : Duration{3s}));
      happen();
    }
    mend();
    world_.run_for(60s);
    world_.check_rest();
    return {1, world_.steps(), world_.violations()};
  }

 private:
  void connect(std::uint32_t a, std::uint32_t b) {
    if (a == b || cut(a, b)) return;
    world_.link(a, b, 1ms + rng_.jitter(latency_max_));
  }
  [[nodiscard]] bool cut(std::uint32_t a, std::uint32_t b) const { return parted_.contains(a) != parted_.contains(b); }
  std::uint32_t any() {
    const auto alive = world_.alive_nodes();
    return alive[static_cast<std::size_t>(rng_.below(alive.size()))];
  }

  void happen() {
    switch (rng_.below(10)) {
      case 0: return part();
      case 1: return rejoin();
      case 2: return kill(rng_.chance(0.5) ? world_.first_root() : any());
      case 3: return join();
      case 4: return believe();
      case 5: {
        // One draw a statement: compilers evaluate the arguments of a call in different orders.
        const Duration by = rng_.chance(0.5) ? Duration{0} : rng_.jitter(2s);
        return world_.slow(any(), by);
      }
      case 6: {
        const auto links = world_.links();
        if (links.empty()) return;
        const auto one = links[static_cast<std::size_t>(rng_.below(links.size()))];
        world_.reset(one.from, one.to);
        const std::uint32_t far = any();
        return connect(any(), far);
      }
      default:
        for (auto count = 1 + rng_.below(5); count > 0; --count) world_.publish(any());
    }
  }
  void part() {
    for (const std::uint32_t node : world_.alive_nodes()) {
      if (rng_.chance(0.4)) parted_.insert(node);
    }
    for (const auto& one : world_.links()) {
      if (cut(one.from, one.to)) world_.reset(one.from, one.to);
    }
  }
  /// Links the live nodes to a ring again, as their overlay would.
  void rejoin() {
    parted_.clear();
    close_ring();
  }
  void close_ring() {
    const auto alive = world_.alive_nodes();
    for (std::size_t i = 0; i < alive.size(); ++i) connect(alive[i], alive[(i + 1) % alive.size()]);
  }
  void kill(std::uint32_t node) {
    if (world_.alive_nodes().size() <= 3) return;
    world_.crash(node);
    parted_.erase(node);
    close_ring();
  }
  void join() {
    const std::uint32_t node = world_.add(true);
    for (int i = 0; i < 3; ++i) connect(node, any());
  }
  /// Some learn of what there is, others do not yet; some are wrong.
  void believe() {
    for (const std::uint32_t node : world_.alive_nodes()) {
      if (rng_.chance(0.5)) continue;
      std::vector<std::uint32_t> members;
      for (const std::uint32_t member : world_.alive_nodes()) {
        if (!rng_.chance(0.1)) members.push_back(member);
      }
      world_.tell(node, members);
    }
  }
  void mend() {
    world_.loss = 0;
    for (const std::uint32_t node : world_.alive_nodes()) world_.slow(node, 0ms);
    rejoin();
    world_.tell_all();
  }

  Rng rng_;
  TreeWorld world_;
  Duration latency_max_{};
  std::set<std::uint32_t> parted_;
};

}  // namespace

SearchResult search_orders(std::uint32_t nodes, std::uint32_t depth, bool cold, TreeConfig config) {
  return OrderSearch(nodes, depth, cold, std::move(config)).run();
}

SearchResult swarm_run(std::uint64_t seed, TreeConfig config) { return Swarm(seed, std::move(config)).run(); }

}  // namespace plumvine::sim
