#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/detail/interval_set.hpp>
#include <plumvine/result.hpp>
#include <plumvine/types.hpp>

namespace plumvine {

/// Which messages somebody has had, over all topics: sets of sequences by origin. A reader keeps the cursor of the last
/// message it has dealt with, and goes on from there at any member, for message ids are the same everywhere.
/// Its size follows the number of origins, about 15 bytes of text each. Not thread-safe.
class Cursor {
 public:
  using ByOrigin = std::map<InstanceId, IntervalSet>;

  /// Returns false if it was in already.
  bool add(const MessageId& id) { return origins_[id.origin].add(id.sequence); }
  void add(InstanceId origin, SequenceRange range) { origins_[origin].add(range); }
  void add(const Cursor& other);
  void remove(const MessageId& id);
  void remove(InstanceId origin, SequenceRange range);
  [[nodiscard]] bool contains(const MessageId& id) const;
  [[nodiscard]] bool empty() const noexcept { return origins_.empty(); }
  [[nodiscard]] const ByOrigin& origins() const noexcept { return origins_; }
  /// What is here and not in `other`.
  [[nodiscard]] Cursor without(const Cursor& other) const;

  /// Opaque text of letters, digits, `-` and `_`; stays the same over versions of this library that read each other's.
  [[nodiscard]] std::string to_string() const;
  /// Reads it back. Errc::invalid_argument for anything else: damaged text is found by a checksum.
  static Result<Cursor> parse(std::string_view text);

  friend bool operator==(const Cursor&, const Cursor&) = default;

 private:
  ByOrigin origins_;  // no empty sets
};

}  // namespace plumvine
