#include "support/pch.hpp"
#include "tools/cli/redact.hpp"

using plumvine::cli::Redactor;

TEST_CASE("addresses become the same pseudonym wherever and however they are written", "[redact]") {
  Redactor r;
  CHECK(r.text("from 10.0.0.1:7946 to 10.0.0.2") == "from addr-1:7946 to addr-2");
  CHECK(r.text(R"({"addr":"10.0.0.2"})") == R"({"addr":"addr-2"})");
  CHECK(r.text("[fd00::12]:7946, fd00:0:0::12 and ::ffff:10.0.0.1") == "[addr-3]:7946, addr-3 and addr-1");
  CHECK(r.text("fe80::1%eth0 is near") == "addr-4 is near");
  CHECK(r.text("node-10.0.0.1 and ip-10-0-0-2.internal") == "node-addr-1 and ip-addr-2.internal");
  CHECK(r.text("x10.0.0.1y 010.000.000.001") == "xaddr-1y addr-1");
  CHECK(r.text("10.0.0.1/24 10.0.0.1.") == "addr-1/24 addr-1.");
  CHECK(r.text("127.0.0.1 ::1") == "addr-5 addr-6");
  CHECK(r.addresses() == 6);
}

TEST_CASE("of a number before an address nothing of the address stays", "[redact]") {
  Redactor r;
  CHECK(r.text("10.99.0.25 n25.10.99.0.25.host 10.99.0.25.") == "addr-1 naddr-1.host addr-1.");
  CHECK(r.text("ip-1-10-99-0-25-b 1.2.3.4.999 10.99.0.25-2026") == "ip-addr-1-b addr-2 addr-1-2026");
}

TEST_CASE("what is no address stays", "[redact]") {
  Redactor r;
  for (const char* text : {"2026-01-31T12:00:00.000Z", "0.0.0.0:7946", "[::]:7946", "std::string", "1.25 0.5 17", "256.1.1.1 1.2.3", "PV1102: a dead",
                           "00000000000000ab-7", "version 0.1.0", "{\"a\":[1,2],\"b\":{}}", "12:34", "", ":"})
    CHECK(r.text(text) == text);
  CHECK(r.addresses() == 0);
}

TEST_CASE("names of known hosts are taken out as whole words", "[redact]") {
  Redactor r;
  for (const char* name : {"seed.example.com", "Seed2", "localhost", "10.0.0.1", "::1", ""}) r.know_host(name);
  CHECK(r.hosts() == 2);
  CHECK(r.text("seed.example.com:7946, SEED.example.COM, seed2") == "host-1:7946, host-1, host-2");
  CHECK(r.text("seed2x myseed2 seed2-b seed.example.comma localhost") == "seed2x myseed2 seed2-b seed.example.comma localhost");
  CHECK(r.text(R"("name":"seed2")") == R"("name":"host-2")");
}
