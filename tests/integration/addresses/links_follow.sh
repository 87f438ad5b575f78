#!/usr/bin/env bash
# A member whose address changes while messages flow: its links over QUIC go on, whoever dialled them, and nothing is lost.
# Usage: links_follow.sh PLUMVINED PLUMVINE. In two network namespaces of its own: a, b and d live in one, c in the other one.
set -u
agent=$1 cli=$2
here=$(dirname "${BASH_SOURCE[0]}")/..
# shellcheck source=tests/integration/namespace.sh
source "$here/namespace.sh"
enter_namespace --net 'unshare --net true && ip link add probe0 type veth peer name probe1' "$@"
# shellcheck source=tests/integration/agents.sh
source "$here/agents.sh"
lines=${LINES_EACH:-600}

# --- two hosts: a namespace lives as long as a process in it does ---------------------------------------------------
unshare --net sleep infinity &
pid[there]=$!
there() { nsenter --net="/proc/${pid[there]}/ns/net" "$@"; }
apart() { [ "$(readlink "/proc/${pid[there]}/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
within 10 apart
ip link add here0 type veth peer name there0 netns "${pid[there]}" || fail "no pair of interfaces"
ip addr add 10.77.0.1/24 dev here0 && ip link set here0 up || fail "no address here"
there ip link set lo up && there ip addr add 10.77.0.2/24 dev there0 && there ip link set there0 up || fail "no address there"

# What runs there: c and whoever asks it.
for program in "$agent" "$cli"; do
  printf '#!/bin/sh\nexec nsenter --net=/proc/%s/ns/net "%s" "$@"\n' "${pid[there]}" "$program" >"$work/there-$(basename "$program")"
  chmod +x "$work/there-$(basename "$program")"
done
host() { [ "$1" = c ] && echo 10.77.0.2 || echo 10.77.0.1; }
of() { local name=$1; shift; if [ "$name" = c ]; then there "$@"; else "$@"; fi; }
cli_here=$cli
at() { local name=$1; shift; of "$name" "$cli_here" --http "$(field "$name" http)" "$@"; }
metric() { of "$1" curl -s "http://$(field "$1" http)/metrics" | sed -n "s/^$2 //p"; }

# --- four members ---------------------------------------------------------------------------------------------------
nodes=(a b c d)
declare -A port=([a]=7961 [b]=7971 [c]=7981 [d]=7991)
pki=$work/pki
"$cli" tls dev-ca "$pki" "${nodes[@]}" --label prod >/dev/null || fail "dev-ca"
mkfifo "$work/lines-a" "$work/lines-c"
exec 7<>"$work/lines-a" 8<>"$work/lines-c"
start() {
  local name=$1 input=/dev/null program=$agent
  [ ! -p "$work/lines-$name" ] || input=$work/lines-$name
  [ "$name" != c ] || program=$work/there-$(basename "$agent")
  agent=$program launch "$name" "0.0.0.0:${port[$name]}" "$input" --advertise "$(host "$name"):${port[$name]}" --preset local --cluster prod \
    --transport quic --join "10.77.0.1:${port[a]}" --publish t --print t --set topics.t.order=fifo \
    --tls-cert "$pki/$name.pem" --tls-key "$pki/$name-key.pem" --tls-ca "$pki/ca.pem"
}
for name in "${nodes[@]}"; do start "$name"; done
all_alive() {
  local seer name
  for seer in "${nodes[@]}"; do for name in "${nodes[@]}"; do ours_is "$seer" "$name" alive || return 1; done; done
}
within 30 all_alive
links_of_c() { at c --json peers | jq -r '.links[] | select(.state == "up") | "\(.peer) \(.direction)"' | sort; }
all_linked() { [ "$(links_of_c | wc -l)" = 3 ] && [ "$(metric c plumvine_quic_connections)" = 3 ]; }
within 30 all_linked
links_before=$(links_of_c)
echo "links of c: $(tr '\n' ',' <<<"$links_before")"

# --- c moves while a and c publish ------------------------------------------------------------------------------------
printed() { jq -r .payload "$work/$1.out" 2>/dev/null | grep -c "^$2 "; }
feed() { local i; for i in $(seq "$lines"); do echo "$1 $i"; sleep 0.01; done; }  # the pace of the load; nothing waits for it
feed a >&7 &
pid[feed_a]=$!
feed c >&8 &
pid[feed_c]=$!
some() { [ "$(printed c a)" -gt 50 ] && [ "$(printed a c)" -gt 50 ]; }
within 30 some
closed_before=$(metric c 'plumtree_peer_removed_total')
there sh -c 'ip addr del 10.77.0.2/24 dev there0; ip addr add 10.77.0.3/24 dev there0' || fail "the address did not change"
moved() { [ "$(metric c plumvine_quic_migrations_total)" -ge 3 ]; }
within 20 moved
followed() {
  local name
  for name in a b d; do [ "$(metric "$name" plumvine_quic_migrations_total)" -ge 1 ] || return 1; done
}
within 20 followed
grep -q 'PV1230.*10.77.0.2' "$work/c.err" || fail "c does not say that its address is gone"
complete() {
  local name
  for name in b c d; do [ "$(printed "$name" a)" -ge "$lines" ] || return 1; done
  for name in a b d; do [ "$(printed "$name" c)" -ge "$lines" ] || return 1; done
}
within 60 complete
unset 'pid[feed_a]' 'pid[feed_c]'
for name in a b d; do
  [ "$(jq -r .payload "$work/$name.out" | grep '^c ' | sort -u | wc -l)" = "$lines" ] && [ "$(printed "$name" c)" = "$lines" ] || fail "$name has lines of c twice"
done
[ "$(links_of_c)" = "$links_before" ] || fail "links of c now: $(links_of_c | tr '\n' ',')"
[ "$(metric c 'plumtree_peer_removed_total')" = "$closed_before" ] || fail "c lost a link"
for name in "${nodes[@]}"; do
  [ "$(metric "$name" plumvine_quic_fallbacks_total)" = 0 ] || fail "$name went over to TCP"
  [ "$(metric "$name" plumvine_quic_connections)" = 3 ] || fail "$name has other links than before"
done
all_alive || fail "somebody is not taken for alive"
for name in "${nodes[@]}"; do end "$name" TERM || fail "$name did not end well"; done
echo "three links went on from another address, $((2 * lines)) messages came once each"
