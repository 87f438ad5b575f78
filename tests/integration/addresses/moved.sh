#!/usr/bin/env bash
# A member is killed and started again at another address at once, as a scheduler does with a pod: the others have it at
# the new address because nothing answers at the old one, not because its death was waited for. moved.sh PLUMVINED PLUMVINE
set -u
agent=$1
cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "$0")/../agents.sh"

others="p1 p2 p4 p5"
for name in p1 p2 p3 p4 p5; do
  seed=()
  [ $name = p1 ] || seed=(--join "$(field p1 bind)")
  launch $name 127.0.0.1:0 /dev/null "${seed[@]}"
done
sees() { for name in $others; do ours_is $name p3 "$1" || return 1; done; }
within 30 sees alive

end p3 KILL
launch p3 127.0.0.1:0 /dev/null --join "$(field p1 bind)"
at_new_place() {
  local name row
  for name in $others; do
    row=$(at $name --json members | jq -r '.[] | select(.name == "p3") | "\(.addr):\(.port) \(.state)"')
    [ "$row" = "$(field p3 bind) alive" ] || return 1
  done
}
within 30 at_new_place
for name in $others; do
  grep -q 'PV1118. Member p3 runs at .* now; nothing answers at' "$work/$name.err" ||
    grep -q 'PV1101. Member p3 is suspected' "$work/$name.err" || fail "$name took the new run without a look at the old one"
  if grep -q 'PV1102. Member p3 is dead' "$work/$name.err"; then fail "$name waited for the death of the old run"; fi
  if grep -q PV1104 "$work/$name.err"; then fail "$name called the new run a conflict"; fi
done
if grep -q PV1104 "$work/p3.err"; then fail "the new run took the old one for another process"; fi

# A second process under a name in use is refused, because the first one answers, and its health says where that is.
: >"$work/second.err"
"$agent" --name p4 --bind 127.0.0.1:0 --http 127.0.0.1:0 --join "$(field p1 bind)" </dev/null 2>"$work/second.err" &
pid[second]=$!
listens() { grep -q '^plumvined ready name=p4 ' "$work/second.err"; }
within 20 listens
second=$(sed -n 's/^plumvined ready .*http=\([^ ]*\).*/\1/p' "$work/second.err")
blames() { "$cli" --http "$second" --json health | jq -e --arg at "$(field p4 bind)" '.reasons[] | select(.code == "PV2011" and .evidence.at == $at)'; }
within 30 blames >"$work/blamed.out"
told() { grep -q 'PV1104.*Name p4 is claimed by .* but belongs to' "$work"/p[1235].err; }
within 30 told
end second TERM || fail "the second p4 ended with $?"
for name in p1 p2 p3 p5; do ours_is $name p4 alive || fail "$name lost p4 to its namesake"; done
