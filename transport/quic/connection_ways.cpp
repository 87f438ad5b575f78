// How a connection follows changes of address, of either end (RFC 9000, section 9).
#include "connection_impl.hpp"

namespace plumvine::quic {
namespace {

/// Between two looks at where the server may be now: nobody gets challenges faster by sending its packets on.
constexpr Duration kBetweenTries = std::chrono::seconds{1};
/// How long a server says something from its new address, and how often, before the client has come there.
constexpr Duration kAnnounced = std::chrono::seconds{5}, kBetweenWords = std::chrono::milliseconds{200};

}  // namespace

std::optional<Path> Connection::Library::inward(const Path& real) const {
  if (server()) return Path{known_local, real.remote};
  if (tried && tried->remote == real.remote) return tried;
  const Path current = from_library(*ngtcp2_conn_get_path(conn));
  // What can be opened is of the server, wherever it comes from; but a handshake does not move.
  if (current.remote != real.remote && ngtcp2_conn_get_handshake_completed(conn) == 0) return std::nullopt;
  return current;
}

Path Connection::Library::outward(const ngtcp2_path& seen) const {
  Path path = from_library(seen);
  if (server())
    path.local = local;
  else
    path.local.port = local.port;
  return path;
}

/// A packet could be opened. Its number says whether it is newer than all before: an old one that was held back, or is
/// sent again by somebody else, says nothing of where the other end is (RFC 9000, section 9.3).
void Connection::Library::opened(BytesView header) {
  constexpr auto kLong = std::byte{0x80}, kNumberSize = std::byte{0x03};
  if (header.empty() || (header.front() & kLong) != std::byte{0}) return;
  const std::size_t size = std::to_integer<std::size_t>(header.front() & kNumberSize) + 1;
  if (header.size() < size) return;
  std::int64_t number = 0;
  for (const std::byte byte : header.last(size)) number = number << 8 | std::to_integer<std::int64_t>(byte);
  // The bits that were left out are those that bring it next to what is expected (RFC 9000, appendix A.3).
  const std::int64_t window = std::int64_t{1} << (8 * size), expected = newest + 1;
  number |= expected & ~(window - 1);
  if (number <= expected - window / 2)
    number += window;
  else if (number > expected + window / 2 && number >= window)
    number -= window;
  if (number <= newest) return;
  newest = number;
  newest_came = true;
}

void Connection::Library::follow(const Endpoint& where, Timestamp now) {
  if (tried || now < next_try) return;
  next_try = now + kBetweenTries;
  // The stream goes on to where it went until the new way has answered.
  Path way = from_library(*ngtcp2_conn_get_path(conn));
  ++way.local.port;
  way.remote = where;
  LibraryPath ends(way);
  const ngtcp2_path view = ends.view();
  if (ngtcp2_conn_initiate_migration(conn, &view, stamp(now)) == 0) tried = way;
}

/// A server has said something, or (`heard`) a packet has come to its new address.
void Connection::Library::announce(bool heard, Timestamp now) {
  if (announced_until == Timestamp{}) return;
  const bool done = heard || now >= announced_until;
  ngtcp2_conn_set_keep_alive_timeout(conn, span_of(done ? common.keep_alive : kBetweenWords));
  if (done) announced_until = {};
}

/// A way has been tried: it is the one to take, or none.
void Connection::Library::validated(const Path& seen, bool good) {
  const bool followed = tried && *tried == seen;
  if (followed) tried.reset();
  if (!good || seen.remote == remote || (!server() && !followed)) return;
  remote = seen.remote;
  ++numbers.migrations;
}

bool Connection::migrate(const Endpoint& local, Timestamp now) {
  Library& l = *library_;
  if (l.state != State::up || !handshake_done()) return false;
  if (l.server()) {
    l.announced_until = now + kAnnounced;
    ngtcp2_conn_set_keep_alive_timeout(l.conn, 1);
  } else {
    Path path = from_library(*ngtcp2_conn_get_path(l.conn));
    path.local.address = local.address;
    LibraryPath way(path);
    const ngtcp2_path view = way.view();
    l.tried.reset();
    if (ngtcp2_conn_initiate_immediate_migration(l.conn, &view, stamp(now)) != 0) return false;
  }
  l.local = l.last_path.local = local;
  ++l.numbers.migrations;
  return true;
}

}  // namespace plumvine::quic
