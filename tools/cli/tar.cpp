#include "tar.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <fmt/format.h>
#include <zlib.h>

#include <plumvine/detail/check.hpp>

namespace plumvine::cli {
namespace {

constexpr std::size_t kBlock = 512;

/// The fields of a header, as POSIX has them: octal numbers in text.
struct Header {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2], user[32], group[32],
      major[8], minor[8], prefix[155], rest[12];
};
static_assert(sizeof(Header) == kBlock);

template <std::size_t N>
void put(char (&field)[N], std::string_view text) {
  std::memcpy(field, text.data(), std::min(N, text.size()));
}

}  // namespace

void Tar::add(std::string_view name, std::string_view content, std::int64_t mtime_s) {
  PLUMVINE_CHECK(!name.empty() && name.size() <= 100, "a name fits a tar header");
  Header header;
  std::memset(&header, 0, sizeof header);
  put(header.name, name);
  put(header.mode, "0000600");
  put(header.uid, "0000000");
  put(header.gid, "0000000");
  put(header.size, fmt::format("{:011o}", content.size()));
  put(header.mtime, fmt::format("{:011o}", mtime_s < 0 ? 0 : mtime_s));
  header.type = '0';
  put(header.magic, std::string_view("ustar\0", 6));
  put(header.version, "00");
  put(header.user, "root");
  put(header.group, "root");
  std::memset(header.checksum, ' ', sizeof header.checksum);  // counts as blanks
  const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
  const unsigned sum = std::accumulate(bytes, bytes + sizeof header, 0U);
  put(header.checksum, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  out_.append(reinterpret_cast<const char*>(&header), sizeof header);
  out_ += content;
  out_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

std::string Tar::finish() {
  out_.append(2 * kBlock, '\0');
  return std::move(out_);
}

std::string gzip(std::string_view bytes) {
  constexpr int kGzip = 16;  // added to the window bits: gzip's frame, not zlib's
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(done ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

}  // namespace plumvine::cli
