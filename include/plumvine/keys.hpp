#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plumvine {

/// What can be done with the gossip keys of a cluster; the words are Serf's.
enum class KeyCommand : std::uint8_t {
  list,     ///< show them
  install,  ///< add one, to read what it seals
  use,      ///< seal with an installed one from now on: it becomes primary
  remove,   ///< take one away that is not primary
};
std::string_view to_string(KeyCommand command) noexcept;

/// An order to all members.
struct KeyOrder {
  KeyCommand command = KeyCommand::list;
  std::string key = {};   ///< base64; not for `list`
  /// Give the order also where members would be cut off by it: `use` of a key that some lack, `remove` while some are
  /// away and may know no other key.
  bool force = false;
};

/// What became of an order at each member.
struct KeyReport {
  enum class Outcome : std::uint8_t {
    confirmed,
    failed,  ///< it says why
    silent,  ///< no answer came in time
    unable,  ///< a member that knows no such orders
    absent,  ///< dead, so it was not asked
    spared,  ///< not asked, since the order was refused for another one's sake
  };
  struct Member {
    std::string name;
    Outcome outcome = Outcome::silent;
    std::string message = {};             ///< the member's own words, mostly none
    std::vector<std::string> keys = {};   ///< base64, where it was asked for them
    std::string primary = {};             ///< base64
  };

  KeyCommand command = KeyCommand::list;
  bool ok = false;        ///< every living member confirmed
  std::string refused = {};  ///< why the order was not given at all; empty where it was
  std::vector<Member> members = {};  ///< by name, this node included
};
std::string_view to_string(KeyReport::Outcome outcome) noexcept;

}  // namespace plumvine
