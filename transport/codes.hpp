#pragma once

#include <optional>
#include <span>
#include <string_view>

#include <plumvine/stats.hpp>

/// Stable codes of the library's log lines: 11xx membership, 12xx links, 13xx tree, 14xx node, 15xx its sockets. The machines
/// write their own numbers; those of the runtime are named here.
namespace plumvine::code {

inline constexpr std::string_view kMemberJoined = "PV1116";
inline constexpr std::string_view kKeyChanged = "PV1121";
inline constexpr std::string_view kKeysNotKept = "PV1122";
inline constexpr std::string_view kKeyTaught = "PV1123";
inline constexpr std::string_view kKeyOrder = "PV1124";
inline constexpr std::string_view kLinkUp = "PV1201";
inline constexpr std::string_view kLinkDown = "PV1202";
inline constexpr std::string_view kDialFailed = "PV1203";
inline constexpr std::string_view kLinkRefused = "PV1204";
inline constexpr std::string_view kWrongLabel = "PV1205";
inline constexpr std::string_view kBadHello = "PV1206";
inline constexpr std::string_view kBadFrame = "PV1207";
inline constexpr std::string_view kQueueFull = "PV1208";
inline constexpr std::string_view kDuplicateLink = "PV1209";
inline constexpr std::string_view kHalfOpenLimit = "PV1210";
inline constexpr std::string_view kStrangeStream = "PV1211";
inline constexpr std::string_view kByeReceived = "PV1212";
inline constexpr std::string_view kBadSeal = "PV1213";
inline constexpr std::string_view kTooSlow = "PV1214";
inline constexpr std::string_view kFrame = "PV1215";
inline constexpr std::string_view kTlsUnknownCa = "PV1216";
inline constexpr std::string_view kTlsExpired = "PV1217";
inline constexpr std::string_view kTlsWrongCluster = "PV1218";
inline constexpr std::string_view kTlsWrongName = "PV1219";
inline constexpr std::string_view kTlsNoCertificate = "PV1220";
inline constexpr std::string_view kTlsPlaintext = "PV1221";
inline constexpr std::string_view kTlsRefusedByPeer = "PV1222";
inline constexpr std::string_view kTlsClearPacket = "PV1223";
inline constexpr std::string_view kTlsFailed = "PV1224";
inline constexpr std::string_view kTlsNotHere = "PV1225";
inline constexpr std::string_view kGraylisted = "PV1226";
inline constexpr std::string_view kBlocked = "PV1227";
inline constexpr std::string_view kAcceptRate = "PV1228";
inline constexpr std::string_view kQuicFallback = "PV1229";
inline constexpr std::string_view kQuicMoved = "PV1230";
inline constexpr std::string_view kUndecodable = "PV1305";
inline constexpr std::string_view kRoleChanged = "PV1306";
inline constexpr std::string_view kSlowDelivery = "PV1309";
inline constexpr std::string_view kPartition = "PV1401";
inline constexpr std::string_view kPartitionHealed = "PV1402";
inline constexpr std::string_view kStartAlone = "PV1403";
inline constexpr std::string_view kBadSeed = "PV1404";
inline constexpr std::string_view kPeerLimit = "PV1406";
inline constexpr std::string_view kInvariant = "PV1407";
inline constexpr std::string_view kEventTooLarge = "PV1408";
inline constexpr std::string_view kTrimmed = "PV1409";
inline constexpr std::string_view kBadEventName = "PV1410";
inline constexpr std::string_view kSuppressed = "PV1499";
inline constexpr std::string_view kAdvertising = "PV1501";
inline constexpr std::string_view kServingHttp = "PV1502";
inline constexpr std::string_view kDataNotKept = "PV1504";
inline constexpr std::string_view kDataBroken = "PV1505";
inline constexpr std::string_view kKeptKeys = "PV1506";
inline constexpr std::string_view kRecalled = "PV1507";
inline constexpr std::string_view kKeysReadable = "PV1508";
inline constexpr std::string_view kFewFiles = "PV1509";
inline constexpr std::string_view kCertificateTaken = "PV1510";
inline constexpr std::string_view kCertificateKept = "PV1511";
inline constexpr std::string_view kBlockChanged = "PV1512";
inline constexpr std::string_view kTokenRead = "PV1513";
inline constexpr std::string_view kQuicListening = "PV1514";
inline constexpr std::string_view kOriginKey = "PV1515";
inline constexpr std::string_view kTicketsUnused = "PV1516";

/// What a code means and what to do about it.
struct Explanation {
  std::string_view code;
  std::optional<EventKind> kind;  ///< of the event that a line with this code is; none: routine, no event
  std::string_view title;
  std::string_view text;
};

/// All codes of the library, ascending.
std::span<const Explanation> explanations() noexcept;
/// The row of `code`, or null.
const Explanation* find(std::string_view code) noexcept;

}  // namespace plumvine::code
