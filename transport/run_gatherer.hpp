#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/config.hpp>
#include <plumvine/types.hpp>

#include "plumtree/frames.hpp"

namespace plumvine {

/// Makes runs (`frame::Run`) of what is published at one time: small plain broadcasts on one topic, one after the other.
///
/// Nothing waits for company: `flush` follows when there is nothing more to publish now. Alone go payloads that are encoded or larger
/// than `frame::kRunMessageBytesMax`, what somebody wants a receipt for, reserved topics, and topics where single messages give way
/// (`drop_oldest`, `drop_newest`). A run takes no more than a quarter of the repair store's and the message cache's bounds.
/// Not thread-safe.
class RunGatherer {
 public:
  /// A relay hands a run on when it has all of it.
  static constexpr std::size_t kBytesMax = 64 * 1024;

  /// A message, or a run that begins with this sequence.
  using Publish = std::function<void(Sequence first, std::string topic, frame::Payload payload)>;
  RunGatherer(const Config& config, Publish publish);

  /// What may go in a run; everything else is to be published between two `flush`.
  [[nodiscard]] bool takes(std::string_view topic, const frame::Payload& payload);
  /// The next sequence. Publishes what was gathered before, where both do not go together.
  void add(Sequence sequence, std::string topic, Bytes payload);
  void flush();

 private:
  [[nodiscard]] bool joins(std::string_view topic);

  const Config* config_;
  Publish publish_;
  std::string topic_;          ///< of what is gathered, or was last
  bool joins_ = false;         ///< messages of that topic may be in a run
  Sequence first_ = 0;
  std::size_t bytes_ = 0;
  std::vector<Bytes> payloads_;
};

}  // namespace plumvine
