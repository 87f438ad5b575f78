#pragma once

#include <string>
#include <string_view>

#include <plumvine/result.hpp>

namespace plumvine::uv {

/// The secret by which HTTP clients of other machines may change state (`http_token_file`). Wiped when it goes; never logged or shown.
/// Loop thread only.
class Token {
 public:
  static constexpr std::size_t kLeast = 16, kMost = 1024;

  Token() = default;
  ~Token();
  Token(Token&& other) noexcept;
  Token& operator=(Token&& other) noexcept;

  /// The first line of a file, of `kLeast` to `kMost` visible characters. Errors name the path, and nothing of what is in it.
  static Result<Token> read(const std::string& path);

  [[nodiscard]] bool empty() const noexcept { return secret_.empty(); }
  /// Whether the header `Authorization` is `Bearer` with this token. Takes as long wherever the two differ.
  [[nodiscard]] bool admits(std::string_view authorization) const noexcept;
  friend bool operator==(const Token& a, const Token& b) noexcept { return a.secret_ == b.secret_; }

 private:
  std::string secret_;
};

}  // namespace plumvine::uv
