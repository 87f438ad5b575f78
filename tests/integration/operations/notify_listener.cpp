// Stands in for systemd: prints each datagram that reaches a unix socket as one line, its line feeds as blanks.
// Usage: notify_listener PATH|@NAME. Says "listening" first; ends by a signal.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>

int main(int argc, char** argv) {
  const std::string path = argc == 2 ? argv[1] : "";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    std::fprintf(stderr, "usage: notify_listener PATH|@NAME\n");
    return 2;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = 0;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    std::perror("notify_listener");
    return 1;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::puts("listening");
  std::string line(4096, '\0');
  for (ssize_t n; (n = recv(fd, line.data(), line.size(), 0)) >= 0;) {
    std::string text = line.substr(0, static_cast<std::size_t>(n));
    std::replace(text.begin(), text.end(), '\n', ' ');
    std::puts(text.c_str());
  }
  return 0;
}
