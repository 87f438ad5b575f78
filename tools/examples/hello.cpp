#include <plumvine/node.hpp>

#include <iostream>

int main(int argc, char** argv) {
  auto config = plumvine::Config::lan(argc > 1 ? argv[1] : "alice");
  if (argc > 2) config.seeds = {argv[2]};
  if (argc > 3) config.bind = argv[3];

  auto node = plumvine::Node::start(config, {
      .on_message = [](const plumvine::Message& message) {
        std::cout << message.origin << ": " << message.text() << std::endl;
      },
  });
  if (!node) {
    std::cerr << node.error().message << '\n';
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) (void)node->broadcast(line);
}
