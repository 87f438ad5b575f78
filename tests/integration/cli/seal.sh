#!/usr/bin/env bash
# A cluster that runs in clear gets a key by three rounds of restarts, and nobody is ever dead. Usage: seal.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

key=$(head -c 32 /dev/urandom | base64)
nodes=(a b c)
declare -A place
all_alive() {
  local seer name
  for seer in "${nodes[@]}"; do for name in "${nodes[@]}"; do ours_is "$seer" "$name" alive || return 1; done; done
}
linked() { local n; for n in "${nodes[@]}"; do [ "$(at "$n" --json peers | jq '.total_peers // (.links | length)')" -eq 2 ] || return 1; done; }
in_clear() { at "$1" metrics --grep '^swim_plaintext_frames_total' | awk '{print $2}'; }
moved() { [ "$(in_clear "$1")" -gt 0 ]; }
start() { local name=$1; shift; launch "$name" "${place[$name]:-127.0.0.1:0}" /dev/null --preset local --set retransmit_mult=4 "$@"; place[$name]=$(field "$name" bind); }
# round FLAGS…: restarts one after another.
round() {
  local i name
  for i in 0 1 2; do
    name=${nodes[$i]}
    end "$name" TERM || fail "$name did not end well"
    start "$name" --join "${place[${nodes[$(((i + 1) % 3))]}]}" "$@"
    within 30 all_alive
  done
  within 30 linked
}

start a
start b --join "${place[a]}"
start c --join "${place[a]}"
within 30 all_alive
within 30 linked
round --encrypt "$key" --set gossip_verify_incoming=false --set gossip_verify_outgoing=false
for name in "${nodes[@]}"; do within 20 moved "$name"; done
echo "everybody has the key"
round --encrypt "$key" --set gossip_verify_incoming=false
echo "everybody seals"
before=$(in_clear a)
at a publish t hello >/dev/null || fail "publish"
sealed_probes() { [ "$(at a metrics --grep '^swim_probes_total.result="ack"' | awk '{print $2}')" -ge "$1" ]; }
probes=$(at a metrics --grep '^swim_probes_total.result="ack"' | awk '{print $2}')
within 30 sealed_probes $((probes + 5))
[ "$(in_clear a)" = "$before" ] || fail "something still comes in clear: $before, $(in_clear a)"
round --encrypt "$key"
for name in "${nodes[@]}"; do [ "$(in_clear "$name")" = 0 ] || fail "$name still gets frames in clear"; done
grep -l PV1102 "$work"/*.err && fail "somebody was dead meanwhile"
launch outsider 127.0.0.1:0 /dev/null --preset local --join "${place[a]}"
within 30 moved a
ours_is a outsider alive && fail "a member without key was let in"
echo "passed"
