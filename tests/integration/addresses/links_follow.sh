#!/usr/bin/env bash
# Members whose address changes while messages flow: links over QUIC go on, whoever dialled them, and nothing is lost.
# Usage: links_follow.sh PLUMVINED PLUMVINE. Two network namespaces of its own: a and b live in one, c in the other one.
set -u
agent=$1 cli=$2
here=$(dirname "${BASH_SOURCE[0]}")/..
# shellcheck source=tests/integration/namespace.sh
source "$here/namespace.sh"
enter_namespace --net 'unshare --net true && ip link add probe0 type veth peer name probe1' "$@"
# shellcheck source=tests/integration/agents.sh
source "$here/agents.sh"

# A namespace lives as long as a process in it does.
unshare --net sleep infinity &
pid[there]=$!
there() { nsenter --net="/proc/${pid[there]}/ns/net" "$@"; }
apart() { [ "$(readlink "/proc/${pid[there]}/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
within 10 apart
ip link add here0 type veth peer name there0 netns "${pid[there]}" || fail "veth"
ip addr add 10.77.0.1/24 dev here0 && ip link set here0 up || fail "address"
there ip link set lo up && there ip addr add 10.77.0.2/24 dev there0 && there ip link set there0 up || fail "address there"

cat >"$work/agent_there" <<RUN
#!/bin/sh
exec nsenter --net=/proc/${pid[there]}/ns/net "$agent" "\$@"
RUN
chmod +x "$work/agent_there"

pki=$work/pki
"$cli" tls dev-ca "$pki" a b c --label prod >/dev/null || fail "dev-ca"
start() {
  local name=$1 host=$2 port=$3
  mkfifo "$work/$name.in"
  launch "$name" "0.0.0.0:$port" "$work/$name.in" --advertise "$host:$port" --preset local --cluster prod --transport quic \
    --join 10.77.0.1:7961 --publish t --subscribe t --tls-cert "$pki/$name.pem" --tls-key "$pki/$name-key.pem" --tls-ca "$pki/ca.pem"
}
# Writers hold the pipes open; opened for both directions, so that nobody waits.
exec 9<>/dev/null
open_input() { mkfifo "$work/$1.in.hold" 2>/dev/null; }
