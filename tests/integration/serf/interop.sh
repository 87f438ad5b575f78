#!/usr/bin/env bash
# Agents of ours and of Serf's in one cluster on loopback, each watched through its own command line tool.
# Usage: interop.sh PLUMVINED PLUMVINE SERF_RETAG
set -u
agent=$1 cli=$2 retag=$3
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
# shellcheck source=tests/integration/serf/serf_agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/serf_agents.sh"

# start NAME BIND FLAGS…: an agent of ours. The local preset sends news twice, which does not reach everybody each time.
start() {
  local name=$1 bind=$2
  shift 2
  launch "$name" "$bind" /dev/null --preset local --set retransmit_mult=4 "$@"
}
our_tag() { at "$1" --json members | grep -o "\"name\":\"$2\".*" | sed 's/"self".*//' | grep -q "\"tags\":{[^}]*\"$3\":\"$4\""; }
all_alive() {
  local seer name
  for name in "$@"; do
    for seer in s1 s2; do theirs_is $seer "$name" alive || return 1; done
    for seer in p1 p2; do ours_is $seer "$name" alive || return 1; done
  done
}

# --- joining, both ways --------------------------------------------------------------------------------------
# s1 notes every user event with its payload.
serf_start s1 127.0.0.2 -tag role=web -event-handler="user=echo \$SERF_USER_EVENT \$(cat) >>$work/s1.events"
start p1 127.0.0.11:0 --join "${gossip[s1]}" --serf-events --print '*'     # ours joins theirs
start p2 127.0.0.12:0 --join "$(field p1 bind)" --serf-events --print '*'  # ours joins ours
start p3 127.0.0.14:0 --join "$(field p2 bind)" --print '*'                # bridges nothing
serf_start s2 127.0.0.3 -join="$(field p2 bind)" -tag role=db -tag zone=east   # theirs joins ours
within 30 all_alive s1 s2 p1 p2
within 10 our_tag p2 s1 role web
within 10 our_tag p1 s2 zone east
pvl() { their_tag s2 p1 pvl=2; }
within 10 pvl
at p1 --json members | grep -q '"name":"s1","addr":"127.0.0.2","port":'"${gossip[s1]#*:}"',"state":"alive"' \
  || fail "the address of a Serf member is wrong"
at p1 --json members | grep -o '"name":"s1".*' | sed 's/"self".*//' | grep -q '"link":false' \
  || fail "a Serf member is said to carry links"
echo "joined both ways"

# --- queries, reachability, round trips ----------------------------------------------------------------------
# Serf spreads this by gossip alone, too.
reached() { serf reachability -rpc-addr="${rpc[s1]}" >"$work/answer" 2>&1 && grep -q 'Successfully contacted all live nodes' "$work/answer"; }
within 60 reached
# acked NAMES ARGUMENTS…: all of them acknowledge. Serf spreads a query by gossip alone, which misses a member now and then.
acked() {
  local names=$1 name
  shift
  serf query -rpc-addr="${rpc[s1]}" -timeout=2s "$@" uptime >"$work/answer" 2>&1
  for name in $names; do grep -q "Ack from '$name'" "$work/answer" || return 1; done
}
within 30 acked 'p1 p2 p3 s2'
within 30 acked p2 -node=p2
grep -q "Ack from 'p1'" "$work/answer" && fail "p1 answered a query for p2"
within 30 acked 'p1 p2 p3' -tag 'pvl=^[0-9]+$'
grep -q "Ack from 's1'" "$work/answer" && fail "s1 has no such tag"
round_trip() { serf rtt -rpc-addr="${rpc[s1]}" s1 p1 2>&1 | grep -q 'Estimated.*rtt'; }
within 30 round_trip
echo "queries answered"

# --- user events to topics and back, each once, with two bridges ---------------------------------------------
# An event that gossip did not bring to one of Serf's comes with its next table exchange with the other one.
times() { [ "$(grep -c -- "$2" "$work/$1" 2>/dev/null)" -eq "$3" ]; }
synced() { at p3 health --component tree >/dev/null && at p3 peers | grep -q eager; }
within 20 synced
serf event -rpc-addr="${rpc[s1]}" -coalesce=false deploy v1 >/dev/null || fail "serf event"
serf event -rpc-addr="${rpc[s2]}" -coalesce=false deploy >/dev/null || fail "serf event"
for name in p1 p2 p3; do
  within 90 times $name.out '"topic":"serf.deploy".*"payload":"v1"' 1
  within 90 times $name.out '"topic":"serf.deploy".*"payload":""' 1
done
at p3 publish serf.hello 'from p3' >/dev/null || fail "publishing at a member that is no bridge"
at p1 publish serf.hello 'from p1' >/dev/null || fail "publishing at the first bridge"
at p2 publish serf.hello 'from p2' >/dev/null || fail "publishing at the second bridge"
for name in p1 p2 p3; do
  within 90 times s1.events "^hello from $name\$" 1
  within 90 times s2.log 'user-event: hello' 3
done
within 90 times p2.out '"topic":"serf.hello".*"payload":"from p1"' 1
at p1 publish serf.big "$(head -c 600 /dev/zero | tr '\0' x)" >"$work/answer" 2>&1 && fail "a broadcast too large for Serf was taken"
grep -q '512 bytes' "$work/answer" || fail "not a clear error: $(cat "$work/answer")"
echo "events carried"

# --- force-leave of a member that lives is refuted -----------------------------------------------------------
serf force-leave -rpc-addr="${rpc[s1]}" p1 >/dev/null 2>&1
refuted() { grep -q PV1115 "$work/p1.err"; }
within 15 refuted
within 15 theirs_is s1 p1 alive
within 15 theirs_is s2 p1 alive
echo "force-leave refuted"

# --- tags that change ----------------------------------------------------------------------------------------
serf tags -rpc-addr="${rpc[s2]}" -set zone=west >/dev/null || fail "serf tags"
within 15 our_tag p1 s2 zone west
mkfifo "$work/lines"
"$retag" r1 127.0.0.13:0 "${gossip[s2]}" <"$work/lines" >"$work/r1.err" 2>&1 &
pid[r1]=$!
exec 9>"$work/lines"
first_tag() { their_tag s1 r1 dc=one; }
second_tag() { their_tag s1 r1 dc=two; }
within 30 first_tag
echo 'dc=two' >&9
within 15 second_tag
exec 9>&-
wait "${pid[r1]}" || fail "the member with tags did not end well"
unset 'pid[r1]'
within 15 theirs_is s1 r1 left
within 15 theirs_is s2 r1 left
echo "tags changed"

# --- the first bridge is stopped while the next one acts, and goes on -----------------------------------------
kill -STOP "${pid[p1]}"
at p3 publish serf.pause 'from p3' >/dev/null || fail "publishing while the first bridge is stopped"
within 90 times s1.events '^pause from p3$' 1
kill -CONT "${pid[p1]}"
within 90 times p1.out '"topic":"serf.pause".*"payload":"from p3"' 1  # late; `once` sees below that it was not sent again
within 30 all_alive s1 s2 p1 p2
echo "the first bridge went on"

# --- leaving, dying, coming back under the same name ---------------------------------------------------------
place=$(field p2 bind)  # a member that comes back does so at its old address
# The second bridge is gone and back further below; what was carried stays carried once.
once() {
  for name in p1 p2 p3; do
    times $name.out '"topic":"serf.deploy"' 2 || fail "$name printed: $(grep serf.deploy "$work/$name.out")"
    times s1.events "^hello from $name\$" 1 || fail "s1 noted: $(cat "$work/s1.events")"
  done
  times s1.events '^pause from p3$' 1 || fail "the bridge that was stopped sent an event again: $(cat "$work/s1.events")"
  times p2.out '"topic":"serf.hello"' 2 && times p3.out '"topic":"serf.hello"' 2 || fail "a broadcast came back as an event"
}
once
end p2 TERM
within 15 theirs_is s1 p2 left
within 15 theirs_is s2 p2 left
within 15 ours_is p1 p2 left
start p2 "$place" --join "${gossip[s2]}" --serf-events --print '*'
within 30 all_alive s1 s2 p1 p2
end p2 KILL
within 60 theirs_is s1 p2 failed
within 60 ours_is p1 p2 dead
start p2 "$place" --join "${gossip[s1]}" --serf-events --print '*'
within 30 all_alive s1 s2 p1 p2
end s2 INT                                                 # Serf's graceful leave
within 30 ours_is p1 s2 left
within 30 ours_is p2 s2 left
serf_start s2 127.0.0.3 -join="$(field p1 bind)" -tag role=db
within 30 all_alive s1 s2 p1 p2
end s2 KILL
within 60 ours_is p1 s2 dead
within 60 theirs_is s1 s2 failed
serf force-leave -rpc-addr="${rpc[s1]}" s2 >/dev/null 2>&1 # a failed member is declared to have left
within 15 theirs_is s1 s2 left
within 120 ours_is p1 s2 left
within 120 ours_is p2 s2 left
echo "left, died, came back"

# --- the first bridge dies, the next one carries on ----------------------------------------------------------
once
end p1 KILL
serf event -rpc-addr="${rpc[s1]}" -coalesce=false last v9 >/dev/null || fail "serf event"
at p3 publish serf.bye 'from p3' >/dev/null || fail "publishing after a death"
for name in p2 p3; do within 90 times $name.out '"topic":"serf.last".*"payload":"v9"' 1; done
within 90 times s1.events '^bye from p3$' 1
within 60 theirs_is s1 p1 failed
echo "the next bridge carried on"

# --- nothing that we sent made Serf complain -----------------------------------------------------------------
# What remains is about the members that were killed on purpose, slow machines, and Serf's command line tools that hang up.
# An agent of Serf's that is told to leave gracefully says now and then that its own Serf was shut down: its event loop sees
# that before it sees that the agent itself is done.
complaints() {
  grep -hE '\[(WARN|ERR)\]' "$work"/s1.log "$work"/s2.log | grep -vE \
    'agent\.ipc: |agent: Serf shutdown detected, quitting|Refuting a suspect message|Was able to connect to|Refuting a dead message \(from: s2\)|Failed to send .*(connection refused)|Failed fallback ping: .*(connection refused|i/o timeout)|Push/Pull with .* failed: .*(connection refused|i/o timeout)'
}
complaints >"$work/complaints" && { cat "$work/complaints" >&2; fail "Serf complained"; }
echo "passed"
