#!/usr/bin/env bash
# Builds plumvine-sim with another compiler and compares reports: same scenario and seed, same trace hash.
# Usage: other_compiler.sh PLUMVINE-SIM COMPILER SOURCE-DIR BUILD-DIR
set -euo pipefail
ours=$1 compiler=$2 source=$3 build=$4

cmake -S "$source" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O1 \
  -DPLUMVINE_BATCHES=ON -DPLUMVINE_TESTS=OFF -DPLUMVINE_METRICS=OFF -DPLUMVINE_INSTALL=OFF >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
cmake --build "$build" --target plumvine-sim >"$build.log" 2>&1 || { tail -50 "$build.log"; exit 1; }
theirs=$(find "$build" -type f -name plumvine-sim -perm -u+x | head -1)

failed=0
while read -r -a run; do
  # Only the time it took may differ.
  a=$("$ours" run "${run[@]}" --json | sed 's/"wall_ms":[^}]*//')
  b=$("$theirs" run "${run[@]}" --json | sed 's/"wall_ms":[^}]*//')
  if [[ -n $a && $a == "$b" ]]; then
    echo "same: ${run[*]}"
  else
    printf 'DIFFERENT: %s\n  %s\n  %s\n' "${run[*]}" "$a" "$b"
    failed=1
  fi
done <<'RUNS'
p7 --nodes 200 --rounds 20 --loss 2 --seed 3
p2 --nodes 200 --rounds 20 --crash-per-round 1 --seed 4
p7 --nodes 100 --rounds 20 --tree-rule classic --senders all --seed 5
p8 --nodes 60 --rounds 2 --loss 2 --seed 14
swarm --rounds 10 --seed 15
demo --seed 6
split-heal --seconds 30 --loss 1 --seed 7
churn --seconds 200 --seed 8
forge --nodes 6 --seconds 10 --seed 9
stop-continue --seed 9
s3 --nodes 20 --seconds 20 --seed 10
g1 --nodes 30 --rounds 2 --seed 11
r1 --nodes 60 --seed 12
r2 --nodes 50 --seconds 60 --seed 13
RUNS
exit $failed
