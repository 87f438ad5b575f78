// Certificates: who is at the other end of a connection must be whom its certificate names. Keys of those who sign
// their broadcasts.
#include <fmt/format.h>

#include <algorithm>

#include <fmt/format.h>

#include "codes.hpp"
#include "engine_impl.hpp"

namespace plumvine {

void Engine::Impl::identified(ConnId id, const std::vector<std::string>& names) {
  Connection* conn = find(id);
  if (!conn) return;
  conn->names = names;
  if (guard_.any_blocks()) {
    if (const std::string* block = guard_.blocks_identity(names, Blocked::connection, now_)) {
      log(LogLevel::info, "link", code::kBlocked, *block,
          "Closing a connection with " + conn->remote.to_string() + ": its certificate is blocked (" + *block + ")",
          {{"address", conn->remote.to_string()}, {"block", *block}});
      return shut_out(*conn, "blocked");
    }
  }
  // Somebody was dialled by name; who is accepted tells its own when it greets.
  if (conn->link && conn->link->outbound()) (void)may_be(*conn, conn->link->name);
  else if (!conn->expected.empty()) (void)may_be(*conn, conn->expected);
}

bool Engine::Impl::may_be(Connection& conn, std::string_view name) {
  if (!conn.names || std::find(conn.names->begin(), conn.names->end(), name) != conn.names->end()) return true;
  ++wrong_names_;
  const std::string where = conn.remote.to_string();
  const bool dialled = conn.link ? conn.link->outbound() : true;
  const std::string theirs = conn.names->empty() ? "nobody" : fmt::format("{}", fmt::join(*conn.names, ", "));
  const std::string text = dialled ? "its certificate names " + theirs
                                   : "it calls itself " + std::string(name) + ", and its certificate names " + theirs;
  log(LogLevel::warn, "link", code::kTlsWrongName, conn.remote.host(),
      (dialled ? "No connection to " + std::string(name) + " at " : "Closing a connection from ") + where + ": " + text,
      {{"peer", std::string(name)}, {"address", where}, {"names", theirs}});
  shut_out(conn, text);
  return false;
}

std::string Engine::Impl::origin_text() const {
  return config_.tree.sign_origins == SignOrigins::off ? std::string{} : frame::to_text(identity_.sign.own);
}

std::optional<frame::OriginKey> Engine::Impl::key_of(const Member& member, InstanceId instance) const {
  if (config_.tree.sign_origins == SignOrigins::off) return std::nullopt;
  const Tags tags = decode_tags(member.meta.view());
  const auto text = tags.find(std::string{kTagOrigin});
  if (text == tags.end()) return std::nullopt;
  const auto key = frame::parse_origin_key(text->second);
  if (key && frame::instance_of(identity_.sign, member.name, *key) == instance) return key;
  return std::nullopt;
}

void Engine::Impl::tell_key(const std::string& name, const KnownMember& known) {
  if (!known.key) return;
  bool proven = false;
  if (known.peer) {
    const Connection* conn = find(peers_[*known.peer].link);
    // Its hello named this instance, which only this key gives, on a connection whose certificate names the member.
    proven = conn && conn->link && conn->names && peers_[*known.peer].instance == known.instance;
  }
  tree_.origin_key(name, *known.key, proven, now_);
}

}  // namespace plumvine
