#!/usr/bin/env bash
# Three agents on loopback, asked and steered by the command line tool. Usage: cluster.sh PLUMVINED PLUMVINE METRICS_PAGE
set -u
agent=$1 cli=$2 page=$3
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

# start NAME INPUT FLAGS…
start() {
  local name=$1 input=$2
  shift 2
  launch "$name" 127.0.0.1:0 "$input" --preset local "$@"
}
ask() { at a "$@"; }
# expect STATUS COMMAND…: runs it, its output goes to $work/answer
expect() {
  local wanted=$1
  shift
  "$@" >"$work/answer" 2>&1
  local status=$?
  [ $status -eq "$wanted" ] || fail "exit $status instead of $wanted: $* ($(head -c 500 "$work/answer"))"
}
says() { grep -q -- "$1" "$work/answer" || fail "'$1' is not in: $(head -c 800 "$work/answer")"; }
lines() { [ "$(wc -l <"$work/$1.out")" -ge "$2" ]; }
alive() { [ "$(at "$1" --json members | grep -o '"state":"alive"' | wc -l)" -eq "$2" ]; }

seq 1 2000 | sed 's/^/line /' >"$work/input"
printf '\ncarriage\r\nlast without end' >>"$work/input"
# What is agreed for a topic comes from a file or from flags.
printf '[topics.t]\norder = "fifo"\npriority = "high"\n' >"$work/topics.toml"
start a /dev/null --print t --config "$work/topics.toml"
start b /dev/null --join "$(field a bind)" --print '*' --log-format json --log-level debug --set topics.t.order=fifo
start c "$work/input" --join "$(field a bind)" --publish t --config "$work/topics.toml"
http=$(field a http)
[ "$(grep -c '^plumvined ready' "$work/b.err")" -eq 1 ] || fail "the ready line is not there exactly once"
# Each line of a JSON log is one object with these keys; fields are texts. The ready line stands alone in every format.
json_log() {
  grep -v '^plumvined ready ' "$work/b.err" | jq -es 'length > 3 and any(.fields != {}) and all(
    keys == ["code", "component", "fields", "level", "message", "time"] and (.code | test("^PV[0-9]{4}$")) and (.time | test("^20.*Z$"))
    and (.level | IN("ERROR", "WARN", "INFO", "DEBUG", "TRACE")) and (.fields | map_values(type) | all(. == "string")))' >"$work/answer" 2>&1
}
within 10 json_log

# What was published arrives once, byte for byte; in whatever order, so it is put in that of publishing.
for name in a b; do within 30 lines $name 2003; done
for name in a b; do
  sed -n 's/.*"seq":\([0-9]*\),.*"payload":"\(.*\)"}$/\1 \2/p' "$work/$name.out" | sort -n | cut -d' ' -f2- >"$work/payloads"
  sed 's/\r$/\\r/' "$work/input" | diff - <(head -c -1 "$work/payloads") >/dev/null || fail "$name received something else"
done
grep -Eq '^\{"topic":"t","origin":"c","id":"[0-9a-f]{16}-1","seq":1,"hops":[12],"size":6,"payload":"line 1"\}$' "$work/a.out" \
  || fail "not the first line as printed: $(grep '"seq":1,' "$work/a.out")"

for name in a b; do
  sed -n 's/.*"seq":\([0-9]*\),.*/\1/p' "$work/$name.out" | sort -n -c || fail "$name did not get topic t in order"
done
at c metrics --grep '^plumtree_priority_dequeued_total.priority="high".' | grep -Eq ' [0-9]{4,}$' || fail "nothing went out with priority high"
printf '[topics.t]\nordr = "fifo"\n' >"$work/wrong.toml"
"$agent" --config "$work/wrong.toml" --bind 127.0.0.1:0 --http off </dev/null >"$work/answer" 2>&1
[ $? -eq 2 ] || fail "a wrong key of a topic was taken"
grep -q "wrong.toml:2: unknown key 'topics.t.ordr'; did you mean 'topics.t.order'?" "$work/answer" || fail "$(cat "$work/answer")"

# Every command, for people and as data.
within 10 alive a 3
expect 0 ask members && says alive
expect 0 ask --json members && says '^\[{"name":"a","addr":"127.0.0.1"'
expect 0 ask peers && says eager && says ' LAST FRAME s  *UP s$' && says ' [0-9][0-9]*\.[0-9]  *[0-9][0-9]*\.[0-9]$'
expect 0 ask --json peers && says '^{"self":"a","eager":\['
expect 0 ask tree && says 'seen from a'
expect 0 ask lag && says c
expect 0 ask --json lag && says '"origin":"c".*"delivered":2003,"missing":0'
expect 0 ask health && says '^healthy'
expect 0 ask health --component tree
expect 2 ask health --component nonsense
expect 0 ask config show && says '^preset = local' && says '^topics.t.order = fifo'
expect 0 ask metrics --grep '^plumtree_messages_delivered_total' && says '^plumtree_messages_delivered_total 2003$'
expect 1 ask metrics --grep no_such_metric

# Every metric that the page names is served, and promtool agrees.
expect 0 ask metrics
sed -n 's/^| `\([a-z_]*\)` |.*/\1/p' "$page" | while read -r name; do
  grep -q "^# TYPE $name " "$work/answer" || { echo "$name is missing" >&2; exit 1; }
done || fail "a documented metric is not served"
if command -v promtool >/dev/null; then
  promtool check metrics <"$work/answer" >"$work/promtool" 2>&1 || fail "$(cat "$work/promtool")"
fi

# The bus from a shell.
at b subscribe shell >"$work/shell.out" 2>"$work/shell.err" &
pid[shell]=$!
subscribed() { ask publish shell ping >/dev/null && grep -q ping "$work/shell.out"; }
within 10 subscribed
printf 'one\n\nthree' >"$work/three"
ask publish shell <"$work/three" || fail "publishing lines"
three() { grep -q '"payload":"three"' "$work/shell.out"; }
within 10 three
grep -q '"size":0,"payload":"","cursor":"' "$work/shell.out" || fail "the empty message did not arrive with a cursor"
expect 0 ask publish --ack all shell everybody && says '^[0-9a-f]*-[0-9]*: 2 acknowledged; missing: nobody$'
expect 0 ask --json publish --ack 1 --timeout 10s shell somebody && says '"complete":true'
expect 1 ask publish --ack 3 --timeout 3s shell 'more than there are' && says 'missing: nobody'
expect 1 ask publish --ack some shell x && says 'neither all nor a number'
expect 0 ask --json publish 'odd topic/ü' text && says '^{"id":"[0-9a-f]*-[0-9]*"}'
expect 1 ask publish _reserved text
expect 2 ask subscribe shell --from yesterday

# Usage, reach, and files.
expect 2 ask nonsense && says 'members'
expect 2 ask members extra
expect 2 ask config
expect 3 "$cli" --http 127.0.0.1:1 members && says '127.0.0.1:1'
printf 'preset = "lan"\nprobe_timeout = "300ms"\n' >"$work/good.toml"
printf 'probe_timout = "1s"\nprobe_timeout = 3\n' >"$work/bad.toml"
expect 0 "$cli" config validate "$work/good.toml"
expect 1 "$cli" config validate "$work/bad.toml" && says 'probe_timeout' && says 'bad.toml:2'
expect 1 "$agent" --bind "$(field a bind)" --http off && says "$(field a bind)"
expect 1 "$agent" --bind 127.0.0.1:0 --http "$http" && says "$http"

# Leaving and coming back, on an operator's word.
expect 0 ask join "$(field b bind)"
expect 0 ask leave
within 10 ours_is b a left
expect 1 ask publish t text
expect 0 ask rejoin
within 20 alive b 3

# Forgetting: one that left or died, by any node, everywhere; never one that lives.
start gone /dev/null --join "$(field b bind)"
within 10 ours_is a gone alive
within 10 ours_is b gone alive
end gone TERM || fail "SIGTERM ended with $?"
within 10 ours_is a gone left
within 10 ours_is b gone left
expect 2 ask forget
expect 1 ask forget b && says "member 'b' is alive"
expect 1 ask forget nobody && says "no member 'nobody'"
expect 0 ask forget gone
within 5 ours_is b gone ""
expect 0 ask metrics --grep '^swim_forgotten_total 1$'

# Signals: a state dump, the configuration again, and a graceful end.
kill -USR1 "${pid[a]}"
dumped() { grep -q 'PV5007' "$work/a.err"; }
within 10 dumped
dump=$(sed -n 's/.*PV5007\] state written to //p' "$work/a.err")
grep -q '"instance":"[0-9a-f]*".*"members":\[.*"topics":\[.*"topic":"t","priority":"high","order":"fifo"' "$dump" || fail "not a state dump: $dump"
rm -f "$dump"
printf '[topics.t]\norder = "fifo"\n[topics.u]\npriority = "low"\n' >"$work/topics.toml"
kill -HUP "${pid[a]}"
again() { grep -q 'PV5002.*need a restart: topics.t.priority.*topics.u.backlog' "$work/a.err"; }
within 10 again

# What can change while the agent runs does, and a file with a mistake changes nothing.
printf 'message_cache_max_size = 123\nhttp_rate_limit_per_second = 1000\nlog_levels = "link=trace"\n[topics.t]\npriority = "high"\norder = "fifo"\n' >"$work/topics.toml"
kill -HUP "${pid[a]}"
changed() { grep -q 'PV5002.*changed: http_rate_limit_per_second, log_levels, message_cache_max_size' "$work/a.err"; }
within 10 changed
expect 0 ask config show && says '^message_cache_max_size = 123'
expect 0 ask metrics --grep '^plumtree_cache_capacity 123$'
framed() { grep -Eq 'TRACE link \[PV1215\] Frame (from|to) b: [a-z_]+, [0-9]+ bytes: 00 00 ' "$work/a.err"; }
within 10 framed
expect 0 ask config show --origin && says '^message_cache_max_size .*topics.toml'
printf 'message_cache_max_size = 5\nlog_levels = "forest=trace"\n' >"$work/topics.toml"
kill -HUP "${pid[a]}"
refused() { grep -q "PV5006.*log_levels" "$work/a.err"; }
within 10 refused
expect 0 ask metrics --grep '^plumtree_cache_capacity 123$'
end a TERM || fail "SIGTERM ended with $?"
within 5 ours_is b a left
echo "passed"
