# shellcheck shell=bash
# Agents in network namespaces of their own, each on one of two switches, `west` and `east`, with a wire between them; nftables counts
# what passes each agent's interface. Source namespace.sh and call enter_wires "$@"; set `agent` and `cli`; source agents.sh; then call
# make_wires. Agents are launched as on loopback, at place NAME SIDE, which gives their --bind; `at` asks them inside.

enter_wires() {
  enter_namespace "--net --mount" "mount -t tmpfs tmpfs /run && ip netns add try && ip link add veth0 type veth peer name eth0 netns try &&
    ip link add try type bridge && ip netns exec try nft add table ip try" "$@"
  mount -t tmpfs tmpfs /run || exit 1
}

make_wires() {
  program=$agent agent=$work/agent hosts=0
  # `ip netns exec` becomes the agent: its process id is the agent's.
  printf '#!/bin/sh\nexec ip netns exec "$2" "%s" "$@"\n' "$program" >"$agent"
  chmod +x "$agent"
  ip link add west type bridge && ip link add east type bridge && ip link add wire type veth peer name eriw &&
    ip link set wire master west && ip link set eriw master east || fail "no switches"
  for device in west east wire eriw; do ip link set $device up; done
  at() { inside "$1" "$cli" --http "$(field "$1" http)" "${@:2}"; }
}
cut_wire() { ip link set wire down; }
mend_wire() { ip link set wire up; }

# Counters by direction, protocol and length of the protocol's header in words, so that they can be taken off.
counting() {
  local direction hook device words
  echo 'table ip watch {'
  for direction in in out; do
    if [ $direction = in ]; then hook=input device=iifname; else hook=output device=oifname; fi
    echo "counter udp_${direction}_2 {}"
    for words in $(seq 5 15); do echo "counter tcp_${direction}_$words {}"; done
    echo "chain $direction { type filter hook $hook priority 0;"
    echo "$device eth0 meta l4proto udp counter name udp_${direction}_2"
    for words in $(seq 5 15); do echo "$device eth0 meta l4proto tcp tcp doff $words counter name tcp_${direction}_$words"; done
    echo '}'
  done
  echo '}'
}

declare -A address
# place NAME SIDE: a namespace on this switch; its address is in address[NAME].
place() {
  local name=$1 side=$2
  address[$name]=10.78.0.$((++hosts))
  ip netns add "$name" && ip link add "v$name" type veth peer name eth0 netns "$name" && ip link set "v$name" master "$side" up &&
    ip -n "$name" addr add "${address[$name]}/24" dev eth0 && ip -n "$name" link set lo up && ip -n "$name" link set eth0 up &&
    counting | ip netns exec "$name" nft -f - || fail "no place for $name"
}
inside() { ip netns exec "$@"; }
# http NAME CURL_ARGUMENT… PATH: its answer; `code` the same way gives the status.
http() { inside "$1" curl -s -m 5 "${@:2:$#-2}" "http://$(field "$1" http)${*: -1}"; }
code() { http "$1" -o /dev/null -w '%{http_code}' "${@:2}"; }
# payload NAME in|out tcp|udp: bytes that passed its interface, by the kernel's count, without headers.
payload() {
  inside "$1" nft -j list counters table ip watch | jq --arg of "$3_$2_" '[.nftables[].counter? // empty | select(.name | startswith($of))
    | .bytes - .packets * (20 + 4 * (.name | ltrimstr($of) | tonumber))] | add'
}
