#pragma once

#include <cstddef>
#include <string_view>

#include <plumvine/bytes.hpp>
#include <plumvine/config.hpp>
#include <plumvine/result.hpp>
#include <plumvine/types.hpp>

namespace plumvine {

/// memberlist's bound on metadata.
inline constexpr std::size_t kMetaMax = 512;
/// Where raw bytes of `set_meta` are kept among the tags.
inline constexpr std::string_view kTagRaw = "pvm";

/// Size of the text of `kTagOrigin`.
inline constexpr std::size_t kOriginTextSize = 56;

/// A member's metadata: our own tags (their size is the same for every instance) and the user's. Errc::invalid_argument
/// for a tag that is ours, and above `kMetaMax`; the message says how much is left.
/// `origin` is the text of `kTagOrigin`; empty: there is none.
Result<Bytes> make_metadata(const Config& config, InstanceId instance, const Tags& user, std::string_view origin = {});

}  // namespace plumvine
