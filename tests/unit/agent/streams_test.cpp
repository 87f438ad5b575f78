#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "support/pch.hpp"
#include "tools/agent/printer.hpp"
#include "tools/agent/publisher.hpp"

using namespace plumvine;
using namespace plumvine::agent;

namespace {

struct Lines {
  std::vector<std::string> lines;
  std::vector<std::uint64_t> skipped;
  std::function<void(Bytes)> line = [this](const Bytes& bytes) { lines.emplace_back(bytes.text()); };
  std::function<void(std::uint64_t)> skip = [this](std::uint64_t number) { skipped.push_back(number); };
};

Lines split(const std::string& text, std::size_t piece, std::size_t line_max = 10) {
  Lines out;
  LineSplitter splitter(line_max);
  for (std::size_t i = 0; i < text.size(); i += piece) {
    splitter.feed(std::string_view(text).substr(i, piece), out.line, out.skip);
  }
  splitter.finish(out.line, out.skip);
  return {out.lines, out.skipped};
}

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() { REQUIRE(pipe2(ends, O_CLOEXEC) == 0); }
  ~Pipe() {
    close_read();
    close_write();
  }
  void close_read() {
    if (ends[0] >= 0) close(std::exchange(ends[0], -1));
  }
  void close_write() {
    if (ends[1] >= 0) close(std::exchange(ends[1], -1));
  }
};

/// Waits until `done`, at most ten seconds.
bool eventually(const std::function<bool()>& done) {
  for (int i = 0; i < 10'000; ++i) {
    if (done()) return true;
    poll(nullptr, 0, 1);
  }
  return false;
}

}  // namespace

TEST_CASE("lines are cut the same way however the bytes arrive", "[agent]") {
  for (std::size_t piece : {1, 2, 3, 7, 100}) {
    CAPTURE(piece);
    CHECK(split("a\n\nb\r\nlast", piece).lines == std::vector<std::string>{"a", "", "b\r", "last"});
    CHECK(split("a\n", piece).lines == std::vector<std::string>{"a"});
    CHECK(split("\n", piece).lines == std::vector<std::string>{""});
    CHECK(split("", piece).lines.empty());
    CHECK(split(std::string("\0\xff\n", 3), piece).lines == std::vector<std::string>{std::string("\0\xff", 2)});
  }
}

TEST_CASE("a line above the limit is skipped and told by its number", "[agent]") {
  for (std::size_t piece : {1, 5, 100}) {
    const auto out = split("0123456789\n0123456789x\nok\n" + std::string(50, 'y'), piece);
    CHECK(out.lines == std::vector<std::string>{"0123456789", "ok"});
    CHECK(out.skipped == std::vector<std::uint64_t>{2, 4});
  }
}

TEST_CASE("a refused line is kept, and the reader stops when enough lines wait", "[agent]") {
  Pipe in;
  std::atomic<int> wakes{0};
  Publisher publisher(
      in.ends[0], 1 << 20, [&] { ++wakes; }, [](std::uint64_t) {});
  publisher.start();
  std::atomic<bool> written{false};
  std::thread writer([&] {
    std::string text;
    for (std::size_t i = 0; i < 3 * Publisher::kFullLines; ++i) text += std::to_string(i) + '\n';
    for (std::size_t done = 0; done < text.size();) {
      const auto n = write(in.ends[1], text.data() + done, text.size() - done);
      if (n <= 0) break;
      done += static_cast<std::size_t>(n);
    }
    written = true;
    in.close_write();
  });
  REQUIRE(eventually([&] { return wakes > 0; }));
  std::vector<std::string> taken;
  std::size_t asked = 0;
  REQUIRE(eventually([&] {
    publisher.drain([&](const Bytes& line) {
      // Every thousandth time there is no room.
      if (++asked % 1000 == 0) return false;
      taken.emplace_back(line.text());
      return true;
    });
    return taken.size() == 3 * Publisher::kFullLines;
  }));
  writer.join();
  CHECK(written);
  bool in_order = true;
  for (std::size_t i = 0; i < taken.size(); ++i) in_order = in_order && taken[i] == std::to_string(i);
  CHECK(in_order);
}

TEST_CASE("a publisher ends while its input is silent", "[agent]") {
  Pipe in;
  Publisher publisher(
      in.ends[0], 100, [] {}, [](std::uint64_t) {});
  publisher.start();
}

TEST_CASE("a slow reader fills the printer, which says so and later that there is room", "[agent]") {
  Pipe out;
  std::atomic<int> rooms{0};
  std::string received;
  {
    Printer printer(
        out.ends[1], [&] { ++rooms; }, [] {});
    const std::string line(100'000, 'x');
    std::size_t lines = 0;
    while (printer.print(line)) REQUIRE(++lines < 1000);  // nobody reads
    CHECK(lines * line.size() >= Printer::kFullBytes / 2);
    CHECK(printer.full());
    std::vector<char> buffer(1 << 16);
    REQUIRE(eventually([&] {
      const auto n = read(out.ends[0], buffer.data(), buffer.size());
      if (n > 0) received.append(buffer.data(), static_cast<std::size_t>(n));
      return rooms > 0;
    }));
    CHECK_FALSE(printer.full());
    out.close_read();
  }
  CHECK(received.substr(0, 100'001) == std::string(100'000, 'x') + '\n');
}

TEST_CASE("what is queued is written before the printer ends", "[agent]") {
  Pipe out;
  {
    Printer printer(
        out.ends[1], [] {}, [] {});
    for (int i = 0; i < 100; ++i) printer.print("line " + std::to_string(i));
  }
  out.close_write();
  std::string received;
  std::vector<char> buffer(4096);
  for (ssize_t n; (n = read(out.ends[0], buffer.data(), buffer.size())) > 0;)
    received.append(buffer.data(), static_cast<std::size_t>(n));
  CHECK(received.starts_with("line 0\nline 1\n"));
  CHECK(received.ends_with("line 99\n"));
}

TEST_CASE("a closed standard output is told once", "[agent]") {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe out;
  out.close_read();
  std::atomic<int> closed{0};
  Printer printer(
      out.ends[1], [] {}, [&] { ++closed; });
  CHECK(printer.print("x"));
  CHECK(eventually([&] { return closed == 1; }));
  CHECK(printer.print("y"));
  CHECK_FALSE(printer.full());
}
