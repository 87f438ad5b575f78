#!/usr/bin/env bash
# Agents on hosts with both address families, with one of them, and behind names that move. In a network and mount namespace
# of its own, where /etc/hosts and the addresses are the test's; exit 77 (skipped) where none can be made.
# Usage: families.sh PLUMVINED PLUMVINE
set -u
# shellcheck source=tests/integration/namespace.sh
source "$(dirname "${BASH_SOURCE[0]}")/../namespace.sh"
enter_namespace '--mount --net' 'mount --bind /etc/hosts /etc/hosts' "$@"
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
hosts=$work/hosts
echo '127.0.0.1 localhost' >"$hosts"
mount --bind "$hosts" /etc/hosts || fail "cannot put a hosts file in place"

# run NAME FLAGS…: an agent without --bind, unless the flags have one.
run() {
  local name=$1
  shift
  : >"$work/$name.err"
  "$agent" --name "$name" --http 127.0.0.1:0 --preset local "$@" </dev/null >"$work/$name.out" 2>>"$work/$name.err" &
  pid[$name]=$!
  within 20 ready "$name"
}
# shown SEER NAME ADDR PORT: alive, with this address.
shown() { at "$1" --json members 2>/dev/null | jq -e --arg n "$2" --arg a "$3" --argjson p "$4" \
  '.[] | select(.name == $n and .addr == $a and .port == $p and .state == "alive")' >/dev/null; }
port() { field "$1" bind | sed 's/.*://'; }
linked() { at "$1" --json peers 2>/dev/null | jq -e --arg n "$2" '.links[] | select(.peer == $n and .state == "up")' >/dev/null; }
end_all() { local name; for name in "${!pid[@]}"; do end "$name" TERM || fail "$name ended with $?"; done; }
says() { grep -qF -- "$2" "$work/$1.err" || fail "$1 does not say: $2"; }

# --- nothing but loopback ------------------------------------------------------------------------------------------
run a
[ "$(field a bind)" = '[::]:7946' ] || fail "the default is not [::]:7946: $(field a bind)"
says a 'Advertising 127.0.0.1:7946 (this host has no address but loopback'
run b --bind 127.0.0.2:0 --join 127.0.0.1                          # no port: the seed's own default
run c --bind 0.0.0.0:0 --join "127.0.0.2:$(port b)"
for seer in a b c; do
  within 20 shown $seer a 127.0.0.1 7946
  within 20 shown $seer b 127.0.0.2 "$(port b)"
  within 20 shown $seer c 127.0.0.1 "$(port c)"
done
within 20 linked b a
end_all
run a --bind '[::1]:0'
run b --bind '[::1]:0' --join "$(field a bind)"
for seer in a b; do
  within 20 shown $seer a ::1 "$(port a)"
  within 20 shown $seer b ::1 "$(port b)"
done
within 20 linked b a
end_all
echo "loopback only"

# --- both families -------------------------------------------------------------------------------------------------
for i in 1 2 3 4; do
  ip addr add 10.77.0.$i/24 dev lo || fail "cannot add an address"
  ip -6 addr add fd00:77::$i/64 dev lo nodad || fail "cannot add an address"
done
# A member on both takes packets of IPv4 as such: they are shown so, not as ::ffff:…
run both --bind '[::]:0'
says both "Advertising 10.77.0.1:$(port both) (no default route, a private address of an interface)"
run four --bind 10.77.0.2:0 --join "10.77.0.1:$(port both)"
run wild --bind 0.0.0.0:0 --advertise "10.77.0.3:0" --join "10.77.0.1:$(port both)"
for seer in both four wild; do
  within 20 shown $seer both 10.77.0.1 "$(port both)"
  within 20 shown $seer four 10.77.0.2 "$(port four)"
  within 20 shown $seer wild 10.77.0.3 "$(port wild)"
done
within 20 linked four both
end_all
# Where a peer has IPv6 only, the member on both advertises that.
run both --bind '[::]:0' --advertise '[fd00:77::1]:0'
run six --bind '[fd00:77::2]:0' --join "[fd00:77::1]:$(port both)"
run other --bind '[::]:0' --advertise 10.77.0.3:0 --join "10.77.0.1:$(port both)"  # dials either
for seer in both six; do
  within 20 shown $seer both fd00:77::1 "$(port both)"
  within 20 shown $seer six fd00:77::2 "$(port six)"
done
within 20 linked six both
within 20 shown other both fd00:77::1 "$(port both)"
within 20 shown both other 10.77.0.3 "$(port other)"
within 20 shown other six fd00:77::2 "$(port six)"
end_all
# Packets do not pass between those bound to one family and the other. Streams do here, so the cluster stays whole, and says
# what is closed.
run both --bind '[::]:0'
run four --bind 10.77.0.2:0 --join "10.77.0.1:$(port both)"
run six --bind '[fd00:77::2]:0' --join "[fd00:77::1]:$(port both)"
blocked() { grep -q 'PV1107.*member four' "$work/six.err" && grep -q 'PV1107.*member six' "$work/four.err"; }
within 90 blocked
for seer in both four six; do
  within 20 shown $seer both 10.77.0.1 "$(port both)"
  within 20 shown $seer four 10.77.0.2 "$(port four)"
  within 20 shown $seer six fd00:77::2 "$(port six)"
  grep -q PV1102 "$work/$seer.err" && fail "$seer declared somebody dead"
done
end_all
echo "both families"

# --- addresses that nobody can dial --------------------------------------------------------------------------------
refused() {  # ADDRESS WHY
  "$agent" --name x --bind 127.0.0.1:0 --http off --advertise "$1" >/dev/null 2>"$work/refused" && fail "advertise $1 was taken"
  grep -qF -- "$2" "$work/refused" || fail "advertise $1: $(cat "$work/refused")"
}
refused 0.0.0.0:1 'a wildcard cannot be dialled'
refused 224.0.0.5:1 'a multicast address'
refused 255.255.255.255:1 'a broadcast or reserved address'
refused '[ff02::1]:1' 'a multicast address'
refused '[fe80::1]:1' 'a link-local IPv6 address means nothing without an interface'
echo "undiallable addresses refused"

# --- names: several addresses, of both families; a seed that moves ---------------------------------------------------
# The first address is nobody's, the second is the seed's.
printf '10.77.0.4 seed.test\nfd00:77::3 seed.test\n' >>"$hosts"
run first --bind '[fd00:77::3]:7946'
run joiner --bind '[::]:0' --advertise '[fd00:77::1]:0' --join seed.test:7946
within 20 shown joiner first fd00:77::3 7946
within 20 shown first joiner fd00:77::1 "$(port joiner)"
end first KILL
printf '127.0.0.1 localhost\n10.77.0.2 seed.test\n' >"$hosts"
run second --bind 10.77.0.2:7946  # knows nobody; it is found by the name
within 60 shown joiner second 10.77.0.2 7946
end joiner TERM
end second TERM
echo "a seed moved"

# --- IPv6 off ------------------------------------------------------------------------------------------------------
if echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/all/disable_ipv6; then
  run a
  [ "$(field a bind)" = 0.0.0.0:7946 ] || fail "the default without IPv6 is not 0.0.0.0:7946: $(field a bind)"
  run b --bind 10.77.0.2:0 --join 10.77.0.1
  for seer in a b; do
    within 20 shown $seer a 10.77.0.1 7946
    within 20 shown $seer b 10.77.0.2 "$(port b)"
  done
  end_all
  echo "IPv6 off"
else
  echo "SKIPPED: IPv6 cannot be switched off here; all else passed"
  exit 77
fi
echo "passed after $SECONDS s"
