// A member whose tags change: `serf_retag NAME BIND SEED`; each line KEY=VALUE of standard input becomes its only tag.
#include <iostream>
#include <string>

#include <plumvine/node.hpp>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  auto config = plumvine::Config::local(argv[1]);
  config.bind = argv[2];
  config.seeds = {argv[3]};
  config.tags = {{"dc", "one"}};
  auto node = plumvine::Node::start(config, {});
  if (!node) {
    std::cerr << node.error().message << '\n';
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) {
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    if (auto set = node->set_tags({{line.substr(0, equals), line.substr(equals + 1)}}); !set) std::cerr << set.error().message << '\n';
  }
  (void)node->leave(config.leave_timeout);
  return 0;
}
