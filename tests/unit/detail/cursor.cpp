#include <plumvine/cursor.hpp>

#include <catch2/catch.hpp>

#include <plumvine/detail/rng.hpp>

using namespace plumvine;

namespace {

Cursor some() {
  Cursor cursor;
  cursor.add(InstanceId{0x0123456789abcdef}, {1, 400});
  cursor.add(MessageId{InstanceId{0x0123456789abcdef}, 402});
  cursor.add(InstanceId{7}, {5, 5});
  return cursor;
}

}  // namespace

TEST_CASE("a cursor says what was had", "[cursor]") {
  Cursor cursor = some();
  CHECK(cursor.contains({InstanceId{7}, 5}));
  CHECK_FALSE(cursor.contains({InstanceId{7}, 4}));
  CHECK_FALSE(cursor.contains({InstanceId{8}, 5}));
  CHECK_FALSE(cursor.add(MessageId{InstanceId{7}, 5}));
  CHECK(cursor.add(MessageId{InstanceId{7}, 6}));
  cursor.remove(InstanceId{7}, {1, 9});
  CHECK(cursor.origins().size() == 1);
  cursor.remove(MessageId{InstanceId{9}, 1});
  Cursor other;
  other.add(InstanceId{0x0123456789abcdef}, {1, 10});
  const Cursor rest = some().without(other);
  CHECK(rest.contains({InstanceId{7}, 5}));
  CHECK_FALSE(rest.contains({InstanceId{0x0123456789abcdef}, 10}));
  CHECK(rest.contains({InstanceId{0x0123456789abcdef}, 11}));
  other.add(rest);
  CHECK(other == some());
  CHECK(some().without(some()).empty());
}

TEST_CASE("a cursor is read back as it was written", "[cursor]") {
  CHECK(*Cursor::parse(some().to_string()) == some());
  CHECK(*Cursor::parse(Cursor{}.to_string()) == Cursor{});
  CHECK(some().to_string().find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos);
  Rng rng{11};
  for (int round = 0; round < 200; ++round) {
    Cursor cursor;
    for (std::uint64_t k = rng.below(20); k > 0; --k) {
      const Sequence first = 1 + rng.below(Sequence{1} << (1 + rng.below(60)));
      cursor.add(InstanceId{rng.below(3) + 1}, {first, first + rng.below(1000)});
    }
    CHECK(*Cursor::parse(cursor.to_string()) == cursor);
  }
}

TEST_CASE("the text of a cursor stays the same over versions", "[cursor]") {
  Cursor cursor;
  cursor.add(InstanceId{1}, {1, 300});
  CHECK(cursor.to_string() == "AQEBAAAAAAAAAAEBqwJVn3RW");
}

TEST_CASE("what is no cursor is refused", "[cursor]") {
  const std::string text = some().to_string();
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(Cursor::parse(other).has_value());
    CHECK_FALSE(Cursor::parse(text.substr(0, i)).has_value());
  }
  for (const char* bad : {"", "now", "window", "A", "AAAA", "=", "a+b/", "AQ==", " ", "AQEBAAAAAAAAAAEBqwJVn3RWAA"})
    CHECK_FALSE(Cursor::parse(bad).has_value());
  CHECK(Cursor::parse("x").error().message.find("cursor") != std::string::npos);
}
