#!/usr/bin/env bash
# What supervisors ask: /readyz is not 200 before the first sync; /healthz says within 5 s that a node is cut off, and within 5 s that it is
# back, however the network fails and however long; /livez answers through all of it. In network namespaces of its own; exit 77
# (skipped) where none can be made. Usage: isolation.sh PLUMVINED PLUMVINE
set -u
# shellcheck source=tests/integration/namespace.sh
source "$(dirname "${BASH_SOURCE[0]}")/../namespace.sh"
# shellcheck source=tests/integration/operations/wires.sh
source "$(dirname "${BASH_SOURCE[0]}")/wires.sh"
enter_wires "$@"
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
make_wires

now_ms() { date +%s%3N; }
# turns NAME STATUS: milliseconds from now until /healthz has this status, at most 5 s; /livez answers meanwhile.
turns() {
  local begin took
  begin=$(now_ms)
  until [ "$(code "$1" /healthz)" = "$2" ]; do
    took=$(($(now_ms) - begin))
    [ $took -le 5000 ] || fail "/healthz of $1 is not $2 after $took ms: $(http "$1" /healthz)"
    [ "$(code "$1" /livez)" = 200 ] || fail "/livez of $1"
  done
  echo $(($(now_ms) - begin))
}
alive() { [ "$(at "$1" --json members | jq '[.[] | select(.state == "alive")] | length')" = "$2" ]; }

# --- not ready before the first sync ------------------------------------------------------------------------------------
place a west && place b west && place c east
launch c "${address[c]}:7946" /dev/null --join 10.78.0.1 --set suspicion_mult=4
for _ in $(seq 20); do
  [ "$(code c /readyz)" = 503 ] || fail "/readyz is $(code c /readyz) while no seed has answered"
  [ "$(code c /livez)" = 200 ] || fail "/livez"
done
http c /readyz | jq -e '.ready == false and (.reason | startswith("not joined"))' >/dev/null || fail "no reason: $(http c /readyz)"
launch a "${address[a]}:7946" /dev/null --print t
[ "$(code a /readyz)" = 200 ] || fail "an agent without seeds is not ready"
synced() { http "$1" /debug/state | jq -e '.joined and .synced' >/dev/null; }
becomes_ready() {
  local status
  status=$(code "$1" /readyz)
  [ "$status" = 503 ] && return 1
  [ "$status" = 200 ] && synced "$1" || fail "/readyz of $1 is $status before the first sync: $(http "$1" /debug/state | head -c 600)"
}
within 30 becomes_ready c
launch b "${address[b]}:7946" /dev/null --join 10.78.0.1
within 30 becomes_ready b
for name in a b c; do within 20 alive $name 3; within 20 test "$(code $name /healthz)" = 200; done

# --- cut off and back ------------------------------------------------------------------------------------------------------
# The interface loses its carrier; or the switch beyond drops everything, and nobody tells; or what c sends is lost, and it hears the others still.
mute() { inside c nft 'add table ip mute; add chain ip mute out { type filter hook output priority 0; }; add rule ip mute out oifname eth0 drop'; }
speak() { inside c nft delete table ip mute; }
cuts=('ip link set vc down' 'cut_wire' 'mute') mends=('ip link set vc up' 'mend_wire' 'speak') codes=(PV2016 PV2016 PV2017)
# For a moment, and until everybody is dead and every link is given up.
# Who still hears others is not sure that they are dead.
given_up() { http "$1" /debug/state | jq -e '(.links | length) == 0 and ([.members[].state] | sort == ["alive", "dead", "dead"])' >/dev/null; }
forsaken() { http c /debug/state | jq -e '.links | length == 0' >/dev/null && ours_is a c dead && ours_is b c dead; }
for way in 0 1 2; do
  for length in short long; do
    ${cuts[$way]}
    gone=$(turns c 503) || exit 1
    http c /healthz | jq -e --arg code ${codes[$way]} '.status == "unhealthy" and any(.reasons[]; .code == $code)' >/dev/null || fail "no ${codes[$way]}: $(http c /healthz)"
    if [ $length = long ]; then
      if [ $way = 2 ]; then within 60 forsaken; else within 60 given_up c; fi
    fi
    [ "$(code c /healthz)" = 503 ] && [ "$(code c /readyz)" = 200 ] && [ "$(code c /livez)" = 200 ] || fail "a node that is cut off is alive and unhealthy"
    ${mends[$way]}
    back=$(turns c 200) || exit 1
    echo "${cuts[$way]}, $length: unhealthy after $gone ms, healthy again after $back ms"
    for name in a b c; do within 30 alive $name 3; done
  done
done
echo "passed"
