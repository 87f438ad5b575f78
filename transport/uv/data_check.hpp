#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace plumvine::uv {

/// What a data directory is made of. Beside these there are its lock, state dumps, what was moved aside, and shared memory of the database,
/// and `quic.tickets`, which only save a round trip when links come back.
inline constexpr std::array<std::string_view, 8> kDataFiles{"peers.json", "keyring.json", "key-history.json", "origin.key", "origin-keys.json",
                                                            "blocks.json", "messages.db", "messages.db-wal"};

struct FileCheck {
  enum class State { absent, good, broken };
  std::string name;
  State state = State::absent;
  std::string detail;  ///< what is in it, or what is wrong
  std::string next;    ///< of a broken one: what to do, and what becomes of the member
};

/// Looks through the files of a stopped member, which nobody writes meanwhile, and changes none: each is read as the member would read it, the
/// database by SQLite's own check of the whole file. In the order of `kDataFiles`; the write-ahead log counts as a part of the database.
std::vector<FileCheck> check_data_files(const std::string& folder);

}  // namespace plumvine::uv
