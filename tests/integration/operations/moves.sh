#!/usr/bin/env bash
# A member whose address changes under load: the links over QUIC that it dialled go on, and no line is lost. In network namespaces of its own;
# exit 77 (skipped) where none can be made. Usage: moves.sh PLUMVINED PLUMVINE
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

pki=$work/pki
"$cli" tls dev-ca "$pki" a b --label prod >/dev/null || fail "dev-ca"
place a west
place b west
# Each has a second address, which stays when the first one goes.
for name in a b; do
  ip netns exec $name sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1 || fail "sysctl"
  ip -n $name addr add "${address[$name]/10.78.0./10.78.0.10}/24" dev eth0 || fail "no second address"
done
mkfifo "$work/lines"
exec 9<>"$work/lines"
start() {
  local name=$1 input=$2
  shift 2
  launch "$name" 0.0.0.0:7961 "$input" --advertise "${address[$name]}:7961" --preset local --cluster prod --transport quic --join "${address[a]}:7961" \
    --tls-cert "$pki/$name.pem" --tls-key "$pki/$name-key.pem" --tls-ca "$pki/ca.pem" --set topics.lines.order=fifo "$@"
}
start a "$work/lines" --publish lines --print lines
start b /dev/null --print lines
linked() { [ "$(at "$1" --json peers | jq '[.links[] | select(.state == "up")] | length')" = 1 ]; }
within 20 linked a
within 20 linked b
metric() { http "$1" /metrics | sed -n "s/^$2 //p"; }
# The one that dialled is the one that can move.
mover=a other=b
[ "$(at a --json peers | jq -r '.links[0].direction')" = outbound ] || mover=b other=a
at a --json peers | jq -c '.links[0] | [.peer, .direction]'

lines=400
feed() { for i in $(seq "$1" "$2"); do printf '%08d %02000d\n' "$i" "$i"; done >"$work/lines"; }
arrived() { [ "$(wc -l <"$work/b.out")" -ge "$1" ]; }
feed 1 100
within 20 arrived 100
feed 101 200 &
ip -n $mover addr del "${address[$mover]}/24" dev eth0 || fail "the address stays"
wait $!
feed 201 $lines
within 30 arrived $lines
[ "$(jq -r .payload "$work/b.out" | cut -c1-8 | sha256sum)" = "$(seq -f %08g 1 $lines | sha256sum)" ] || fail "lines are missing, doubled or out of order"
[ "$(metric $mover plumvine_quic_migrations_total)" -ge 1 ] || fail "$mover did not move: $(metric $mover plumvine_quic_migrations_total)"
grep -q 'PV1230' "$work/$mover.err" || fail "$mover does not say that its address is gone"
! grep -q 'PV1202' "$work"/?.err || fail "a link went down"
[ "$(metric $mover plumvine_quic_fallbacks_total)" = 0 ] || fail "$mover went over TCP"
echo "$mover moved, its link stayed, and $lines lines arrived in order"
