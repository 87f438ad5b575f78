#pragma once

#include <memory>
#include <plumvine/config.hpp>
#include <plumvine/handlers.hpp>
#include <string>
#include <vector>

#include "direct_net.hpp"
#include "transport/driver.hpp"
#include "transport/uv/block_pool.hpp"
#include "transport/uv/mailbox.hpp"

namespace plumvine::perf {

/// Where in the row a member is.
enum class Part : std::uint8_t { publisher, relay, leaf };
inline constexpr std::array<Part, 3> kParts{Part::publisher, Part::relay, Part::leaf};
inline const char* name_of(Part part) noexcept {
  return part == Part::publisher ? "publisher" : part == Part::relay ? "relay" : "leaf";
}

/// How messages are published: so many bytes each, so many in one turn of the loop.
struct Load {
  std::size_t bytes = 64;
  std::uint32_t together = 1;
};

/// Three members in a row, with links between neighbours only: what the first publishes, through a mailbox as a node
/// does, the second hands on and the third only takes. Both tell handlers that want messages together. Stores are
/// small, so they are soon full, as those of a node that has run for a while are. Everything is a function of what is
/// called: a run is the same each time.
class Row {
 public:
  Row();
  /// Publishes `messages` and lets them come to the end of the row.
  void run(const Load& load, std::uint64_t messages);
  /// The driver of this member costs what the meter sees; null: nobody looks.
  void watch(Part part, Meter* meter);
  /// Messages that this member's handler was told of.
  [[nodiscard]] std::uint64_t told(Part part) const { return at(part).told; }
  [[nodiscard]] std::uint64_t bytes_told(Part part) const { return at(part).bytes; }
  /// Reads of links, over all members.
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot(Part part) const { return at(part).driver->make_snapshot(); }
  [[nodiscard]] std::vector<std::string> broken_invariants() const;

 private:
  struct Node {
    DirectHost* host = nullptr;
    uv::BlockPool blocks;
    std::unique_ptr<uv::Mailbox> mailbox;
    std::unique_ptr<Driver> driver;
    std::uint64_t told = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Node& at(Part part) { return *nodes_[static_cast<std::size_t>(part)]; }
  [[nodiscard]] const Node& at(Part part) const { return *nodes_[static_cast<std::size_t>(part)]; }
  void add(Part part);
  [[nodiscard]] bool settled() const;
  [[nodiscard]] std::string state() const;

  DirectNet net_;
  std::vector<std::unique_ptr<Node>> nodes_;
  Meter none_;
};

}  // namespace plumvine::perf
