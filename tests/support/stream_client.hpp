#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "transport/uv/http_server.hpp"

namespace plumvine::test {

/// The far end of an HTTP stream, without a socket: keeps what is written, and reads as slowly as `unread` says.
class StreamClient final : public uv::HttpStream {
 public:
  std::string text;
  bool is_open = true;
  std::size_t unread = 0;
  bool write(std::string_view data) override {
    text += data;
    return is_open;
  }
  void close() override { is_open = false; }
  [[nodiscard]] bool open() const override { return is_open; }
  [[nodiscard]] std::size_t waiting() const override { return unread; }

  [[nodiscard]] std::size_t count(std::string_view part) const {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
  }
};

}  // namespace plumvine::test
