// What the core archive asks of others: no event loop, clock, thread, socket or random device.
#include "support/pch.hpp"

#include <cstdio>
#include <regex>

namespace {

std::vector<std::string> lines_of(const std::string& command) {
  std::vector<std::string> lines;
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) {
    if (c == '\n') {
      lines.push_back(text);
      text.clear();
    } else {
      text.push_back(static_cast<char>(c));
    }
  }
  REQUIRE(::pclose(pipe) == 0);
  return lines;
}

/// C functions stand bare or with a version; C++ functions are known by their scope.
const std::regex kForbidden(
    R"(^(uv_\w+|MHD_\w+|ares_\w+|gnutls_\w+|clock_gettime|clock|gettimeofday|time|getrandom|getentropy|random|rand|socket|bind|)"
    R"(connect|listen|accept|accept4|send|sendto|sendmsg|recv|recvfrom|recvmsg|poll|epoll_\w+|pthread_create|nanosleep|)"
    R"(usleep|sleep|fopen|fopen64|open|open64|getaddrinfo)(@.*)?$|std::random_device|std::chrono::.*::now|std::thread::|)"
    R"(std::this_thread)");

/// The name in a line of `nm --undefined-only --demangle`.
std::string symbol_of(const std::string& line) {
  const std::size_t at = line.find(" U ");
  return at == std::string::npos ? std::string() : line.substr(at + 3);
}

}  // namespace

TEST_CASE("the core archive needs no event loop, clock, thread, socket or random device") {
  std::size_t undefined = 0;
  for (const std::string& line : lines_of(std::string(PLUMVINE_NM) + " --undefined-only --demangle " PLUMVINE_CORE_ARCHIVE)) {
    const std::string symbol = symbol_of(line);
    if (symbol.empty()) continue;
    ++undefined;
    INFO(symbol);
    CHECK_FALSE(std::regex_search(symbol, kForbidden));
  }
  CHECK(undefined > 20);
}

TEST_CASE("the check of the core archive would notice") {
  for (const char* symbol : {"uv_now", "clock_gettime", "time@GLIBC_2.2.5", "socket", "getrandom", "gnutls_rnd@GNUTLS_3_4",
                             "std::chrono::_V2::steady_clock::now()", "std::random_device::_M_init(char const*)"}) {
    INFO(symbol);
    CHECK(std::regex_search(std::string(symbol), kForbidden));
  }
  for (const char* symbol : {"plumvine::Swim::time", "std::__cxx11::to_string(int)", "operator new(unsigned long)",
                             "plumvine::Tree::send(plumvine::PeerId)", "memcpy", "abort"}) {
    INFO(symbol);
    CHECK_FALSE(std::regex_search(std::string(symbol), kForbidden));
  }
}
