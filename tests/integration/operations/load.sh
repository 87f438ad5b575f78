#!/usr/bin/env bash
# One agent of three is asked for pages by a crowd, beside connections that stay open and say nothing: no probe of any member fails,
# /livez answers all the time, messages arrive, and each request is counted. Then more connections than the server takes.
# Usage: load.sh PLUMVINED PLUMVINE HTTP_LOAD [SECONDS [REQUESTS_A_SECOND [IDLE]]]
set -u
agent=$1 cli=$2 http_load=$3 seconds=${4:-10} rate=${5:-2000} idle=${6:-200}
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

mkfifo "$work/lines"
exec 9<>"$work/lines"
launch a 127.0.0.1:0 /dev/null --print t
launch b 127.0.0.1:0 "$work/lines" --print u --publish t --join "$(field a bind)"
launch c 127.0.0.1:0 /dev/null --print t --print u --join "$(field a bind)"
whole() { [ "$(at "$1" --json members | jq '[.[] | select(.state == "alive")] | length')" = 3 ]; }
for name in a b c; do within 20 whole $name; done
# value NAME SERIES: without a series, 0.
value() { at "$1" metrics | awk -v series="$2" '$1 == series { found = $2 } END { print found + 0 }'; }
sum() { at "$1" metrics | awk -v name="$2" 'index($1, name "{") == 1 || $1 == name { n += $2 } END { printf "%d\n", n }'; }
requests() { value a "plumvine_http_requests_total{path=\"$1\",code=\"200\"}"; }

# --- the crowd ------------------------------------------------------------------------------------------------------
paths=(/metrics /healthz /members /peers)
declare -A before
for path in "${paths[@]}"; do before[$path]=$(requests "$path"); done
"$http_load" "$(field a http)" --rate "$rate" --seconds "$seconds" --idle "$idle" "${paths[@]}" >"$work/load.json" &
pid[load]=$!
sent=0
loading() { kill -0 "${pid[load]}" 2>/dev/null; }
while loading; do
  echo "line $((++sent))" >&9                                      # over an agent that nobody asks anything
  at a publish u "word $sent" >/dev/null || fail "the agent under load took no message"
  sleep 0.05
done
wait "${pid[load]}" || fail "http_load"
unset "pid[load]"
cat "$work/load.json"
jq -e --argjson idle "$idle" '.answered == .requests and .good == .answered and .broken == 0 and .idle_open == $idle' "$work/load.json" >/dev/null ||
  fail "requests were not answered, or idle connections were closed"
jq -e '.livez_bad == 0 and .livez > 0 and .livez_max_ms < 1000' "$work/load.json" >/dev/null || fail "/livez did not answer within a second"

printed() { [ "$(grep -c "\"topic\":\"$2\"" "$work/$1.out")" -eq "$sent" ]; }
for pair in 'a t' 'c t' 'b u' 'c u'; do within 20 printed $pair; done
for name in a b c; do
  failures=$(($(value $name 'swim_probes_total{result="failed"}') + $(sum $name swim_suspicions_total) + $(sum $name swim_accusations_total) +
    $(sum $name swim_refutations_total)))
  [ "$failures" -eq 0 ] || fail "$failures probe failures or suspicions at $name: $(at $name metrics --grep '^swim_')"
  whole $name || fail "$name misses somebody"
done
echo "$sent messages each way arrived, no probe failed"

# Each request was counted, on its path. The questions of this script are few, and to /metrics alone.
asked=$(jq .requests "$work/load.json")
for i in "${!paths[@]}"; do
  path=${paths[$i]}
  [ "$path" = /metrics ] && continue
  share=$(((asked + ${#paths[@]} - 1 - i) / ${#paths[@]}))
  counted=$(($(requests "$path") - before[$path]))
  [ "$path" = /members ] && counted=$((counted - 1))  # `whole a` asked once more
  [ "$counted" -eq "$share" ] || fail "$counted requests of $path are counted, $share were sent"
done

# --- more connections than there may be: the idle ones make room -------------------------------------------------
ulimit -n 4096
"$http_load" "$(field a http)" --rate 20 --seconds 2 --idle 600 /healthz >"$work/load.json" || fail "http_load"
cat "$work/load.json"
jq -e '.answered == .requests and .good == .answered and .broken == 0 and .livez_bad == 0 and .livez_max_ms < 1000' "$work/load.json" >/dev/null ||
  fail "requests were kept out by idle connections"
evicted=$(value a 'plumvine_http_connections_closed_total{reason="evicted"}')
open=$(jq .idle_open "$work/load.json")
[ "$evicted" -ge $((600 - open)) ] && [ "$open" -ge 490 ] && [ "$open" -lt 512 ] || fail "$open of 600 idle connections are open, $evicted were counted as closed"
few() { [ "$(value a plumvine_http_connections)" -le 3 ]; }
within 20 few
for name in b c; do [ "$(sum $name swim_suspicions_total)" -eq 0 ] || fail "$name suspects somebody"; done
echo "passed"
