#pragma once

#include "credentials.hpp"
#include "handles.hpp"

namespace plumvine::tls {

struct Credentials::Handles {
  CredentialsHandle session;  ///< what sessions present; trusts nobody by itself, for `judge` does that
  TrustHandle trust;
};

struct CredentialsAccess {
  static const Credentials::Handles& handles(const Credentials& credentials) { return *credentials.handles_; }
};

/// What a session of another protocol presents; the credentials must outlive it.
inline gnutls_certificate_credentials_t presented(const Credentials& credentials) { return CredentialsAccess::handles(credentials).session.get(); }

}  // namespace plumvine::tls
