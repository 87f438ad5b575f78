#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <plumvine/detail/check.hpp>

#include "../frames.hpp"

#include "reader.hpp"

/// The signature of a gossip as bytes: `WIRE.md`, signed gossip.
namespace plumvine::wire {

/// Fields of a signature, the type that the gossip would be else among them, and of a cut.
inline constexpr std::size_t kSignatureFields = 7;
inline constexpr std::size_t kCutFields = 4;

/// `with_other`: the gossip is a run, or was in one.
template <class Sink>
void put_signature(Sink& sink, const frame::Signature& f, bool with_other) {
  const auto bin = [&sink](const auto& bytes, std::size_t size) {
    sink.bin_header(size);
    sink.raw(bytes.data(), size);
  };
  bin(f.by.key, f.by.key.size());
  sink.uint(f.by.epoch);
  sink.sint(f.at_us);
  bin(f.bytes, f.bytes.size());
  bin(f.other, with_other ? f.other.size() : 0);
  sink.array(f.cut ? kCutFields : 0);
  if (!f.cut) return;
  PLUMVINE_CHECK(f.cut->path.size() <= frame::kPathMax, "a path in a run is too long");
  sink.uint(f.cut->first);
  sink.uint(f.cut->run.count);
  sink.boolean(f.cut->run.alike);
  sink.bin_header(f.cut->path.size() * frame::kHashSize);
  for (const frame::Hash& hash : f.cut->path) sink.raw(hash.data(), hash.size());
}

template <std::size_t N>
inline void get_array(Reader& in, std::array<std::byte, N>& out) {
  if (in.bin_header() != N) in.fail("bytes of another length");
  const BytesView bytes = in.take(N);
  std::copy(bytes.begin(), bytes.end(), out.begin());
}

/// Reads what a signature has, and leaves its path where it is. `in_run`: what it signs is a run.
inline void get_signature(Reader& in, frame::Signature& signature, BytesView& path_bytes, bool in_run) {
  using namespace frame;
  get_array(in, signature.by.key);
  signature.by.epoch = in.uint();
  signature.at_us = in.sint();
  get_array(in, signature.bytes);
  const std::size_t other = in.bin_header();
  if (other != 0 && other != kHashSize) in.fail("a hash of another length");
  const BytesView hash = in.take(other);
  std::copy(hash.begin(), hash.end(), signature.other.begin());
  const std::size_t cut = in.array();
  if (!in.good()) return;
  if (cut != 0 && cut != kCutFields) return in.fail("a cut of another length");
  if ((other != 0) != (in_run || cut != 0) || (in_run && cut != 0)) return in.fail("a hash or cut where there is none");
  if (cut == 0) return;
  signature.cut.emplace();
  signature.cut->first = in.uint();
  signature.cut->run.count = static_cast<std::uint32_t>(in.uint(kRunMessagesMax));
  signature.cut->run.alike = in.boolean();
  const std::size_t path = in.bin_header();
  if (path % kHashSize != 0 || path > kPathMax * kHashSize) in.fail("a path of another length");
  path_bytes = in.take(path);
}

}  // namespace plumvine::wire
