#include <cstdio>

#include "agent.hpp"

int main(int argc, char** argv) {
  plumvine::agent::Options options;
  if (auto refusal = plumvine::agent::read_options(argc, argv, options)) {
    std::fprintf(refusal->status == 0 ? stdout : stderr, "%s\n", refusal->text.c_str());
    return refusal->status;
  }
  plumvine::agent::Agent agent(std::move(options), std::vector<std::string>(argv + 1, argv + argc));
  return agent.run();
}
