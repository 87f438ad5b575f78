#include "transport/uv/subscribers.hpp"

#include <functional>
#include <map>
#include <numeric>
#include <set>

#include <plumvine/detail/rng.hpp>

#include "support/uv_fixture.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

constexpr InstanceId kOurs{99};

/// A history of which the oldest part may be gone.
class Kept : public uv::HistorySource {
 public:
  Cursor told;
  std::vector<uv::HistoryEntry> entries;  ///< by delivery
  std::size_t gone = 0;                   ///< so many of the first can no longer be read
  mutable int reads = 0;
  std::function<void()> after_first_read;

  void add(const Message& message) {
    told.add(message.id);
    entries.push_back({message.id, std::string(message.origin), std::string(message.topic), message.hops, message.payload});
  }
  Cursor position() override { return told; }
  Cursor readable() override {
    Cursor out;
    for (std::size_t i = gone; i < entries.size(); ++i) out.add(entries[i].id);
    return out;
  }
  std::unique_ptr<uv::HistoryReader> read(const std::string&) override {
    struct Reader : uv::HistoryReader {
      explicit Reader(const Kept& kept) : kept_(kept) {}
      std::vector<uv::HistoryEntry> next(const Cursor& had, std::size_t count) override {
        std::vector<uv::HistoryEntry> out;
        for (at_ = std::max(at_, kept_.gone); at_ < kept_.entries.size() && out.size() < count; ++at_)
          if (!had.contains(kept_.entries[at_].id)) out.push_back(kept_.entries[at_]);
        if (++kept_.reads == 1 && kept_.after_first_read) kept_.after_first_read();
        return out;
      }
      const Kept& kept_;
      std::size_t at_ = 0;
    };
    return std::make_unique<Reader>(*this);
  }
  bool is_ours(InstanceId origin) override { return origin == kOurs; }
  std::string name_of(InstanceId) override { return "o"; }
};

/// What one subscriber was told.
struct Heard {
  std::vector<MessageId> messages;
  std::vector<SequenceRange> gaps;
  std::string cursor;
  bool room = true;
  bool open = true;

  uv::Subscriber on(std::string topic) {
    return {.topic = std::move(topic),
            .on_message =
                [this](const Message& message, const std::string& at) {
                  messages.push_back(message.id);
                  cursor = at;
                  return open;
                },
            .on_gap =
                [this](const LostEvent& lost, const std::string& at) {
                  gaps.push_back(lost.range);
                  cursor = at;
                  return open;
                },
            .has_room = [this] { return room; }};
  }
  [[nodiscard]] std::vector<Sequence> sequences() const {
    std::vector<Sequence> out;
    for (const MessageId& id : messages) out.push_back(id.sequence);
    return out;
  }
};

Message message(Sequence sequence, std::string_view topic = "t", InstanceId origin = InstanceId{1}) {
  return {.id = {origin, sequence}, .origin = "o", .topic = topic, .payload = Bytes::copy_of("x"), .hops = 1};
}

struct Fixture : LoopFixture {
  Kept kept;
  std::unique_ptr<uv::Subscribers> subscribers = std::make_unique<uv::Subscribers>(&loop, kept);
  ~Fixture() { subscribers.reset(); }
  void deliver(const Message& m) {
    kept.add(m);
    subscribers->deliver(m);
  }
  /// Lets the timer of the history fire so often.
  void turn(int turns = 5) {
    for (int i = 0; i < turns; ++i) {
      const auto since = uv_now(&loop);
      (void)run_until([&] { return uv_now(&loop) > since + 1; });
    }
  }
  /// Until something was read.
  void begin_to_read() { REQUIRE(run_until([&] { return kept.reads > 0; })); }
};

uv::ReadFrom from(const std::string& text) { return *uv::read_from(text); }

}  // namespace

TEST_CASE("a subscriber from now gets what comes, one from the window what was before, too", "[subscribers]") {
  Fixture f;
  for (Sequence s = 1; s <= 1000; ++s) f.deliver(message(s, s % 2 == 0 ? "t" : "u"));
  Heard now, window, all;
  f.subscribers->add(now.on("t"), from("now"));
  f.subscribers->add(window.on("t"), from("window"));
  f.subscribers->add(all.on("*"), from("window"));
  f.turn(1);
  f.deliver(message(1002));
  f.turn(10);
  f.deliver(message(1004));
  f.deliver(message(1, "_reserved", InstanceId{2}));
  CHECK(now.sequences() == std::vector<Sequence>{1002, 1004});
  REQUIRE(window.messages.size() == 502);
  CHECK(window.messages.front().sequence == 2);
  CHECK(std::is_sorted(window.messages.begin(), window.messages.end()));
  CHECK(all.messages.size() == 1002);
  CHECK(window.gaps.empty());
}

TEST_CASE("a cursor goes on behind its line, at a member that had things in another order", "[subscribers]") {
  Fixture a, b;
  Rng rng{7};
  std::vector<Message> messages;
  for (Sequence s = 1; s <= 200; ++s)
    for (const std::uint64_t origin : {1, 2, 3}) messages.push_back(message(s, rng.below(2) == 0 ? "t" : "u", InstanceId{origin}));
  std::set<MessageId> wanted;
  for (const Message& m : messages)
    if (m.topic == "t") wanted.insert(m.id);
  std::vector<Message> other = messages;
  rng.shuffle(other);
  Heard first;
  a.subscribers->add(first.on("t"), from("now"));
  for (std::size_t i = 0; i < messages.size() / 2; ++i) a.deliver(messages[i]);
  for (std::size_t i = 0; i < other.size() / 3; ++i) b.deliver(other[i]);
  REQUIRE_FALSE(first.cursor.empty());
  Heard second;
  b.subscribers->add(second.on("t"), from(first.cursor));
  for (std::size_t i = other.size() / 3; i < other.size(); ++i) {
    b.deliver(other[i]);
    if (rng.below(5) == 0) b.turn(1);
  }
  b.turn(20);
  std::set<MessageId> had(first.messages.begin(), first.messages.end());
  CHECK(had.size() == first.messages.size());
  for (const MessageId& id : second.messages) CHECK(had.insert(id).second);
  CHECK(had == wanted);
  CHECK(second.gaps.empty());
}

TEST_CASE("what can no longer be read is a gap, told once and first", "[subscribers]") {
  Fixture f;
  for (Sequence s = 1; s <= 100; ++s) f.deliver(message(s));
  Cursor had;
  had.add(InstanceId{1}, {1, 20});
  f.kept.gone = 60;
  Heard heard, window;
  f.subscribers->add(heard.on("t"), from(had.to_string()));
  CHECK(heard.gaps == std::vector<SequenceRange>{{21, 60}});
  f.subscribers->add(window.on("t"), from("window"));
  f.turn();
  CHECK(heard.sequences().front() == 61);
  CHECK(heard.messages.size() == 40);
  CHECK(window.messages.size() == 40);
  CHECK(window.gaps.empty());
  CHECK(f.subscribers->gaps() == 1);

  SECTION("lost ones are told to those who read, and are in their cursor") {
    f.kept.told.add(InstanceId{1}, {101, 105});
    f.subscribers->lost({.origin = "o", .instance = InstanceId{1}, .range = {101, 105}, .reason = LossReason::evicted});
    CHECK(heard.gaps.back() == SequenceRange{101, 105});
    Heard later;
    f.subscribers->add(later.on("t"), from(heard.cursor));
    f.turn();
    CHECK(later.messages.empty());
    CHECK(later.gaps.empty());
  }
  SECTION("our own broadcasts are none") {
    f.kept.told.add(kOurs, {1, 50});
    Heard later;
    f.subscribers->add(later.on("t"), from(Cursor{}.to_string()));
    f.turn();
    CHECK(later.gaps == std::vector<SequenceRange>{{1, 60}});
  }
}

TEST_CASE("what goes while a slow subscriber reads is a gap, and others do not wait for it", "[subscribers]") {
  Fixture f;
  for (Sequence s = 1; s <= 2000; ++s) f.deliver(message(s));
  Heard slow, quick;
  f.subscribers->add(slow.on("t"), from("window"));
  f.subscribers->add(quick.on("t"), from("window"));
  f.begin_to_read();
  slow.room = false;
  const auto read = slow.messages.size();
  CHECK(read < 2000);
  CHECK(f.run_until([&] { return quick.messages.size() == 2000; }));
  CHECK(slow.messages.size() == read);
  f.kept.gone = 1500;
  slow.room = true;
  CHECK(f.run_until([&] { return slow.messages.back().sequence == 2000; }));
  f.turn(20);
  REQUIRE(slow.gaps.size() == 1);
  CHECK(slow.gaps[0].last == 1500);
  CHECK(slow.messages.size() + (slow.gaps[0].last - slow.gaps[0].first + 1) == 2000);
}

TEST_CASE("a subscriber that has no room for what comes reads it later from the history", "[subscribers]") {
  Fixture f;
  Heard slow;
  f.subscribers->add(slow.on("t"), from("now"));
  f.deliver(message(1));
  slow.room = false;
  for (Sequence s = 2; s <= 100; ++s) f.deliver(message(s, s % 2 == 0 ? "t" : "u"));
  f.turn(3);
  CHECK(slow.sequences() == std::vector<Sequence>{1});
  CHECK(f.subscribers->size() == 1);
  CHECK(f.subscribers->infos()[0].reads_history);
  slow.room = true;
  CHECK(f.run_until([&] { return slow.messages.back().sequence == 100; }));
  f.turn(3);
  CHECK(slow.messages.size() == 51);
  CHECK(slow.gaps.empty());
  CHECK(!f.subscribers->infos()[0].reads_history);
  f.deliver(message(102));
  CHECK(slow.messages.back().sequence == 102);
}

TEST_CASE("of the history a subscriber gets no more than it has room for", "[subscribers]") {
  Fixture f;
  for (Sequence s = 1; s <= 100; ++s) f.deliver(message(s));
  Heard heard;
  uv::Subscriber subscriber = heard.on("t");
  subscriber.has_room = [&] { return heard.messages.size() % 10 != 9; };
  f.subscribers->add(std::move(subscriber), from("window"));
  f.turn(5);
  CHECK(heard.messages.size() == 9);
}

TEST_CASE("a subscriber that is gone is not told anything any more, and their number is bounded", "[subscribers]") {
  Fixture f;
  Heard heard;
  f.subscribers->add(heard.on("t"), from("now"));
  heard.open = false;
  f.deliver(message(1));
  f.deliver(message(2));
  CHECK(heard.messages.size() == 1);
  CHECK(f.subscribers->size() == 0);
  std::vector<Heard> many(uv::Subscribers::kMax + 5);
  for (Heard& one : many) f.subscribers->add(one.on("t"), from("now"));
  CHECK(f.subscribers->size() == uv::Subscribers::kMax);
}

TEST_CASE("what was read when there was no room any more is told when there is", "[subscribers]") {
  Fixture f;
  for (Sequence s = 1; s <= 1000; ++s) f.deliver(message(s));
  Heard heard;
  auto subscriber = heard.on("t");
  int asked = 0;
  subscriber.has_room = [&asked] { return ++asked % 10 != 0; };
  f.subscribers->add(std::move(subscriber), from("window"));
  REQUIRE(f.run_until([&] { return heard.messages.size() + heard.gaps.size() >= 1000; }));
  std::vector<Sequence> all(1000);
  std::iota(all.begin(), all.end(), Sequence{1});
  CHECK(heard.sequences() == all);
  CHECK(heard.gaps.empty());
}

TEST_CASE("a subscriber from a message gets what came behind it here, and its cursor goes on there", "[subscribers]") {
  Fixture f;
  // Two origins, and one message that came late: the order is that of the history.
  const InstanceId other{2};
  for (const Sequence s : {1, 3}) f.deliver(message(s));
  f.deliver(message(1, "t", other));
  f.deliver(message(2));
  for (const Sequence s : {4, 5}) f.deliver(message(s, s == 4 ? "u" : "t"));
  Heard heard;
  f.subscribers->add(heard.on("t"), from("0000000000000002-1"));
  f.turn();
  CHECK(heard.sequences() == std::vector<Sequence>{2, 5});
  CHECK(heard.gaps.empty());
  CHECK(f.subscribers->gaps() == 0);
  f.deliver(message(6));
  CHECK(heard.sequences() == std::vector<Sequence>{2, 5, 6});
  Heard again;
  f.subscribers->add(again.on("t"), from(heard.cursor));
  f.turn();
  CHECK(again.messages.empty());
}

TEST_CASE("what a long history has before the message is passed over in many turns", "[subscribers]") {
  Fixture f;
  for (Sequence s = 1; s <= 2000; ++s) f.deliver(message(s));
  f.kept.gone = 10;
  Heard heard;
  f.subscribers->add(heard.on("t"), from("0000000000000001-1995"));
  f.turn(15);
  CHECK(heard.sequences() == std::vector<Sequence>{1996, 1997, 1998, 1999, 2000});
  CHECK(heard.gaps.empty());
}

TEST_CASE("if the message leaves the history before it is read, all that is left came later", "[subscribers]") {
  Fixture f;
  for (Sequence s = 1; s <= 1000; ++s) f.deliver(message(s));
  Heard heard;
  f.kept.after_first_read = [&] { f.kept.gone = 990; };  // some of it was passed over
  f.subscribers->add(heard.on("t"), from("0000000000000001-600"));
  f.turn();
  CHECK(heard.sequences() == std::vector<Sequence>{991, 992, 993, 994, 995, 996, 997, 998, 999, 1000});
}

TEST_CASE("where to read from is now, window, a message or a cursor", "[subscribers]") {
  CHECK(uv::read_from("now")->kind == uv::ReadFrom::Kind::now);
  CHECK(uv::read_from("window")->kind == uv::ReadFrom::Kind::window);
  CHECK(uv::read_from(Cursor{}.to_string())->kind == uv::ReadFrom::Kind::cursor);
  CHECK(uv::read_from("c1422ff07b21ba60-121")->behind == MessageId{InstanceId{0xc1422ff07b21ba60}, 121});
  for (const char* bad : {"", "Now", "5", "c1422ff07b21ba60-", "c1422ff07b21ba60-0x1"}) CHECK(uv::read_from(bad).error().code == Errc::invalid_argument);
}

TEST_CASE("a backlog counts what was handed over and not read, and knows since when", "[subscribers]") {
  uv::Backlog backlog;
  const auto at = [](std::int64_t s) { return Timestamp{s * 1'000'000'000}; };
  CHECK(backlog.age(at(5)) == Duration{0});
  for (int i = 1; i <= 10; ++i) backlog.handed(100, at(i));
  backlog.waits(1000);
  CHECK(backlog.count() == 10);
  CHECK(backlog.age(at(20)) == std::chrono::seconds{19});
  backlog.waits(250);  // half of one is no message
  CHECK(backlog.count() == 3);
  CHECK(backlog.age(at(20)) == std::chrono::seconds{12});
  backlog.waits(0);
  CHECK(backlog.count() == 0);
  CHECK(backlog.age(at(20)) == Duration{0});
}

TEST_CASE("a long backlog takes no more room than a short one", "[subscribers]") {
  uv::Backlog backlog;
  for (std::int64_t i = 0; i < 100'000; ++i) backlog.handed(10, Timestamp{i});
  CHECK(backlog.count() == 100'000);
  CHECK(backlog.age(Timestamp{100'000}) == Duration{100'000});
  backlog.waits(500'000);
  CHECK(backlog.count() >= 50'000);
  CHECK(backlog.count() <= 52'000);
  backlog.waits(0);
  CHECK(backlog.count() == 0);
}

TEST_CASE("how far a subscriber is behind is told, live and while it reads the history", "[subscribers]") {
  Fixture f;
  for (Sequence i = 1; i <= 5; ++i) f.kept.add(message(i));
  Heard live, late;
  std::size_t waits = 0;
  uv::Subscriber slow = live.on("t");
  slow.waiting = [&] { return waits; };
  slow.from = "127.0.0.1:5";
  slow.on_message = [&](const Message&, const std::string&) { waits += 100; return true; };
  f.subscribers->add(std::move(slow), from("now"));
  late.room = false;
  f.subscribers->add(late.on("*"), from("window"));
  f.deliver(message(6));
  f.deliver(message(7));
  auto infos = f.subscribers->infos();
  REQUIRE(infos.size() == 2);
  CHECK(infos[0].topic == "t");
  CHECK(infos[0].from == "127.0.0.1:5");
  CHECK(!infos[0].reads_history);
  CHECK(infos[0].behind == 2);
  CHECK(infos[0].bytes == 200);
  CHECK(infos[1].reads_history);
  CHECK(infos[1].behind == 7);
  waits = 0;
  CHECK(f.subscribers->infos()[0].behind == 0);
}
