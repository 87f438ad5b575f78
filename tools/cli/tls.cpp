// Certificates: a private authority for a trial, and the question whether all members would take a new one.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <plumvine/config.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "table.hpp"
#include "transport/tls/dev_ca.hpp"
#include "transport/uv/atomic_file.hpp"
#include "transport/uv/answer_json.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kTlsUsage = "tls dev-ca DIR NAME... [--label LABEL] [--life TIME], or tls verify CERT [CA]";
constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kCaDays = 3650;
constexpr std::size_t kPemMax = std::size_t{1} << 20;

/// Written beside and renamed, so that nobody reads half of it; what is secret is the owner's alone.
Status put_file(const std::string& path, const std::string& text, bool secret) {
  const std::string fresh = path + ".new";
  const auto failed = [&] { return Error{Errc::system, fmt::format("cannot write '{}': {}", path, std::strerror(errno))}; };
  (void)unlink(fresh.c_str());
  const mode_t before = umask(secret ? 077 : 022);
  std::ofstream out(fresh, std::ios::binary);
  umask(before);
  out << text;
  out.close();
  if (!out) return failed();
  if (rename(fresh.c_str(), path.c_str()) != 0) return failed();
  return {};
}

Result<tls::DevCa> open_or_create(const std::string& dir, std::int64_t now, bool& made) {
  const std::string cert = dir + "/ca.pem", key = dir + "/ca-key.pem";
  made = !std::filesystem::exists(cert);
  if (made) {
    auto ca = tls::DevCa::create("plumvine dev CA", now - kDay, now + kCaDays * kDay);
    if (!ca) return ca;
    if (auto put = put_file(key, ca->own().key, true); !put) return put.error();
    if (auto put = put_file(cert, ca->own().cert, false); !put) return put.error();
    return ca;
  }
  auto stored_cert = uv::read_file(cert, kPemMax), stored_key = uv::read_file(key, kPemMax);
  if (!stored_cert) return stored_cert.error();
  if (!stored_key) return stored_key.error();
  auto ca = tls::DevCa::open({std::move(*stored_cert), std::move(*stored_key)});
  if (!ca) return ca.error().with(cert);
  return ca;
}

bool is_member_name(const std::string& name) {
  return !name.empty() && name.size() <= 128 && name != "ca" &&
         name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == std::string::npos && name[0] != '.';
}

int dev_ca(const Call& call) {
  const auto life = parse_duration(call.life);
  if (!life) return complain(kUsage, "tls dev-ca --life: " + life.error().message);
  const std::int64_t life_s = std::chrono::duration_cast<std::chrono::seconds>(*life).count();
  if (life_s < 1 || life_s > kCaDays * kDay) return complain(kUsage, fmt::format("tls dev-ca --life: '{}' must be from 1s to {}h", call.life, kCaDays * 24));
  const std::string& dir = call.arguments[1];
  const std::vector<std::string> names(call.arguments.begin() + 2, call.arguments.end());
  for (const std::string& name : names)
    if (!is_member_name(name)) return complain(kUsage, fmt::format("tls dev-ca: '{}' is no member name: 1 to 128 of [A-Za-z0-9._-], not ca", name));
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) return complain(kBad, fmt::format("cannot make '{}': {}", dir, std::strerror(errno)));
  const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  bool made = false;
  const auto ca = open_or_create(dir, now, made);
  if (!ca) return complain(kBad, ca.error().message);
  Json members = Json::array();
  for (const std::string& name : names) {
    const auto issued = ca->issue({.name = name, .label = call.label, .from_s = now - kDay, .until_s = now + life_s});
    if (!issued) return complain(kBad, issued.error().message);
    const std::string cert = dir + "/" + name + ".pem", key = dir + "/" + name + "-key.pem";
    // The key first: an agent that looks in between finds a pair that does not fit, and looks again.
    if (auto put = put_file(key, issued->key, true); !put) return complain(kBad, put.error().message);
    if (auto put = put_file(cert, issued->cert, false); !put) return complain(kBad, put.error().message);
    members.push_back({{"name", name}, {"cert", cert}, {"key", key}});
  }
  if (call.json) {
    put(uv::text_of({{"ca", dir + "/ca.pem"}, {"made", made}, {"label", call.label}, {"life_s", life_s}, {"members", members}}));
    return kGood;
  }
  say(fmt::format("{} {}/ca.pem; its key {}/ca-key.pem is for this directory alone", made ? "New CA" : "CA from before:", dir, dir));
  for (const Json& one : members) {
    say(fmt::format("plumvined --name {}{} --tls-cert {} --tls-key {} --tls-ca {}/ca.pem", one.at("name").get<std::string>(),
                    call.label.empty() ? "" : " --cluster " + call.label, one.at("cert").get<std::string>(), one.at("key").get<std::string>(), dir));
  }
  return kGood;
}

std::string yes_or_no(const Json& value) { return value.is_null() ? "-" : value == true ? "yes" : "no"; }

int verify(const Call& call) {
  Json body = Json::object();
  for (std::size_t i = 1; i < call.arguments.size(); ++i) {
    const auto text = uv::read_file(call.arguments[i], kPemMax);
    if (!text) return complain(kBad, text.error().message);
    if (text->find("PRIVATE KEY") != std::string::npos) return complain(kUsage, fmt::format("tls verify: '{}' holds a private key, which nobody needs to see", call.arguments[i]));
    body[i == 1 ? "cert" : "ca"] = *text;
  }
  Client client(call.http);
  const auto answer = client.post("/tls/verify", uv::text_of(body));
  if (!answer) return complain(kUnreachable, client.error());
  const Json report = Json::parse(answer->body, nullptr, false);
  if (!report.is_object() || !report.contains("members")) return complain(kBad, words_of(*answer));
  if (call.json) {
    put(answer->body);
  } else {
    Table table({"MEMBER", "TAKES IT", "BY NEW CA", "WHY NOT"});
    for (const Json& row : report.at("members"))
      table.row({row.at("member").get<std::string>(), yes_or_no(row.at("takes")), yes_or_no(row.at("taken")), row.at("why").is_string() ? row.at("why").get<std::string>() : "-"});
    for (const Json& name : report.at("silent")) table.row({name.get<std::string>(), "-", "-", "it did not answer"});
    put(table.text());
  }
  return report.at("good") == true ? kGood : kBad;
}

}  // namespace

int tls(const Call& call) {
  const auto& typed = call.arguments;
  if (typed.size() >= 3 && typed[0] == "dev-ca") return dev_ca(call);
  if ((typed.size() == 2 || typed.size() == 3) && typed[0] == "verify") return verify(call);
  return complain(kUsage, kTlsUsage);
}

}  // namespace plumvine::cli
