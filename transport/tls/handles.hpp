#pragma once

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

/// Owners of the crypto library's objects, and its texts. For the sources of this folder.
namespace plumvine::tls {

template <class Handle, void (*Free)(Handle)>
struct HandleFree {
  using pointer = Handle;
  void operator()(Handle handle) const { Free(handle); }
};
template <class Handle, void (*Free)(Handle)>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, HandleFree<Handle, Free>>;

inline void free_trust(gnutls_x509_trust_list_t list) { gnutls_x509_trust_list_deinit(list, 1); }

using CertHandle = Owned<gnutls_x509_crt_t, gnutls_x509_crt_deinit>;
using KeyHandle = Owned<gnutls_x509_privkey_t, gnutls_x509_privkey_deinit>;
using TrustHandle = Owned<gnutls_x509_trust_list_t, free_trust>;
using CredentialsHandle = Owned<gnutls_certificate_credentials_t, gnutls_certificate_free_credentials>;
using SessionHandle = Owned<gnutls_session_t, gnutls_deinit>;

/// A view for a library that takes what it only reads without const.
inline gnutls_datum_t datum(std::string_view bytes) {
  return {const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data())), static_cast<unsigned>(bytes.size())};
}

/// A block that the library allocated, as text; it is freed.
inline std::string take_text(gnutls_datum_t& block) {
  std::string text(reinterpret_cast<const char*>(block.data), block.size);
  gnutls_free(block.data);
  block = {};
  return text;
}

/// All certificates of a PEM text, in order; a negative number of the library where there is none, or one is broken.
inline int read_certificates(std::string_view pem, std::vector<CertHandle>& out) {
  gnutls_x509_crt_t* list = nullptr;
  unsigned size = 0;
  const gnutls_datum_t text = datum(pem);
  const int status = gnutls_x509_crt_list_import2(&list, &size, &text, GNUTLS_X509_FMT_PEM, 0);
  if (status < 0) return status;
  for (unsigned i = 0; i < size; ++i) out.emplace_back(list[i]);
  gnutls_free(list);
  return 0;
}

}  // namespace plumvine::tls
