#!/usr/bin/env bash
# The doctor at the machine of an agent that does not answer where it is asked: elsewhere, without HTTP, stopped. An agent that is well is never one to be
# stopped. And output that cannot be written. Usage: same_machine.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
# expect STATUS COMMAND…: what it says is in $work/answer and, of errors, in $work/said.
expect() {
  local wanted=$1 status
  shift
  "$@" >"$work/answer" 2>"$work/said"
  status=$?
  [ $status -eq "$wanted" ] || fail "exit $status instead of $wanted: $* ($(cat "$work/answer" "$work/said"))"
}
says() { grep -Eq "$1" "$work/answer" "$work/said" || fail "'$1' is not in: $(cat "$work/answer" "$work/said")"; }

launch a 127.0.0.1:0 /dev/null --preset local
bind=$(field a bind) http=$(field a http)
printf 'bind = "%s"\nhttp = "%s"\n' "$bind" "$http" >"$work/right.toml"
printf 'bind = "%s"\nhttp = "127.0.0.1:1"\n' "$bind" >"$work/wrong.toml"
printf 'bind = "%s"\nhttp = "off"\n' "$bind" >"$work/off.toml"

expect 0 "$cli" doctor --config "$work/right.toml" && says '^nothing is wrong; 1 of 1 members answered$'
expect 3 "$cli" doctor --config "$work/wrong.toml" && says "an agent runs here, pid ${pid[a]}: its HTTP is at $http "
expect 3 "$cli" doctor --config "$work/off.toml" && says 'off.toml turns HTTP off' && says "pid ${pid[a]}"
# Who wants to start another one there is told what is in the way, and not to stop it.
expect 1 "$cli" --http 127.0.0.1:1 doctor --bind "$bind" && says 'address_in_use' && says 'An agent runs there already' && says 'other ports'
grep -q 'Stop it' "$work/answer" && fail "a healthy agent is to be stopped: $(cat "$work/answer")"

kill -STOP "${pid[a]}"
is_stopped() { grep -q '^State:.*T' "/proc/${pid[a]}/status"; }
within 10 is_stopped
expect 1 "$cli" --json doctor --config "$work/right.toml"
jq -e --arg holder "pid ${pid[a]} (plumvined)" --arg remedy "kill -CONT ${pid[a]}" '[.findings[].code] == ["PV2012"]
  and .findings[0].evidence["this machine"].holder == $holder and (.findings[0].remedy | startswith($remedy))' "$work/answer" >/dev/null || fail "$(cat "$work/answer")"
kill -CONT "${pid[a]}"
expect 0 "$cli" doctor --config "$work/right.toml"
end a TERM

launch b 127.0.0.1:0 /dev/null --preset local --http off
printf 'bind = "%s"\nhttp = "127.0.0.1:1"\n' "$(field b bind)" >"$work/b.toml"
expect 3 "$cli" doctor --config "$work/b.toml" && says "an agent runs here, pid ${pid[b]}: its HTTP is off"
end b TERM

"$cli" explain PV2012 >&- 2>"$work/said"
[ $? -eq 1 ] && grep -q '^plumvine: standard output cannot be written: ' "$work/said" || fail "output that is not written: $(cat "$work/said")"
echo "passed"
