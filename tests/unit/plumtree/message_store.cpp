#include <catch2/catch.hpp>

#include "plumtree/message_store.hpp"

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
  CHECK(store.find({InstanceId{1}, 1}) != nullptr);
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
  for (const Sequence s : {5, 1, 2, 3, 4}) store.put(message(s));
  CHECK(store.messages() == 4);
  CHECK(store.find({InstanceId{1}, 5}) == nullptr);
  store.put(message(6, 85));
  CHECK(store.bytes() == 95);
  CHECK(store.held(1).list() == std::vector<SequenceRange>{{4, 4}, {6, 6}});
  CHECK(store.floor_of(1, 6) == 3);
  CHECK(store.floor_of(2, 17) == 17);
  CHECK(store.cache_messages() == 2);
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
  CHECK(store.arrival_of({InstanceId{1}, 1000}) == 1000);
  CHECK(store.at(1001) == nullptr);
  CHECK(store.mean_bytes() == 10);
}
