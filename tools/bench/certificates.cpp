#include "certificates.hpp"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "transport/tls/dev_ca.hpp"

namespace plumvine::bench {
namespace {

constexpr std::int64_t kDay = 24 * 3600;

Status put(const std::string& path, const std::string& text) {
  std::ofstream file{path, std::ios::binary};
  file << text;
  file.close();
  if (!file) return {Errc::system, "cannot write '" + path + "'"};
  return {};
}

}  // namespace

Certificates::~Certificates() {
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

Status Certificates::make(unsigned members) {
  std::string path = (std::filesystem::temp_directory_path() / "plumvine-bench-XXXXXX").string();
  // Only its owner may look inside.
  if (::mkdtemp(path.data()) == nullptr) return Error{Errc::system, std::strerror(errno)}.with(path);
  directory_ = path;
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  const auto ca = tls::DevCa::create("plumvine-bench", now - kDay, now + kDay);
  if (!ca) return ca.error();
  if (Status written = put(path + "/ca.pem", ca->own().cert); !written) return written;
  for (unsigned i = 0; i < members; ++i) {
    const std::string name = "n" + std::to_string(i);
    const auto issued = ca->issue({.name = name, .from_s = now - kDay, .until_s = now + kDay});
    if (!issued) return issued.error();
    for (const auto& [file, text] : {std::pair{name + ".pem", issued->cert}, std::pair{name + "-key.pem", issued->key}})
      if (Status written = put(path + "/" + file, text); !written) return written;
  }
  return {};
}

}  // namespace plumvine::bench
