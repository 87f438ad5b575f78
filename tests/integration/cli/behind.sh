#!/usr/bin/env bash
# One of six agents stands still while another publishes; then it catches up, in order, while a third one goes on publishing.
# Usage: behind.sh PLUMVINED PLUMVINE [LINES]. Prints how long the live messages took, before and meanwhile.
set -u
agent=$1 cli=$2 lines=${3:-20000}
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

flags=(--preset lan --set topics.work.order=fifo)
mkfifo "$work/lines" "$work/live"
exec 8<>"$work/lines" 9<>"$work/live"
launch worker 127.0.0.1:0 "$work/lines" "${flags[@]}" --publish work
launch ticker 127.0.0.1:0 "$work/live" "${flags[@]}" --publish live --join "$(field worker bind)"
launch late 127.0.0.1:0 /dev/null "${flags[@]}" --print work --join "$(field worker bind)"
for name in a b c; do launch $name 127.0.0.1:0 /dev/null "${flags[@]}" --join "$(field worker bind)"; done
meshed() { [ "$(at worker --json members | jq '[.[] | select(.state == "alive")] | length')" = 6 ]; }
within 30 meshed

metric() { curl -s "http://$(field "$1" http)/metrics" | sed -n "s/^$2 //p"; }
delivered() { metric "$1" plumtree_messages_delivered_total; }
has() { [ "$(delivered "$1")" -ge "$2" ]; }
# Messages that took at most so many seconds, over all there were: counts of the histogram at agent a.
latencies() { curl -s "http://$(field a http)/metrics" | sed -n 's/^plumtree_delivery_latency_seconds_bucket{le="\([^"]*\)"} /\1 /p'; }
# slower BEFORE AFTER: for each bound, how many of the messages in between took longer.
slower() {
  paste <(echo "$1") <(echo "$2") | awk '{bound[NR] = $1; n[NR] = $4 - $2} END {
    printf "%d messages", n[NR]; for (i = 1; i < NR; i++) if (n[i] < n[NR] && n[i] > 0) printf ", %d above %s s", n[NR] - n[i], bound[i]; print ""}'
}
# ticks COUNT: so many live messages, about two hundred a second, until agent a has them.
ticked=0
ticks() {
  local had
  had=$(delivered a)
  for _ in $(seq "$1"); do echo "tick $((++ticked))" >"$work/live"; read -rt 0.005 <> <(:); done
  within 30 has a $((had + $1))
}
ticks 20  # the first ones settle its tree
before=$(latencies)
ticks 400
echo "at rest: $(slower "$before" "$(latencies)")"

kill -STOP "${pid[late]}"
had=$(delivered a)
seq "$lines" >"$work/lines"
within 120 has a $((had + lines))
kill -CONT "${pid[late]}"
began=$SECONDS
before=$(latencies)
ticks 400
all_there() { [ "$(wc -l <"$work/late.out")" -ge "$lines" ]; }
within 120 all_there
echo "meanwhile: $(slower "$before" "$(latencies)"); caught up with $lines messages within $((SECONDS - began + 1)) s"

[ "$(jq -r .payload "$work/late.out" | sha256sum)" = "$(seq "$lines" | sha256sum)" ] || fail "it did not get all of them once and in order"
[ "$(metric late 'plumtree_messages_lost_total{reason="evicted"}')" = 0 ] || fail "it reports losses"
echo "passed"
