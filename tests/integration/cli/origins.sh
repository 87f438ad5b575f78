#!/usr/bin/env bash
# Signed origins with real agents: `require`, a restart with the same key, another key for the same name, a member that does not sign, the way
# from off to require.
# Usage: origins.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

first() { launch a 127.0.0.1:0 /dev/null --preset local --data-dir "$work/a.d" --print t --set cluster=demo --set sign_origins="$1" "${@:2}"; }
start() {
  launch "$1" "$2" /dev/null --preset local --join "$(field a bind)" --data-dir "$work/$3" --print t --set cluster=demo --set sign_origins="$4"
}
got() { [ "$(jq -r 'select(.topic == "t") | .payload' "$work/$1.out" | grep -cx "$2")" = "$3" ]; }
metric() { at "$1" metrics --grep "^$2" | awk '{ sum += $2 } END { print sum + 0 }'; }
above() { [ "$(metric "$1" "$2")" -gt "$3" ]; }
links() { at "$1" --json peers 2>/dev/null | jq -r '[.links[] | select(.state == "up") | .peer] | sort | join(" ")'; }
links_are() { [ "$(links "$1")" = "$2" ]; }

"$agent" --name x --bind 127.0.0.1:0 --set sign_origins=require </dev/null 2>"$work/answer" && fail "it starts without a place for its key"
grep -q "sign_origins.*needs data_dir" "$work/answer" || fail "not a clear error: $(cat "$work/answer")"

gone() { [ "$(ours a b)" = left ] || [ "$(ours a b)" = dead ]; }

first require
start b 127.0.0.2:0 b.d require
start c 127.0.0.3:0 c.d require
within 20 links_are a 'b c'
at b publish t from-b >/dev/null
for name in a c; do within 10 got $name from-b 1; done
above a plumtree_frames_verified_total 0 || fail "nothing was verified"
[ "$(stat -c %a "$work/b.d/origin.key")" = 600 ] || fail "others may read the key"
echo "signed and verified"

# --- a restart with the same key, killed so that nobody was told -----------------------------------------------
end b KILL
start b 127.0.0.2:0 b.d require
within 20 links_are b 'a c'
at b publish t again-from-b >/dev/null
for name in a c; do within 20 got $name again-from-b 1; done
[ "$(metric a plumtree_origins_refused_total)" = 0 ] || fail "honest broadcasts were refused"
echo "restart"

# --- the same name with another key ----------------------------------------------------------------------------
end b KILL
start b 127.0.0.2:0 other.d require
within 20 above a plumtree_origin_keys_refused_total 0
grep -q 'PV1311.*Member b shows the key .*plumvine forget b' "$work/a.err" || fail "the other key is not named"
within 20 links_are b 'a c'
at b publish t not-b >/dev/null
within 20 above a 'plumtree_origins_refused_total.reason="other_key".' 0
grep -q 'PV1310.*of b on topic t, which neighbour [bc] passed on: it is signed with another key' "$work/a.err" || fail "not named: $(grep PV1310 "$work/a.err")"
at a --json doctor | jq -e '[.findings[].code] | contains(["PV2308", "PV2309"])' >/dev/null || fail "the doctor does not know: $(at a --json doctor)"
for name in a c; do got $name not-b 0 || fail "$name took what another key signed"; done
end b TERM
within 20 gone
at a forget b >/dev/null || fail "cannot forget"
start b 127.0.0.2:0 other.d require
within 20 links_are b 'a c'
at b publish t new-b >/dev/null
for name in a c; do within 20 got $name new-b 1; done
echo "another key"

# --- who does not sign, and the way to require -----------------------------------------------------------------
end c TERM
start c 127.0.0.3:0 c.d off
within 20 links_are c 'a b'
at c publish t bare >/dev/null
within 20 above a 'plumtree_origins_refused_total.reason="unsigned".' 0
got a bare 0 || fail "an unsigned broadcast was delivered"
at b publish t through-all >/dev/null
for name in a c; do within 10 got $name through-all 1; done
end a TERM
end b TERM
end c TERM
first sign
start b 127.0.0.2:0 other.d sign
start c 127.0.0.3:0 c.d off
within 20 links_are a 'b c'
at c publish t mixed-c >/dev/null
at b publish t mixed-b >/dev/null
for name in a b; do within 10 got $name mixed-c 1; done
within 10 got c mixed-b 1
echo "mixed"
