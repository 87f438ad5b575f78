#!/usr/bin/env bash
# The dashboard in Chromium: five agents, one of which is killed, then a made-up cluster of 500. FOLDER keeps the npm packages of the
# test and its screenshots. Usage: run.sh PLUMVINED PLUMVINE FOLDER
set -u
agent=$1 cli=$2 folder=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/integration/agents.sh
source "$here/../integration/agents.sh"

for command in node npm chromium; do
  command -v $command >/dev/null || fail "$command is not installed; run tools/deps"
done
# The packages are fetched once, and again when the lock file is another.
mkdir -p "$folder"
if ! cmp -s "$here/package-lock.json" "$folder/installed-lock.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$folder/"
  (cd "$folder" && timeout 180 npm ci --no-audit --no-fund --loglevel=error --fetch-retries=1 --fetch-timeout=30000) \
    || { echo "SKIPPED: npm ci could not fetch the packages of tests/page/package-lock.json: the first run of this test needs the npm registry"; exit 77; }
  cp "$here/package-lock.json" "$folder/installed-lock.json"
fi

launch n1 127.0.0.1:0 /dev/null --preset local --set tags=role=web
for name in n2 n3 n4 n5; do launch $name 127.0.0.1:0 /dev/null --preset local --join "$(field n1 bind)"; done
PLUMVINE_PAGE_MODULES=$folder timeout 400 node "$here/page_test.js" "$(command -v chromium)" "$folder" \
  "$(field n1 http)" "${pid[n1]}" "$(field n2 http)" "${pid[n3]}" || fail "the page is not as it should be; screenshots are in $folder"
