// Links under a keyring: proving the key, sealed batches. The records are in link_seal.cpp.
#include <utility>

#include "codes.hpp"
#include "engine_impl.hpp"

namespace plumvine {

bool has_keys(const DriverIdentity& identity) { return identity.keyring != nullptr && !identity.keyring->empty(); }

void Engine::Impl::seal_outbound(Connection& conn) {
  conn.link->seal = std::make_shared<LinkSeal>(identity_.keyring, true, false);
}

void Engine::Impl::seal_inbound(Connection& conn) {
  conn.link->seal = std::make_shared<LinkSeal>(identity_.keyring, false, !config_.swim.gossip_verify_incoming);
}

/// Bytes of the handshake, which no frame surrounds and nothing seals.
void Engine::Impl::put_bytes(Connection& conn, BytesView bytes) {
  if (conn.closed || bytes.empty()) return;
  conn.queue.push({Bytes::copy_of(bytes), {}}, Lane::control);
  mark(conn);
}

void Engine::Impl::read_sealed(Connection& conn, BytesView bytes) {
  const std::shared_ptr<LinkSeal> seal = conn.link->seal;  // the link may end meanwhile
  const bool was_ready = seal->ready();
  std::vector<std::byte> text, answer;
  const bool good = seal->receive(bytes, text, answer);
  put_bytes(conn, answer);
  if (!was_ready && seal->ready()) {
    // What was sent in clear has arrived, since the other end answered it: nothing of it is left in the queue.
    conn.queue.seal_with([seal](std::span<const Bytes> pieces) { return seal->seal(pieces); });
    if (conn.link->outbound() && conn.link->state() == LinkState::greeting) {
      conn.link->connected(now_);  // the round trip counts from here
      greet(conn);
    }
  }
  feed(conn, text);
  if (!good && !conn.closed) seal_failed(conn);
}

void Engine::Impl::seal_failed(Connection& conn) {
  const FrameReject why = conn.link->seal->failure();
  rejected_.add(why);
  const std::string where = conn.remote.to_string();
  const std::string who = conn.link->name.empty() ? where : conn.link->name;
  std::string text = "it broke the protocol of sealed links";
  if (why == FrameReject::undecryptable) {
    text = "none of our keys opens what it sends";
    other_key_link_ = {conn.remote, now_, other_key_link_.count + 1};
  }
  if (why == FrameReject::plaintext) {
    text = "it speaks in clear, and we have a key";
    in_clear_link_ = {conn.remote, now_, in_clear_link_.count + 1};
  }
  if (why == FrameReject::bad_hello) text = "it speaks another version of the link protocol";
  log(LogLevel::warn, "link", code::kBadSeal, where, "No link to " + who + " at " + where + ": " + text,
      {{"peer", conn.link->name}, {"address", where}, {"reason", text}});
  if (conn.link->state() == LinkState::up) link_down(conn, text);
  else dial_over(conn, text);
  close_now(conn, CloseMode::abort);
}

}  // namespace plumvine
