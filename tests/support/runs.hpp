#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <plumtree/run.hpp>

namespace plumvine::test {

inline std::vector<Bytes> bytes_of(const std::vector<std::string>& texts) {
  std::vector<Bytes> out;
  for (const std::string& text : texts) out.push_back(Bytes::copy_of(text));
  return out;
}

/// A run of these payloads, also of more than publishers put into one.
inline frame::Joined join(const std::vector<Bytes>& payloads) {
  frame::Joined out;
  out.run.count = static_cast<std::uint32_t>(payloads.size());
  std::string sizes, bytes;
  for (const Bytes& payload : payloads) {
    out.run.alike = out.run.alike && payload.size() == payloads.front().size();
    sizes += static_cast<char>(payload.size() >> 8);
    sizes += static_cast<char>(payload.size());
    bytes += payload.text();
  }
  out.bytes = Bytes::copy_of(out.run.alike ? bytes : sizes + bytes);
  return out;
}

}  // namespace plumvine::test
