#pragma once

#include <span>
#include <string_view>

/// Stable codes of the log lines that the runtime writes itself.
namespace plumvine::code {

inline constexpr std::string_view kLinkUp = "PV1301";
inline constexpr std::string_view kLinkDown = "PV1302";
inline constexpr std::string_view kDialFailed = "PV1303";
inline constexpr std::string_view kLinkRefused = "PV1304";
inline constexpr std::string_view kWrongLabel = "PV1305";
inline constexpr std::string_view kBadHello = "PV1306";
inline constexpr std::string_view kBadFrame = "PV1307";
inline constexpr std::string_view kQueueFull = "PV1308";
inline constexpr std::string_view kDuplicateLink = "PV1309";
inline constexpr std::string_view kHalfOpenLimit = "PV1310";
inline constexpr std::string_view kStrangeStream = "PV1311";
inline constexpr std::string_view kByeReceived = "PV1312";
inline constexpr std::string_view kPartition = "PV1401";
inline constexpr std::string_view kPartitionHealed = "PV1402";
inline constexpr std::string_view kStartAlone = "PV1403";
inline constexpr std::string_view kBadSeed = "PV1404";
inline constexpr std::string_view kBadMeta = "PV1405";
inline constexpr std::string_view kMessagesLost = "PV1406";
inline constexpr std::string_view kPeerLimit = "PV1407";
inline constexpr std::string_view kSuppressed = "PV1499";
inline constexpr std::string_view kAdvertising = "PV1501";
inline constexpr std::string_view kServingHttp = "PV1502";

/// What a code means and what to do about it.
struct Explanation {
  std::string_view code;
  std::string_view title;
  std::string_view text;
};

/// All codes above, in their order.
std::span<const Explanation> explanations() noexcept;

}  // namespace plumvine::code
