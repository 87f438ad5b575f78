#!/usr/bin/env bash
# Which ways lead from member to member, and who believes what, while packets or connections are dropped. In a network namespace of its
# own; exit 77 (skipped) where none can be made. Usage: ways.sh PLUMVINED PLUMVINE
set -u
# Bytecodes drop (2) or let through (0). UDP of 127.0.0.3 to 127.0.0.2; the first packet of connections to 127.0.0.2; all UDP.
udp_b_to_a='8,48 0 0 23,21 0 5 17,32 0 0 26,21 0 3 2130706435,32 0 0 30,21 0 1 2130706434,6 0 0 2,6 0 0 0'
connections_to_a='8,48 0 0 23,21 0 5 6,32 0 0 30,21 0 3 2130706434,48 0 0 47,21 0 1 2,6 0 0 2,6 0 0 0'
all_udp='4,48 0 0 23,21 0 1 17,6 0 0 2,6 0 0 0'
# shellcheck source=tests/integration/namespace.sh
source "$(dirname "${BASH_SOURCE[0]}")/../namespace.sh"
enter_namespace --net "tc qdisc add dev lo ingress && tc filter add dev lo ingress bpf da bytecode '$all_udp'" "$@"
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
start() { local name=$1 bind=$2; shift 2; launch "$name" "$bind" /dev/null --preset local --set push_pull_interval=1h "$@"; }
drop() { tc qdisc add dev lo ingress && tc filter add dev lo ingress bpf da bytecode "$1" || fail "cannot drop packets"; }
pass() { tc qdisc del dev lo ingress || fail "cannot let packets pass"; }
expect() {
  local wanted=$1
  shift
  "$@" >"$work/answer" 2>&1
  local status=$?
  [ $status -eq "$wanted" ] || fail "exit $status instead of $wanted: $* ($(head -c 1500 "$work/answer"))"
}
says() { grep -Eq -- "$1" "$work/answer" || fail "'$1' is not in: $(head -c 1500 "$work/answer")"; }
# ways AT MEMBER: udp out, udp in, tcp out, tcp in
ways() { at "$1" --json reachability "$2" | jq -r '.members[0] | "\(.udp.out) \(.udp.in) \(.tcp.out) \(.tcp.in)"'; }
ways_are() { [ "$(ways "$1" "$2")" = "$3" ]; }

start a 127.0.0.2:0
start b 127.0.0.3:0 --join "$(field a bind)"
start c 127.0.0.4:0 --join "$(field a bind)"
start d 127.0.0.5:0 --join "$(field a bind)" --set suspicion_mult=100
all_alive() { [ "$(at "$1" --json members | grep -o '"state":"alive"' | wc -l)" -eq 4 ]; }
for name in a b c d; do within 20 all_alive $name; done

# All is open.
open() { at "$1" reachability >"$work/answer"; }
for name in a b; do within 20 open $name; done
says '^seen from b at 127\.0\.0\.3:[0-9]+$' && says '^a +127\.0\.0\.2:[0-9]+ +alive +open +open +open +open +[0-9.-]+ .* both ways$'
expect 0 at a --json reachability b
jq -e '.ok and (.members | length) == 1 and .members[0].to_open == [] and .members[0].checked and .members[0].answered and .silent == []' \
  <"$work/answer" >/dev/null || fail "$(cat "$work/answer")"
jq -e '.members[0] | .packet_bytes == {"out": 1472, "in": 1472} and .packets_too_large == false' <"$work/answer" >/dev/null || fail "packets: $(cat "$work/answer")"
measured() { at a --json reachability | jq -e 'all(.members[]; .rtt_ms > 0) and any(.members[]; .clock_offset_ms != null)' >/dev/null; }
within 20 measured
expect 1 at a reachability nobody && says "no other member 'nobody'"
expect 1 at a reachability a
expect 2 at a reachability b c

# Packets of b do not reach a: both ends tell the direction, and what to open.
drop "$udp_b_to_a"
within 10 ways_are a b 'open blocked open open'
within 10 ways_are b a 'blocked open open open'
expect 1 at a reachability b && says '^b .* alive +open +blocked +open +open ' && says "^udp in +${gate:=$(field a bind | sed 's/.*://')} +127\.0\.0\.2 +127\.0\.0\.3\$"
expect 1 at b --json reachability a
jq -e --argjson port "$gate" '.members[0].to_open == [{"protocol":"udp","from":"127.0.0.3","to":"127.0.0.2","port":$port,"direction":"out"}]' \
  <"$work/answer" >/dev/null || fail "$(cat "$work/answer")"
[ "$(ways c d)" = 'open open open open' ] || fail "c and d: $(ways c d)"
# Once their probes have seen it often enough, others hear of it, too.
elsewhere() { at c --json reachability | jq -e 'any(.elsewhere[]; .at == "a" and .member == "b" and .packets == "in_blocked" or .at == "b" and .member == "a")' >/dev/null; }
within 60 elsewhere
told() { at c reachability >"$work/answer"; [ $? -eq 1 ] && grep -Eq '^[ab] says of [ab]: udp (in|out)_blocked' "$work/answer"; }
within 20 told  # who is busy answers the next time
pass
within 10 ways_are a b 'open open open open'

# Nobody can connect to a. What is connected stays.
drop "$connections_to_a"
within 10 ways_are a b 'open open open blocked'
within 10 ways_are b a 'open open blocked open'
expect 1 at a reachability b && says "^b: tcp in: connecting to it took too long\$" && says "^tcp in +$gate +127\.0\.0\.2 +127\.0\.0\.3\$"
pass
within 10 ways_are b a 'open open open open'

# Without packets and table exchanges each finds out alone who died: they differ, and say so.
drop "$all_udp"
end b KILL
within 60 ours_is a b dead
within 60 ours_is d b suspect
differ() { at a members --diff >"$work/answer"; [ $? -eq 1 ] && grep -Eq '^b +dead +suspect \([0-9]+\) +d$' "$work/answer"; }
within 20 differ
at d --json members --diff >"$work/answer"
jq -e '.agree == false and any(.disagreements[]; .member == "b" and .here.state == "suspect" and any(.elsewhere[]; .state == "dead" and (.says | index("a"))))' \
  <"$work/answer" >/dev/null || fail "$(cat "$work/answer")"
expect 1 at a reachability b && says '^b +127\.0\.0\.3:[0-9]+ +dead ' && says 'tcp out: '
echo "passed"
