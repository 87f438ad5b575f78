#include <catch2/catch.hpp>

#include <string>

#include <plumvine/detail/base64.hpp>

using namespace plumvine;

TEST_CASE("base64 is written as RFC 4648 has it, and read back", "[base64]") {
  struct Row { std::string_view plain, text; };
  // RFC 4648, section 10, and the two digits that are no letters.
  for (const Row& row : {Row{"", ""}, Row{"f", "Zg=="}, Row{"fo", "Zm8="}, Row{"foo", "Zm9v"}, Row{"foob", "Zm9vYg=="},
                         Row{"fooba", "Zm9vYmE="}, Row{"foobar", "Zm9vYmFy"}, Row{"\xfb\xff\xfe", "+//+"}}) {
    std::string out = "before ";
    append_base64(out, as_bytes(row.plain));
    CHECK(out == "before " + std::string(row.text));
    CHECK(decode_base64(row.text) == std::string(row.plain));
  }
  CHECK(decode_base64(std::string_view("AAAA")) == std::string(3, '\0'));
}

TEST_CASE("what is not base64 to the last bit is refused", "[base64]") {
  for (const char* text : {"Zg", "Zg=", "Z===", "====", "Zm9v====", "Zg==Zg==", "Zh==", "Zm9=", "Z=9v", "Zm9v ", "Zm-v", "Zm9v\n\n\n\n"}) {
    INFO(text);
    CHECK_FALSE(decode_base64(text));
  }
}
