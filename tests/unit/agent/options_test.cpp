#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "support/pch.hpp"
#include "tools/agent/flags.hpp"
#include "tools/agent/options.hpp"

using namespace plumvine;
using namespace plumvine::agent;

namespace {

/// What the arguments are refused with; empty = they are taken.
std::string refusal(const std::vector<std::string>& arguments, int status = 2) {
  Options options;
  const auto refused = read_options(arguments, options);
  if (!refused) return {};
  CHECK(refused->status == status);
  CHECK(refused->text().find('\n') == std::string::npos);
  return refused->text();
}

Options taken(const std::vector<std::string>& arguments) {
  Options options;
  const auto refused = read_options(arguments, options);
  if (refused) FAIL(refused->text());
  return options;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A file for one test.
class File {
 public:
  explicit File(const std::string& text) {
    const int fd = mkstemp(path_.data());
    REQUIRE(fd >= 0);
    close(fd);
    std::ofstream(path_) << text;
  }
  ~File() { unlink(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/plumvine-options-XXXXXX";
};

/// A variable for one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }

 private:
  const char* name_;
};

}  // namespace

TEST_CASE("the defaults are those of the documentation", "[agent]") {
  const auto options = taken({});
  CHECK(options.config.preset == "lan");
  CHECK(options.config.http == "127.0.0.1:9090");
  CHECK(options.config.bind.empty());
  CHECK(options.config.log_level == LogLevel::info);
  CHECK_FALSE(options.config.name.empty());
  CHECK(options.publish.empty());
}

TEST_CASE("flags take their value behind a blank or an equals sign", "[agent]") {
  const auto options = taken(
      {"--name=a.b-c_1", "--bind", "127.0.0.1:0", "--http", "off",          "--join", "s1",      "--join=[::1]:7",
       "--preset",       "wan",    "--cluster",   "prod",   "--print",      "*",      "--print", "t",
       "--publish",      "t",      "--log-level", "debug",  "--log-format", "json",   "--set",   "probe_interval=7s"});
  CHECK(options.config.name == "a.b-c_1");
  CHECK(options.config.bind == "127.0.0.1:0");
  CHECK(options.config.http.empty());
  CHECK(options.config.seeds == std::vector<std::string>{"s1", "[::1]:7"});
  CHECK(options.config.preset == "wan");
  CHECK(options.config.cluster == "prod");
  CHECK(options.print == std::vector<std::string>{"*", "t"});
  CHECK(options.publish == std::vector<std::string>{"t"});
  CHECK(options.config.log_level == LogLevel::debug);
  CHECK(options.log_format == LogFormat::json);
  CHECK(options.config.swim.probe_interval == std::chrono::seconds{7});
}

TEST_CASE("a bad flag or value is refused in one line that names it and what is allowed", "[agent]") {
  struct Row {
    std::vector<std::string> arguments;
    std::vector<std::string> named;
  };
  for (const auto& row : std::vector<Row>{
           {{"--pubish", "t"}, {"--pubish", "--publish", "--help"}},
           {{"stray"}, {"'stray'", "--name"}},
           {{"--name"}, {"--name", "NAME"}},
           {{"--name", "a b"}, {"--name", "'a b'", "[A-Za-z0-9._-]"}},
           {{"--name", ""}, {"--name", "''"}},
           {{"--bind", "x"}, {"--bind", "'x'"}},
           {{"--bind", "1.2.3.4:99999"}, {"--bind", "99999"}},
           {{"--http", "x"}, {"--http", "'x'", "HOST:PORT"}},
           {{"--join", "a b"}, {"--join", "'a b'"}},
           {{"--preset", "huge"}, {"--preset", "'huge'", "local, lan, wan, large or fast"}},
           {{"--set", "preset=huge"}, {"'huge'"}},
           {{"--log-level", "loud"}, {"--log-level", "'loud'", "trace"}},
           {{"--log-format", "xml"}, {"--log-format", "'xml'", "json"}},
           {{"--transport", "udp"}, {"--transport", "'udp'", "tcp or quic"}},
           {{"--transport", "quic"}, {"--transport", "quic", "tls_cert"}},
           {{"--set", "quic_port=70000"}, {"quic_port", "70000", "65535"}},
           {{"--set", "probe"}, {"--set", "'probe'", "key=value"}},
           {{"--set", "probe_intervall=1s"}, {"'probe_intervall'", "'probe_interval'"}},
           {{"--set", "probe_interval=1"}, {"probe_interval", "'1'", "200ms"}},
           {{"--set", "probe_timeout=5s"}, {"probe_timeout", "probe_interval"}},
           {{"--publish", "_x"}, {"--publish", "'_x'"}},
           {{"--publish", "a", "--publish", "b"}, {"--publish", "'b'"}},
           {{"--print", "a\nb"}, {"--print", "'a\\x0ab'"}},
           {{"--print", std::string(129, 'x')}, {"--print", "128"}},
           {{"--help=x"}, {"--help", "'x'"}},
       }) {
    const auto text = refusal(row.arguments);
    CAPTURE(text);
    CHECK_FALSE(text.empty());
    for (const auto& part : row.named) CHECK(has(text, part));
  }
}

TEST_CASE("a switch takes no value", "[agent]") { CHECK(has(refusal({"--serf-events=yes"}), "takes none")); }

TEST_CASE("files of TLS are checked before anything starts", "[agent]") {
  CHECK(has(refusal({"--tls-cert", "x"}), "tls_key is missing: TLS needs tls_cert, tls_key and tls_ca"));
  const File junk("junk");
  const std::vector<std::string> bad{"--tls-cert", junk.path(), "--tls-key", junk.path(), "--tls-ca", junk.path()};
  CHECK(has(refusal(bad), "--tls-cert: '" + junk.path() + "': it holds no certificate in PEM"));
  CHECK(has(refusal({"--tls-cert", "/nonexistent/c", "--tls-key", junk.path(), "--tls-ca", junk.path()}, 1), "--tls-cert: cannot read '/nonexistent/c'"));
}

TEST_CASE("keys are checked before anything starts, and never shown", "[agent]") {
  const std::string key = "MDEyMzQ1Njc4OWFiY2RlZg==";
  CHECK(taken({"--encrypt", key}).config.encrypt == key);
  CHECK(has(refusal({"--encrypt", "MDEyMzQ1Njc4OWFiY2RlZmc="}), "--encrypt is no key: the key has 17 bytes, must have 16, 24 or 32"));
  const auto wrong = refusal({"--encrypt", "MDEyMzQ1Njc4OWFiY2Rl!!=="});
  CHECK(has(wrong, "not base64"));
  CHECK_FALSE(has(wrong, "MDEy"));
  const File ring("[\"" + key + "\"]"), broken("[\"" + key + "\", \"QUJD\"]"), object("{}");
  CHECK(taken({"--keyring", ring.path()}).config.keyring == ring.path());
  CHECK(has(refusal({"--keyring", broken.path()}), "key 2: the key has 3 bytes"));
  CHECK(has(refusal({"--keyring", object.path()}), "--keyring: '" + object.path() + "': not a JSON array"));
  CHECK(has(refusal({"--keyring", "/nonexistent/ring"}, 1), "--keyring: cannot read '/nonexistent/ring': No such file"));
  for (const auto& [name, value] : taken({"--encrypt", key}).config.describe()) {
    CHECK_FALSE(has(value, key));
    if (name == "encrypt") CHECK(value == Config::kHidden);
  }
  CHECK(has(refusal({"--set", "encrypt=" + std::string(Config::kHidden)}), "is hidden where it is shown"));
}

TEST_CASE("help names every flag, and asking for it is no mistake", "[agent]") {
  Options options;
  const auto help = read_options({"--help"}, options);
  REQUIRE(help);
  CHECK(help->status == 0);
  for (const auto& flag : flags()) CHECK(has(help->text(), std::string(flag.flag)));
  const auto version = read_options({"--version"}, options);
  REQUIRE(version);
  CHECK(version->status == 0);
  CHECK(version->text().starts_with("plumvined "));
}

TEST_CASE("precedence is preset, file, environment, flag", "[agent]") {
  const File file(
      "probe_interval = \"2s\"\nprobe_timeout = \"900ms\"\ngossip_nodes = 7\npreset = \"local\"\nhttp = \"off\"\n");
  const Variable timeout("PLUMVINE_PROBE_TIMEOUT", "800ms");
  const Variable nodes("PLUMVINE_GOSSIP_NODES", "8");
  const auto options = taken({"--config", file.path(), "--set", "gossip_nodes=9"});
  CHECK(options.config.preset == "local");
  CHECK(options.config.swim.indirect_checks == 1);                             // preset
  CHECK(options.config.swim.probe_interval == std::chrono::seconds{2});        // file
  CHECK(options.config.swim.probe_timeout == std::chrono::milliseconds{800});  // environment
  CHECK(options.config.swim.gossip_nodes == 9);                                // flag
  CHECK(options.config.http.empty());
  // A preset on the command line is the base of the same file.
  CHECK(taken({"--config", file.path(), "--preset", "wan"}).config.swim.probe_interval == std::chrono::seconds{2});
  CHECK(taken({"--config", file.path(), "--set", "preset=wan"}).config.preset == "wan");
}

TEST_CASE("a variable that is no key is passed over with a warning, a bad value is refused", "[agent]") {
  {
    const Variable strange("PLUMVINE_SERVICE_HOST", "10.0.0.1");
    const auto options = taken({});
    REQUIRE(options.warnings.size() == 1);
    CHECK(has(options.warnings[0], "PLUMVINE_SERVICE_HOST"));
  }
  const Variable bad("PLUMVINE_PROBE_INTERVAL", "1");
  CHECK(has(refusal({}), "PLUMVINE_PROBE_INTERVAL"));
}

TEST_CASE("a file's problems are reported at once, with their lines", "[agent]") {
  const File file(
      "name = \"x\"\nprobe_intervl = \"1s\"\n# comment\nlog_format = \"xml\"\nprobe_timeout = 5\nprint = [\"a,b\", "
      "\"c\"]\n[topics.t]\nprioriti = \"high\"\norder = \"lifo\"\n[topics.\"_x\"]\norder = \"fifo\"\n[topics.a.b]\norder = \"fifo\"\n");
  const auto text = refusal({"--config", file.path()});
  CAPTURE(text);
  CHECK(has(text, ":2: unknown key 'probe_intervl'; did you mean 'probe_interval'?"));
  CHECK(has(text, ":4: log_format: 'xml'"));
  CHECK(has(text, ":5: probe_timeout: '5' is not a duration"));
  CHECK(has(text, ":8: unknown key 'topics.t.prioriti'; did you mean 'topics.t.priority'?"));
  CHECK(has(text, ":9: topics.t.order: 'lifo' is not none or fifo"));
  CHECK(has(text, ":11: topics._x.order: topics that start with _ are reserved"));
  CHECK(has(text, ":12: topics.a.b: a name with a dot is quoted, as in [topics.\"a.b\"]"));
  const auto refused = validate_file(file.path());
  REQUIRE(refused);
  CHECK(refused->problems.size() == 7);
}

TEST_CASE("tags are a list, or in a file a table with any text", "[agent]") {
  CHECK(taken({"--set", "tags=role=web,zone="}).config.tags == Tags{{"role", "web"}, {"zone", ""}});
  CHECK(has(refusal({"--set", "tags=web"}), "tags: 'web' is not KEY=VALUE"));
  CHECK(has(refusal({"--set", "tags==web"}), "tags: '=web' is not KEY=VALUE"));
  CHECK(has(refusal({"--set", "tags=pvl=2"}), "'pvl' starts with pv"));
  CHECK(has(refusal({"--set", "tags=role=" + std::string(500, 'x')}), "bytes of 512; ours takes 35, so 477 are left"));
  const File list("tags = [\"role=web\", \"zone=a=b\"]\n");
  CHECK(taken({"--config", list.path()}).config.tags == Tags{{"role", "web"}, {"zone", "a=b"}});
  const File table("[tags]\n\"odd name\" = \"a=b, c\"\nrole = \"wěb\"\n");
  CHECK(taken({"--config", table.path()}).config.tags == Tags{{"odd name", "a=b, c"}, {"role", "wěb"}});
  const File number("[tags]\nrole = 3\n");
  CHECK(has(refusal({"--config", number.path()}), ":1: tags: 'role' must be a name with a text"));
}

TEST_CASE("lists in a file may hold commas, and keys of all kinds are read", "[agent]") {
  const File file(
      "print = [\"a,b\", \"*\"]\njoin = [\"h1\", \"h2:7\"]\ndeliver_local = true\nmax_message_size = \"2MiB\"\n"
      "gossip_nodes = 4\nduplicate_rate_degraded = 0.25\ndelegate_protocol = [0, 0, 0]\n");
  const auto options = taken({"--config", file.path()});
  CHECK(options.print == std::vector<std::string>{"a,b", "*"});
  CHECK(options.config.seeds == std::vector<std::string>{"h1", "h2:7"});
  CHECK(options.config.deliver_local);
  CHECK(options.config.tree.max_message_size == 2u << 20);
  CHECK(options.config.health.duplicate_rate_degraded == 0.25);
  CHECK(options.config.swim.delegate_protocol == std::array<std::uint8_t, 3>{0, 0, 0});
  CHECK_FALSE(validate_file(file.path()));
}

TEST_CASE("what the machine refuses ends with 1", "[agent]") {
  CHECK(has(refusal({"--config", "/nonexistent/x.toml"}, 1), "/nonexistent/x.toml"));
  CHECK(has(refusal({"--config", "/tmp"}, 1), "directory"));
}

TEST_CASE("a name to listen on is resolved", "[agent]") {
  const auto options = taken({"--bind", "localhost:7"});
  CHECK(options.config.bind == "127.0.0.1:7");
  CHECK(has(refusal({"--bind", "a..b:7"}, 1), "'a..b' has no address"));
}

TEST_CASE("topics have tables in the file and keys behind --set", "[agent]") {
  const File file(
      "[topics.prices]\npriority = \"high\"\noverflow = \"drop_oldest\"\nbacklog = 7\n[topics.\"orders.eu\"]\norder = \"fifo\"\n"
      "max_size = \"64KiB\"\nretention = \"1m\"\nretention_bytes = \"1MiB\"\ndeliver_local = true\n");
  const auto options = taken({"--config", file.path(), "--set", "topics.prices.priority=low", "--set", "topics.new one.order=fifo"});
  const auto& topics = options.config.topics;
  REQUIRE(topics.size() == 3);
  CHECK(topics.at("prices").priority == Priority::low);
  CHECK(topics.at("prices").overflow == Overflow::drop_oldest);
  CHECK(topics.at("prices").backlog == 7);
  CHECK_FALSE(topics.at("prices").deliver_local);
  CHECK(topics.at("orders.eu").order == Order::fifo);
  CHECK(topics.at("orders.eu").max_size == 65536);
  CHECK(topics.at("orders.eu").retention == std::chrono::minutes{1});
  CHECK(topics.at("orders.eu").retention_bytes == 1 << 20);
  CHECK(topics.at("orders.eu").deliver_local == true);
  CHECK(topics.at("new one").order == Order::fifo);
  CHECK(has(refusal({"--set", "topics.prices=1"}), "topics.NAME.KEY"));
  CHECK(has(refusal({"--set", "topics.t.payloads=some"}), "'some' is not all or subscribers"));
  CHECK(has(refusal({"--set", "topics.t.subscribe=some"}), "topics.t.subscribe"));
  CHECK(has(refusal({"--set", "topics.t.overflow=block"}), "'block' is not pace, hold, drop_oldest, drop_newest or disconnect"));
}

TEST_CASE("it is known where each value comes from", "[agent]") {
  const File file("probe_interval = \"7s\"\npreset = \"wan\"\ncluster = \"blue\"\n[topics.t]\norder = \"fifo\"\n");
  const Variable variable("PLUMVINE_GOSSIP_NODES", "4");
  const auto options = taken({"--config", file.path(), "--cluster", "red", "--set", "probe_timeout=2s", "--join", "h1"});
  const auto& origins = options.config.origins;
  CHECK(origins.at("probe_interval") == "file " + file.path() + ":1");
  CHECK(origins.at("preset") == "file " + file.path() + ":2");
  CHECK(origins.at("cluster") == "flag --cluster");
  CHECK(origins.at("topics.t.order") == "file " + file.path() + ":5");
  CHECK(origins.at("gossip_nodes") == "environment PLUMVINE_GOSSIP_NODES");
  CHECK(origins.at("probe_timeout") == "flag --set");
  CHECK(origins.at("join") == "flag --join");
  CHECK_FALSE(origins.contains("push_pull_interval"));
  CHECK(taken({"--preset", "fast"}).config.origins.at("preset") == "flag --preset");
}

TEST_CASE("a value that breaks a rule is named with its line in the file", "[agent]") {
  const File file("preset = \"lan\"\nprobe_interval = \"1s\"\nprobe_timeout = \"3s\"\n");
  const auto refused = validate_file(file.path());
  REQUIRE(refused);
  CHECK(has(refused->text(), file.path() + ":3: probe_timeout"));
}

TEST_CASE("log files are keys of the agent, with bounds", "[options]") {
  Options options;
  CHECK(set_key(options, "log_file", "/var/log/a.log"));
  CHECK(set_key(options, "security_log", "/var/log/s.log"));
  CHECK(set_key(options, "log_file_max_bytes", "1MiB"));
  CHECK(set_key(options, "log_files_max", "0"));
  CHECK(options.log_file == "/var/log/a.log");
  CHECK(options.security_log == "/var/log/s.log");
  CHECK(options.log_limits == LogFile::Limits{1 << 20, 0});
  CHECK(set_key(options, "log_file_max_bytes", "1KiB").error().message == "is 1KiB, must be at least 64KiB");
  CHECK(set_key(options, "log_files_max", "1001").error().message == "'1001' is not a whole number from 0 to 1000");
  CHECK(set_key(options, "log_files_max", "-1").error().code == Errc::invalid_argument);
  Options read;
  const auto refusal = read_options({"--set", "log_file=x", "--set", "security_log=x"}, read);
  REQUIRE(refusal);
  CHECK(refusal->status == 2);
  CHECK(refusal->text().find("security_log 'x' is log_file, too") != std::string::npos);
}
