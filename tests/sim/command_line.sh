#!/usr/bin/env bash
# What plumvine-sim promises on its command line: exit codes, one-line refusals, every JSON field.
# Usage: command_line.sh PLUMVINE-SIM
set -uo pipefail
sim=$1
failed=0

# expect CODE WHAT ARGUMENTS…: exit code, and `WHAT` in what is printed.
expect() {
  local code=$1 what=$2 out status
  shift 2
  out=$("$sim" "$@" 2>&1)
  status=$?
  if [[ $status -ne $code || $out != *"$what"* ]]; then
    printf 'FAILED: plumvine-sim %s\n  exit %s, expected %s and "%s"; printed:\n%s\n' "$*" "$status" "$code" "$what" "$out"
    failed=1
  fi
}
# refused WHAT ARGUMENTS…: exit 2 with one line.
refused() {
  local what=$1
  shift
  expect 2 "$what" "$@"
  if [[ $("$sim" "$@" 2>&1 | wc -l) -ne 1 ]]; then
    echo "FAILED: plumvine-sim $* refuses in more than one line"
    failed=1
  fi
}

expect 0 "Exit status" --help
expect 0 "plumvine-sim " --version
for scenario in hour p1 p2 p3 p4 p5 p5-silent p6 p7 p8 orders swarm s1 s2 s3 s4 g1 g1-swim g2 r1 r2 idle demo split-heal churn forge stop-continue; do expect 0 "$scenario" list; done
expect 2 "split-heal" run p99
refused "nothing to do"
refused "unknown command 'walk'" walk
refused "needs a scenario" run
refused "unknown flag '--speed'" run p7 --speed 9
refused "cannot honour --kill" run demo --kill 10
refused "needs a value" run p7 --nodes
refused "--nodes 'many'" run p7 --nodes many
refused "--nodes '1'" run p7 --nodes 1
refused "--loss '100'" run p7 --loss 100
refused "--latency-ms '50-10'" run p7 --latency-ms 50-10
refused "--senders 'some'" run p7 --senders some
refused "--tree-rule 'oak'" run p7 --tree-rule oak
refused "--second-parents 'two'" run p7 --second-parents two
refused "--repair 'maybe'" run p7 --repair maybe
refused "--starved '200'" run g1 --starved 200
refused "cannot honour --starved" run p7 --starved 10
refused "cannot honour --kill" run p8 --kill 10
refused "--optimization-threshold 'few'" run p2 --optimization-threshold few
refused "--depth '99'" run orders --depth 99
refused "--nodes '5'" run orders --nodes 5
refused "cannot honour --depth" run p1 --depth 3
refused "compare takes two files" compare one
refused "cannot read /nonexistent" compare /nonexistent /nonexistent

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
small=(run p7 --nodes 50 --rounds=5 --latency-ms 10-20 --senders one --repair on --json)
"$sim" "${small[@]}" --seed 1 >"$work/a" || failed=1
"$sim" "${small[@]}" --seed 2 --kill 20 >"$work/b" || failed=1
expect 0 "trace_hash" compare "$work/a" "$work/b"
expect 0 "rmr" compare "$work/a" "$work/b"
echo "no json" >"$work/c"
refused "the second file is not a JSON object" compare "$work/a" "$work/c"
expect 0 "links" compare "$work/a" "$work/b"
expect 0 "deliver" run demo --trace

# Scenario files: what is wrong is named by file, line and key, all at once.
plan() { printf '%s\n' "$@" >"$work/plan.toml"; }
plan 'nodes = 4' 'seconds = 12' 'latency_ms = [1, 2]' 'loss_percent = 0' 'resend_ms = 5' 'settle = 60' 'preset = "lan"' 'tree_rule = "rooted"' \
  'sync_window = 2' '[[publish]]' 'per_second = 20' '[check]' 'memory = { max = 2, min = 0.5 }' 'heal_ms = { max = 10000 }'
expect 0 "replay" run "$work/plan.toml"
expect 0 "nodes                     3" run "$work/plan.toml" --nodes 3 --seconds 2 --seed 4
expect 0 '"scenario":"plan"' run "$work/plan.toml" --seconds 2 --json
expect 2 "cannot honour --kill" run "$work/plan.toml" --kill 10
expect 2 "no such file" run "$work/none.toml"
plan 'nodes = 4' '[[publish]]' '[check]' 'broadcasts = { min = 1000000 }'
expect 1 "check broadcasts" run "$work/plan.toml" --seconds 1
plan 'nodes = 1' 'speed = 3' 'latency_ms = [5, 2]' '[[publish]]' 'topic = "_x"' 'order = "lifo"' '[[fault]]' 'kind = "flood"' '[[fault]]' 'kind = "join"' \
  'at = 5' 'nodes = [1]' '[[fault]]' 'kind = "crash"' 'at = 100' 'for = 8' 'every = 5' 'nodes = [300]' 'count = 2' '[check]' 'luck = { max = 1 }' 'rmr = 3'
for wrong in "plan.toml:1: nodes: must be a whole number" "plan.toml:2: speed: is no key here; there are nodes" "plan.toml:3: latency_ms: must be [MIN, MAX]" \
  "plan.toml:5: publish.topic: " "plan.toml:6: publish.order: must be one of none, fifo" "plan.toml:8: fault.kind: must be one of crash" \
  "plan.toml:12: fault.nodes: is no key here" "plan.toml:15: fault.at: comes after the end" "plan.toml:16: fault.for: must be less than every" \
  "plan.toml:18: fault.nodes: must be a list of node numbers" "plan.toml:19: fault.count: either nodes or count" \
  "plan.toml:21: check.luck: is not measured; there are broadcasts" "plan.toml:22: check.rmr: must have bounds"; do
  expect 2 "$wrong" run "$work/plan.toml"
done
plan 'nodes = 4'
expect 2 "nobody publishes" run "$work/plan.toml"
plan 'nodes = = 4'
expect 2 "plan.toml:1: " run "$work/plan.toml"
plan '[[publish]]' '[check]' 'memory = { max = 1 }'
expect 2 "six times" run "$work/plan.toml"
expect 0 "orders or seeds tried" run orders --nodes 4 --depth 2
expect 0 "orders or seeds tried     3" run swarm --rounds 3 --seed 5
expect 0 "reliability within 1 s" run p5-silent --nodes 30
expect 0 "ihave" run p3 --nodes 20 --trace --tree-rule classic

for field in scenario nodes seed broadcasts delivered expected reliability rmr ldh_mean ldh_max last_delivery_ms_p50 \
  last_delivery_ms_p99 payload_bytes control_bytes grafts prunes detect_ms_p50 detect_ms_p99 false_positives heal_ms \
  bytes_per_node_s duplicates_per_message full_ms_p50 full_ms_p99 trace_hash wall_ms notes; do
  grep -q "\"$field\":" "$work/a" || { echo "FAILED: no field $field"; failed=1; }
done
exit $failed
