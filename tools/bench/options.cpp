#include "options.hpp"

#include <charconv>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace plumvine::bench {
namespace {

constexpr std::size_t kSizeMin = 64;
constexpr std::size_t kSizeMax = std::size_t{16} << 20;

template <class T>
Status read_number(std::string_view flag, std::string_view text, T least, T most, T& out) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= least && value <= most))
    return {Errc::invalid_argument, fmt::format("{} '{}': must be a number from {} to {}", flag, text, least, most)};
  out = value;
  return {};
}

/// `--flag value` and `--flag=value`, one after the other.
class Flags {
 public:
  explicit Flags(const std::vector<std::string>& arguments) : arguments_(arguments) {}

  bool next() {
    if (at_ == arguments_.size()) return false;
    const std::string& argument = arguments_[at_++];
    const auto equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
    name_ = argument.substr(0, equals);
    value_.reset();
    if (equals != std::string::npos) value_ = argument.substr(equals + 1);
    return true;
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  Result<std::string> value() {
    if (value_) return *value_;
    if (at_ == arguments_.size()) return {Errc::invalid_argument, name_ + " needs a value"};
    return arguments_[at_++];
  }
  [[nodiscard]] Status no_value() const {
    if (value_) return {Errc::invalid_argument, name_ + " takes no value"};
    return {};
  }

 private:
  const std::vector<std::string>& arguments_;
  std::size_t at_ = 0;
  std::string name_;
  std::optional<std::string> value_;
};

Status set(Options& options, const std::string& flag, const std::string& text) {
  if (flag == "--n") return read_number(flag, text, 2U, kMembersMax, options.members);
  if (flag == "--size") return read_number(flag, text, kSizeMin, kSizeMax, options.size);
  if (flag == "--secs") return read_number(flag, text, 0.01, 3600.0, options.seconds);
  if (flag == "--rate") return read_number(flag, text, std::uint32_t{1}, std::uint32_t{10000}, options.rate);
  if (flag == "--port") return read_number(flag, text, std::uint16_t{0}, std::uint16_t{65535}, options.port);
  if (flag == "--run") return read_number(flag, text, std::uint64_t{0}, UINT64_MAX, options.run);
  if (flag == "--quiet-wait") return read_number(flag, text, 0.0, 600.0, options.quiet_wait);
  if (flag == "--transport") {
    for (const LinkTransport transport : {LinkTransport::tcp, LinkTransport::quic})
      if (text == to_string(transport)) return options.transport = transport, Status{};
    return {Errc::invalid_argument, fmt::format("--transport '{}': must be tcp or quic", text)};
  }
  if (flag == "--netns") {
    if (text.empty() || text.find('/') != std::string::npos)
      return {Errc::invalid_argument, fmt::format("--netns '{}': must be what the names of the members' network namespaces begin with", text)};
    return options.netns = text, Status{};
  }
  if (flag == "--mode") {
    for (const Mode mode : {Mode::one, Mode::all, Mode::lat})
      if (text == to_string(mode)) return options.mode = mode, Status{};
    return {Errc::invalid_argument, fmt::format("--mode '{}': must be one, all or lat", text)};
  }
  for (const Topology topology : {Topology::tree, Topology::full})
    if (text == to_string(topology)) return options.topology = topology, Status{};
  return {Errc::invalid_argument, fmt::format("--topology '{}': must be tree or full", text)};
}

}  // namespace

std::string variant_of(const Options& options) {
  std::string variant = to_string(options.topology);
  if (options.threads) variant += "-threads";
  if (options.transport == LinkTransport::quic)
    variant += "-quic";
  else if (options.tls)
    variant += "-tls";
  return variant;
}

const char* to_string(Mode mode) noexcept { return mode == Mode::one ? "one" : mode == Mode::all ? "all" : "lat"; }
const char* to_string(Topology topology) noexcept { return topology == Topology::tree ? "tree" : "full"; }

Result<Options> parse_options(const std::vector<std::string>& arguments) {
  Options options;
  bool rated = false;
  Flags flags{arguments};
  while (flags.next()) {
    const std::string name = flags.name();
    if (name == "--threads" || name == "--tls") {
      if (Status status = flags.no_value(); !status) return status.error();
      (name == "--tls" ? options.tls : options.threads) = true;
      continue;
    }
    bool known = false;
    for (const char* flag : {"--n", "--size", "--secs", "--rate", "--port", "--run", "--quiet-wait", "--mode", "--topology", "--transport", "--netns"})
      known = known || name == flag;
    if (!known) {
      return Error{Errc::invalid_argument, name.starts_with('-') ? fmt::format("unknown flag '{}'; see plumvine-bench --help", name)
                                                                 : fmt::format("unknown command '{}'; there is report", name)};
    }
    auto value = flags.value();
    if (!value) return value.error();
    if (Status status = set(options, name, *value); !status) return status.error();
    rated = rated || name == "--rate";
  }
  if (options.topology == Topology::full && options.members > kFullMax) {
    return Error{Errc::invalid_argument,
                 fmt::format("--topology full with --n {}: at most {} members can each have a tree of their own; lower --n, or take tree",
                             options.members, kFullMax)};
  }
  const unsigned ports = options.transport == LinkTransport::quic ? 2 * options.members : options.members;
  if (options.port != 0 && options.port + ports - 1 > 65535)
    return Error{Errc::invalid_argument, fmt::format("--port {}: {} members need {} ports, and the last is 65535", options.port, options.members, ports)};
  if (options.threads && !options.netns.empty())
    return Error{Errc::invalid_argument, "--netns: threads of one process are in one network namespace; leave --threads out"};
  if (options.transport == LinkTransport::quic) options.tls = true;
  if (rated && options.mode != Mode::lat) return Error{Errc::invalid_argument, "--rate: only --mode lat has one"};
  return options;
}

Result<ReportOptions> parse_report(const std::vector<std::string>& arguments) {
  ReportOptions options;
  Flags flags{arguments};
  while (flags.next()) {
    if (flags.name() == "--svg") {
      auto value = flags.value();
      if (!value) return value.error();
      if (value->empty()) return Error{Errc::invalid_argument, "--svg needs a file"};
      options.svg = *value;
    } else if (flags.name() == "--over") {
      auto value = flags.value();
      if (!value) return value.error();
      if (*value != "size" && *value != "members") return Error{Errc::invalid_argument, fmt::format("--over '{}': must be size or members", *value)};
      options.over_members = *value == "members";
    } else if (flags.name().starts_with('-') && flags.name().size() > 1) {
      return Error{Errc::invalid_argument, fmt::format("unknown flag '{}'; report takes files, --svg and --over", flags.name())};
    } else {
      options.files.push_back(flags.name());
    }
  }
  if (options.files.empty()) return Error{Errc::invalid_argument, "report needs a file of JSON lines"};
  return options;
}

}  // namespace plumvine::bench
