#include "tar.hpp"

#include <algorithm>
#include <charconv>
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

/// The sum that a header is to have.
unsigned sum_of(Header header) {
  std::memset(header.checksum, ' ', sizeof header.checksum);  // counts as blanks
  const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
  return std::accumulate(bytes, bytes + sizeof header, 0U);
}

/// An octal number, ended by a zero, a blank or the field's end.
template <std::size_t N>
std::optional<std::uint64_t> number_in(const char (&field)[N]) {
  const std::string_view text(field, N);
  const std::string_view digits = text.substr(0, text.find_first_of(std::string_view("\0 ", 2)));
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 8);
  if (digits.empty() || error != std::errc{} || stop != digits.data() + digits.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string tar_header(std::string_view name, std::uint64_t size, std::int64_t mtime_s) {
  PLUMVINE_CHECK(!name.empty() && name.size() <= 100 && size < kTarFileMax, "a name and a size fit a tar header");
  Header header;
  std::memset(&header, 0, sizeof header);
  put(header.name, name);
  put(header.mode, "0000600");
  put(header.uid, "0000000");
  put(header.gid, "0000000");
  put(header.size, fmt::format("{:011o}", size));
  put(header.mtime, fmt::format("{:011o}", mtime_s < 0 ? 0 : mtime_s));
  header.type = '0';
  put(header.magic, std::string_view("ustar\0", 6));
  put(header.version, "00");
  put(header.user, "root");
  put(header.group, "root");
  put(header.checksum, fmt::format("{:06o}", sum_of(header)) + std::string("\0 ", 2));
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

std::string tar_padding(std::uint64_t size) { return std::string((kBlock - size % kBlock) % kBlock, '\0'); }

std::string tar_end() { return std::string(2 * kBlock, '\0'); }

void Tar::add(std::string_view name, std::string_view content, std::int64_t mtime_s) {
  out_ += tar_header(name, content.size(), mtime_s);
  out_ += content;
  out_ += tar_padding(content.size());
}

std::string Tar::finish() { return std::move(out_) + tar_end(); }

Result<std::vector<TarEntry>> read_tar(std::string_view archive) {
  std::vector<TarEntry> files;
  for (;;) {
    if (archive.size() < kBlock) return {Errc::invalid_argument, "it is no tar archive, or cut off"};
    Header header;
    std::memcpy(&header, archive.data(), kBlock);
    if (archive.substr(0, kBlock).find_first_not_of('\0') == std::string_view::npos) return files;
    archive.remove_prefix(kBlock);
    const auto sum = number_in(header.checksum), size = number_in(header.size);
    if (!sum || *sum != sum_of(header) || !size) return {Errc::invalid_argument, "a header in it is damaged"};
    const std::string name(header.name, strnlen(header.name, sizeof header.name));
    if (header.type == '5') continue;
    if (header.type != '0' && header.type != '\0') return {Errc::invalid_argument, fmt::format("'{}' in it is no plain file", name)};
    if (*size > archive.size()) return {Errc::invalid_argument, fmt::format("it is cut off within '{}'", name)};
    files.push_back({name, archive.substr(0, *size)});
    archive.remove_prefix(std::min<std::uint64_t>(archive.size(), *size + tar_padding(*size).size()));
  }
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
