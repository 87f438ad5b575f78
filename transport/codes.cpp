#include "codes.hpp"

#include <algorithm>
#include <array>

namespace plumvine::code {

namespace {
using enum EventKind;

constexpr std::array kTable{
    Explanation{"PV1101", member, "a member is suspected",
                "It answered neither us nor the members that were asked to try. It has the suspicion time to refute that."},
    Explanation{"PV1102", member, "a member is dead",
                "Nobody heard of it during the suspicion time. It is contacted again; if it only was cut off, it comes back "
                "by itself."},
    Explanation{"PV1103", member, "others suspected this node",
                "The line names who did, or in whose table it stood. This node refutes that now. If it happens often, this process is stalled at times or packets "
                "to it are lost."},
    Explanation{"PV1104", member, "a name is claimed twice", "Two members with one name and different addresses: rename one."},
    Explanation{"PV1105", member, "a member left", "It said so itself; it is not missed."},
    Explanation{"PV1106", member, "a table exchange was refused, or a row of it left out",
                "The line names the member whose versions do not go with ours. The rest of the table is used if there is any. "
                "Who is refused comes again; it is said once a minute."},
    Explanation{"PV1107", member, "packets between a member and this node are blocked",
                "It lives, but did not answer five pings in a row by packet (UDP); streams (TCP) and other members carry the "
                "answers. The line says which way is closed, and which port to open where. Detection is slower until then. "
                "Where it says that the address families differ, a member is bound to IPv4 or IPv6 alone: bind it to [::]."},
    Explanation{"PV1108", load, "this process stood still",
                "It did not run for the time given: stopped, swapped out, or a handler took too long. Others may have "
                "suspected it meanwhile."},
    Explanation{"PV1109", member, "a table exchange failed at the other end", "The line gives the other end's reason."},
    Explanation{"PV1110", member, "too many seeds", "More than 256 seeds are configured; a few are enough."},
    Explanation{"PV1111", member, "a member was forgotten by order",
                "Somebody ran `plumvine forget` at the node that the line names. The member may come back only by itself: with "
                "a higher incarnation, or when it answers at its address."},
    Explanation{"PV1112", member, "a member comes and goes",
                "It was suspected or dead several times of late and came back each time. It gets longer to refute, up to "
                "flap_damping_max times. Look for a stalled process or a bad network at that member."},
    Explanation{"PV1113", member, "packets to a member get through again", "What PV1107 told is over."},
    Explanation{"PV1114", member, "a member with incompatible versions",
                "Its protocol or delegate versions, as the line says, do not go with ours. It is not passed on in table "
                "exchanges, so that the rest of the cluster goes on; memberlist's own members refuse every exchange while they "
                "know of it. Set delegate_protocol alike everywhere, or take it out."},
    Explanation{"PV1115", member, "others believed that this node leaves",
                "Somebody said so in its name (`serf force-leave`, or an old farewell). It says that it stays."},
    Explanation{kMemberJoined, member, "a member joined", "It is known here from now on, for the first time or again."},
    Explanation{"PV1117", security, "another cluster label",
                "Somebody whose packets or streams carry another label, or none where this node has one, talks to this address. It "
                "stays outside. Set `cluster` alike on both if it belongs here; else it has an old address of one of our "
                "members among its seeds. Said once per address."},
    Explanation{"PV1118", member, "a member was started again at another address",
                "Another run of it claimed its name, and its old address no longer answers probes. Nothing is to be done."},
    Explanation{"PV1120", security, "another key",
                "Somebody sends what none of our keys opens: it has another key, another cluster label, or is no member at all. "
                "Compare `encrypt` or the keyring file on both. At most one line a second."},
    Explanation{kKeyChanged, security, "a gossip key changed here",
                "By the order of the member that the line names, `plumvine keys` or `serf keys` there. Keys are named by eight "
                "digits that say nothing about them."},
    Explanation{kKeysNotKept, security, "changed keys were not written down",
                "They hold until this process ends; then the old ones are back. Set keyring or data_dir, or see to it that the "
                "file that the line names can be written, and give the order again."},
    Explanation{kKeyTaught, security, "a member was away during a key rotation",
                "It still seals with the key before. It is told the new one, which works until the old key is removed."},
    Explanation{kKeyOrder, security, "an order about keys was given here",
                "`plumvine keys` or `Node::order_keys`. Who did not confirm is named; `plumvine keys list` shows who has which keys."},
    Explanation{"PV1125", member, "a member's address cannot be dialled",
                "News of a member names a wildcard, multicast, broadcast, reserved or link-local IPv6 address. It is not taken, the rest of the "
                "message is. Set the advertised address there. swim_packets_rejected_total{reason=\"bad_address\"} counts all."},
    Explanation{"PV1126", security, "a member accuses more others than can be",
                "Within a minute it called more than half of the members suspect or dead. None of that is believed any more until the minute is "
                "over, and those it accused need not answer it. It is stalled, cut off, or somebody's tool: look at it, or block it."},
    Explanation{kLinkUp, link, "a link came up", "A connection to this member was greeted and carries broadcasts now."},
    Explanation{kLinkDown, link, "a link went down",
                "The connection to this member ended; the line says why. Other links take over, and the member is "
                "dialled again while it is alive."},
    Explanation{kDialFailed, link, "a member could not be linked to",
                "Dialling or greeting failed. It is tried again with growing pauses. Check that its TCP port can be "
                "reached from here."},
    Explanation{kLinkRefused, link, "a link was refused",
                "A node asked for a link that we do not want: it is not an alive member here, or there is no room for more "
                "links (max_peers)."},
    Explanation{kWrongLabel, security, "a link of another cluster", "The other end has a different cluster label. Check `cluster` on both."},
    Explanation{kBadHello, link, "a bad greeting",
                "The other end is not the member that was dialled, or speaks another version. An address may have been "
                "taken over by another process."},
    Explanation{kBadFrame, link, "a malformed frame", "A neighbour broke the protocol, so its link was closed."},
    Explanation{kQueueFull, load, "a send queue overflowed",
                "A neighbour did not read for so long that even control frames filled the queue (queue_max_bytes). The link "
                "was closed; the neighbour catches up when it comes back."},
    Explanation{kDuplicateLink, link, "a second link to one member", "Two nodes dialled each other at once; one connection is closed."},
    Explanation{kHalfOpenLimit, link, "too many connections that do not greet",
                "More connections than half_open_max wait for a greeting, so a new one was refused."},
    Explanation{kStrangeStream, link, "a connection that speaks neither protocol",
                "The first byte is neither of a link nor of a membership stream. A port scanner or an HTTP client perhaps."},
    Explanation{kByeReceived, link, "a neighbour closed its link", "The line gives the neighbour's reason."},
    Explanation{kBadSeal, security, "a link without the right key",
                "The other end has none of our keys, or has no key at all. Compare `encrypt` or the keyring file on both."},
    Explanation{kTooSlow, load, "a neighbour was too slow for a topic",
                "The topic that the line names has overflow = disconnect, and the neighbour had no room for lag_grace. It may link "
                "again, and then catches up from the repair stores."},
    Explanation{kFrame, {}, "a frame of a link",
                "Level trace of the component link: each frame to or from a neighbour, with its first bytes as they are before sealing. "
                "Many lines are held back, five a neighbour in ten seconds pass."},
    Explanation{kTlsUnknownCa, security, "a certificate of an unknown CA",
                "The other end shows a certificate that none of the CAs in tls_ca signed: it belongs to another installation, or its CA was "
                "replaced there or here. Compare tls_ca on both; during a change put both CAs into the file."},
    Explanation{kTlsExpired, security, "a certificate that is not valid now",
                "The other end's certificate, or its CA, has expired or is not valid yet. Renew it there, it is taken over without a "
                "restart; where it should be valid, compare the clocks."},
    Explanation{kTlsWrongCluster, security, "a certificate of another cluster",
                "The CA is ours, but the certificate names no member of this cluster: it needs the subject alternative name "
                "URI:plumvine://LABEL/NAME with our label (`cluster`), or DNS:NAME where the cluster has none."},
    Explanation{kTlsWrongName, security, "a certificate of another member",
                "The other end calls itself, or was dialled as, a member that its certificate does not name. Somebody uses another member's "
                "certificate, or two members have changed their addresses. Issue one with the member's own name."},
    Explanation{kTlsNoCertificate, security, "no certificate, or one for another use",
                "The other end shows none, or one that cannot be used: it must be for clients and servers where it has an extended key usage, "
                "and its key and signature must not be weak."},
    Explanation{kTlsPlaintext, security, "a connection in clear where TLS is on",
                "The other end has no TLS, or is no member at all. Set tls_cert, tls_key and tls_ca there. A running cluster cannot be mixed."},
    Explanation{kTlsRefusedByPeer, security, "the other end refuses our certificate",
                "The line says what it has against it. Its own log has a line that says more."},
    Explanation{kTlsClearPacket, security, "a packet in clear where TLS is on",
                "Without a gossip key packets travel inside TLS, so one that comes outside is dropped. The sender has no TLS, or has a "
                "gossip key that this node lacks."},
    Explanation{kTlsFailed, security, "a TLS handshake failed",
                "The other end speaks an older version, no TLS at all, or stopped halfway; the line says which. A port scanner perhaps."},
    Explanation{kTlsNotHere, security, "a TLS connection where TLS is off",
                "The other end has TLS and this node has none. Set tls_cert, tls_key and tls_ca here, or take them out there."},
    Explanation{kGraylisted, security, "a member broke the protocol again and again",
                "16 marks within a minute: frames against the rules, more of them than control_rate_limit_per_second allows, messages that nobody "
                "else knows; a frame that cannot be read counts eight. It gets no link for graylist_time, twice as long each time, up to an "
                "hour. Its broadcasts still come by other members; plumvine block add name:NAME ends that, too."},
    Explanation{kBlocked, security, "somebody who is blocked was turned away",
                "`plumvine block list` has the blocks and what each kept out. Few of these lines are written; plumvine_blocked_total counts all."},
    Explanation{kAcceptRate, security, "an address opens too many connections",
                "More in a second than accept_rate_limit_per_second, and five times that in one go: a flood, or many members behind one "
                "address; then raise it."},
    Explanation{kQuicFallback, link, "a link goes over TCP instead of QUIC",
                "Nobody answered on the member's UDP port for QUIC in time, so the link was made over TCP, and for some time further ones are. A "
                "firewall perhaps: open that port (quic_port) for UDP between members."},
    Explanation{kQuicMoved, link, "our address has changed",
                "An address that links over QUIC were sent from is gone from this host. They go on from another one, those that others dialled as "
                "well: the other ends follow."},
    Explanation{"PV1301", delivery, "a pull failed",
                "An announced message could not be got from those who announced it. The digests that neighbours compare "
                "bring it later, or report it as lost."},
    Explanation{"PV1302", tree, "a neighbour became lazy", "It sent too many copies that were here already; it announces from now on."},
    Explanation{"PV1303", {}, "messages left the graft cache", "They grew older than message_cache_ttl. The repair store may still hold them."},
    Explanation{"PV1304", delivery, "messages will never be delivered here",
                "The line names the origin, the range and the reason. A longer sync_window or more sync_max_bytes on the other "
                "nodes would have kept them."},
    Explanation{kUndecodable, delivery, "a payload cannot be decoded",
                "Its publisher compressed it, and what came is no LZ4 frame of the size that it says. It is reported as lost "
                "(corrupt). The publisher's build is broken, or a member changes what it forwards."},
    Explanation{kRoleChanged, tree, "a neighbour became eager or lazy",
                "Eager neighbours get payloads at once, lazy ones announcements. The line says why; trees change by themselves."},
    Explanation{"PV1307", security, "a neighbour told of messages that nobody else knows",
                "It did not send them when asked, and after two sync_interval no other neighbour had heard of them. They are forgotten, so "
                "that what the origin really publishes next is not taken for old. The neighbour is mad, or was the only one that knew them."},
    Explanation{"PV1308", delivery, "a message from the future",
                "Its time of publishing, carried over the clocks of the links that it took, lies more than a second ahead: the origin, or a "
                "member on the way, told a wrong time. It is delivered, its delay counts as 0. plumtree_messages_from_future_total counts all."},
    Explanation{kSlowDelivery, delivery, "a message took long to get here",
                "Longer than slow_delivery from the publisher's call; the line names message, origin, hops and delay. `plumvine trace ID` shows "
                "where the time went while stores hold it. A member that was stopped or cut off gets many when it is back. "
                "plumtree_slow_deliveries_total counts all."},
    Explanation{"PV1310", security, "a broadcast was refused for its signature",
                "sign_origins is sign or require here, and the line says what is wrong with it, which member it claims to come from and which "
                "neighbour passed it on. It was neither delivered nor passed on. A neighbour that says that it looks at signatures is marked for "
                "a wrong one. plumtree_origins_refused_total counts all by reason."},
    Explanation{"PV1311", security, "a member shows another key than before",
                "Broadcasts that the new key signs are refused as long as this member remembers the old one, also over a restart. A member that "
                "was set up anew is stopped, forgotten (`plumvine forget NAME`) and started; if it was not, somebody else uses its name."},
    Explanation{"PV1312", security, "a member's key was replaced or forgotten",
                "Replaced: the key that was known of it had only been told, and over TLS the member itself showed another one. Forgotten: this "
                "member knew it from before a restart, and `plumvine forget NAME` was ordered elsewhere meanwhile."},
    Explanation{kPartition, member, "members cannot be reached",
                "Members that carry broadcasts are dead and have not left. They are contacted again; what they miss is "
                "repaired if they come back before it leaves the repair store."},
    Explanation{kPartitionHealed, member, "all members can be reached again", "No member that carries broadcasts is dead any more."},
    Explanation{kStartAlone, member, "started without a neighbour to learn from",
                "No other member that carries broadcasts is alive, so this node starts at the beginning."},
    Explanation{kBadSeed, member, "a seed cannot be read", "Seeds are HOST, HOST:PORT or srv+NAME."},
    Explanation{kPeerLimit, load, "too many members that speak links", "The bound on members that can be linked to was reached."},
    Explanation{kInvariant, node, "a promise of the program to itself was broken",
                "This is a defect. The node goes on; please report the line with a state dump."},
    Explanation{kEventTooLarge, node, "a broadcast is too large for a Serf user event",
                "Serf takes 512 bytes, name and framing included. Members of ours got the broadcast; Serf's did not."},
    Explanation{kTrimmed, load, "caches were trimmed by order", "`plumvine trim` or `Node::trim`; the line says how much went."},
    Explanation{kBadEventName, node, "a Serf user event's name makes no topic",
                "Topic serf.NAME has 128 bytes at most, so NAME has 123, in UTF-8 without control characters. Events of other names are not "
                "delivered to members of ours. Each name is said once; swim_serf_messages_total{what=\"bad_name\"} counts all."},
    Explanation{kSuppressed, node, "repeated lines were held back", "The line says how many of which code."},
    Explanation{kAdvertising, node, "the address that others dial",
                "Chosen as the line says. If others cannot reach it, set `advertise`."},
    Explanation{kServingHttp, node, "HTTP is served", "Metrics, health and commands are answered at this address."},
    Explanation{"PV1503", node, "a loopback address is advertised, but a seed is elsewhere",
                "Only members on this host can dial it. Set advertise, or bind to an address of the network."},
    Explanation{kDataNotKept, node, "the data directory cannot be written",
                "The node goes on without: after a restart it knows its seeds only. Free the disk, or mend the rights of data_dir."},
    Explanation{kDataBroken, node, "a file of the data directory cannot be understood",
                "It was moved aside, and the node goes on without it. A disk that was full, or somebody's hand."},
    Explanation{kKeptKeys, security, "which keys this node starts with",
                "Keys in the data directory were changed while the cluster ran, so they go before `encrypt`; remove keyring.json to "
                "start with `encrypt` again. Beside a keyring file `encrypt` goes first at every start."},
    Explanation{kRecalled, member, "members are known from before the restart",
                "They are pinged by name until they answer. A list of another cluster label is not used."},
    Explanation{kKeysReadable, security, "others can read the file with the keys",
                "Whoever can read it can join the cluster and read what it says. Take the rights away: chmod 600 FILE, owned by the agent's user."},
    Explanation{kFewFiles, load, "fewer files may be open than the bounds need",
                "With every link, half-open connection and HTTP client that the configuration allows, connections would be refused. Raise the limit "
                "(LimitNOFILE of the unit, ulimit -n), or lower max_peers and half_open_max."},
    Explanation{kCertificateTaken, security, "certificate, key and CA were taken over",
                "At the start, or since a file changed or somebody asked for it. New connections use them; those that stand go on. CAs "
                "that are no longer in tls_ca are trusted for tls_overlap yet."},
    Explanation{kCertificateKept, security, "a changed certificate, key or CA was not taken over",
                "The line says why. The one from before is used on. Files are looked at again when they change; write new ones aside and "
                "rename them, the key before the certificate."},
    Explanation{kBlockChanged, security, "a block was given, taken back, or is over",
                "`plumvine block add` and `plumvine block rm` at this member, or the time that was given with it. Blocks are kept in the data directory "
                "where there is one."},
    Explanation{kTokenRead, security, "the token for HTTP was read",
                "From http_token_file, at the start or on reload. Where others may read the file the line warns: chmod 600 FILE, owned by the agent's user."},
    Explanation{kQuicListening, {}, "links go over QUIC",
                "On the UDP port that the line names; members tell it to each other. A firewall between them has to let it through, or links go over TCP."},
    Explanation{kOriginKey, security, "the key that signs our broadcasts",
                "Others know this member by it. It is made in the data directory at the first start; a copy of it is worth keeping, since without it the "
                "other members have to forget this one before they take its broadcasts again."},
    Explanation{kTicketsUnused, {}, "tickets of earlier links are not used",
                "The file that the line names has another key's seal, as after a change of tls_key, is broken, more than a day old, or others can use it. "
                "Links begin with whole handshakes once; the file is written anew."},
};
}  // namespace

std::span<const Explanation> explanations() noexcept { return kTable; }

const Explanation* find(std::string_view code) noexcept {
  const auto it = std::find_if(kTable.begin(), kTable.end(), [code](const Explanation& row) { return row.code == code; });
  return it == kTable.end() ? nullptr : &*it;
}

}  // namespace plumvine::code
