#include "alerts.hpp"

#include <gnutls/gnutls.h>

#include "transport/codes.hpp"

namespace plumvine::tls {

int alert_for(TlsReject why) {
  switch (why) {
    case TlsReject::unknown_ca:
      return GNUTLS_A_UNKNOWN_CA;
    case TlsReject::expired:
      return GNUTLS_A_CERTIFICATE_EXPIRED;
    case TlsReject::no_certificate:
      return GNUTLS_A_CERTIFICATE_REQUIRED;
    case TlsReject::unusable:
      return GNUTLS_A_UNSUPPORTED_CERTIFICATE;
    case TlsReject::wrong_cluster:
    case TlsReject::wrong_name:
      return GNUTLS_A_ACCESS_DENIED;
    default:
      return GNUTLS_A_HANDSHAKE_FAILURE;
  }
}

std::string explain_alert(int alert) {
  switch (alert) {
    case GNUTLS_A_UNKNOWN_CA:
      return "it does not know the CA of our certificate";
    case GNUTLS_A_CERTIFICATE_EXPIRED:
      return "it says that our certificate is expired or not valid yet";
    case GNUTLS_A_CERTIFICATE_REQUIRED:
      return "it wants a certificate and saw none";
    case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
      return "it says that our certificate is not for this use";
    case GNUTLS_A_BAD_CERTIFICATE:
    case GNUTLS_A_CERTIFICATE_REVOKED:
    case GNUTLS_A_CERTIFICATE_UNKNOWN:
      return "it does not take our certificate";
    case GNUTLS_A_ACCESS_DENIED:
      return "it says that our certificate names no member that it takes: another name or cluster";
    default:
      return {};
  }
}

std::string name_of_alert(int alert) {
  const char* const name = gnutls_alert_get_name(static_cast<gnutls_alert_description_t>(alert));
  return name != nullptr ? name : "an unknown alert";
}

std::string_view code_of(TlsReject why) {
  switch (why) {
    case TlsReject::unknown_ca: return code::kTlsUnknownCa;
    case TlsReject::expired: return code::kTlsExpired;
    case TlsReject::wrong_cluster: return code::kTlsWrongCluster;
    case TlsReject::wrong_name: return code::kTlsWrongName;
    case TlsReject::no_certificate:
    case TlsReject::unusable: return code::kTlsNoCertificate;
    case TlsReject::plaintext: return code::kTlsPlaintext;
    case TlsReject::refused_by_peer: return code::kTlsRefusedByPeer;
    case TlsReject::clear_packet: return code::kTlsClearPacket;
    default: return code::kTlsFailed;
  }
}

}  // namespace plumvine::tls
