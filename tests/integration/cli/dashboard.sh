#!/usr/bin/env bash
# What the dashboard lives on, from agents: a viewer is counted, the graph says who is silent, and an agent that is told to end
# while it waits for answers ends well. Usage: dashboard.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

# request NAME PATH FILE: sends it; the answer goes to $work/FILE.out as it comes.
request() {
  local http connection
  http=$(field "$1" http)
  exec {connection}<>"/dev/tcp/${http%:*}/${http##*:}"
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&"$connection"
  cat <&"$connection" >"$work/$3.out" &
  pid[$3]=$!
  exec {connection}>&-
}
followers() { at a metrics --grep "^plumvine_event_followers $1\$" >/dev/null 2>&1; }
has() { grep -q "$2" "$work/$1.out"; }

launch a 127.0.0.1:0 /dev/null --preset local
for name in b c; do launch $name 127.0.0.1:0 /dev/null --preset local --join "$(field a bind)"; done
for name in b c; do within 10 ours_is a $name alive; done

request a /live viewer
within 10 has viewer '^event: state'
within 10 has viewer '^event: members'
within 10 followers 1
kill -KILL "${pid[viewer]}"
within 10 followers 0

whole() {
  request a /graph graph
  wait "${pid[graph]}"
  grep -q '"complete":true' "$work/graph.out" && [ "$(grep -o '"answered":true' "$work/graph.out" | wc -l)" -eq 3 ]
}
within 15 whole

# A member that stands still does not answer; its death is known seconds later only.
kill -STOP "${pid[c]}"
silent() {
  request a /graph graph
  wait "${pid[graph]}"
  has graph '"complete":false,"silent":\["c"\]'
}
within 15 silent
kill -CONT "${pid[c]}"
within 15 ours_is a c alive
within 15 whole

# The end of an agent does not wait for answers, and who waits for them is let go. The last graph is two seconds old at most.
asked=$SECONDS
waits() { [ $SECONDS -gt $((asked + 2)) ]; }
within 5 waits
kill -STOP "${pid[c]}"
request a /graph last
ended() { ! kill -0 "${pid[last]}" 2>/dev/null; }
end a TERM
status=$?
kill -CONT "${pid[c]}"
[ $status -eq 0 ] || fail "the agent ended with status $status while the graph was asked for"
within 5 ended
echo "the dashboard's paths are as documented"
