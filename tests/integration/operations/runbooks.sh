#!/usr/bin/env bash
# Every command of the runbooks works at a running cluster, in the order of the page. Usage: runbooks.sh PLUMVINED PLUMVINE PAGE
set -u
agent=$1 cli=$2 page=$3
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
mkdir "$work/bin"
ln -s "$cli" "$work/bin/plumvine"
export PATH=$work/bin:$PATH

# Three sealed members, one of which is dead, and a message that can be traced.
head -c 32 /dev/urandom | base64 >"$work/key.txt"
export PLUMVINE_ENCRYPT
PLUMVINE_ENCRYPT=$(cat "$work/key.txt")
launch a 127.0.0.1:0 /dev/null --preset local
for name in b c; do launch $name 127.0.0.1:0 /dev/null --preset local --join "$(field a bind)"; done
for name in b c; do within 20 ours_is a $name alive; done
linked() { at a --json peers | jq -e '.links | any(.peer == "b")' >/dev/null; }
within 20 linked
id=$(at a --json publish t text | jq -r .id)
end c KILL
within 30 ours_is a c dead
# Commands are typed at the one where the tree does not begin: there a link can be promoted.
# A tree that still beats has had more than its first beacon; those of the start fade away.
rooted() { root=$(at a --json tree | jq -r '.trees | max_by(.epoch) | if .epoch > 1 then .root else "" end') && [[ $root == [ab] ]]; }
within 20 rooted
self=$([ "$root" = a ] && echo b || echo a)
export PLUMVINE_HTTP
PLUMVINE_HTTP=$(field "$self" http)

cd "$work" || exit 1
sed -n '/^```sh$/,/^```$/p' "$page" | grep -v '^```' >commands
[ "$(wc -l <commands)" -ge 60 ] || fail "only $(wc -l <commands) commands were found"
count=0
while read -r line; do
  typed=$(sed "s/\bNAME\b/c/; s/\bPEER\b/$root/; s/\bHOST:PORT\b/$(field "$root" bind)/; s/\bID\b/$id/" <<<"$line")
  bash -c "$typed" >"$work/answer.log" 2>&1 </dev/null || fail "exit $?: $typed: $(head -c 300 "$work/answer.log")"
  [ "$typed" != 'plumvine forget c' ] || within 10 ours_is "$self" c ''
  count=$((count + 1))
done <commands
within 20 ours_is "$root" "$self" alive
echo "$count commands work"
