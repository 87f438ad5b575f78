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
    Code{"PV2012", degraded, "membership",
         "a member does not answer although its machine takes connections: its process is stopped (SIGSTOP), hung or starved, or "
         "another program has its port",
         "look at that process (ps shows T where it is stopped; kill -CONT lets it go on) and at its machine's load; "
         "plumvine doctor run there names a program that has taken the port"},
    Code{"PV2013", degraded, "membership", "a wall clock is wrong: it differs from the others' by more than clock_offset_degraded",
         "set that machine's clock (chronyc tracking, timedatectl); the protocol itself goes by monotonic clocks, but times in events, "
         "logs and delivery delays are wrong"},
    Code{"PV2014", degraded, "membership", "members that are to be there (expected_members, expected_members_min) are not alive",
         "start them, or see plumvine members and the log for why they are not here; take them out of expected_members if they are gone "
         "for good"},
    Code{"PV2015", degraded, "membership",
         "a member that counts as alive does not answer the doctor: stopped, overloaded or cut off a moment ago",
         "run the doctor again in a few seconds, when membership has judged; look at that process and at its machine's load meanwhile"},
    Code{"PV2016", unhealthy, "membership", "nothing is heard from any other member any more: this host is cut off, or all others are gone",
         "check this host's network: interface, cable, addresses, firewall; plumvine reachability at another member says what reaches it"},
    Code{"PV2017", unhealthy, "membership", "others are heard, but nobody answers this member: what this host sends is lost",
         "check what this host may send: firewall rules for output, routes, the way back at the others; plumvine reachability at another "
         "member says what reaches it"},
    Code{"PV2101", degraded, "delivery", "messages known to exist have been missing for long",
         "see plumvine lag for the origins concerned; the members that hold them may be unreachable or overloaded"},
    Code{"PV2102", degraded, "tree", "many payloads arrive more than once",
         "normal for seconds after links changed; if it stays, set the options that the evidence names back to the preset's "
         "(tree_rule, optimization_threshold, eager_fanout), or raise maintenance_interval if links flap"},
    Code{"PV2103", degraded, "tree", "many pulls of announced messages fail",
         "peers are slow or drop messages too early: raise graft_timeout, or message_cache_ttl on all members"},
    Code{"PV2104", degraded, "cache",
         "the graft cache is too small: messages leave it while members may still ask for them",
         "raise message_cache_max_size or message_cache_max_bytes on all members, at least to the preset's"},
    Code{"PV2105", degraded, "delivery", "messages cannot be written into the data directory",
         "the evidence says why; make room on its disk. What is not written is missing for subscribers who come later; it is tried "
         "again every five seconds"},
    Code{"PV2106", degraded, "tree", "graft_timeout is below the round trip to a neighbour: pulls are repeated before they can be answered",
         "raise graft_timeout above the largest round trip (plumvine peers shows them), or use the wan preset"},
    Code{"PV2107", degraded, "cache", "a bound is nearly reached: beyond it something is refused or forgotten",
         "the evidence names the key: raise it where there are so many members, publishers or topics; where half_open_max is full see who "
         "connects without a word (PV1210), where the mailbox is full publishers are faster than the cluster"},
    Code{"PV2109", degraded, "delivery", "a subscriber reads more slowly than messages come",
         "plumvine lag names it: make it read faster, give it a topic of its own, or let it go on from its cursor later; it is closed when "
         "4 MiB wait for it"},
    Code{"PV2201", degraded, "loop",
         "the event loop stood still for long: a handler blocked it, or the machine had no time for it",
         "make handlers shorter (plumvine_handler_seconds tells how long they take), or give the process more "
         "processor time"},
    Code{"PV2202", degraded, "tree", "a promise of the program to itself was broken",
         "report it with the dump of /debug/state; restarting this member clears it"},
    Code{"PV2203", degraded, "cache", "the process's memory grows",
         "the evidence names the part: for store lower sync_max_bytes or sync_window, for queues queue_max_bytes, for mailbox "
         "mailbox_max_bytes; where it is none of plumvine's look at the embedding program (handlers that keep messages)"},
    Code{"PV2301", degraded, "security", "somebody sends what none of our keys opens: another cluster's key, or an old one",
         "plumvine keys list on both sides shows which keys they have; install the right one there, or correct its seeds if it belongs to "
         "another cluster"},
    Code{"PV2302", degraded, "security", "somebody speaks in clear to this member, which takes sealed traffic only",
         "give it the key (encrypt or keyring), or correct its seeds; while keys are being introduced set gossip_verify_incoming = false"},
    Code{"PV2303", degraded, "security", "this member's certificate expires soon",
         "issue a new one and write it over tls_cert and tls_key: it is taken over without a restart; ask the members first (plumvine tls verify)"},
    Code{"PV2304", unhealthy, "security", "this member's certificate has expired: no new connection is made",
         "issue a new one and write it over tls_cert and tls_key: it is taken over without a restart"},
    Code{"PV2305", degraded, "security", "changed files of TLS are not taken over: the old ones are used on",
         "the evidence says what is wrong with them; mend the files, they are looked at again when they change"},
    Code{"PV2306", degraded, "security", "a member breaks the protocol again and again, so it gets no link here for a time",
         "look at that member's process and version (the evidence says what it did last, PV1226); plumvine block add name:NAME keeps its "
         "broadcasts out, too. It is forgiven an hour after the last time"},
    Code{"PV2307", degraded, "security", "a member accuses more others than can be; it is not believed",
         "look at that member: stalled, cut off, or somebody's tool; stop it, or plumvine block add its address on all members"},
    Code{"PV2308", degraded, "security", "broadcasts are refused for their signatures",
         "the evidence names the member that they claim to come from, why, and the neighbour that passed them on (PV1310): bad_signature is "
         "forgery or another cluster label, unsigned a member without sign_origins, too_old or from_future a clock, unknown_key a member whose "
         "metadata has not come; plumvine block add the neighbour if it makes them"},
    Code{"PV2309", degraded, "security", "a member shows another key for its broadcasts than before; they are refused",
         "if it was set up anew, or lost its data directory: stop it, plumvine forget NAME, start it. If not, somebody "
         "uses its name"},
    Code{"PV2310", degraded, "security", "members sign nothing while signatures are required here: what they publish is refused",
         "set sign_origins = \"sign\" at them and restart them; until then sign_origins = \"sign\" and SIGHUP at this one takes their broadcasts"},
    Code{"PV2311", degraded, "security", "this member has no key, and what somebody sends to it is sealed",
         "give it that cluster's key (encrypt or keyring) and restart it, or correct its seeds if it belongs to another cluster"},
    Code{"PV2901", healthy, "security", "there is no cluster label, so clusters that share an address are not kept apart by it",
         "set cluster = \"NAME\" alike on all members (Serf agents know no labels; among them a key does it)"},
    Code{"PV2902", healthy, "security", "there is no key: who reaches the port can join and read along",
         "give all members one: encrypt = \"KEY\" or a keyring; docs/operations.md, security, has the order in which a running cluster takes it over"},
    Code{"PV2903", healthy, "membership", "members run different versions", "finish the upgrade; members of one minor version go together"},
    Code{"PV2904", healthy, "membership", "members differ in a setting that is to be alike", "set it alike on all members"},
    Code{"PV2905", healthy, "membership", "members answered what this one cannot read, or know no such question",
         "upgrade them; run plumvine health against each of them meanwhile"},
    Code{"PV2906", healthy, "security", "a gossip key has been primary for longer than key_age_warning",
         "rotate it: plumvine keys install, use, remove; docs/runbooks.md, rotation, has the steps"},
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
