#pragma once

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>
#include <plumvine/topic.hpp>

#include "plumtree/frames.hpp"

namespace plumvine {

/// The payload as it is to be sent: compressed where that is wanted and worth it. Any thread.
[[nodiscard]] frame::Payload pack(Bytes payload, Compression compression);
/// What was published. `malformed` says what is wrong with it. Reserves no more than `Payload::size`, which was checked when it came.
[[nodiscard]] Result<Bytes> unpack(const frame::Payload& payload);

}  // namespace plumvine
