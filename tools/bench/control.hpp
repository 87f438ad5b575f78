#pragma once

#include <time.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "options.hpp"

namespace plumvine::bench {

/// What the members do. The parent process sets it, for all at once.
enum class Phase : std::uint32_t {
  setup,  ///< join, get links, settle
  warm,   ///< publish a probe now and then
  quiet,  ///< nothing
  run,    ///< what is measured
  stop,
};

/// What one member tells. On a cache line of its own, as the others write beside it.
struct alignas(64) Tally {
  std::atomic<std::uint64_t> settled{0};    ///< 1: it knows all members and its trees have settled
  std::atomic<std::uint64_t> heard{0};      ///< the members, as bits, whose probes came
  std::atomic<std::uint64_t> links{0};      ///< that are up
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> sent_all{0};   ///< 1: it publishes no more
  std::atomic<std::uint64_t> refused{0};    ///< broadcasts that were `overloaded`
  std::atomic<std::uint64_t> delivered{0};
  std::atomic<std::uint64_t> gaps{0};       ///< messages below the highest of their source that did not come
  std::atomic<std::uint64_t> dups{0};
  std::atomic<std::uint64_t> late{0};       ///< messages that came after a later one of their source
  std::atomic<std::uint64_t> wrong{0};      ///< payloads that nobody published
  std::atomic<std::uint64_t> hops{0};       ///< sum over deliveries
  std::atomic<std::uint64_t> hops_max{0};
  std::atomic<std::uint64_t> cpu_ns{0};     ///< during the run; of a process
  std::atomic<std::uint64_t> rss_kb{0};     ///< after it
  std::atomic<std::uint64_t> failed{0};     ///< 1: it gave up, and has said why
  std::atomic<std::uint64_t> finished{0};
};

/// Latencies that are kept, one for a message.
inline constexpr std::size_t kSamplesMax = 65536;
/// Of what is published as fast as possible so many messages have one whose latency is measured.
inline constexpr std::uint64_t kSampleEvery = 64;

/// Shared by parent and members, which are processes or threads.
struct Control {
  std::atomic<Phase> phase{Phase::setup};
  std::atomic<std::uint32_t> seed_port{0};  ///< of member 0, once it listens
  std::atomic<std::uint64_t> started_ns{0};
  std::array<Tally, kMembersMax> members;
  /// From the publishing of a message of member 0 to its delivery at the last member.
  std::array<std::atomic<std::uint64_t>, kSamplesMax> latency_ns{};
};

/// The first bytes of every payload.
struct Header {
  enum Kind : std::uint32_t { data, sampled, probe };
  std::uint32_t source = 0;
  std::uint32_t kind = data;
  std::uint64_t sequence = 0;  ///< from 1
  std::uint64_t sent_ns = 0;   ///< of `sampled` ones
};

/// The same in all processes.
inline std::uint64_t now_ns() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}
/// Processor time of this process.
std::uint64_t cpu_ns() noexcept;
/// Resident memory of this process, but for what it shares with others.
std::uint64_t rss_kb();

/// Runs one member until `Phase::stop`: as a process of its own, or on the calling thread.
void run_member(Control& control, const Options& options, unsigned number);

}  // namespace plumvine::bench
