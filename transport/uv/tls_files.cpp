#include "tls_files.hpp"

#include <sys/stat.h>

#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <plumvine/detail/wipe.hpp>

#include "atomic_file.hpp"

namespace plumvine::uv {
namespace {

/// Many CAs and much text around them.
constexpr std::size_t kFileMax = std::size_t{1} << 20;

}  // namespace

Result<std::shared_ptr<const tls::Credentials>> load_tls(const Config& config) {
  tls::PemTexts pem;
  struct File {
    const char* key;
    const std::string* path;
    std::string* text;
  };
  const std::array<File, 3> files{File{"tls_cert", &config.tls_cert, &pem.cert}, {"tls_key", &config.tls_key, &pem.key}, {"tls_ca", &config.tls_ca, &pem.ca}};
  for (const File& file : files) {
    auto text = read_file(*file.path, kFileMax);
    if (!text) return Error{Errc::system, text.error().message}.with(file.key);
    *file.text = std::move(*text);
  }
  const Wiped key(pem.key);
  auto loaded = tls::Credentials::load(pem, {config.name, config.cluster});
  if (loaded) return loaded;
  std::string message = loaded.error().message;
  for (const File& file : files) {
    if (message.starts_with(file.key)) message.insert(std::string_view(file.key).size(), ": '" + *file.path + "'");
  }
  return Error{loaded.error().code, std::move(message)};
}

std::string describe(const tls::Credentials& credentials) {
  return fmt::format("{}, good until {:%Y-%m-%dT%H:%M:%SZ}", credentials.fingerprint(), fmt::gmtime(static_cast<std::time_t>(credentials.expires_s())));
}

void TlsWatch::follow(const Config& config) {
  paths_ = {config.tls_cert, config.tls_key, config.tls_ca};
  told_ = last_ = look();
}

bool TlsWatch::changed() {
  const Stamp now = look();
  const bool quiet = now == last_;
  last_ = now;
  if (!quiet || now == told_) return false;
  told_ = now;
  return true;
}

TlsWatch::Stamp TlsWatch::look() const {
  Stamp stamp{};
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    struct stat file {};
    if (stat(paths_[i].c_str(), &file) != 0) continue;
    stamp[4 * i] = file.st_mtim.tv_sec;
    stamp[4 * i + 1] = file.st_mtim.tv_nsec;
    stamp[4 * i + 2] = file.st_size;
    stamp[4 * i + 3] = static_cast<std::int64_t>(file.st_ino);
  }
  return stamp;
}

}  // namespace plumvine::uv
