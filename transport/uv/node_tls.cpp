// TLS of a node: its files at the start, and when they change.
#include <utility>

#include "node_impl.hpp"
#include "transport/codes.hpp"

namespace plumvine {

Status Node::Impl::prepare_tls() {
  if (config_.tls_cert.empty()) return {};
  auto loaded = uv::load_tls(config_);
  if (!loaded) return loaded.error();
  tls_credentials_ = std::move(*loaded);
  tls_watch_ = std::make_unique<uv::TlsWatch>(config_);
  identity_.tls = true;
  notes_.push_back({LogLevel::info, "node", code::kCertificateTaken, "All streams are under TLS 1.3 with certificate " + uv::describe(*tls_credentials_)});
  if (auto problem = uv::rights_problem(config_.tls_key); !problem.empty())
    notes_.push_back({LogLevel::warn, "node", code::kKeysReadable, std::move(problem)});
  return {};
}

std::unique_ptr<uv::TlsLayer> Node::Impl::make_tls(Core& core) {
  if (!tls_credentials_) return nullptr;
  const auto has_key = [this] { return has_keys(identity_); };  // the ring may get keys while the node runs
  tls::TransportOptions options{.handshake_timeout = config_.link.handshake_timeout,
                                .half_open_max = config_.link.half_open_max,
                                .port = bind_address_.port,
                                .seals = [this, has_key] { return has_key() && config_.swim.gossip_verify_outgoing; },
                                .has_key = has_key};
  return std::make_unique<uv::TlsLayer>(core.loop, core.transport, tls_credentials_, std::move(options),
                                        [this](const LogRecord& record) { tell(record); }, LogLevel::debug);
}

void Node::Impl::watch_tls() {
  if (closing_ || !tls_watch_->changed()) return;
  auto loaded = uv::load_tls(config_);
  if (loaded) return take_tls(*loaded);
  tls_problem_ = loaded.error().message;
  log(LogLevel::warn, code::kCertificateKept,
      "Changed files of TLS were not taken over, certificate " + uv::describe(*tls_credentials_) + " stays: " + loaded.error().message,
      {{"reason", loaded.error().message}});
}

void Node::Impl::take_tls(const std::shared_ptr<const tls::Credentials>& credentials) {
  tls_problem_.clear();
  const bool same = credentials->fingerprint() == tls_credentials_->fingerprint() && credentials->ca_fingerprint() == tls_credentials_->ca_fingerprint();
  if (same || !core_->tls) return;
  const bool other_cas = credentials->ca_fingerprint() != tls_credentials_->ca_fingerprint();
  tls_credentials_ = credentials;
  std::string text = "New connections use certificate " + uv::describe(*credentials);
  if (other_cas) text += "; CAs that are not in tls_ca any more are trusted for " + format_duration(config_.tls_overlap) + " yet";
  log(LogLevel::info, code::kCertificateTaken, std::move(text), {{"certificate", credentials->fingerprint()}});
  if (auto problem = uv::rights_problem(config_.tls_key); !problem.empty()) log(LogLevel::warn, code::kKeysReadable, std::move(problem));
  core_->tls->transport.replace(credentials, config_.tls_overlap);
}

}  // namespace plumvine
