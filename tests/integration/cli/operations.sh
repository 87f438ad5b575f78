#!/usr/bin/env bash
# Events, explanations, origins of settings, promotion, trimming, the tree as a graph. Usage: operations.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
start() { local name=$1; shift; launch "$name" 127.0.0.1:0 /dev/null --preset local "$@"; }
# expect STATUS COMMAND…: runs it, its output goes to $work/answer
expect() {
  local wanted=$1
  shift
  "$@" >"$work/answer" 2>&1
  local status=$?
  [ $status -eq "$wanted" ] || fail "exit $status instead of $wanted: $* ($(head -c 500 "$work/answer"))"
}
says() { grep -Eq -- "$1" "$work/answer" || fail "'$1' is not in: $(head -c 1500 "$work/answer")"; }

# Without an agent: explanations and files.
expect 0 "$cli" explain PV1102 && says '^PV1102 \(log line, member event\)' && says 'a member is dead'
expect 0 "$cli" explain pv2101 && says 'health reason, delivery, degraded'
expect 0 "$cli" explain PV5006
expect 0 "$cli" --json explain overloaded && says '^\{"code":"overloaded","source":"error","cause":"'
expect 2 "$cli" explain PV1199 && says "'PV1199' is no code; the nearest is PV11"
expect 2 "$cli" explain
printf 'preset = "lan"\nprobe_interval = "1s"\nprobe_timeout = "3s"\ngossip_nodse = 3\n' >"$work/bad.toml"
expect 1 "$cli" config validate "$work/bad.toml" && says 'bad.toml:4: .*gossip_nodes' && says 'bad.toml:3: probe_timeout'

printf 'probe_interval = "900ms"\n' >"$work/a.toml"
PLUMVINE_GOSSIP_NODES=4 start a --config "$work/a.toml" --log-level error
for name in b c d; do start $name --join "$(field a bind)"; done
all_alive() { [ "$(at a --json members | grep -o '"state":"alive"' | wc -l)" -eq 4 ]; }
within 20 all_alive

# Where each value comes from.
expect 0 at a config show --origin
says '^bind +127\.0\.0\.1:[0-9]+ ' && says '^advertise +127\.0\.0\.1:[0-9]+ +chosen at start$' && says '^http +127\.0\.0\.1:[0-9]+ +flag --http$'
says '^probe_interval  +900ms +file .*/a.toml:1$' && says '^gossip_nodes +4 +environment PLUMVINE_GOSSIP_NODES$'
says '^name +a +flag --name$' && says '^push_pull_interval .* preset local$' && says '^preset +local +flag --preset$'
expect 0 at a --json config show --origin && says '"log_level":\{"value":"error","origin":"flag --log-level"\}'

# Events are kept although the log shows errors only; --follow goes on with those that come.
links_told() { [ "$(at a --json events | grep -c '"code":"PV1201"')" -ge 3 ]; }
within 20 links_told
grep -q PV1201 "$work/a.err" && fail "the log of an agent with --log-level error has a line about links"
expect 0 at a events && says '^20[0-9-]*T[0-9:.]*Z info +link +\[PV1201\] Link to [bcd] is up' && says 'member +\[PV1116\] Member b joined at'
expect 0 at a --json events
jq -es 'map(.id) | (map(split("-")[1] | tonumber) == [range(1; length + 1)]) and (map(split("-")[0]) | unique | length == 1)' \
  <"$work/answer" >/dev/null || fail "the ids of events are not INSTANCE-1, INSTANCE-2, …: $(head -c 500 "$work/answer")"
"$cli" --http "$(field a http)" events --follow >"$work/followed.events" 2>&1 &
pid[follow]=$!
curl -sN -H 'Accept: text/event-stream' "http://$(field a http)/events" >"$work/sent.events" &
pid[sent]=$!
following() { at a metrics --grep '^plumvine_event_followers 2$' >/dev/null; }
within 10 following
end d KILL
died() { grep -q '\[PV1102\] Member d is dead, declared by [abc]' "$work/followed.events"; }
within 20 died
told() { grep '^data: ' "$work/sent.events" | sed 's/^data: //' | jq -es 'any(.code == "PV1102" and .kind == "member" and .fields.member == "d")' >/dev/null; }
within 10 told
last=$(sed -n 's/^id: //p' "$work/sent.events" | tail -n 1)
end follow TERM
end sent TERM
gone() { at a metrics --grep '^plumvine_event_followers 0$' >/dev/null; }
within 10 gone
resumed() { curl -s "http://$(field a http)/events?after=$last" | jq -es --arg last "$last" 'all(.id != $last)' >/dev/null; }
resumed || fail "an event that was had came again"
at a metrics --grep '^plumvine_events_total.kind="member".' | grep -Eq ' [1-9][0-9]*$' || fail "no event was counted"

# The tree as a graph; links made eager by order; caches trimmed.
expect 0 at a tree --dot && says '^digraph plumvine \{$' && says '"a"' && says '^\}$'
eager() { at a --json peers | jq -e --arg peer "$1" '.eager | index($peer)' >/dev/null; }
promoted=0
for name in a b c; do
  for peer in a b c; do
    [ "$name" = "$peer" ] && continue
    at "$name" promote "$peer" >"$work/answer" 2>&1
    case $? in
      0) promoted=$((promoted + 1))
         is_eager() { at "$name" --json peers | jq -e --arg peer "$peer" '.eager | index($peer)' >/dev/null; }
         within 10 is_eager ;;
      1) grep -q "every tree here begins at this node" "$work/answer" || fail "promote: $(cat "$work/answer")" ;;
      *) fail "promote: $(cat "$work/answer")" ;;
    esac
  done
done
[ $promoted -ge 2 ] || fail "no link could be promoted"
expect 1 at a promote nobody && says "no link to a member 'nobody'"
expect 2 at a promote
expect 0 at a publish t text
expect 0 at a trim && says '^dropped 0 messages of 0 bytes; [0-9]+ bytes of memory went back to the system$'
expect 0 at a --json trim && says '^\{"messages":0,"bytes":0,"returned_bytes":[0-9]+\}$'
expect 0 at a events && says 'load +\[PV1409\] Caches trimmed by order'

# Who gets messages, and the way of one.
expect 0 at a test-delivery && says '^MEMBER +RECEIVED +HOPS +DELAY ms$' && says '^b +1 of 1 +[12] +[0-9.]+$' && says '^every member has every probe$'
expect 0 at b --json test-delivery --size 200000 --count 3 --timeout 10s
jq -e '.complete and .size == 200000 and (.ids | length) == 3 and ([.members[] | .member] == ["a", "c"]) and ([.members[] | .received] == [3, 3])
  and (all(.members[]; .hops >= 1 and .delay_ms >= 0)) and .missing == []' <"$work/answer" >/dev/null || fail "test-delivery: $(cat "$work/answer")"
expect 2 at a test-delivery --count 17 && says 'count=17 is not from 1 to 16'
expect 0 at a --json publish t traced
id=$(jq -r .id "$work/answer")
arrived() { at a --json trace "$id" | jq -e '[.paths[] | .delivered] == [true, true, true]' >/dev/null; }
within 10 arrived
for name in a b c; do
  expect 0 at $name trace "$id" && says "^message $id\$" && says '^a +held +yes +0 +0.000 +- ' && says '^b +held +yes +[12] +[0-9.]+ +[0-9.]+ +[ac]'
done
expect 1 at a trace "${id%-*}-999" && says 'no member that answers knows message'
expect 2 at a trace nothing
# What is here, compared with neighbours by order.
expect 0 at a resync && says '^compared with b, c$' && says '^were missing: 0, came: [0-9]+, are missing: 0, lost meanwhile: 0$'
expect 0 at a --json resync --from b && jq -e '.complete and .asked == ["b"] and .silent == []' "$work/answer" >/dev/null || fail "resync: $(cat "$work/answer")"
expect 0 at a metrics --grep '^plumtree_sync_rounds_total [3-9]|^plumtree_sync_rounds_total [1-9][0-9]'
expect 1 at a resync --from nobody && says "no link to a member 'nobody'"
expect 2 at a resync --timeout soon
kill -STOP "${pid[c]}"
expect 1 at a resync --from c --timeout 1s && says '^did not answer: c$' && says '^compared with -$'
expect 1 at a test-delivery --timeout 1s && says '^missing at: c$' && says '^b +1 of 1 '
kill -CONT "${pid[c]}"

# Health by component, and what became of it meanwhile: told ten seconds after the start at the latest.
expect 0 at a health --component membership && says 'PV2005'
health_told() { at a events | grep -q '\[PV2005\] Health is degraded'; }
within 20 health_told
# The metrics of the last hour: one sample every ten seconds.
recorded() { curl -s "http://$(field a http)/debug/history" | jq -e '.interval_s == 10 and (.samples | length) >= 1 and (.samples[0].changed | length) > 100' >/dev/null; }
within 20 recorded
expect 0 at a --json lag && says '"origins":\['
echo "passed"
