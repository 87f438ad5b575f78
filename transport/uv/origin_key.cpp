#include "origin_key.hpp"

#include <utility>

#include "atomic_file.hpp"

namespace plumvine::uv {

Result<frame::SignTools> load_origin_key(const std::string& path, std::string cluster, std::int64_t wall_ms,
                                         std::uint64_t random) {
  constexpr std::size_t kFileMax = 16 * 1024;
  constexpr int kRandomBits = 20;
  auto pem = read_file(path, kFileMax);
  if (!pem && pem.error().code == Errc::not_found) {
    pem = make_origin_key();
    if (auto written = write_file(path, *pem); !written) return written.error();
  }
  if (!pem) return pem.error();
  const std::uint64_t epoch = static_cast<std::uint64_t>(wall_ms) << kRandomBits | (random & ((1u << kRandomBits) - 1));
  auto tools = make_sign_tools(*pem, epoch, std::move(cluster));
  if (!tools) {
    return {Errc::invalid_argument, "'" + path + "': " + tools.error().message +
                                        "; put the old file back, or take it away: a new key is made, and the other "
                                        "members have to forget this one"};
  }
  return tools;
}

}  // namespace plumvine::uv
