#!/usr/bin/env bash
# What happened at all members in one list, in a span of time, in numbers, and in log files. Usage: events.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
start() { local name=$1; shift; launch "$name" 127.0.0.1:0 /dev/null --preset local "$@"; }
# expect STATUS COMMAND…: runs it, its output goes to $work/answer and $work/complaint
expect() {
  local wanted=$1
  shift
  "$@" >"$work/answer" 2>"$work/complaint"
  local status=$?
  [ $status -eq "$wanted" ] || fail "exit $status instead of $wanted: $* ($(head -c 500 "$work/complaint") $(head -c 500 "$work/answer"))"
}
says() { grep -Eq -- "$1" "$work/answer" || fail "'$1' is not in: $(head -c 1500 "$work/answer")"; }
complains() { grep -Eq -- "$1" "$work/complaint" || fail "'$1' is not in: $(head -c 1500 "$work/complaint")"; }

start a --log-level debug
start b --join "$(field a bind)" --log-format json --print t
start c --join "$(field a bind)"
all_alive() { [ "$(at "$1" --json members | grep -o '"state":"alive"' | wc -l)" -eq 3 ]; }
for name in a b c; do within 20 all_alive $name; done
linked() { at "$1" --json peers | jq -e '[.links[] | select(.rtt_ms != null)] | length == 2' >/dev/null; }
for name in a b c; do within 20 linked $name; done

# --- all members in one list, by time, each event once ------------------------------------------------------------
expect 0 at a events --cluster
for name in a b c; do says "^20[0-9-]*T[0-9:.]*Z $name info +node +\[PV1501\]|^20[0-9-]*T[0-9:.]*Z $name .*\[PV1201\]"; done
complete() {
  at a --json events --cluster >"$work/answer" 2>"$work/complaint" || return 1
  [ ! -s "$work/complaint" ] && jq -es '([.[].time] | . == sort) and ([.[].id] | length == (unique | length)) and ([.[].member] | unique == ["a", "b", "c"])' "$work/answer" >/dev/null
}
within 20 complete
# What one member tells alone is in it.
for name in a b c; do
  at $name --json events | jq -r .id | head -n 5 >"$work/ids"
  while read -r id; do grep -q "\"id\":\"$id\"" "$work/answer" || fail "event $id of $name is not in the list"; done <"$work/ids"
done
# Clocks: all run on this machine, so all are known and near 0.
curl -s "http://$(field a http)/events?cluster=1" | jq -e '[.members[] | .clock_offset_ms | fabs < 1000] == [true, true, true]' >/dev/null || fail "clocks are not known"

# --- a span of time ---------------------------------------------------------------------------------------------------
expect 0 at a events --since 1h && says PV1201
expect 0 at a events --cluster --since 1h --window 30m
[ ! -s "$work/answer" ] || fail "events from before the agents began: $(head -n 3 "$work/answer")"
expect 0 at a events --since 1h --window 30m
[ ! -s "$work/answer" ] || fail "events from before the agent began: $(head -n 3 "$work/answer")"
expect 2 at a events --window 30m && complains 'window= needs since='
expect 2 at a events --since soon && complains "'soon' is not a duration"
expect 2 at a events --cluster --follow && complains 'for one member'
expect 2 at a events --follow --since 1h --window 1m && complains 'has no end'

# --- rates and latencies without Prometheus ---------------------------------------------------------------------
seq 100 >"$work/lines"
at a publish t <"$work/lines" || fail "publish"
printed() { [ "$(wc -l <"$work/b.out")" -ge 100 ]; }
within 20 printed
# The agents are younger than the window, so the numbers are those of the metrics.
agrees() {
  local delivered handled
  delivered=$(at b metrics --grep '^plumtree_messages_delivered_total ' | sed 's/.* //')
  handled=$(at b metrics --grep '^plumtree_delivery_latency_seconds_count ' | sed 's/.* //')
  expect 0 at b --json stats
  jq -e --argjson delivered "$delivered" --argjson handled "$handled" '.window_s == 3600 and .over_s < 3600 and .delivered.count == $delivered and .delivered.count >= 100
    and .delivered.per_s > 0 and .delivery_latency_ms.count == $handled and .delivery_latency_ms.p50 > 0 and .delivery_latency_ms.p50 <= .delivery_latency_ms.p95
    and .delivery_latency_ms.p95 <= .delivery_latency_ms.p99 and .handler_ms.count >= 100 and .lost.count == 0 and (.graft_latency_ms | has("p99")) and (.loop_stall_ms | has("p99"))' \
    "$work/answer" >/dev/null
}
within 20 agrees
expect 0 at b stats && says '^over [0-9.]+ s: no more is remembered$' && says '^WHAT +COUNT +PER SECOND$' && says '^delivered +[1-9][0-9]* +[0-9.]+$' && says '^delivery latency +[1-9][0-9]* +[0-9.]+ '
# A window that is over before the messages came has none of them.
quiet() { at b --json stats --window 1s | jq -e '.over_s < 15 and .delivered.count == 0 and .delivery_latency_ms.p50 == null' >/dev/null; }
within 40 quiet
expect 2 at b stats --window 2h && complains "'2h' is not a time from above 0 to 1h"

# --- log files ---------------------------------------------------------------------------------------------------------
end c KILL
dead() { ours_is a c dead && ours_is b c dead; }
within 60 dead
for name in a b; do
  end $name TERM
  lines=$(wc -l <"$work/$name.err")
  expect 0 "$cli" --json analyze "$work/$name.err"
  jq -e --argjson lines "$lines" '.lines == $lines and .without_code >= 1 and ([.codes[].count] | add) + .without_code == $lines and .too_long == 0
    and ([.codes[] | .severity] | map({"error": 0, "warn": 1, "info": 2, "debug": 3, "trace": 4}[.]) | . == sort) and all(.codes[]; .first <= .last and .cause != "" and .remedy != "")' \
    "$work/answer" >/dev/null || fail "analyze: $(head -c 1000 "$work/answer")"
  for code in PV1201 PV1102; do
    count=$(grep -c "$code" "$work/$name.err")
    jq -e --arg code $code --argjson count "$count" '.codes[] | select(.code == $code) | .count == $count' "$work/answer" >/dev/null || fail "$name: not $count lines of $code"
  done
done
expect 0 "$cli" analyze "$work/a.err" && says '^CODE +SEVERITY +COUNT +FIRST +LAST +MEANING$' && says '^PV1102 +(warn|info) +[1-9]' && says '^PV1102: Nobody heard of it'
head -c 70000 /dev/zero | tr '\0' x >>"$work/a.err"
"$cli" analyze - <"$work/a.err" >"$work/answer" || fail "standard input"
says '^1 lines are above 64 KiB'
expect 1 "$cli" analyze "$work/lines" && complains 'no line of plumvined'
expect 1 "$cli" analyze "$work/none" && complains 'No such file'
expect 1 "$cli" analyze "$work" && complains 'Is a directory'
expect 2 "$cli" analyze
echo "passed"
