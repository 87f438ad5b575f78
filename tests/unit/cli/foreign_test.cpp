// Other programs answer HTTP, too: every command says so in one line, whatever they answer.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "support/pch.hpp"
#include "tools/cli/commands.hpp"
#include "tools/cli/judge.hpp"

using namespace plumvine::cli;

namespace {

/// Answers whatever it is asked with the same text, one connection after the other.
class ForeignServer {
 public:
  explicit ForeignServer(std::string answer) : answer_(std::move(answer)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&at), size) == 0);
    REQUIRE(listen(listener_, 16) == 0);
    REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    where_ = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~ForeignServer() {
    (void)shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  ForeignServer(const ForeignServer&) = delete;
  ForeignServer& operator=(const ForeignServer&) = delete;
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  void serve() {
    for (int fd = accept(listener_, nullptr, nullptr); fd >= 0; fd = accept(listener_, nullptr, nullptr)) {
      std::string asked;
      for (char buffer[4096]; asked.find("\r\n\r\n") == std::string::npos;) {
        const ssize_t n = read(fd, buffer, sizeof buffer);
        if (n <= 0) break;
        asked.append(buffer, static_cast<std::size_t>(n));
      }
      (void)send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      (void)shutdown(fd, SHUT_WR);
      for (char buffer[4096]; read(fd, buffer, sizeof buffer) > 0;) continue;
      close(fd);
    }
  }
  std::string answer_, where_;
  int listener_;
  std::thread thread_;
};

std::string http(const std::string& status, const std::string& type, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
}

/// What is typed behind a command that asks an agent; those that ask none are not here.
const std::map<std::string, std::vector<std::string>>& asking() {
  static const std::map<std::string, std::vector<std::string>> all{
      {"block", {"list"}}, {"bundle", {}}, {"config", {"show"}}, {"doctor", {}}, {"events", {}}, {"forget", {"a"}}, {"health", {}}, {"join", {"10.0.0.1"}},
      {"keys", {"list"}}, {"lag", {}}, {"leave", {}}, {"members", {}}, {"metrics", {}}, {"peers", {}}, {"promote", {"a"}}, {"publish", {"t", "text"}},
      {"reachability", {}}, {"rejoin", {}}, {"resync", {}}, {"stats", {}}, {"subscribe", {"t"}}, {"test-delivery", {}}, {"tls", {"verify", "/dev/null"}},
      {"top", {}}, {"trace", {"0000000000000001-1"}}, {"tree", {}}, {"trim", {}}};
  return all;
}

struct Said {
  int status;
  std::string out, err;
};

std::string drained(std::FILE* file) {
  std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  REQUIRE(std::fread(text.data(), 1, text.size(), file) == text.size());
  std::fclose(file);
  return text;
}

/// Runs one command with both outputs in files.
Said said(const Call& call) {
  std::fflush(stdout);
  const int out = dup(1), err = dup(2);
  std::FILE *to_out = std::tmpfile(), *to_err = std::tmpfile();
  dup2(fileno(to_out), 1);
  dup2(fileno(to_err), 2);
  const int status = run(call);
  std::fflush(stdout);
  dup2(out, 1);
  dup2(err, 2);
  close(out);
  close(err);
  std::fseek(to_out, 0, SEEK_END);
  std::fseek(to_err, 0, SEEK_END);
  Said all{status, drained(to_out), drained(to_err)};
  return all;
}

/// The doctor looks through all processes, which takes time: it is asked only `with_doctor`.
void check_all(const ForeignServer& server, const std::string& about, bool with_doctor) {
  for (const auto& [command, arguments] : asking()) {
    for (const bool json : {false, true}) {
      if (command == "doctor" && !with_doctor) continue;
      Call call;
      call.http = server.where();
      call.command = command;
      call.arguments = arguments;
      call.json = json;
      call.bind = "127.0.0.1:1";  // doctor looks at this machine, where other programs may have the usual port
      call.once = command == "top";
      if (command == "bundle") call.output = "/nonexistent/bundle";
      INFO(about << ": " << command << (json ? " --json" : ""));
      const Said all = said(call);
      if (command == "doctor") {  // names who holds the address instead, and that is a finding
        CHECK(all.status == kBad);
        CHECK(all.out.find("address_in_use") != std::string::npos);
        continue;
      }
      CHECK(all.status == kUnreachable);
      CHECK(all.out == "");
      CHECK(all.err.find("what answers at " + server.where() + " is no plumvined") != std::string::npos);
      CHECK(std::count(all.err.begin(), all.err.end(), '\n') == 1);
    }
  }
}

}  // namespace

TEST_CASE("every command is known to ask an agent or not", "[cli]") {
  for (const auto& name : command_names()) {
    const bool alone = name == "analyze" || name == "explain" || name == "state";
    CHECK(asking().contains(name) != alone);
  }
}

TEST_CASE("what another HTTP server answers is told in one line by every command", "[cli]") {
  for (const char* status : {"200 OK", "202 Accepted", "301 Moved", "404 Not Found", "429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"}) {
    for (const char* body : {R"({"error":"x"})", "{}", "[]", "[1]", "null", "{\"a\":1}", "<html>hello</html>", ""}) {
      for (const char* type : {"application/json", "text/html"}) {
        // An empty list of blocks is a good answer of ours.
        if (std::string(body) == "[]" && std::string(type) == "application/json" && status[0] == '2') continue;
        const ForeignServer server(http(status, type, body));
        check_all(server, std::string(status) + " " + type + " " + body, status[0] == '4' && type[0] == 't');
      }
    }
  }
}

TEST_CASE("an answer of the right type and another shape is no plumvined's", "[cli]") {
  struct Row {
    const char *command, *type, *body;
  };
  constexpr std::array rows{
      Row{"members", "application/json", R"([])"},
      Row{"members", "application/json", R"([{"name": 7}])"},
      Row{"members", "application/json", R"([{"name": "a", "addr": [], "port": "x"}])"},
      Row{"peers", "application/json", R"({"links": 7, "self": null})"},
      Row{"tree", "application/json", R"({"trees": [null]})"},
      Row{"lag", "application/json", R"({"origins": [{}]})"},
      Row{"health", "application/health+json", R"({"status": 1})"},
      Row{"block", "application/json", R"([{"what": 1}])"},
      Row{"reachability", "application/json", R"({"members": "all", "ok": true})"},
      Row{"resync", "application/json", R"({"links": {}, "missing": "many", "asked": 3})"},
      Row{"test-delivery", "application/json", R"({"members": 3, "complete": "yes"})"},
      Row{"trace", "application/json", R"({"paths": {"a": 1}})"},
      Row{"keys", "application/json", R"({"members": [3]})"},
      Row{"events", "application/x-ndjson", "{\"time\": 3}\n"},
  };
  for (const Row& row : rows) {
    INFO(row.command << " " << row.body);
    const ForeignServer server(http("200 OK", row.type, row.body));
    Call call;
    call.http = server.where();
    call.command = row.command;
    call.arguments = asking().at(row.command);
    const Said all = said(call);
    CHECK(all.status == kUnreachable);
    CHECK(all.err.find("is no plumvined") != std::string::npos);
  }
}

TEST_CASE("answers of ours are taken", "[cli]") {
  CHECK(is_answer_of_ours("/members", 200, "application/json", R"([{"name":"a"}])"));
  CHECK(is_answer_of_ours("/block", 200, "application/json", "[]"));
  CHECK(is_answer_of_ours("/healthz?component=tree", 503, "application/health+json", R"({"status":"unhealthy"})"));
  CHECK(is_answer_of_ours("/publish/t?ack=all", 504, "application/json", R"({"id":"a","complete":false})"));
  CHECK(is_answer_of_ours("/keys/use", 409, "application/json", R"({"members":[],"refused":"no"})"));
  CHECK(is_answer_of_ours("/events?cluster=1&since=1h", 200, "application/json", R"({"events":[]})"));
  CHECK(is_answer_of_ours("/events?since=1h", 200, "application/x-ndjson", ""));
  CHECK(is_answer_of_ours("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "a 1\n"));
  CHECK(is_answer_of_ours("/metrics", 404, "application/json", R"({"error":{"code":"not_found","message":"m","hint":"h"}})"));
  CHECK_FALSE(is_answer_of_ours("/metrics", 200, "text/plain", "a 1\n"));
  CHECK_FALSE(is_answer_of_ours("/members", 500, "application/json", R"({"error":{"code":"x"}})"));
  CHECK_FALSE(is_answer_of_ours("/membersonly", 200, "application/json", R"([{"name":"a"}])"));
}
