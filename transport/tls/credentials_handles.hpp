#pragma once

#include "credentials.hpp"
#include "handles.hpp"

namespace plumvine::tls {

struct Credentials::Handles {
  CredentialsHandle session;  ///< what sessions present; trusts nobody by itself, for `judge` does that
  TrustHandle trust;
};

}  // namespace plumvine::tls
