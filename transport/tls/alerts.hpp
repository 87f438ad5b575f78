#pragma once

#include <plumvine/stats.hpp>
#include <string>
#include <string_view>

namespace plumvine::tls {

/// The alert (RFC 8446, section 6) that tells the other end why it is refused.
int alert_for(TlsReject why);
/// What an alert of the other end means for its operator, if it is about our certificate; else empty.
std::string explain_alert(int alert);
/// Any other alert, in the library's words.
std::string name_of_alert(int alert);

/// The code of the log line about a refusal, for `plumvine explain`.
std::string_view code_of(TlsReject why);

}  // namespace plumvine::tls
