#include "token.hpp"

#include <algorithm>
#include <utility>

#include <plumvine/detail/wipe.hpp>

#include "atomic_file.hpp"

namespace plumvine::uv {

namespace {
constexpr std::string_view kScheme = "Bearer ";
constexpr std::size_t kTokenFileMax = 4096;

/// Schemes are the same in any case (RFC 9110, section 11.1).
bool has_scheme(std::string_view header) noexcept {
  return header.size() > kScheme.size() && std::equal(kScheme.begin(), kScheme.end(), header.begin(), [](char wanted, char c) {
           return wanted == c || (c >= 'A' && c <= 'Z' && wanted == c - 'A' + 'a') || (c >= 'a' && c <= 'z' && wanted == c - 'a' + 'A');
         });
}
}  // namespace

Token::~Token() { wipe(secret_); }
Token::Token(Token&& other) noexcept : secret_(other.secret_) { wipe(other.secret_); }
Token& Token::operator=(Token&& other) noexcept {
  if (this == &other) return *this;
  wipe(secret_);
  secret_ = other.secret_;
  wipe(other.secret_);
  return *this;
}

Result<Token> Token::read(const std::string& path) {
  auto text = read_file(path, kTokenFileMax);
  if (!text) return Error{Errc::system, text.error().message}.with("http_token_file");
  const Wiped whole(*text);
  Token token;
  token.secret_ = text->substr(0, text->find_first_of("\r\n"));
  const bool visible = std::all_of(token.secret_.begin(), token.secret_.end(), [](char c) { return c > ' ' && c < 127; });
  if (!visible || token.secret_.size() < kLeast || token.secret_.size() > kMost) {
    return Error{Errc::invalid_argument,
                 "http_token_file: the first line of '" + path + "' is no token of 16 to 1024 visible characters; `head -c 24 /dev/urandom | base64` makes one"};
  }
  return token;
}

bool Token::admits(std::string_view authorization) const noexcept {
  if (secret_.empty() || !has_scheme(authorization)) return false;
  authorization.remove_prefix(kScheme.size());
  // Which character differs must not be measured; that the length does may.
  unsigned differs = authorization.size() == secret_.size() ? 0 : 1;
  for (std::size_t i = 0; i < secret_.size(); ++i) {
    const char shown = i < authorization.size() ? authorization[i] : '\0';
    differs |= static_cast<unsigned char>(secret_[i]) ^ static_cast<unsigned char>(shown);
  }
  return differs == 0;
}

}  // namespace plumvine::uv
