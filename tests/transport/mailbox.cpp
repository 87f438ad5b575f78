#include "transport/uv/mailbox.hpp"

#include <thread>

#include "support/pch.hpp"
#include "support/uv_fixture.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
using uv::Mailbox;

namespace {

Config small() {
  Config config = Config::lan("n");
  config.mailbox_max_bytes = 1000;
  config.mailbox_max_messages = 10;
  config.tree.pace_window_bytes = 4000;
  config.tree.pace_window_messages = 20;
  return config;
}

Bytes bytes(std::size_t size) { return Bytes::copy_of(std::string_view{std::string(size, 'x')}); }

Result<Sequence> publish(Mailbox& box, Bytes payload, Duration wait) {
  return box.publish({.topic = "t", .payload = std::move(payload)}, wait);
}

std::vector<Sequence> sequences(const std::vector<Mailbox::Item>& items) {
  std::vector<Sequence> out;
  for (const auto& item : items)
    if (const auto* message = std::get_if<Mailbox::Publish>(&item)) out.push_back(message->sequence);
  return out;
}

}  // namespace

TEST_CASE("a refused broadcast uses no sequence", "[mailbox]") {
  Mailbox box{small()};
  for (int i = 0; i < 10; ++i) REQUIRE(publish(box, bytes(1), 0s));
  const auto refused = publish(box, bytes(1), 0s);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::overloaded);
  CHECK(sequences(box.take()) == std::vector<Sequence>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(*publish(box, bytes(1), 0s) == 11);
}

TEST_CASE("a broadcast tells when it was published, and how many it is", "[mailbox]") {
  Mailbox box{small()};
  const Timestamp before{static_cast<std::int64_t>(uv_hrtime())};
  for (int i = 0; i < 3; ++i) REQUIRE(box.publish({.topic = "t", .payload = bytes(10), .joins = true}, 0s));
  REQUIRE(publish(box, bytes(10), 0s));
  const auto items = box.take();
  const Timestamp after{static_cast<std::int64_t>(uv_hrtime())};
  REQUIRE(items.size() == 2);
  const auto& run = std::get<Mailbox::Publish>(items[0]);
  const auto& single = std::get<Mailbox::Publish>(items[1]);
  CHECK(run.count == 3);
  CHECK(single.count == 1);
  CHECK((before <= run.at && run.at <= single.at && single.at <= after));
}

TEST_CASE("a large broadcast takes one sequence, and the next one waits for all of its parts", "[mailbox]") {
  Mailbox box{small()};
  CHECK(*publish(box, bytes(300'000), 0s) == 1);
  CHECK(sequences(box.take()) == std::vector<Sequence>{1});
  CHECK(*publish(box, bytes(1), 0s) == 2);
  (void)box.take();
  box.acked(2, 0);
  CHECK_FALSE(publish(box, bytes(300'000), 0s));  // parts of the first one are on their way
  CHECK_FALSE(box.take_writable());
  box.acked(2, 1);
  CHECK(box.take_writable());
  CHECK(*publish(box, bytes(300'000), 0s) == 3);
}

TEST_CASE("bytes bound the mailbox, but one message always fits", "[mailbox]") {
  Mailbox box{small()};
  CHECK(publish(box, bytes(3000), 0s));
  CHECK_FALSE(publish(box, bytes(1), 0s));
  (void)box.take();
  CHECK(box.fill().bytes == 0);
  CHECK(publish(box, bytes(900), 0s));
  CHECK_FALSE(publish(box, bytes(101), 0s));
}

TEST_CASE("the pacing window closes until members have the messages", "[mailbox]") {
  Mailbox box{small()};
  for (int i = 0; i < 20; ++i) {
    REQUIRE(publish(box, bytes(1), 0s));
    (void)box.take();
  }
  CHECK(publish(box, bytes(1), 0s).error().code == Errc::overloaded);
  CHECK_FALSE(box.take_writable());
  box.acked(9, 0);
  CHECK_FALSE(box.take_writable());
  CHECK(publish(box, bytes(1), 0s));
  box.acked(11, 0);
  CHECK(box.take_writable());
  CHECK_FALSE(box.take_writable());
}

TEST_CASE("a waiting publisher goes on when there is room, and gives up in time", "[mailbox]") {
  Mailbox box{small()};
  for (int i = 0; i < 10; ++i) REQUIRE(publish(box, bytes(1), 0s));
  CHECK(publish(box, bytes(1), 5ms).error().code == Errc::overloaded);
  Result<Sequence> late = Error{Errc::system, "not yet"};
  std::thread publisher{[&] { late = publish(box, bytes(1), 30s); }};
  while (sequences(box.take()).empty()) std::this_thread::yield();
  publisher.join();
  REQUIRE(late);
  CHECK(*late == 11);
}

TEST_CASE("closing wakes waiting publishers and tells dropped commands", "[mailbox]") {
  Mailbox box{small()};
  for (int i = 0; i < 10; ++i) REQUIRE(publish(box, bytes(1), 0s));
  std::optional<bool> ran;
  REQUIRE(box.post([&](bool run) { ran = run; }));
  Result<Sequence> late = 0;
  std::thread publisher{[&] { late = publish(box, bytes(1), 30s); }};
  box.close();
  publisher.join();
  CHECK(ran == false);
  CHECK(late.error().code == Errc::stopped);
  CHECK(box.post([](bool) {}).error().code == Errc::stopped);
  CHECK(box.take().empty());
}

TEST_CASE("commands and broadcasts keep their order, and commands are bounded", "[mailbox]") {
  Mailbox box{small()};
  REQUIRE(publish(box, bytes(1), 0s));
  REQUIRE(box.post([](bool) {}));
  REQUIRE(publish(box, bytes(1), 0s));
  const auto items = box.take();
  REQUIRE(items.size() == 3);
  CHECK(std::holds_alternative<Mailbox::Publish>(items[0]));
  CHECK(std::holds_alternative<Mailbox::Command>(items[1]));
  Status last;
  int posted = 0;
  while (posted < 10'000 && (last = box.post([](bool) {}))) ++posted;
  CHECK(posted == 1024);
  CHECK(last.error().code == Errc::limit_reached);
}

TEST_CASE("mail from many threads arrives once each, in the order of its sequences", "[mailbox]") {
  test::LoopFixture f;
  Config config = Config::lan("n");
  Mailbox box{config};
  std::vector<Sequence> got;
  REQUIRE(box.open(&f.loop, [&] {
    for (auto sequence : sequences(box.take())) got.push_back(sequence);
  }));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) (void)publish(box, bytes(10), 10s);
    });
  const bool all = f.run_until([&] { return got.size() == 2000; });
  for (auto& thread : threads) thread.join();
  CHECK(all);
  CHECK(std::is_sorted(got.begin(), got.end()));
  CHECK(std::adjacent_find(got.begin(), got.end()) == got.end());
  box.close();
  box.detach();
}

TEST_CASE("broadcasts of one topic that wait together are taken as a run", "[mailbox]") {
  Mailbox box{small()};
  const auto put = [&](const char* text, const char* topic = "t", bool joins = true) {
    return *box.publish({.topic = topic, .payload = Bytes::copy_of(std::string_view{text}), .joins = joins}, 0s);
  };
  put("a");
  put("bb");
  put("ccc");
  put("other", "u");
  put("alone", "u", false);
  put("d");
  int commands = 0;
  REQUIRE(box.post([&](bool) { ++commands; }));
  CHECK(put("e") == 7);
  CHECK(box.fill().messages == 7);
  auto items = box.take();
  REQUIRE(items.size() == 6);
  CHECK(sequences(items) == std::vector<Sequence>{1, 4, 5, 6, 7});
  CHECK(std::holds_alternative<Mailbox::Command>(items[4]));
  const auto& run = std::get<Mailbox::Publish>(items[0]).payload;
  CHECK(run.run == frame::Run{3, false});
  frame::RunCutter cutter{run.run, run.bytes};
  for (const char* text : {"a", "bb", "ccc"}) CHECK(cutter.next().text() == text);
  CHECK(std::get<Mailbox::Publish>(items[1]).payload.run.count == 1);
  CHECK(box.fill().messages == 0);
  CHECK(box.fill().bytes == 0);
  // All count for the window, each for itself.
  box.acked(2, 0);
  for (int i = 0; i < 10; ++i) put("x");
  CHECK(box.fill().messages == 10);
  CHECK_FALSE(box.publish({.topic = "t", .payload = bytes(1), .joins = true}, 0s));
}
