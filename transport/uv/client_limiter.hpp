#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include <plumvine/config.hpp>

#include "http_server.hpp"

namespace plumvine::uv {

/// Bounds how often one address asks over HTTP: a token bucket for each, of `http_rate_limit_per_second` and
/// `http_rate_limit_burst`. Questions about health (`/livez`, `/readyz`, `/healthz`) always pass: a flood from the same machine must
/// not make a probe fail. Bounds: `kClientsMax` addresses; beyond it those that were quiet for long enough are forgotten, else all.
/// Not thread-safe.
class ClientLimiter {
 public:
  static constexpr std::size_t kClientsMax = 4096;

  explicit ClientLimiter(const Config& config) { configure(config); }
  /// Another rate and burst.
  void configure(const Config& config);
  /// Whether this request is answered. `now_ns` never decreases.
  [[nodiscard]] bool admit(const HttpRequest& request, std::uint64_t now_ns);
  /// The answer to one that is not.
  [[nodiscard]] HttpResponse refusal() const;
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  struct Bucket {
    double tokens;
    std::uint64_t at_ns;
  };
  void make_room(std::uint64_t now_ns);

  double rate_ = 0;
  double burst_ = 0;
  std::uint64_t refused_ = 0;
  std::unordered_map<std::string, Bucket> clients_;
};

}  // namespace plumvine::uv
