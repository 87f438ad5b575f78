#include <fcntl.h>

#include <cstdio>

#include "agent.hpp"

namespace {

// A socket must never become standard input or output: what was closed by the caller is held by /dev/null.
void hold_standard_streams() {
  for (int fd = 0; fd < 3; ++fd) {
    if (fcntl(fd, F_GETFD) == -1) (void)open("/dev/null", O_RDWR);
  }
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_streams();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  plumvine::agent::Options options;
  if (auto refusal = plumvine::agent::read_options(arguments, options)) {
    if (refusal->status == 0) {
      std::fputs(refusal->text().c_str(), stdout);
    } else {
      std::fprintf(stderr, "plumvined: %s\n", refusal->text().c_str());
    }
    return refusal->status;
  }
  return plumvine::agent::Agent(std::move(options), arguments).run();
}
