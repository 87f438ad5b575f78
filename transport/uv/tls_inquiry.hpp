#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <plumvine/result.hpp>

#include "transport/driver.hpp"
#include "transport/tls/trust.hpp"

namespace plumvine::uv {

/// Would all members take another certificate, and would we take theirs by other CAs? Asked before files are changed.
struct TlsPlan {
  std::vector<std::string> chain;                        ///< DER, the new certificate first
  std::shared_ptr<const tls::Credentials> cas = nullptr; ///< the new CAs; null: they stay
};

/// Reads the PEM texts of a plan; `ca` may be empty. Errc::invalid_argument where one is none, too_large where the chain does not fit a
/// question.
Result<TlsPlan> read_plan(std::string_view cert, std::string_view ca, const tls::Self& self);
std::string tls_question(const TlsPlan& plan);

/// What a member says: whether it takes the chain, why not, and its own chain. `trust` is null where TLS is off.
std::string tls_answer(const tls::Trust* trust, std::string_view question);

struct TlsReport {
  bool good = false;  ///< everybody answered, everybody takes it, and everybody's is taken
  std::string json;
};
TlsReport tls_report(const TlsPlan& plan, const std::string& self, std::string_view own, const Answered& answered);

}  // namespace plumvine::uv
