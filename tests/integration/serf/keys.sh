#!/usr/bin/env bash
# The key of a cluster is changed while it runs, from a Serf agent and from one of ours, two of each kind in it.
# Usage: keys.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
# shellcheck source=tests/integration/serf/serf_agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/serf_agents.sh"

first=$(head -c 32 /dev/urandom | base64)
second=$(head -c 16 /dev/urandom | base64)
third=$(head -c 32 /dev/urandom | base64)
for name in s1 s2 p1 p2; do
  echo "[\"$first\"]" >"$work/$name.ring"
  chmod 600 "$work/$name.ring"
done

start() {
  local name=$1 bind=$2
  shift 2
  launch "$name" "$bind" /dev/null --preset local --set retransmit_mult=4 --keyring "$work/$name.ring" "$@"
}
all_alive() {
  local name
  for name in s1 s2 p1 p2; do
    theirs_is s1 "$name" alive && theirs_is s2 "$name" alive && ours_is p1 "$name" alive && ours_is p2 "$name" alive || return 1
  done
}
nobody_died() {
  ! grep -lE 'PV1102|EventMemberFailed' "$work"/*.err "$work"/*.log 2>/dev/null
}

serf_start s1 127.0.0.2 -keyring-file="$work/s1.ring"
start p1 127.0.0.11:0 --join "${gossip[s1]}"
start p2 127.0.0.12:0 --join "$(field p1 bind)"
serf_start s2 127.0.0.3 -keyring-file="$work/s2.ring" -join="$(field p2 bind)"
within 30 all_alive

# --- ordered by Serf -----------------------------------------------------------------------------------------
serf_keys() {
  serf keys -rpc-addr="${rpc[s1]}" "$@" >"$work/answer" 2>&1 || fail "serf keys $*: $(cat "$work/answer")"
}
first_in() { jq -r '.[0]' "$1"; }
serf_keys -install="$second"
serf_keys -use="$second"
serf_keys -list
grep -q "$first.*\[4/4\]" "$work/answer" || fail "the first key is not at all members: $(cat "$work/answer")"
grep -q "$second.*\[4/4\]" "$work/answer" || fail "the second key is not at all members: $(cat "$work/answer")"
for name in p1 p2; do
  grep -q 'PV1121.*is installed, by order of s1' "$work/$name.err" || fail "$name did not say that a key was installed"
  grep -q 'PV1121.*is primary, by order of s1' "$work/$name.err" || fail "$name did not say that a key is primary"
  [ "$(first_in "$work/$name.ring")" = "$second" ] || fail "$name wrote: $(cat "$work/$name.ring")"
  [ "$(stat -c %a "$work/$name.ring")" = 600 ] || fail "the file of $name can be read by others"
done
serf_keys -remove="$first"
serf_keys -list
grep -q "$first" "$work/answer" && fail "the removed key is still listed: $(cat "$work/answer")"
serf keys -rpc-addr="${rpc[s1]}" -remove="$second" >"$work/answer" 2>&1 && fail "the primary was removed"
grep -q "$first" "$work"/*.err "$work"/p?.ring && fail "the first key stands in a log, or still in a file of ours"
within 10 all_alive
echo "rotated by Serf"

# --- ordered by ours -----------------------------------------------------------------------------------------
ours_keys() {
  at p2 --json keys "$@" >"$work/answer" 2>"$work/answer.err" || fail "keys $*: $(cat "$work/answer" "$work/answer.err")"
  jq -e '.ok and ([.members[] | select(.outcome == "confirmed")] | length == 4)' "$work/answer" >/dev/null \
    || fail "keys $*: $(cat "$work/answer")"
}
ours_keys install "$third"
at p2 keys use "$first" >"$work/answer" 2>&1 && fail "a key that nobody has became primary"
grep -q 'not installed at p1, p2, s1, s2' "$work/answer" || fail "who lacks the key is not named: $(cat "$work/answer")"
echo "$third" | at p2 --json keys use - >"$work/answer" || fail "a key from standard input: $(cat "$work/answer")"
ours_keys list
jq -e --arg k "$third" --arg o "$second" '.primaries[$k] == 4 and .keys[$k] == 4 and .keys[$o] == 4' "$work/answer" >/dev/null \
  || fail "not everybody uses the third key: $(cat "$work/answer")"
at p2 keys remove "$third" >"$work/answer" 2>&1 && fail "the primary was removed"
grep -q 'primary' "$work/answer" || fail "no reason: $(cat "$work/answer")"
ours_keys remove "$second"
grep -q 'PV1124.*keys remove .* 4 members confirmed' "$work/p2.err" || fail "no line about the order"
serf_keys -list
grep -q "$third.*\[4/4\]" "$work/answer" || fail "Serf sees other keys: $(cat "$work/answer")"
within 10 all_alive
nobody_died || fail "a member died meanwhile"
echo "rotated by ours"

# --- who starts anew has the keys of now ---------------------------------------------------------------------
place=$(field p1 bind)
end p1 KILL
start p1 "$place" --join "${gossip[s1]}"
within 30 all_alive
end p2 KILL
p2_gone() { ours_is p1 p2 dead; }
within 60 p2_gone
ours_keys_at_p1() { at p1 --json keys "$@" >"$work/answer" 2>"$work/answer.err"; }
ours_keys_at_p1 install "$first" || fail "installing while a member is dead: $(cat "$work/answer")"
jq -e '.members[] | select(.name == "p2") | .outcome == "absent"' "$work/answer" >/dev/null || fail "p2 is not absent: $(cat "$work/answer")"
ours_keys_at_p1 remove "$first" && fail "a key was removed while a member is away"
jq -e '.refused | contains("p2")' "$work/answer" >/dev/null || fail "the absent member is not named: $(cat "$work/answer")"
ours_keys_at_p1 remove "$first" --force || fail "removing by force: $(cat "$work/answer" "$work/answer.err")"
echo "restarted"

# --- a Serf agent with the old key only ----------------------------------------------------------------------
echo "[\"$third\"]" >"$work/s3.ring"
chmod 600 "$work/s3.ring"
ours_keys_at_p1 install "$second" && ours_keys_at_p1 use "$second" || fail "rotating: $(cat "$work/answer" "$work/answer.err")"
serf_start s3 127.0.0.4 -keyring-file="$work/s3.ring" -join="$(field p1 bind)"
taught() { [ "$(first_in "$work/s3.ring")" = "$second" ]; }
within 30 taught
grep -q 'PV1123.*s3 still seals' "$work/p1.err" || fail "p1 did not say that s3 lagged"
within 30 theirs_is s1 s3 alive
within 30 ours_is p1 s3 alive
for log in "$work"/*.err; do
  for key in "$first" "$second" "$third"; do grep -qF "$key" "$log" && fail "a key stands in $log"; done
done
echo "passed"
