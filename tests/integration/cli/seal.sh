#!/usr/bin/env bash
# A cluster that runs in clear gets a key, by three rounds of restarts or of SIGHUP, and nobody is ever dead.
# Usage: seal.sh PLUMVINED PLUMVINE
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
for name in "${nodes[@]}" outsider; do end "$name" KILL; done

# --- the same while they run, one of them without knowing when the others are told -----------------------------------
ring() { for name in "${nodes[@]}"; do echo "[\"$key\"]" >"$work/$name.ring"; done; chmod 600 "$work"/*.ring; }
# told TEXT…: every member reads its file again, with these lines in it.
told() {
  local name read
  for name in "${nodes[@]}"; do
    printf '%s\n' "$@" | sed "s|RING|$work/$name.ring|" >"$work/$name.toml"
    read=$(grep -c PV5002 "$work/$name.err")
    kill -HUP "${pid[$name]}"
    taken() { [ "$(grep -c PV5002 "$work/$name.err")" -gt "$read" ]; }
    within 10 taken
  done
  grep -h 'PV5006\|need a restart' "$work"/*.err && fail "a reload was not taken over"
}
nodes=(d e f)
for name in "${nodes[@]}"; do
  echo 'retransmit_mult = 4' >"$work/$name.toml"
  launch "$name" 127.0.0.1:0 /dev/null --preset local --config "$work/$name.toml" ${place[d]:+--join "${place[d]}"}
  place[$name]=$(field "$name" bind)
done
within 30 all_alive
within 30 linked
ring
told 'retransmit_mult = 4' 'keyring = "RING"' 'gossip_verify_incoming = false' 'gossip_verify_outgoing = false'
for name in "${nodes[@]}"; do within 20 moved "$name"; done
told 'retransmit_mult = 4' 'keyring = "RING"' 'gossip_verify_incoming = false'
acks() { at "$1" metrics --grep '^swim_probes_total.result="ack"' | awk '{print $2}'; }
all_clear() { local name; for name in "${nodes[@]}"; do in_clear "$name"; done; }
# Between ten probes of one member nothing in clear came to any.
still() {
  local before probes
  before=$(all_clear) probes=$(acks d)
  probed() { [ "$(acks d)" -ge $((probes + 10)) ]; }
  within 30 probed
  [ "$(all_clear)" = "$before" ]
}
within 60 still
within 30 linked
told 'retransmit_mult = 4' 'keyring = "RING"'
still || fail "something still comes in clear"
all_alive || fail "somebody is missing"
within 30 linked
at d publish t sealed >/dev/null || fail "publish"
at d config show | grep -q 'gossip_verify_incoming = true' || fail "the effective configuration is another one"
grep -l 'PV1102\|PV1101\|PV1120' "$work"/[def].err && fail "somebody was missed meanwhile"
before=$(in_clear d)
launch stranger 127.0.0.1:0 /dev/null --preset local --join "${place[d]}"
tried() { [ "$(in_clear d)" -gt "$before" ]; }
within 30 tried
ours_is d stranger alive && fail "a member without key was let in"
new=$(head -c 16 /dev/urandom | base64)
at e keys install "$new" >/dev/null && at e keys use "$new" >/dev/null || fail "rotating"
for name in "${nodes[@]}"; do [ "$(jq -r '.[0]' "$work/$name.ring")" = "$new" ] || fail "$name did not write its new key"; done
echo 'retransmit_mult = 4' >"$work/f.toml"
kill -HUP "${pid[f]}"
refused() { grep -q 'PV5006.*the configuration was not taken over.*not turned off' "$work/f.err"; }
within 10 refused
all_alive || fail "a refused reload did harm"
echo "passed"
