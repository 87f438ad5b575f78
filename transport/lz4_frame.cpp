#include "lz4_frame.hpp"

#include <lz4frame.h>

#include <memory>
#include <string>

namespace plumvine::lz4 {

namespace {
/// No LZ4 block unfolds to more than so many times its size.
constexpr std::uint64_t kMostRatio = 255;
}  // namespace

std::optional<Bytes> compress(const Bytes& payload) {
  const std::size_t size = payload.size();
  if (size < kLeast) return std::nullopt;
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.frameInfo.blockSizeID = size <= (64 << 10) ? LZ4F_max64KB : LZ4F_max4MB;
  preferences.frameInfo.contentSize = size;
  const std::size_t bound = LZ4F_compressFrameBound(size, &preferences);
  const auto scratch = std::make_unique_for_overwrite<std::byte[]>(bound);
  const std::size_t written = LZ4F_compressFrame(scratch.get(), bound, payload.data(), size, &preferences);
  if (LZ4F_isError(written) != 0 || written > size - size / 16) return std::nullopt;
  return Bytes::copy_of(BytesView{scratch.get(), written});
}

Result<Bytes> decompress(const Bytes& frame, std::uint64_t size) {
  if (size / kMostRatio > frame.size()) return Error{Errc::malformed, "no LZ4 frame of this size holds so much"};
  LZ4F_dctx* made = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)) != 0) {
    return Error{Errc::system, "no memory for decompression"};
  }
  const std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> context{made, &LZ4F_freeDecompressionContext};
  auto block = std::make_shared_for_overwrite<std::byte[]>(size);
  std::size_t in = 0;
  std::size_t out = 0;
  for (std::size_t wanted = 1; wanted != 0;) {
    std::size_t taken = frame.size() - in;
    std::size_t given = size - out;
    wanted = LZ4F_decompress(context.get(), block.get() + out, &given, frame.data() + in, &taken, nullptr);
    if (LZ4F_isError(wanted) != 0) return Error{Errc::malformed, "an LZ4 frame is broken: " + std::string{LZ4F_getErrorName(wanted)}};
    in += taken;
    out += given;
    if (wanted != 0 && taken == 0 && given == 0) {
      return Error{Errc::malformed, out == size ? "an LZ4 frame holds more than its message says" : "an LZ4 frame is cut off"};
    }
  }
  if (in != frame.size()) return Error{Errc::malformed, "bytes follow an LZ4 frame"};
  if (out != size) return Error{Errc::malformed, "an LZ4 frame holds less than its message says"};
  return Bytes::adopt(std::move(block), 0, size);
}

}  // namespace plumvine::lz4
