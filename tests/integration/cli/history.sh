#!/usr/bin/env bash
# A subscriber of an agent with --data-dir goes on from its cursor while the agent is killed again and again: every message
# once. Then what else histories do. history.sh PLUMVINED PLUMVINE [KILLS [SEED]]
set -u
agent=$1
cli=$2
kills=${3:-5}
RANDOM=${4:-7}
# shellcheck source=tests/integration/agents.sh
source "$(dirname "$0")/../agents.sh"

mkfifo "$work/lines"
exec 9<>"$work/lines"
launch p1 127.0.0.1:0 "$work/lines" --publish t
launch p3 127.0.0.1:0 /dev/null --join "$(field p1 bind)"
start_p2() { launch p2 127.0.0.1:0 /dev/null --join "$(field p1 bind)" --data-dir "$work/p2" --print t; }
start_p2
ready_all() { for name in p1 p2 p3; do curl -sf "http://$(field $name http)/readyz" >/dev/null || return 1; done; }
within 30 ready_all

sent=0
send() { seq $((sent + 1)) $((sent + $1)) >&9; sent=$((sent + $1)); }
cursor=now
: >"$work/had"
# subscribe: a reader of p2 from where the last one ended; its whole lines go to `had` when it has ended.
subscribe() {
  local address
  address=$(field p2 http)
  : >"$work/reader"
  "$cli" --http "$address" subscribe t --from "$cursor" >"$work/reader" 2>"$work/reader.err" &
  pid[reader]=$!
}
read_lines() { [ "$(wc -l <"$work/reader")" -ge "$1" ]; }
end_reader() {
  kill "${pid[reader]}" 2>/dev/null
  wait "${pid[reader]}" 2>/dev/null
  unset "pid[reader]"
  # A killed agent may have left half a line.
  head -n "$(wc -l <"$work/reader")" "$work/reader" >"$work/whole"
  cat "$work/whole" >>"$work/had"
  [ -s "$work/whole" ] && cursor=$(tail -n 1 "$work/whole" | jq -r .cursor)
}
# The stream of the first reader is open when its first line has come.
subscribe
firsts=0
first_line() { echo first >&9; firsts=$((firsts + 1)); sleep 0.1; read_lines 1; }
within 20 first_line
for ((round = 1; round <= kills; ++round)); do
  send 400
  within 30 read_lines $((1 + RANDOM % 400))
  end p2 KILL
  end_reader
  send 200
  start_p2
  within 30 ready_all
  subscribe
done
send 100
had_all() { [ "$(cat "$work/had" "$work/reader" | grep -vc first)" -ge "$sent" ]; }
within 60 had_all
end_reader
jq -r 'select(.payload != "first") | .payload' "$work/had" | sort -n >"$work/numbers"
seq 1 "$sent" | cmp - "$work/numbers" || fail "messages twice or not at all, seed ${4:-7}"
if grep -q history_gap "$work/had"; then fail "a gap: $(grep history_gap "$work/had" | head -n 1)"; fi
grep -q 'PV1507.*Going on behind the last run' "$work/p2.err" || fail "p2 does not say that it goes on"

# take NAME FROM LINES: the first lines of a stream, into $work/taken.
take() {
  local address
  address=$(field "$1" http)
  : >"$work/stream"
  "$cli" --http "$address" subscribe t --from "$2" >"$work/stream" 2>/dev/null &
  pid[take]=$!
  taken() { [ "$(wc -l <"$work/stream")" -ge "$1" ]; }
  within 30 taken "$3"
  kill "${pid[take]}"
  wait "${pid[take]}" 2>/dev/null
  unset "pid[take]"
  head -n "$3" "$work/stream" >"$work/taken"
}

# The window of an agent that keeps nothing on disk is its repair store; a cursor is good at any member.
total=$(grep -c . "$work/had")
take p3 window $((firsts + sent))
[ "$(jq -r .payload "$work/taken" | grep -vc first)" = "$sent" ] || fail "p3's window is not whole"
echo sentinel >&9
take p3 "$cursor" 1
[ "$(jq -r .payload "$work/taken")" = sentinel ] || fail "p3 gives again what p2 gave: $(head -n 1 "$work/taken")"
# A late joiner with a cursor gets what is not in it; one with the window gets everything.
half=$(sed -n "$((total / 2))p" "$work/had" | jq -r .cursor)
launch p4 127.0.0.1:0 /dev/null --join "$(field p1 bind)" --set start_from="$half" --print t
launch p5 127.0.0.1:0 /dev/null --join "$(field p1 bind)" --set start_from=window --print t
printed() { [ "$(wc -l <"$work/$1.out")" -ge "$2" ]; }
within 20 printed p4 $((total + 1 - total / 2))
within 20 printed p5 $((firsts + sent + 1))
# Nobody else's word counts as one.
if at p2 subscribe t --from nonsense 2>"$work/nonsense.err"; then fail "a cursor that is none was taken"; fi
grep -q 'this is no cursor' "$work/nonsense.err" || fail "the refusal does not say why"
"$agent" --name bad --bind 127.0.0.1:0 --http off --set start_from=nonsense 2>"$work/bad.err"
[ $? = 2 ] && grep -q start_from "$work/bad.err" || fail "start_from=nonsense was taken"

# Beyond what is kept there is an honest gap.
end p2 TERM
launch p2 127.0.0.1:0 /dev/null --join "$(field p1 bind)" --data-dir "$work/p2" --set history_max_bytes=20KiB
within 30 ready_all
few() { [ "$(at p2 metrics | sed -n 's/^plumvine_history_messages //p')" -lt 200 ]; }
within 30 few
early=$(sed -n 3p "$work/had" | jq -r .cursor)
send 1
take p2 "$early" 1
jq -e '.history_gap | .reason == "history_gap" and .first > 1 and .last > .first and .origin == "p1"' "$work/taken" >"$work/said" ||
  fail "no gap: $(head -n 1 "$work/taken")"
metric() { at p2 metrics | grep -q "$1"; }
metric '^plumvine_history_gaps_total [1-9]' || fail "the gap is not counted"
metric '^plumvine_history_messages [1-9]' || fail "no messages are kept"

# A damaged file is put aside, and the agent starts.
end p2 TERM
echo nonsense >"$work/p2/messages.db"
rm -f "$work/p2/messages.db-wal"
start_p2
grep -q "PV1505.*messages.db.*moved to" "$work/p2.err" || fail "the damaged file was not put aside: $(grep messages.db "$work/p2.err")"
