#include <catch2/catch.hpp>

#include "plumtree/message_store.hpp"
#include "support/runs.hpp"

using namespace plumvine;
using namespace plumvine::tree;

namespace {
StoredMessage message(Sequence sequence, std::size_t bytes = 10, Timestamp arrived = {}, OriginIndex origin = 1) {
  StoredMessage m;
  m.id = {InstanceId{origin}, sequence};
  m.origin = origin;
  m.arrived = arrived;
  m.payload = Bytes::copy_of(std::string(bytes, 'x'));
  return m;
}
}  // namespace

TEST_CASE("a payload is held once for both tiers", "[store]") {
  TreeConfig config;
  config.message_cache_max_size = 2;
  MessageStore store(config);
  for (Sequence s = 1; s <= 5; ++s) store.put(message(s));
  CHECK(store.messages() == 5);
  CHECK(store.bytes() == 50);
  CHECK(store.cache_messages() == 2);
  CHECK(store.cache_bytes() == 20);
  CHECK(store.cache_evictions()[CacheEviction::count] == 3);
  CHECK(store.find(1, 1) != nullptr);
}

TEST_CASE("lower bounds hold at once", "[store]") {
  TreeConfig config;
  MessageStore store(config);
  for (Sequence s = 1; s <= 6; ++s) store.put(message(s));
  config.message_cache_max_size = 2;
  config.sync_max_messages = 4;
  store.enforce();
  CHECK(store.cache_messages() == 2);
  CHECK(store.messages() == 4);
  CHECK(store.find(1, 2) == nullptr);
  CHECK(store.find(1, 3) != nullptr);
}

TEST_CASE("the cache is bounded in bytes", "[store]") {
  TreeConfig config;
  config.message_cache_max_bytes = 25;
  MessageStore store(config);
  for (Sequence s = 1; s <= 4; ++s) store.put(message(s));
  CHECK(store.cache_messages() == 2);
  CHECK(store.cache_evictions()[CacheEviction::bytes] == 2);
  store.put(message(5, 100));  // larger than the cache: the newest stays all the same
  CHECK(store.cache_messages() == 1);
  CHECK(store.messages() == 5);
}

TEST_CASE("age empties first the cache and then the store", "[store]") {
  TreeConfig config;
  config.message_cache_ttl = seconds{60};
  config.sync_window = minutes{5};
  MessageStore store(config);
  store.put(message(1, 10, Timestamp{}));
  store.put(message(2, 10, Timestamp{} + seconds{10}));
  CHECK(store.next_expiry() > Timestamp{} + seconds{60});
  CHECK(store.next_expiry() <= Timestamp{} + seconds{61});
  store.expire(Timestamp{} + seconds{61});
  CHECK(store.take_expired() == 1);
  CHECK(store.take_expired() == 0);
  CHECK(store.cache_evictions()[CacheEviction::ttl] == 1);
  CHECK(store.messages() == 2);
  std::vector<Sequence> evicted;
  store.on_evict([&](const StoredMessage& m) { evicted.push_back(m.id.sequence); });
  store.expire(Timestamp{} + minutes{5} + seconds{1});
  CHECK(evicted == std::vector<Sequence>{1});
  store.expire(Timestamp{} + minutes{6});
  CHECK(evicted == std::vector<Sequence>{1, 2});
  CHECK(store.bytes() == 0);
  CHECK(store.cache_bytes() == 0);
  CHECK(store.next_expiry() == kNever);
}

TEST_CASE("the store is bounded in bytes and messages, in order of arrival", "[store]") {
  TreeConfig config;
  config.sync_max_messages = 4;
  config.sync_max_bytes = 100;
  MessageStore store(config);
  for (const Sequence s : std::initializer_list<Sequence>{5, 1, 2, 3, 4}) store.put(message(s));
  CHECK(store.messages() == 4);
  CHECK(store.find(1, 5) == nullptr);
  store.put(message(6, 85));
  CHECK(store.bytes() == 95);
  CHECK(store.held(1).list() == std::vector<SequenceRange>{{4, 4}, {6, 6}});
  CHECK(store.floor_of(1, 6) == 3);
  CHECK(store.floor_of(2, 17) == 17);
  CHECK(store.cache_messages() == 2);
}

TEST_CASE("memory of a burst is given back when the burst has aged", "[store]") {
  TreeConfig config;
  MessageStore store(config);
  for (Sequence s = 1; s <= 10'000; ++s) store.put(message(s));
  for (Sequence s = 10'001; s <= 10'003; ++s) store.put(message(s, 10, Timestamp{} + minutes{4}));
  CHECK(store.capacity() >= 10'003);
  store.expire(Timestamp{} + minutes{5});
  CHECK(store.capacity() <= 64);
  for (Sequence s = 10'001; s <= 10'003; ++s) {
    REQUIRE(store.find(1, s) != nullptr);
    CHECK(store.find(1, s)->id.sequence == s);
    CHECK(store.at(s)->id.sequence == s);
  }
  store.put(message(10'004, 10, Timestamp{} + minutes{5}));
  CHECK(store.at(10'004)->id.sequence == 10'004);
}

TEST_CASE("arrival numbers name a message until it is evicted", "[store]") {
  TreeConfig config;
  config.sync_max_messages = 100;
  MessageStore store(config);
  for (Sequence s = 1; s <= 1000; ++s) {
    store.put(message(s));
    REQUIRE(store.at(store.end() - 1)->id.sequence == s);
    REQUIRE(store.messages() <= 100);
  }
  CHECK(store.at(900) == nullptr);
  CHECK(store.at(901)->id.sequence == 901);
  CHECK(store.arrival_of(1, 1000) == 1000);
  CHECK(store.at(1001) == nullptr);
  CHECK(store.mean_bytes() == 10);
}

TEST_CASE("with any mix of retentions the counts are those of what is there", "[store][topics]") {
  Topics topics({{"brief", {.retention = seconds{5}}},
                 {"both", {.retention = seconds{20}, .retention_bytes = 500}},
                 {"little", {.retention_bytes = 300}}},
                16);
  const std::vector<const Topic*> kinds{&kDefaultTopic, &topics.agreed("brief"), &topics.agreed("both"), &topics.agreed("little")};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    TreeConfig config;
    config.message_cache_ttl = seconds{8};
    config.message_cache_max_size = 40;
    config.message_cache_max_bytes = 1500;
    config.sync_window = seconds{30};
    config.sync_max_bytes = 4000;
    config.sync_max_messages = 120;
    MessageStore store(config);
    Rng rng{seed};
    std::map<MessageId, StoredMessage> there;
    store.on_evict([&](const StoredMessage& m) { CHECK(there.erase(m.id) == 1); });
    Timestamp now;
    std::array<Sequence, 3> sequences{};
    for (int step = 0; step < 2000; ++step) {
      now = now + milliseconds{rng.below(300)};
      const auto origin = static_cast<OriginIndex>(rng.below(3));
      if (rng.chance(0.7)) {
        StoredMessage m = message(++sequences[origin], rng.below(100), now, origin);
        m.agreed = kinds[rng.below(kinds.size())];
        there.emplace(m.id, m);
        store.put(std::move(m));
      } else if (rng.chance(0.3) && store.end() > store.first()) {
        store.drop(store.first() + rng.below(store.end() - store.first()));
      } else {
        store.expire(now);
        for (const auto& [id, m] : there) {
          const Duration retention = m.agreed->policy.retention;
          CHECK((retention == Duration{0} || m.arrived + retention > now));
          CHECK(m.arrived + config.sync_window > now);
        }
      }
      std::uint64_t bytes = 0;
      std::map<const Topic*, std::pair<std::uint64_t, std::size_t>> by_topic;
      std::array<IntervalSet, 3> held;
      for (const auto& [id, m] : there) {
        bytes += m.payload.size();
        by_topic[m.agreed].first += m.payload.size();
        ++by_topic[m.agreed].second;
        held[m.origin].add(id.sequence);
        const auto arrival = store.arrival_of(m.origin, id.sequence);
        REQUIRE(arrival);
        CHECK(store.at(*arrival)->id == id);
      }
      REQUIRE(store.messages() == there.size());
      REQUIRE(store.bytes() == bytes);
      for (OriginIndex i = 0; i < 3; ++i) CHECK(store.held(i) == held[i]);
      for (const auto& [topic, sum] : by_topic) {
        const std::uint64_t limit = topic->policy.retention_bytes;
        CHECK((limit == 0 || sum.first <= limit || sum.second == 1));
      }
      CHECK(store.cache_messages() <= std::min<std::uint64_t>(40, store.messages()));
      CHECK(store.cache_bytes() <= store.bytes());
    }
    store.expire(now + minutes{10});
    CHECK(store.messages() == 0);
    CHECK(store.bytes() == 0);
    CHECK(store.cache_messages() == 0);
    CHECK(store.cache_bytes() == 0);
    CHECK(store.first() == store.end());
    CHECK(store.next_expiry() == kNever);
  }
}

TEST_CASE("places find what was added and not removed, in whatever order that was", "[store]") {
  Rng rng{11};
  Places places;
  std::map<Sequence, std::pair<SequenceRange, Arrival>> there;  // by the first sequence
  const auto expected = [&](Sequence sequence) -> std::optional<Arrival> {
    const auto next = there.upper_bound(sequence);
    if (next == there.begin()) return std::nullopt;
    const auto& [range, arrival] = std::prev(next)->second;
    return range.last >= sequence ? std::optional{arrival} : std::nullopt;
  };
  std::size_t found = 0;
  for (Arrival arrival = 1; arrival <= 4000; ++arrival) {
    const Sequence first = 1 + rng.below(300);
    const SequenceRange range{first, first + (rng.chance(0.3) ? rng.below(9) : 0)};
    bool free = true;
    for (Sequence s = range.first; s <= range.last; ++s) free = free && !expected(s);
    if (free) {
      places.add(range, arrival);
      there[first] = {range, arrival};
    } else if (const auto it = there.upper_bound(first); it != there.begin()) {
      places.remove(std::prev(it)->second.first);
      there.erase(std::prev(it));
    }
    for (int i = 0; i < 8; ++i) {
      const Sequence asked = rng.below(320);
      found += expected(asked).has_value();
      REQUIRE(places.find(asked) == expected(asked));
    }
  }
  CHECK(found > 1000);
}

namespace {
StoredMessage run(Sequence first, std::uint32_t count, Timestamp arrived = {}) {
  StoredMessage m = message(first, std::size_t{count} * 10, arrived);
  m.run.count = count;
  return m;
}
}  // namespace

TEST_CASE("a run counts as its messages, and leaves the store as one and the cache one by one", "[store]") {
  TreeConfig config;
  config.sync_max_messages = 10;
  config.message_cache_max_size = 7;
  MessageStore store(config);
  std::vector<SequenceRange> evicted;
  store.on_evict([&](const StoredMessage& m) { evicted.push_back(m.range()); });
  store.put(run(1, 4));
  store.put(message(5));
  store.put(run(6, 4));
  CHECK(store.messages() == 9);
  CHECK(store.cache_messages() == 7);
  CHECK(store.cache_bytes() == 70);
  CHECK(store.cache_evictions()[CacheEviction::count] == 2);
  CHECK(store.bytes() == 90);
  CHECK(store.held(1).front() == SequenceRange{1, 9});
  for (Sequence s = 1; s <= 9; ++s) CHECK(store.find(1, s)->range().first == (s < 5 ? 1 : s == 5 ? 5 : 6));
  CHECK(store.find(1, 10) == nullptr);
  CHECK(store.find(2, 1) == nullptr);
  store.put(run(10, 3));
  CHECK(evicted == std::vector<SequenceRange>{{1, 4}});
  CHECK(store.messages() == 8);
  CHECK(store.find(1, 4) == nullptr);
  CHECK(store.floor_of(1, 12) == 4);
  store.drop(*store.arrival_of(1, 7));
  CHECK(store.find(1, 6) == nullptr);
  CHECK(store.find(1, 5) != nullptr);
  CHECK(store.messages() == 4);
  // What alone is above the store's bounds stays.
  store.put(run(20, 50));
  CHECK(store.messages() == 50);
  CHECK(store.cache_messages() == 7);
  CHECK(store.cache_bytes() == 70);
  store.expire(Timestamp{} + config.sync_window);
  CHECK(store.messages() == 0);
  CHECK(store.bytes() == 0);
  CHECK(store.cache_messages() == 0);
  CHECK(store.cache_bytes() == 0);
}

TEST_CASE("the cache's counts are right whatever leaves it, runs of several sizes included", "[store]") {
  Rng rng{7};
  for (int round = 0; round < 40; ++round) {
    TreeConfig config;
    config.message_cache_max_size = 1 + rng.below(60);
    config.message_cache_max_bytes = 50 + rng.below(800);
    config.sync_max_messages = 100;
    MessageStore store(config);
    Sequence next = 1;
    std::vector<std::uint64_t> sizes{0};  // by sequence, of what it counts for
    for (int i = 0; i < 200; ++i) {
      std::vector<Bytes> payloads(1 + rng.below(20));
      for (Bytes& payload : payloads) payload = Bytes::copy_of(std::string(rng.below(20), 'x'));
      StoredMessage m = message(next);
      if (payloads.size() > 1) {
        frame::Joined joined = test::join(payloads);
        m.run = joined.run;
        m.payload = joined.bytes;
      } else {
        m.payload = payloads[0];
      }
      for (std::uint32_t k = 0; k < m.run.count; ++k) sizes.push_back(m.run.count > 1 ? frame::bytes_of(m.run, m.payload, k) : m.payload.size());
      next = m.range().last + 1;
      store.put(std::move(m));
      if (rng.chance(0.1)) {
        if (const auto arrival = store.arrival_of(1, 1 + rng.below(next - 1))) store.drop(*arrival);
      }
      std::uint64_t messages = 0, bytes = 0;
      for (Sequence s = next; s-- > 1 && messages < store.cache_messages();) {
        if (store.find(1, s) == nullptr) continue;
        ++messages;
        bytes += sizes[s];
      }
      REQUIRE(store.cache_messages() == messages);
      REQUIRE(store.cache_bytes() == bytes);
      REQUIRE(store.cache_messages() <= config.message_cache_max_size);
      REQUIRE((store.cache_bytes() <= config.message_cache_max_bytes || store.cache_messages() <= 1));
    }
  }
}
