// On the way of a message memory is taken for a run of messages, not for each of them: in its place in a run a message
// costs none.
#include "counting.hpp"
#include "row.hpp"
#include "support/pch.hpp"

using namespace plumvine;
using namespace plumvine::perf;

namespace {
/// What one run of `together` messages costs this member in allocations, the mean over `runs`, once stores and queues
/// are full.
double per_run(Row& row, Part part, const Load& load, std::uint64_t runs) {
  row.run(load, load.together * 2 * ((4u << 20) / (load.bytes * load.together) + 8));
  AllocationMeter meter;
  meter.clear();
  row.watch(part, &meter);
  row.run(load, runs * load.together);
  row.watch(part, nullptr);
  return static_cast<double>(meter.count()) / static_cast<double>(runs);
}
}  // namespace

TEST_CASE("the counter sees what it counts", "[perf]") {
  AllocationMeter meter;
  meter.clear();
  meter.start();
  const auto one = std::make_unique<int>(1);
  const auto other = std::make_unique<int>(2);
  meter.stop();
  const auto third = std::make_unique<int>(3);
  CHECK(*one + *other + *third == 6);
  CHECK(meter.count() == 2);
  CHECK(meter.bytes() == 2 * sizeof(int));
}

TEST_CASE("a message in a run takes no memory", "[perf]") {
  Row row;
  struct Bound {
    Part part;
    double per_run;
  };
  // By run: blocks and what refers to them, the head of its frame, places in stores, and what is reported of it.
  for (const Bound bound : {Bound{Part::publisher, 24}, Bound{Part::relay, 32}, Bound{Part::leaf, 22}}) {
    INFO(name_of(bound.part));
    for (const std::size_t bytes : {std::size_t{16}, std::size_t{64}}) {
      INFO("payloads of " << bytes << " bytes");
      const double few = per_run(row, bound.part, {bytes, 100}, 200);
      const double many = per_run(row, bound.part, {bytes, 900}, 200);
      CAPTURE(few, many);
      CHECK(many <= bound.per_run);
      // 800 messages more to a run: none of them takes any. Reports go by messages and bytes, so some more go with
      // larger runs.
      CHECK((many - few) / 800 < 0.02);
    }
  }
  CHECK(row.broken_invariants() == std::vector<std::string>{});
}

TEST_CASE("a message that goes alone takes memory a few times at each member", "[perf]") {
  Row row;
  CHECK(per_run(row, Part::publisher, {64, 1}, 2000) <= 4.5);
  CHECK(per_run(row, Part::relay, {64, 1}, 2000) <= 4.5);
  CHECK(per_run(row, Part::leaf, {64, 1}, 2000) <= 1.5);
  CHECK(row.told(Part::leaf) == row.told(Part::relay));
  CHECK(row.bytes_told(Part::leaf) == 64 * row.told(Part::leaf));
}
