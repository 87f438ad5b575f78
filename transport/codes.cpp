#include "codes.hpp"

#include <array>

namespace plumvine::code {

namespace {
constexpr std::array kTable{
    Explanation{kLinkUp, "a link came up", "A connection to this member was greeted and carries broadcasts now."},
    Explanation{kLinkDown, "a link went down",
                "The connection to this member ended; the line says why. Other links take over, and the member is "
                "dialled again while it is alive."},
    Explanation{kDialFailed, "a member could not be linked to",
                "Dialling or greeting failed. It is tried again with growing pauses. Check that its TCP port can be "
                "reached from here."},
    Explanation{kLinkRefused, "a link was refused",
                "A node asked for a link that we do not want: it is not an alive member here, or there is no room for more "
                "links (max_peers)."},
    Explanation{kWrongLabel, "a link of another cluster", "The other end has a different cluster label. Check `cluster` on both."},
    Explanation{kBadHello, "a bad greeting",
                "The other end is not the member that was dialled, or speaks another version. An address may have been "
                "taken over by another process."},
    Explanation{kBadFrame, "a malformed frame", "A neighbour broke the protocol, so its link was closed."},
    Explanation{kQueueFull, "a send queue overflowed",
                "A neighbour did not read for so long that even control frames filled the queue (queue_max_bytes). The link "
                "was closed; the neighbour catches up when it comes back."},
    Explanation{kDuplicateLink, "a second link to one member", "Two nodes dialled each other at once; one connection is closed."},
    Explanation{kHalfOpenLimit, "too many connections that do not greet",
                "More connections than half_open_max wait for a greeting, so a new one was refused."},
    Explanation{kStrangeStream, "a connection that speaks neither protocol",
                "The first byte is neither of a link nor of a membership stream. A port scanner or an HTTP client perhaps."},
    Explanation{kByeReceived, "a neighbour closed its link", "The line gives the neighbour's reason."},
    Explanation{kPartition, "members cannot be reached",
                "Members that carry broadcasts are dead and have not left. They are contacted again; what they miss is "
                "repaired if they come back before it leaves the repair store."},
    Explanation{kPartitionHealed, "all members can be reached again", "No member that carries broadcasts is dead any more."},
    Explanation{kStartAlone, "started without a neighbour to learn from",
                "No other member that carries broadcasts is alive, so this node starts at the beginning."},
    Explanation{kBadSeed, "a seed cannot be read", "Seeds are HOST, HOST:PORT or srv+NAME."},
    Explanation{kBadMeta, "the tags do not fit", "Tags share 512 bytes with ours. The node started without them; shorten them."},
    Explanation{kMessagesLost, "messages will never be delivered here", "The line names the origin, the range and the reason."},
    Explanation{kPeerLimit, "too many members that speak links", "The bound on members that can be linked to was reached."},
    Explanation{kSuppressed, "repeated lines were held back", "The line says how many of which code."},
    Explanation{kAdvertising, "the address that others dial",
                "Chosen as the line says. If others cannot reach it, set `advertise`."},
    Explanation{kServingHttp, "HTTP is served", "Metrics, health and commands are answered at this address."},
};
}  // namespace

std::span<const Explanation> explanations() noexcept { return kTable; }

}  // namespace plumvine::code
