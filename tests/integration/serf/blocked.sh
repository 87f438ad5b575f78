#!/usr/bin/env bash
# A member that no packet reaches and that no packet leaves, among ours and an agent of Serf's: it stays a member, everybody says
# once what is closed, and orders about keys reach it. In a network namespace of its own; exit 77 (skipped) where none can be made.
# Usage: blocked.sh PLUMVINED PLUMVINE
set -u
# Drops all UDP of 127.0.0.4, both ways: 17 at byte 23 of the frame, the address at 26 or at 30.
filter='8,48 0 0 23,21 0 5 17,32 0 0 26,21 2 0 2130706436,32 0 0 30,21 0 1 2130706436,6 0 0 2,6 0 0 0'
block="tc qdisc add dev lo ingress && tc filter add dev lo ingress bpf da bytecode '$filter'"
# shellcheck source=tests/integration/namespace.sh
source "$(dirname "${BASH_SOURCE[0]}")/../namespace.sh"
enter_namespace --net "$block" "$@"
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
# shellcheck source=tests/integration/serf/serf_agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/serf_agents.sh"

first=$(head -c 32 /dev/urandom | base64)
second=$(head -c 24 /dev/urandom | base64)
third=$(head -c 16 /dev/urandom | base64)
start() {
  local name=$1 bind=$2
  shift 2
  launch "$name" "$bind" /dev/null --preset local --set retransmit_mult=4 --encrypt "$first" --data-dir "$work/$name.d" "$@"
}
all_alive() {
  local seer name
  for name in s1 a b c; do
    theirs_is s1 "$name" alive || return 1
    for seer in a b c; do ours_is "$seer" "$name" alive || return 1; done
  done
}
# keys AT ARGUMENTS…: all four confirm.
keys() {
  at "$1" --json keys "${@:2}" >"$work/answer" 2>&1
  jq -e '.ok and ([.members[] | select(.outcome == "confirmed")] | length == 4)' "$work/answer" >/dev/null ||
    fail "keys $*: $(cat "$work/answer")"
}

serf_start s1 127.0.0.9 -encrypt="$first"
start a 127.0.0.2:0 --join "${gossip[s1]}"
start b 127.0.0.3:0 --join "$(field a bind)"
start c 127.0.0.4:0 --join "$(field a bind)"
within 30 all_alive
eval "$block" || fail "cannot block packets"
keys a install "$second"  # nobody knows yet
said() { local name; for name in a b c; do grep -q PV1107 "$work/$name.err" || return 1; done; }
within 90 said
keys a use "$second"
keys c list               # Serf's answer comes over one of ours
[ "$(jq --arg k "$second" '.primaries[$k]' "$work/answer")" = 4 ] || fail "not everybody uses the second key: $(cat "$work/answer")"
all_alive || fail "somebody is missing"
for name in a b; do [ "$(grep -c PV1107 "$work/$name.err")" = 1 ] || fail "$name says it more than once"; done
grep -l PV1102 "$work"/*.err && fail "somebody was dead"
echo "orders came through"

end c KILL
within 60 ours_is a c dead
at a keys install "$third" >/dev/null && at a keys use "$third" >/dev/null || fail "rotating without c"
start c 127.0.0.4:0 --join "$(field a bind)"
learned() { [ "$(jq -r '.[0]' "$work/c.d/keyring.json")" = "$third" ]; }
within 60 learned
within 60 all_alive
keys b remove "$second"
echo "passed"
