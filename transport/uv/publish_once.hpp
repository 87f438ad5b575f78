#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "http_server.hpp"

namespace plumvine::uv {

/// `Idempotency-Key` of `POST /publish/TOPIC`: a client that does not know whether its request came through sends it again with the same
/// key and gets the same answer, and the message goes out once.
///
/// Only what was accepted is remembered, at this member alone and not over restarts: for `kTime`, `kMax` keys; beyond that the oldest
/// goes, counted. Loop thread only.
class PublishOnce {
 public:
  static constexpr std::size_t kMax = 4096;
  static constexpr std::size_t kKeyMax = 128;
  static constexpr std::uint64_t kTimeNs = 600'000'000'000;

  /// The answer to a request that was answered before, or whose key cannot be taken: 400 for a key that is none, or where `waits` for
  /// acknowledgements, 422 for one that another request had. Nothing: go on.
  [[nodiscard]] std::optional<HttpResponse> answered(const HttpRequest& request, bool waits, std::uint64_t now_ns);
  /// Remembers the answer to a request that was accepted, if it has a key, and gives it back.
  [[nodiscard]] HttpResponse note(const HttpRequest& request, HttpResponse answer, std::uint64_t now_ns);

  [[nodiscard]] std::uint64_t repeated() const noexcept { return repeated_; }
  [[nodiscard]] std::uint64_t forgotten() const noexcept { return forgotten_; }
  [[nodiscard]] std::size_t size() const noexcept { return known_.size(); }

 private:
  struct Known {
    std::uint64_t request = 0;  ///< hash of topic and payload
    HttpResponse answer;        ///< short: an id
  };
  struct Age {
    std::uint64_t at_ns;
    std::string key;
  };
  void forget_oldest();

  std::unordered_map<std::string, Known> known_;
  std::deque<Age> ages_;  ///< oldest first, one for each that is known
  std::uint64_t repeated_ = 0;
  std::uint64_t forgotten_ = 0;
};

}  // namespace plumvine::uv
