// What somebody far away needs to see what is wrong, in one file.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "health/json_text.hpp"
#include "old_file.hpp"
#include "redact.hpp"
#include "tar.hpp"
#include "terminal.hpp"
#include "transport/crypto/sha256.hpp"
#include "transport/uv/answer_json.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kUsageText = "bundle [--redact] [--force] -o FILE";
constexpr const char* kFolder = "plumvine-bundle/";

struct Part {
  const char* file;
  const char* path;
};
constexpr std::array kParts{
    Part{"state.json", "/debug/state"},     Part{"config.json", "/config?origin=1"},
    Part{"health.json", "/healthz"},        Part{"ready.json", "/readyz"},
    Part{"doctor.json", "/doctor"},
    Part{"members.json", "/members"},       Part{"peers.json", "/peers"},
    Part{"tree.json", "/tree"},             Part{"lag.json", "/lag"},
    Part{"metrics.txt", "/metrics"},        Part{"metric-history.json", "/debug/history"},
    Part{"events.jsonl", "/events"},
};

struct File {
  std::string name, content;
};
struct Missing {
  std::string name, why;
};

std::string text_of(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n'; }

/// The hosts in `h:7946`, `[::1]:7946`, `srv+h` and lists of these, whatever stands between them.
void know_hosts(Redactor& redactor, std::string_view typed) {
  const std::string list = redactor.text(typed);  // so that no part of an address looks like a name
  const auto in_host = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_'; };
  for (std::size_t at = 0; at < list.size();) {
    std::size_t end = at;
    while (end < list.size() && in_host(list[end])) ++end;
    const std::string_view word = std::string_view(list).substr(at, end - at);
    const bool number = word.find_first_not_of("0123456789.") == std::string_view::npos;
    const bool prefix = word == "srv" && end < list.size() && list[end] == '+';
    if (!number && !prefix && word != "off" && !word.starts_with("addr-") && !word.starts_with("host-")) redactor.know_host(word);
    at = end + 1;
  }
}

/// Where the configuration and the state name hosts.
void know_hosts_of(Redactor& redactor, const std::vector<File>& files) {
  for (const File& file : files) {
    const Json json = Json::parse(file.content, nullptr, false);
    if (!json.is_object()) continue;
    if (file.name == "config.json") {
      for (const char* key : {"join", "bind", "advertise", "http"}) {
        if (!json.contains(key) || !json[key].contains("value")) continue;
        const Json& value = json[key]["value"];
        know_hosts(redactor, value.is_string() ? value.get<std::string>() : value.dump());
      }
    } else if (file.name == "state.json" && json.contains("seeds")) {
      for (const auto& seed : json["seeds"]) know_hosts(redactor, seed.value("name", ""));
    }
  }
}

/// Raw metadata is the user's, and in base64: nobody sees what is in it.
void drop_meta(Json& json) {
  if (!json.is_structured()) return;
  for (auto& [key, value] : json.items()) {
    if (key == "meta" && value.is_string()) value = fmt::format("({} characters taken out)", value.get_ref<const std::string&>().size());
    else drop_meta(value);
  }
}

void redact(std::vector<File>& files, std::vector<Missing>& missing, std::string_view agent, Redactor& redactor) {
  know_hosts_of(redactor, files);
  know_hosts(redactor, agent);
  for (File& file : files) {
    if (file.name == "members.json" || file.name == "state.json") {
      Json json = Json::parse(file.content, nullptr, false);
      drop_meta(json);
      file.content = json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
    }
    file.content = redactor.text(file.content);
  }
  for (Missing& part : missing) part.why = redactor.text(part.why);
}

std::string versions(const std::vector<File>& files) {
  Json agent = nullptr;
  for (const File& file : files) {
    const Json json = file.name == "state.json" ? Json::parse(file.content, nullptr, false) : Json();
    if (json.is_object()) agent = json.value("version", "");
  }
  utsname system{};
  (void)uname(&system);
  // Without its host name.
  const std::string kernel = fmt::format("{} {} {}", system.sysname, system.release, system.machine);
  return text_of({{"plumvine", PLUMVINE_VERSION}, {"agent", agent}, {"system", kernel}});
}

std::int64_t now_s() { return static_cast<std::int64_t>(std::time(nullptr)); }

/// Writes a file that is new, and that only its owner reads.
std::optional<std::string> write_new(const std::string& path, std::string_view bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return std::strerror(errno);
  bool good = fchmod(fd, 0600) == 0;
  for (std::string_view rest = bytes; good && !rest.empty();) {
    const ssize_t n = write(fd, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    good = n > 0;
    if (good) rest.remove_prefix(static_cast<std::size_t>(n));
  }
  std::string why = good ? "" : std::strerror(errno);
  if (close(fd) != 0 && good) good = false, why = std::strerror(errno);
  if (good) return std::nullopt;
  unlink(path.c_str());
  return why;
}

/// False: the agent is not there.
bool fetch_parts(Client& client, std::vector<File>& files, std::vector<Missing>& missing) {
  Progress progress("bundle", kParts.size());
  bool reached = false;
  for (const Part& part : kParts) {
    progress.next(part.file);
    const auto answer = client.get(part.path);
    if (!answer && !reached) return false;
    reached = true;
    // An unhealthy node answers with 503, and that is worth having.
    if (answer && (answer->status == 200 || (answer->status == 503 && !answer->body.empty()))) files.push_back({part.file, answer->body});
    else missing.push_back({part.file, answer ? words_of(*answer) : client.error()});
  }
  return true;
}

}  // namespace

int bundle(const Call& call) {
  if (call.output.empty() || !call.arguments.empty()) return complain(kUsage, kUsageText);
  std::error_code ignored;
  if (!call.force && std::filesystem::exists(std::filesystem::symlink_status(call.output, ignored)))
    return complain(kBad, fmt::format("{} exists already (--force overwrites it)", call.output));
  Client client(call.http);
  std::vector<File> files;
  std::vector<Missing> missing;
  if (!fetch_parts(client, files, missing)) return complain(kUnreachable, client.error());
  files.push_back({"versions.json", versions(files)});
  Redactor redactor;
  if (call.redact) redact(files, missing, call.http, redactor);

  const std::int64_t made_s = now_s();
  Json manifest{{"made", dump::time_text(made_s * 1000)}, {"by", "plumvine " PLUMVINE_VERSION}, {"redacted", call.redact}};
  if (call.redact) manifest.update({{"addresses_taken_out", redactor.addresses()}, {"host_names_taken_out", redactor.hosts()}});
  manifest.update({{"files", Json::array()}, {"missing", Json::array()}});
  Tar tar;
  for (const File& file : files) {
    tar.add(kFolder + file.name, file.content, made_s);
    manifest["files"].push_back({{"name", file.name}, {"size", file.content.size()}, {"sha256", sha256_hex(file.content)}});
  }
  for (const Missing& part : missing) manifest["missing"].push_back({{"name", part.name}, {"why", part.why}});
  tar.add(std::string(kFolder) + "manifest.json", text_of(manifest), made_s);

  const std::string packed = gzip(tar.finish());
  if (packed.empty()) return complain(kBad, "no memory to pack the bundle");
  if (call.force) {
    if (const auto why = remove_old(call.output)) return complain(kBad, *why);
  }
  if (const auto why = write_new(call.output, packed)) return complain(kBad, fmt::format("{} cannot be written: {}", call.output, *why));
  if (call.json) {
    manifest["bundle"] = call.output;
    put(uv::text_of(manifest));
  } else {
    say(fmt::format("{}: {} files, {} bytes{}", call.output, files.size() + 1, packed.size(),
                    call.redact ? fmt::format("; {} addresses and {} host names taken out", redactor.addresses(), redactor.hosts()) : ""));
    for (const Missing& part : missing) complain(kBad, fmt::format("{} is missing: {}", part.name, part.why));
  }
  return missing.empty() ? kGood : kBad;
}

}  // namespace plumvine::cli
