#!/usr/bin/env bash
# Agents whose links go over QUIC: what travels where, a member that is killed and comes back, UDP that is swallowed, and UDP that comes back.
# Usage: quic.sh PLUMVINED PLUMVINE. In a network namespace of its own, since it drops packets.
set -u
agent=$1 cli=$2
here=$(dirname "${BASH_SOURCE[0]}")/..
# shellcheck source=tests/integration/namespace.sh
source "$here/namespace.sh"
enter_namespace --net 'nft add table inet probe && nft delete table inet probe' "$@"
# shellcheck source=tests/integration/agents.sh
source "$here/agents.sh"

nodes=(a b c)
declare -A port=([a]=7961 [b]=7971 [c]=7981) host=([a]=127.0.0.1 [b]=127.0.0.1 [c]=127.0.0.3)
pki=$work/pki
"$cli" tls dev-ca "$pki" "${nodes[@]}" --label prod >/dev/null || fail "dev-ca"
start() {
  local name=$1
  launch "$name" ${host[$name]}:${port[$name]} /dev/null --preset local --cluster prod --transport quic --join 127.0.0.1:${port[a]} \
    --tls-cert "$pki/$name.pem" --tls-key "$pki/$name-key.pem" --tls-ca "$pki/ca.pem"
}
all_alive() {
  local seer name
  for seer in "${nodes[@]}"; do for name in "${nodes[@]}"; do ours_is "$seer" "$name" alive || return 1; done; done
}
metric() { curl -s "http://$(field "$1" http)/metrics" | sed -n "s/^$2 //p"; }
total() { local sum=0 name; for name in "${nodes[@]}"; do sum=$((sum + $(metric "$name" "$1"))); done; echo $sum; }
# Each link has two ends.
links_over_quic() { [ "$(total plumvine_quic_connections)" -ge "$1" ]; }
no_link_over_quic() { [ "$(total plumvine_quic_connections)" = 0 ]; }
delivers() { at a test-delivery --count 16 --size 8000 >"$work/said" 2>&1; }
logged() { grep -q "$2" "$work/$1.err"; }

# --- three members over QUIC --------------------------------------------------------------------------------------
for name in "${nodes[@]}"; do start "$name"; done
within 30 all_alive
within 20 links_over_quic 6
for name in "${nodes[@]}"; do
  logged "$name" "PV1514.*UDP port $((port[$name] + 1))" || fail "$name does not say where it takes links"
  [ "$(metric "$name" 'plumvine_bytes_sent_total{transport="udp"}')" = 0 ] || fail "$name sent packets that nobody sealed"
  [ "$(metric "$name" 'plumvine_bytes_sent_total{transport="quic"}')" -gt 1200 ] || fail "$name sent nothing over QUIC"
done
tcp_before=$(total 'plumvine_bytes_sent_total{transport="tcp"}')
quic_before=$(total 'plumvine_bytes_sent_total{transport="quic"}')
delivers || fail "not delivered: $(cat "$work/said")"
[ $(($(total 'plumvine_bytes_sent_total{transport="quic"}') - quic_before)) -gt 200000 ] || fail "the messages did not go over QUIC"
[ $(($(total 'plumvine_bytes_sent_total{transport="tcp"}') - tcp_before)) -lt 100000 ] || fail "the messages went over TCP"
[ "$(total 'plumvine_quic_datagrams_total{what="received"}')" -gt 0 ] || fail "no packet of membership travelled inside of a link"
for direction in sent received; do
  [ "$(total "plumvine_quic_batches_total{direction=\"$direction\"}")" -gt 0 ] || fail "no payload went beside a stream ($direction)"
done
[ "$(total plumvine_quic_fallbacks_total)" = 0 ] || fail "somebody fell back to TCP"
! grep -q WARN "$work"/*.err || fail "somebody warns of something"

# --- c is kept out, and let in again ------------------------------------------------------------------------------
linked_to() { [ "$(at "$1" --json peers | jq -r '[.links[] | select(.state == "up") | .peer] | sort | join(" ")')" = "$2" ]; }
kept_out() { [ "$(metric a 'plumvine_quic_rejected_total{reason="not_admitted"}')" -ge 1 ]; }
at a block add ${host[c]} --ttl 1h >/dev/null || fail "cannot block"
within 10 linked_to a b
within 30 kept_out
logged a "PV1227.*${host[c]}" || fail "a does not say whom it keeps out"
at a block rm ${host[c]} >/dev/null || fail "cannot take the block back"
within 60 linked_to a 'b c'

# --- killed, and back ---------------------------------------------------------------------------------------------
end c KILL
gone() { ! ours_is a c alive; }
within 20 gone
delivers  # c is missed
grep -q '^b  *16 of 16' "$work/said" || fail "not delivered without c: $(cat "$work/said")"
start c
within 30 all_alive
within 20 links_over_quic 6
delivers || fail "not delivered to c: $(cat "$work/said")"

# --- UDP is swallowed ---------------------------------------------------------------------------------------------
fallbacks=$(total plumvine_quic_fallbacks_total)
nft -f - <<'RULES' || fail "nft"
table inet probe {
  chain drop_udp {
    type filter hook input priority 0; policy accept;
    meta l4proto udp drop
  }
}
RULES
within 60 no_link_over_quic
within 60 delivers
fell_back() { [ "$(total plumvine_quic_fallbacks_total)" -gt "$fallbacks" ]; }
within 30 fell_back
grep -q 'PV1229.*the link goes over TCP' "$work"/*.err || fail "nobody says that links go over TCP"
within 30 all_alive
delivers || fail "not delivered over TCP: $(cat "$work/said")"

# --- and comes back: new links go over QUIC again -------------------------------------------------------------------
nft delete table inet probe
end b KILL
start b
within 60 all_alive
within 60 links_over_quic 2
within 30 delivers
for name in "${nodes[@]}"; do end "$name" TERM || fail "$name did not end well"; done
echo "links went over QUIC, over TCP where UDP was swallowed, and over QUIC again"
