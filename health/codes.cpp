#include "codes.hpp"

#include <algorithm>
#include <array>

namespace plumvine::health {
namespace {

using enum HealthStatus;

constexpr std::array kCodes{
    Code{"PV2001", unhealthy, "tree", "no eager link although other members that speak links are known",
         "see what the links to the known members fail with (plumvine peers, the log): address and port must be "
         "reachable over TCP "
         "in at least one direction, cluster labels must be equal"},
    Code{"PV2002", unhealthy, "membership", "no seed has answered yet",
         "check the addresses given with --join, name resolution, and that UDP and TCP reach the seeds' port"},
    Code{"PV2003", degraded, "delivery", "the first sync with a neighbour has not finished",
         "wait a few seconds; if it stays, see plumvine peers for links that do not come up"},
    Code{"PV2004", degraded, "membership", "this member has left the cluster on purpose",
         "POST /rejoin or plumvine rejoin brings it back"},
    Code{"PV2005", degraded, "membership", "some members that speak links are dead: crashed, or cut off from here",
         "see plumvine members for who; restart them, mend the network between, or wait until they are forgotten"},
    Code{"PV2006", unhealthy, "membership",
         "more than half of the members that speak links are dead: this side is probably the cut-off one",
         "check this host's network first; both sides go on and are repaired when the network is back"},
    Code{"PV2007", degraded, "membership", "packets (UDP) between some members and this one do not pass; streams do the work",
         "plumvine members names them (packets: out_blocked or in_blocked); open the UDP port that the log line PV1107 names"},
    Code{"PV2008", degraded, "membership", "members are known whose protocol or delegate versions do not go with ours",
         "plumvine members --json names them and says why (incompatible); upgrade them, set delegate_protocol alike, or take "
         "them out of the cluster"},
    Code{"PV2009", degraded, "membership", "this member is alone: nobody else is alive, and its seeds do not answer",
         "the evidence says what each seed fails with; start them, or correct --join; they are contacted again for ever"},
    Code{"PV2010", degraded, "membership", "somebody with another cluster label talks to this member",
         "see the log (PV1117) for who; it stays outside. Set cluster alike on both if it belongs here, else correct its seeds"},
    Code{"PV2011", unhealthy, "membership", "the cluster knows another process under this member's name",
         "start one of the two under another name; the evidence says where the other one is"},
    Code{"PV2101", degraded, "delivery", "messages known to exist have been missing for long",
         "see plumvine lag for the origins concerned; the members that hold them may be unreachable or overloaded"},
    Code{"PV2102", degraded, "tree", "many payloads arrive more than once",
         "normal for seconds after links changed; if it stays, look for peers that do not prune, or raise "
         "maintenance_interval if links flap"},
    Code{"PV2103", degraded, "tree", "many pulls of announced messages fail",
         "peers are slow or drop messages too early: raise graft_timeout, or message_cache_ttl on all members"},
    Code{"PV2104", degraded, "cache",
         "the graft cache is full and pulls fail: messages leave it before peers have pulled them",
         "raise message_cache_max_size or message_cache_max_bytes on all members"},
    Code{"PV2105", degraded, "delivery", "messages cannot be written into the data directory",
         "the evidence says why; make room on its disk. What is not written is missing for subscribers who come later; it is tried "
         "again every five seconds"},
    Code{"PV2201", degraded, "loop",
         "the event loop stood still for long: a handler blocked it, or the machine had no time for it",
         "make handlers shorter (plumvine_handler_seconds tells how long they take), or give the process more "
         "processor time"},
    Code{"PV2202", degraded, "tree", "a promise of the program to itself was broken",
         "report it with the dump of /debug/state; restarting this member clears it"},
};

}  // namespace

std::span<const Code> codes() {
  return kCodes;
}

const Code* find_code(std::string_view code) noexcept {
  const auto it = std::find_if(kCodes.begin(), kCodes.end(), [code](const Code& row) { return row.code == code; });
  return it == kCodes.end() ? nullptr : &*it;
}

}  // namespace plumvine::health
