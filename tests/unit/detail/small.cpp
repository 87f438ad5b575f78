#include <plumvine/bytes.hpp>
#include <plumvine/detail/counted_reasons.hpp>
#include <plumvine/detail/fixed_histogram.hpp>
#include <plumvine/detail/flat_map.hpp>
#include <plumvine/detail/outbox.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/result.hpp>
#include <plumvine/time.hpp>

#include "support/pch.hpp"

using namespace plumvine;
using namespace std::chrono_literals;

TEST_CASE("bytes share one block and slices stay inside it", "[detail][bytes]") {
  const Bytes all = Bytes::copy_of("0123456789");
  CHECK(all.size() == 10);
  CHECK(all.slice(2, 3).text() == "234");
  CHECK(all.slice(2, 3).data() == all.data() + 2);
  CHECK(all.slice(8, 100).text() == "89");
  CHECK(all.slice(10).empty());
  CHECK(all.slice(99, 1).empty());
  CHECK(all.slice(4).slice(2).slice(1, 1).text() == "7");
}

TEST_CASE("a slice keeps its block alive", "[detail][bytes]") {
  Bytes part;
  {
    const Bytes all = Bytes::copy_of(std::string(100000, 'x') + "end");
    part = all.slice(100000);
  }
  CHECK(part.text() == "end");
}

TEST_CASE("bytes compare by contents", "[detail][bytes]") {
  CHECK(Bytes::copy_of("abc") == Bytes::copy_of("xabcx").slice(1, 3));
  CHECK_FALSE(Bytes::copy_of("abc") == Bytes::copy_of("abd"));
  CHECK_FALSE(Bytes::copy_of("abc") == Bytes::copy_of("ab"));
  CHECK(Bytes{} == Bytes::copy_of(""));
  CHECK(Bytes{} == Bytes::copy_of("abc").slice(3));
  CHECK(Bytes::copy_of(std::string_view{"\0a", 2}).size() == 2);
}

TEST_CASE("an adopted block is not copied", "[detail][bytes]") {
  auto block = std::make_shared<std::byte[]>(4);
  block[1] = std::byte{'y'};
  const auto* at = block.get();
  const Bytes bytes = Bytes::adopt(block, 1, 2);
  CHECK(bytes.data() == at + 1);
  CHECK(bytes.text().front() == 'y');
  CHECK(block.use_count() == 2);
}

TEST_CASE("a result holds a value or an error", "[detail][result]") {
  Result<std::string> good{std::string{"value"}};
  REQUIRE(good);
  CHECK(*good == "value");
  CHECK(good->size() == 5);
  CHECK(*std::move(good) == "value");
  const Result<std::string> bad{Errc::not_found, "no such key"};
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == Errc::not_found);
  CHECK(bad.error().with("config.bind").message == "config.bind: no such key");
  CHECK(bad.error().with("config.bind").code == Errc::not_found);
  CHECK(Status{});
  CHECK_FALSE(Status{Errc::stopped, "gone"});
}

TEST_CASE("every error code has its own name", "[detail][result]") {
  std::set<std::string_view> names;
  for (int code = static_cast<int>(Errc::invalid_argument); code <= static_cast<int>(Errc::system); ++code)
    names.insert(to_string(static_cast<Errc>(code)));
  CHECK(names.size() == static_cast<std::size_t>(Errc::system));
  CHECK(to_string(Errc::overloaded) == "overloaded");
}

TEST_CASE("an outbox gives back in order what was put in", "[detail][outbox]") {
  Outbox<std::unique_ptr<int>> outbox;
  CHECK_FALSE(outbox.poll());
  outbox.push(std::make_unique<int>(1));
  outbox.push(std::make_unique<int>(2));
  CHECK(outbox.size() == 2);
  CHECK(**outbox.poll() == 1);
  outbox.push(std::make_unique<int>(3));
  CHECK(**outbox.poll() == 2);
  CHECK(**outbox.poll() == 3);
  CHECK(outbox.empty());
}

TEST_CASE("an outbox that is never empty keeps its order and what it holds", "[detail][outbox]") {
  Outbox<int> outbox;
  int pushed = 0;
  int polled = 0;
  for (int round = 0; round < 500; ++round) {
    for (int i = 0; i < 3; ++i) outbox.push(pushed++);
    for (int i = 0; i < (round < 250 ? 2 : 3); ++i) REQUIRE(outbox.poll() == polled++);
    REQUIRE(outbox.size() == static_cast<std::size_t>(pushed - polled));
  }
  int next = polled;
  outbox.each([&](int value) { CHECK(value == next++); });
  CHECK(next == pushed);
  while (const auto value = outbox.poll()) REQUIRE(*value == polled++);
  CHECK(polled == pushed);
}

TEST_CASE("an outbox keeps its places from burst to burst, and gives them back after a small one", "[detail][outbox]") {
  Outbox<int> outbox;
  const auto burst = [&](int outputs) {
    for (int i = 0; i < outputs; ++i) outbox.push(i);
    while (outbox.poll()) {}
    return outbox.places();
  };
  const std::size_t places = burst(1000);
  CHECK(places >= 1000);
  CHECK(burst(1000) == places);
  CHECK(burst(500) == places);
  CHECK(burst(10) == 0);
  CHECK(burst(10) >= 10);
  CHECK(burst(1) >= 10);
}

TEST_CASE("a flat map and a flat set behave as those of the standard library", "[detail][flat_map]") {
  FlatMap<std::uint32_t, std::uint64_t> map;
  FlatSet<std::uint32_t> set;
  std::map<std::uint32_t, std::uint64_t> model;
  Rng rng{7};
  for (int step = 0; step < 2000; ++step) {
    const auto key = static_cast<std::uint32_t>(rng.below(40));
    if (rng.below(2) == 0) {
      CHECK(set.insert(key) == !model.contains(key));
      map[key] = model[key] = rng.next();
    } else {
      const std::size_t gone = model.erase(key);
      CHECK(map.erase(key) == gone);
      CHECK(set.erase(key) == gone);
    }
    CHECK(map.contains(key) == model.contains(key));
    CHECK(set.contains(key) == model.contains(key));
    REQUIRE(std::equal(map.begin(), map.end(), model.begin(), model.end(),
                       [](const auto& a, const auto& b) { return a.first == b.first && a.second == b.second; }));
  }
  CHECK(map.size() == model.size());
  CHECK(set.size() == model.size());
  map.erase(map.begin());
  CHECK(map.size() + 1 == model.size());
  CHECK(map.find(99) == map.end());
  map.clear();
  CHECK(map.empty());
}

TEST_CASE("reasons are counted one by one", "[detail][counted_reasons]") {
  enum class Why { early, late, count_ };
  CountedReasons<Why> counts;
  counts.add(Why::late);
  counts.add(Why::late, 4);
  CHECK(counts[Why::early] == 0);
  CHECK(counts[Why::late] == 5);
  CHECK(counts.total() == 5);
}

TEST_CASE("a histogram puts a value into the first bucket that is not below it", "[detail][fixed_histogram]") {
  static constexpr std::array<double, 3> kBounds{1, 10, 100};
  FixedHistogram<3> histogram{kBounds};
  for (const double x : {0.5, 1.0, 1.5, 10.0, 100.0, 100.5, 1e9}) histogram.observe(x);
  CHECK(std::vector<std::uint64_t>(histogram.counts().begin(), histogram.counts().end()) ==
        std::vector<std::uint64_t>{2, 2, 1, 2});
  CHECK(histogram.count() == 7);
  CHECK(histogram.sum() == Approx(1e9 + 214));
}

TEST_CASE("instants and spans add up", "[detail][time]") {
  const Timestamp t{1'000};
  CHECK(t + 1us == Timestamp{2'000});
  CHECK((t + 1us) - t == 1us);
  CHECK(t - 1ns < t);
  CHECK(t < kNever);
  CHECK(to_seconds(1500ms) == Approx(1.5));
}
