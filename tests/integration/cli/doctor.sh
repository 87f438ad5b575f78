#!/usr/bin/env bash
# Faults in a cluster of seven, each of which the doctor must name first within 30 s, and whose remedy must make it well again. One of
# the seven is in a network namespace of its own, so that its network can be cut. Usage: doctor.sh PLUMVINED PLUMVINE [faults|settings]
set -u
# shellcheck source=tests/integration/namespace.sh
source "$(dirname "${BASH_SOURCE[0]}")/../namespace.sh"
enter_namespace --net "ip link add v0 type veth peer name v1 && tc qdisc add dev v0 ingress && ip link del v0" "$@"
agent=$1 cli=$2 part=${3:-all}
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

# --- a network of two machines -----------------------------------------------------------------------------------
unshare --net sleep 600 &
pid[machine]=$!
entered() { [ "$(readlink "/proc/${pid[machine]}/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
within 10 entered
inside=(nsenter --net="/proc/${pid[machine]}/ns/net")
ip link add v0 type veth peer name v1 netns "${pid[machine]}"
ip addr add 10.1.0.1/24 dev v0
ip link set v0 up
"${inside[@]}" ip link set lo up
"${inside[@]}" ip addr add 10.1.0.2/24 dev v1
"${inside[@]}" ip link set v1 up
printf '#!/bin/sh\nexec nsenter --net=/proc/%s/ns/net %s "$@"\n' "${pid[machine]}" "$agent" >"$work/agent_inside"
printf '#!/bin/sh\nexec nsenter --net=/proc/%s/ns/net %s "$@"\n' "${pid[machine]}" "$cli" >"$work/cli_inside"
chmod +x "$work/agent_inside" "$work/cli_inside"

# --- the doctor --------------------------------------------------------------------------------------------------
# doctor AT: its report in $work/report, its exit status.
doctor() {
  if [ "$1" = n7 ]; then cli=$work/cli_inside at n7 --json doctor >"$work/report" 2>"$work/report.err"
  else at "$1" --json doctor >"$work/report" 2>"$work/report.err"; fi
}
first() {
  doctor "$1"
  [ $? -eq 1 ] && jq -e --arg code "$2" ".findings[0] | .code == \$code and (${3:-true})" "$work/report" >/dev/null
}
# names AT CODE [FILTER]: the first finding there has this code within 30 s, and the filter holds of it.
names() {
  local deadline=$((SECONDS + 30))
  until first "$@"; do
    [ $SECONDS -lt $deadline ] || fail "$1 does not find $2 first: $(jq -c '[.findings[] | {code, evidence}]' "$work/report" 2>&1 | head -c 1500)"
    sleep 0.2
  done
  echo "$2 found"
}
well() { doctor "$1"; }
# returns AT: well again within 60 s.
returns() {
  local deadline=$((SECONDS + 90))
  until well "$1"; do
    [ $SECONDS -lt $deadline ] || fail "$1 does not become well: $(jq -c '[.findings[] | {code, evidence}]' "$work/report" 2>&1 | head -c 1500)"
    sleep 0.2
  done
}
key=$(head -c 32 /dev/urandom | base64)
usual=(--preset local --cluster blue --encrypt "$key")
# start NAME FLAGS…: n7 on the second machine.
start() {
  local name=$1
  shift
  if [ "$name" = n7 ]; then agent=$work/agent_inside launch n7 10.1.0.2:0 /dev/null "$@"
  else launch "$name" 10.1.0.1:0 /dev/null "$@"; fi
}
alive() { [ "$(at n1 --json members | jq '[.[] | select(.state == "alive")] | length')" = "$1" ]; }
# cluster COUNT FLAGS…
cluster() {
  local count=$1 i
  shift
  start n1 "${usual[@]}" "$@"
  for ((i = 2; i <= count; i++)); do start "n$i" "${usual[@]}" --join "$(field n1 bind)" "$@"; done
  within 20 alive "$count"
}
disband() { local i; for i in 1 2 3 4 5 6 7; do [ -n "${pid[n$i]:-}" ] && end "n$i" KILL; done; }

faults() {
# --- clusters that are well ----------------------------------------------------------------------------------------
for count in 1 2 3 5; do
  cluster $count
  returns n1
  jq -e ".asked == $count and .answered == $count and .findings == []" "$work/report" >/dev/null || fail "a healthy cluster of $count: $(cat "$work/report")"
  disband
done
cluster 7
returns n1
at n1 doctor >"$work/text" || fail "a healthy cluster of 7: $(cat "$work/text")"
grep -q '^nothing is wrong; 7 of 7 members answered$' "$work/text" || fail "the doctor says $(cat "$work/text")"
echo "clusters of 1 to 7 are well"

# --- a process that is stopped -------------------------------------------------------------------------------------
kill -STOP "${pid[n4]}"
names n1 PV2012 '[.evidence[].who | test("^n4 ")] | all'
at n2 doctor >"$work/text"
[ $? -eq 1 ] || fail "exit $? with a finding"
grep -q '^1. PV2012 (degraded, membership)$' "$work/text" && grep -q 'kill -CONT' "$work/text" || fail "the doctor says $(cat "$work/text")"
kill -CONT "${pid[n4]}"
returns n1

# --- packets of one machine do not arrive --------------------------------------------------------------------------
# UDP: 17 at byte 23 of an IPv4 frame.
tc qdisc add dev v0 ingress
tc filter add dev v0 ingress bpf da bytecode '4,48 0 0 23,21 0 1 17,6 0 0 2,6 0 0 0' || fail "cannot drop packets"
names n1 PV2007 '[.evidence[].who] | any(test("_blocked"))'
tc qdisc del dev v0 ingress
returns n1

# --- a machine that is cut off -------------------------------------------------------------------------------------
ip link set v0 down
names n7 PV2016 '.severity == "unhealthy"'
names n1 PV2005 '[.evidence[].who] | any(test("n7 \\(unreachable\\)"))'
ip link set v0 up
returns n1
returns n7

# --- a member that is missed ---------------------------------------------------------------------------------------
end n6 KILL
names n1 PV2005 '[.evidence[].who] | any(test("n6 \\(refused\\)"))'
within 30 ours_is n1 n6 dead
at n1 forget n6 >/dev/null || fail "n6 cannot be forgotten"
returns n1

# --- a port that another program has -------------------------------------------------------------------------------
place=$(field n5 bind)
end n5 TERM
launch other "$place" /dev/null --preset local
"$agent" --name n5 --bind "$place" --http off 2>"$work/n5.err" && fail "n5 binds a port that is taken"
"$cli" --http 127.0.0.1:1 --json doctor --bind "$place" >"$work/report" 2>/dev/null
[ $? -eq 1 ] && jq -e --arg holder "pid ${pid[other]} (plumvined)" '.findings[0] | .code == "address_in_use" and .evidence["this machine"].holder == $holder' \
  "$work/report" >/dev/null || fail "the port is not named: $(cat "$work/report")"
"$cli" --http 127.0.0.1:1 doctor --bind 10.1.0.1:1 >/dev/null 2>&1
[ $? -eq 3 ] || fail "nothing is in the way, and the status is $?"
end other KILL
echo "a port that is taken is named"

# --- strangers -----------------------------------------------------------------------------------------------------
# Each stands before the one before it.
launch x 10.1.0.1:0 /dev/null --preset local --cluster green --encrypt "$key" --join "$(field n1 bind)"
names n1 PV2010 '.evidence.n1.from | test("^10.1.0.1:")'
end x KILL
launch x 10.1.0.1:0 /dev/null --preset local --cluster blue --join "$(field n1 bind)"
names n1 PV2302
first x PV2311 || fail "the stranger itself does not see that it has no key: $(cat "$work/report")"
end x KILL
launch x 10.1.0.1:0 /dev/null --preset local --cluster blue --encrypt "$(head -c 32 /dev/urandom | base64)" --join "$(field n1 bind)"
names n1 PV2301
first x PV2301 || fail "the stranger itself does not see why it is alone: $(cat "$work/report")"
end x KILL
disband
}

settings() {
# --- settings ------------------------------------------------------------------------------------------------------
cluster 7 --set message_cache_max_size=16
seq 400 | at n1 publish burst - >/dev/null || fail "cannot publish"
names n2 PV2104
disband
cluster 7 --set second_parents=always
# Second parents are chosen within a beacon's period; what came before that came once.
repeated() {
  seq 40 | at n1 publish burst - >/dev/null || fail "cannot publish"
  first n2 PV2102 '[.evidence[].options] | all(. == "second_parents=always")' || return 1
  jq -e '[.findings[0].evidence[].duplicate_rate] | all(. > 0.3)' "$work/report" >/dev/null
}
within 30 repeated
echo "PV2102 found"
disband
cluster 7 --set graft_timeout=0.01ms
names n1 PV2106 '.evidence | to_entries[0].value.peer != null'
disband
# A clock that is 40 s off, of one process. Sanitizers do not bear a library before theirs.
if ldd "$agent" | grep -q 'lib[a-z]*san\.so'; then
  echo "PV2013 not tried: this agent has a sanitizer, and libfaketime cannot be put before that"
else
  cluster 6
  clock=$(dpkg -L libfaketime | grep '/libfaketimeMT\.so') || fail "libfaketime is not installed"
  cat >"$work/agent_ahead" <<SCRIPT
#!/bin/sh
export FAKETIME=+40s FAKETIME_DONT_FAKE_MONOTONIC=1 LD_PRELOAD=$clock
exec $agent "\$@"
SCRIPT
  chmod +x "$work/agent_ahead"
  agent=$work/agent_ahead launch n9 10.1.0.1:0 /dev/null "${usual[@]}" --join "$(field n1 bind)"
  names n1 PV2013 '[.evidence | to_entries[] | select(.key != "n9") | .value.whose] | length > 0 and all(test("^n9 \\(\\+(39|40)\\."))'
  end n9 TERM
  returns n1
  disband
fi
# A busy machine sends parts of large payloads twice: that is not what is looked for here.
cluster 7 --set sync_max_bytes=4GiB --set duplicate_rate_degraded=0.9
head -c 786432 /dev/zero | tr '\0' x >"$work/large"
grown() { for _ in 1 2 3 4; do curl -s --data-binary @"$work/large" "http://$(field n1 http)/publish/large" >/dev/null; done; first n2 PV2203 '[.evidence[].part] | all(. == "store")'; }
within 60 grown
echo "PV2203 found"
disband
# Strangers that connect and say nothing; the bound is raised while the agent runs.
printf 'half_open_max = 5\nlink_handshake_timeout = "1m"\n' >"$work/n1.toml"
cluster 7 --config "$work/n1.toml"
for i in 4 5 6 7; do eval "exec $i<>/dev/tcp/10.1.0.1/$(field n1 bind | sed 's/.*://')"; done
names n1 PV2107 '.evidence | keys == ["n1"] and (.n1.bounds | test("half_open_max \\([45] of 5\\)"))'
sed -i 's/= 5/= 64/' "$work/n1.toml"
kill -HUP "${pid[n1]}"
returns n1
for i in 4 5 6 7; do eval "exec $i>&-"; done
disband
# Certificates: one that expires while the member runs, and its successor, which is taken over.
pki=$work/pki
issue() { "$cli" tls dev-ca "$pki" "$@" --label blue >/dev/null || fail "no certificates"; }
issue n1 n2 n3 n4 n5 n6 n7
for i in 1 2 3 4 5 6 7; do
  start "n$i" "${usual[@]}" --tls-cert "$pki/n$i.pem" --tls-key "$pki/n$i-key.pem" --tls-ca "$pki/ca.pem" $([ $i = 1 ] || echo --join "$(field n1 bind)")
done
within 30 alive 7
returns n1
issue n7 --life 15s
names n1 PV2303 '.evidence | keys == ["n7"]'
names n1 PV2304 '.severity == "unhealthy" and (.evidence | keys == ["n7"])'
names n7 PV2304 '.evidence.n7.left_s <= 0'
issue n7
returns n1
disband
cluster 7 --set expected_members_min=8
names n1 PV2014 '.evidence.n1.expected_min == 8'
launch n8 10.1.0.1:0 /dev/null "${usual[@]}" --join "$(field n1 bind)"
returns n1
end n8 KILL
disband
}

[ "$part" = settings ] || faults
[ "$part" = faults ] || settings
echo "PASSED"
