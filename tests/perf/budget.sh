#!/usr/bin/env bash
# Counts the instructions that a message costs each member of a row, under callgrind, and compares them with the budget.
# Usage: budget.sh HOT_PATH BUDGET [--renew]
# A rise of more than 5 % fails. --renew writes the budget anew.
set -euo pipefail
program=$1 budget=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v valgrind >/dev/null || { echo "budget.sh: valgrind is not installed: run tools/deps" >&2; exit 1; }

# The same instructions on every machine: the C library copies bytes in ways that depend on the processor.
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM
(cd "$work" && valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file=dump "$program" callgrind >out 2>said) ||
  { cat "$work/said" >&2; exit 1; }

# Instructions by name of the dump, messages by the same name.
for dump in "$work"/dump.*; do
  name=$(sed -n 's/^desc: Trigger: Client Request: //p' "$dump")
  [ -n "$name" ] || continue
  total=$(sed -n 's/^totals: //p' "$dump")
  messages=$(sed -n "s/^$name: \([0-9]*\) messages.*/\1/p" "$work/out")
  echo "$name: $((total / messages))"
done | sort >"$work/now"
[ "$(wc -l <"$work/now")" -ge 12 ] || { echo "budget.sh: callgrind gave no counts: $(cat "$work/said")" >&2; exit 1; }

if [ "${3:-}" = --renew ]; then
  { echo "# Instructions a message, counted by tests/perf/budget.sh with g++ 12 and -O2. A rise of more than 5 % fails a test."
    cat "$work/now"; } >"$budget"
  cat "$budget"
  exit 0
fi
status=0
while IFS= read -r line; do
  name=${line%: *} now=${line##*: }
  allowed=$(sed -n "s/^$name: //p" "$budget")
  if [ -z "$allowed" ]; then
    echo "FAILED: $name is not in the budget"
    status=1
  elif ((now * 100 > allowed * 105)); then
    echo "FAILED: $name: $now instructions a message, the budget is $allowed"
    status=1
  elif ((now * 100 < allowed * 95)); then
    echo "$name: $now instructions a message, $allowed in the budget: renew it, so that the gain stays"
  else
    echo "$name: $now instructions a message, $allowed in the budget"
  fi
done <"$work/now"
[ $status -eq 0 ] || echo "Make it cheaper; or, where it has to be, renew the budget and say why in the commit: tests/perf/budget.sh $program $budget --renew"
exit $status
