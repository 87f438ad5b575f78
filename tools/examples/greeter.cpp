// A service that greets: each line of standard input goes to all instances, and each instance prints what the others sent, who
// comes and goes, and what was lost. The program of docs/getting-started.md.
//
//   greeter NAME BIND HTTP [SEED…]
#include <plumvine/metrics.hpp>
#include <plumvine/node.hpp>

#include <iostream>
#include <string>

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "greeter NAME BIND HTTP [SEED...]\n";
    return 2;
  }
  auto config = plumvine::Config::lan(argv[1]);
  config.bind = argv[2];
  config.http = argv[3];
  config.seeds.assign(argv + 4, argv + argc);
  config.topics["greetings"].order = plumvine::Order::fifo;
  plumvine::metrics::enable(config);  // GET /metrics

  // Handlers run on the node's own thread, one at a time.
  auto node = plumvine::Node::start(config, {
      .on_message = [](const plumvine::Message& message) {
        std::cout << message.origin << ": " << message.text() << std::endl;
      },
      .on_member = [](const plumvine::MemberEvent& event) {
        std::cout << "member " << event.member.name << ' ' << plumvine::to_string(event.kind) << std::endl;
      },
      .on_lost = [](const plumvine::LostEvent& lost) {
        std::cout << "lost from " << lost.origin << ": " << plumvine::to_string(lost.reason) << std::endl;
      },
  });
  if (!node) {  // says what is wrong and what to do
    std::cerr << "greeter: " << node.error().message << '\n';
    return 1;
  }

  for (std::string line; std::getline(std::cin, line);) {
    // Waits up to a second where the cluster is slower than this loop.
    auto id = node->broadcast("greetings", plumvine::Bytes::copy_of(line), {.wait = std::chrono::seconds{1}});
    if (!id) std::cerr << "greeter: not sent: " << id.error().message << '\n';
  }
  (void)node->leave(std::chrono::seconds{5});  // the others see that it left; without this, that it died
  return 0;
}
