#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace plumvine::cli {

struct Answer {
  long status = 0;
  std::string type{};  ///< its content type
  std::string body{};
};

/// HTTP to one agent (libcurl). Every answer is judged: one that no plumvined gives is thrown as `Foreign`.
class Client {
 public:
  /// All clients of this process show the token in the first line of this file from now on. What is wrong with it, or nothing.
  static std::string use_token_file(const std::string& path);
  explicit Client(std::string host_port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// nullopt: the agent was not reached; `error()` says where it was looked for and why.
  std::optional<Answer> get(const std::string& path);
  std::optional<Answer> post(const std::string& path, std::string_view body);
  /// Reads an answer that stays open; `sink` gets every piece until it returns false. From the beginning of the answer on `tick` is called
  /// about every second, and more often while something comes, with our own address as the agent sees it.
  std::optional<Answer> stream(const std::string& path, const std::function<bool(std::string_view)>& sink,
                               const std::function<void(const std::string& here)>& tick = {});
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  std::optional<Answer> perform(const std::string& path, const std::string_view* body,
                                const std::function<bool(std::string_view)>& sink, long timeout_s,
                                const std::function<void(const std::string&)>& tick = {});
  void* curl_;
  std::string base_;
  std::string error_;
};

/// `text` as one segment of a path.
std::string percent_encode(std::string_view text);

}  // namespace plumvine::cli
