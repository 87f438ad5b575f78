#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace plumvine::quic {

/// Which first flights with early data were seen, so that a captured one that is sent again brings nothing (RFC 8446,
/// section 8.2, recording of ClientHellos). The TLS library looks only at flights whose ticket is as old as it should
/// be, within `kWindowMs`; of those each may come once. Without room for one more, its early data are refused, too: the
/// handshake goes on without them.
///
/// A process forgets what it saw when it ends, and the key of its tickets with it: a flight that it saw cannot be read
/// by the next one, and brings nothing there. Never keep that key without what this remembers. Bounds: `kSeenMax` flights. One for all connections of a node; one thread.
class AntiReplay {
 public:
  static constexpr std::size_t kSeenMax = 65536;
  static constexpr unsigned kWindowMs = 10'000;

  AntiReplay();
  ~AntiReplay();
  AntiReplay(const AntiReplay&) = delete;
  AntiReplay& operator=(const AntiReplay&) = delete;

  /// Notes a flight by what is unique in it, until `expires_s` (Unix time). False: it was seen before, or there is no
  /// room.
  bool note(std::string_view flight, std::int64_t expires_s);
  /// Flights that came again, and those that there was no room for.
  [[nodiscard]] std::uint64_t replays() const noexcept { return replays_; }
  [[nodiscard]] std::uint64_t overflows() const noexcept { return overflows_; }

  struct Library;
  [[nodiscard]] Library& library() const noexcept { return *library_; }

 private:
  std::set<std::string, std::less<>> seen_;
  std::set<std::pair<std::int64_t, std::string>> by_expiry_;
  std::uint64_t replays_ = 0;
  std::uint64_t overflows_ = 0;
  std::unique_ptr<Library> library_;
};

}  // namespace plumvine::quic
