// A member that accuses everybody is not believed, and is named.
#include "membership/accusers.hpp"

#include "cluster.hpp"
#include "membership/wire/codec.hpp"

using namespace plumvine;
using namespace plumvine::test;

TEST_CASE("three accusations or half of the table within a minute are believed, more are not", "[accusers]") {
  swim::Accusers accusers;
  const Timestamp now{1'000'000'000};
  for (const char* whom : {"a", "b", "c"}) CHECK(accusers.note("mad", whom, 5, now));
  CHECK(accusers.note("mad", "a", 5, now));  // not one more
  CHECK_FALSE(accusers.note("mad", "d", 5, now));
  CHECK_FALSE(accusers.note("mad", "a", 5, now));
  CHECK(accusers.is_doubted("mad", now));
  CHECK(accusers.note("sane", "d", 5, now));
  const auto infos = accusers.infos(now);
  REQUIRE(infos.size() == 1);
  CHECK(infos[0].name == "mad");
  CHECK(infos[0].accused == 4);
  CHECK(infos[0].doubted == 2);
  const Timestamp later = now + std::chrono::seconds{61};
  CHECK(accusers.note("mad", "a", 5, later));
  CHECK_FALSE(accusers.is_doubted("mad", later));
  CHECK(accusers.infos(later).size() == 1);
  CHECK(accusers.infos(now + std::chrono::minutes{11}).empty());

  swim::Accusers large;
  for (int i = 0; i < 50; ++i) CHECK(large.note("prober", "n" + std::to_string(i), 100, now));
  CHECK_FALSE(large.note("prober", "n50", 100, now));
}

TEST_CASE("accusers are bounded: the one silent for longest is forgotten", "[accusers]") {
  swim::Accusers accusers;
  Timestamp now{0};
  for (int i = 0; i < 1000; ++i) {
    now = now + std::chrono::milliseconds{1};
    for (const char* whom : {"a", "b", "c", "d"}) (void)accusers.note("forged" + std::to_string(i), whom, 5, now);
  }
  CHECK(accusers.infos(now).size() == swim::Accusers::kAccusersMax);
}

TEST_CASE("a member that declares everybody dead kills nobody for long and is named", "[accusers]") {
  Cluster cluster(6);
  cluster.start_all();
  REQUIRE(cluster.run_until(30s, [&] { return cluster.one_view(); }));
  // Node 5 goes mad: each second it tells everybody that all others are dead.
  const auto accuse = [&] {
    for (std::size_t to = 0; to < 5; ++to) {
      for (std::size_t whom = 0; whom < 5; ++whom) {
        const Member* member = cluster.node(to).find(Cluster::name(whom));
        const std::string accused = Cluster::name(whom), accuser = Cluster::name(5);
        const Bytes packet = swim::wire::encoded(swim::wire::Dead{static_cast<std::uint32_t>(member->incarnation), accused, accuser});
        cluster.inject(Cluster::endpoint(5), to, packet);
      }
    }
  };
  for (int i = 0; i < 30; ++i) {
    accuse();
    cluster.run(1s);
  }
  for (std::size_t i = 0; i < 5; ++i) {
    const auto accusers = cluster.node(i).accusers(cluster.now());
    REQUIRE(accusers.size() == 1);
    CHECK(accusers[0].name == Cluster::name(5));
    CHECK(cluster.node(i).stats().doubted[Doubted::too_many] > 50);
    CHECK(cluster.node(i).stats().deaths <= 4);
    CHECK(cluster.node(i).stats().refutations <= 32);
  }
  CHECK(cluster.run_until(5s, [&] { return cluster.one_view(); }));
}
