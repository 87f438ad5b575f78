#!/usr/bin/env bash
# Whole demonstrations with files that are awkward: exit 0 means that every survivor had every line.
# Usage: run_files.sh PROGRAMS_DIR SCRATCH_DIR
set -euo pipefail
programs=$1
scratch=$(mktemp -d "$2/files.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

printf 'one\n\n\n\0two \xff\xfe\r\n\xc3\n"quoted" \\ back\nno final line feed' >"$scratch/odd"
{
  head -c 921600 /dev/zero | tr '\0' 'x'
  echo
  head -c 921600 /dev/urandom | tr '\n' ' '
  echo
  seq 1 3000
  head -c 921599 /dev/zero | tr '\0' 'y'
} >"$scratch/long"
: >"$scratch/empty"
printf 'one line' >"$scratch/one"

for name in odd long empty one; do
  echo "== $name"
  "$programs/plumvine-demo" --programs "$programs" -- "$scratch/$name"
done

expect_refusal() {
  local status=0 text
  text=$("$@" 2>&1) || status=$?
  if [[ $status -ne 2 || $(wc -l <<<"$text") -ne 1 ]]; then
    echo "expected one line and exit 2 of: $*; got exit $status: $text"
    exit 1
  fi
  echo "refused as it should be: $text"
}
expect_refusal "$root/tools/demo" "$scratch/missing"
expect_refusal "$root/tools/demo" "$scratch"
expect_refusal "$root/tools/demo" "$scratch/odd" "$scratch/one"
expect_refusal "$root/tools/demo" --wrong
expect_refusal "$programs/plumvine-demo" --programs "$programs" -- "$scratch/missing"
head -c 1048577 /dev/zero | tr '\0' 'x' >"$scratch/too_long"
expect_refusal "$programs/plumvine-demo" --programs "$programs" -- "$scratch/too_long"
