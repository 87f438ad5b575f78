// What a message costs each member of a row: instructions, for callgrind, and allocations. budget.sh runs it.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "counting.hpp"
#include "row.hpp"

using namespace plumvine::perf;

namespace {
struct Case {
  const char* name;
  Load load;
  std::uint64_t messages;
};
constexpr Case kCases[] = {
    {"64 B alone", {64, 1}, 1000},
    {"64 B in runs", {64, 900}, 45'000},
    {"1 KiB in runs", {1024, 60}, 6'000},
    {"16 KiB", {16384, 4}, 400},
};

class InstructionMeter final : public Meter {
 public:
  void start() noexcept override { CALLGRIND_TOGGLE_COLLECT; }
  void stop() noexcept override { CALLGRIND_TOGGLE_COLLECT; }
};
}  // namespace

/// `hot_path` prints allocations; `hot_path callgrind` leaves the counting to callgrind, one dump for each part and
/// case; `hot_path places CASE PART` prints where memory is taken, by the numbers of case and part.
int main(int argc, char** argv) {
  const bool counts = argc > 1 && std::strcmp(argv[1], "callgrind") == 0;
  const bool places = argc > 3 && std::strcmp(argv[1], "places") == 0;
  InstructionMeter instructions;
  AllocationMeter allocations;
  Row row;
  for (const Case& one : kCases) {
    if (places && &one != kCases + std::atoi(argv[2])) continue;
    // Until the store is full of these.
    row.run(one.load, 2 * one.messages + (4 << 20) / one.load.bytes / 4);
    for (const Part part : kParts) {
      if (places && static_cast<int>(part) != std::atoi(argv[3])) continue;
      Meter* meter = counts ? static_cast<Meter*>(&instructions) : &allocations;
      allocations.clear();
      allocations.trace(places);
      row.watch(part, meter);
      row.run(one.load, one.messages);
      row.watch(part, nullptr);
      if (places) AllocationMeter::print_places();
      const std::string name = std::string{name_of(part)} + ", " + one.name;
      std::printf("%s: %llu messages", name.c_str(), static_cast<unsigned long long>(one.messages));
      if (!counts)
        std::printf(", %.3f allocations a message",
                    static_cast<double>(allocations.count()) / static_cast<double>(one.messages));
      std::printf("\n");
      if (counts) CALLGRIND_DUMP_STATS_AT(name.c_str());
    }
  }
  return 0;
}
