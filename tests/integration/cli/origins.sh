#!/usr/bin/env bash
# Signed origins with real agents: `require`, a restart with the same key, another key for the same name, also where members start again, a
# member that does not sign, the way from off to require and back.
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

# --- the same name with another key, while somebody starts again -------------------------------------------------
keys() { jq -r '[.keys[].member] | sort | join(" ")' "$work/$1.d/origin-keys.json" 2>/dev/null; }
keys_are() { [ "$(keys "$1")" = "$2" ]; }
within 10 keys_are c 'a b'
[ "$(stat -c %a "$work/c.d/origin-keys.json")" = 600 ] || fail "others may change the keys"
end b KILL
end c KILL
start b 127.0.0.2:0 other.d require
start c 127.0.0.3:0 c.d require
grep -q 'PV1507.*Keys of 2 members are known' "$work/c.err" || fail "keys are not recalled: $(cat "$work/c.err")"
for name in a c; do
  within 20 above $name plumtree_origin_keys_refused_total 0
  grep -q 'PV1311.*Member b shows the key .*plumvine forget b' "$work/$name.err" || fail "$name does not name the other key"
done
within 20 links_are b 'a c'
at b publish t not-b >/dev/null
for name in a c; do within 20 above $name 'plumtree_origins_refused_total.reason="other_key".' 0; done
grep -q 'PV1310.*of b on topic t, which neighbour [bc] passed on: it is signed with another key' "$work/a.err" || fail "not named: $(grep PV1310 "$work/a.err")"
at a --json doctor | jq -e '[.findings[].code] | contains(["PV2308", "PV2309"])' >/dev/null || fail "the doctor does not know: $(at a --json doctor)"
for name in a c; do got $name not-b 0 || fail "$name took what another key signed"; done
end b TERM
within 20 gone
at a forget b >/dev/null || fail "cannot forget"
within 20 keys_are a c
within 20 keys_are c a
start b 127.0.0.2:0 other.d require
within 20 links_are b 'a c'
at b publish t new-b >/dev/null
for name in a c; do within 20 got $name new-b 1; done
echo "another key"

# --- forgotten while a member is away; a file of keys that is damaged ------------------------------------------
within 10 keys_are c 'a b'
end c KILL
end b TERM
within 20 gone
at a forget b >/dev/null || fail "cannot forget"
start c 127.0.0.3:0 c.d require
within 20 keys_are c a
grep -q 'PV1312.*member b had before is forgotten' "$work/c.err" || fail "not told: $(grep PV13 "$work/c.err")"
start b 127.0.0.2:0 third.d require
within 20 links_are b 'a c'
at b publish t third-b >/dev/null
for name in a c; do within 20 got $name third-b 1; done
end c TERM
"$cli" state export "$work/c.tar" --data-dir "$work/c.d" >"$work/answer" || fail "no export: $(cat "$work/answer")"
grep -q 'the key that signs is in it' "$work/answer" || fail "not said: $(cat "$work/answer")"
tar -tf "$work/c.tar" | grep -c 'origin.key\|origin-keys.json' | grep -qx 2 || fail "keys are not in it: $(tar -tf "$work/c.tar")"
echo '{"format":' >"$work/c.d/origin-keys.json"
"$cli" state verify --data-dir "$work/c.d" >"$work/answer" 2>&1 && fail "a damaged file is good: $(cat "$work/answer")"
grep -q 'origin-keys.json is broken' "$work/answer" || fail "the damaged file is not named: $(cat "$work/answer")"
start c 127.0.0.3:0 c.d require
grep -q "PV1505.*origin-keys.json' cannot be understood.*moved to '$work/c.d/origin-keys.json.bad'" "$work/c.err" || fail "a broken file is not told: $(cat "$work/c.err")"
within 20 keys_are c 'a b'
echo "kept keys"

# --- who does not sign, and the way to require and back ---------------------------------------------------------
configured() {
  launch "$1" "$2" /dev/null --preset local "${@:3}" --config "$work/$1.toml" --data-dir "$work/$1.d" --print t --set cluster=demo
}
conf() { printf 'sign_origins = "%s"\n' "$2" >"$work/$1.toml"; }
read_again() { [ "$(grep -c PV5002 "$work/$1.err")" -gt "$2" ]; }
# reload NAME MODE WORDS: SIGHUP, and what the agent says of it.
reload() {
  local before
  before=$(grep -c PV5002 "$work/$1.err")
  conf "$1" "$2"
  kill -HUP "${pid[$1]}"
  within 10 read_again "$1" "$before"
  grep PV5002 "$work/$1.err" | tail -n 1 | grep -q "$3" || fail "$1 to $2: $(grep PV5002 "$work/$1.err" | tail -n 1)"
}
reasons() { at "$1" --json health --component security | jq -r '[.reasons[].code] | join(" ")'; }
has_reason() { [[ " $(reasons "$1") " == *" $2 "* ]]; }
lacks_reason() { ! has_reason "$1" "$2"; }
differ() { at a --json doctor | jq -r '.notes[] | select(.code == "PV2904") | .detail' | grep -q "sign_origins: $1"; }
agree() { [ "$(at a --json doctor | jq '[.notes[] | select(.code == "PV2904")] | length')" = 0 ]; }

for name in a b c; do end $name TERM; done
rm -r "$work/b.d"
mv "$work/third.d" "$work/b.d"
conf a sign
conf b sign
conf c off
configured a 127.0.0.1:0
configured b 127.0.0.2:0 --join "$(field a bind)"
configured c 127.0.0.3:0 --join "$(field a bind)"
within 20 links_are a 'b c'
at c publish t mixed-c >/dev/null
at b publish t mixed-b >/dev/null
for name in a b; do within 10 got $name mixed-c 1; done
within 10 got c mixed-b 1
within 20 differ 'off at c; sign at a, b'
has_reason a PV2310 && fail "it complains of c although it takes what is not signed"
echo "sign, and one without"

reload a require 'changed: sign_origins$'
within 10 has_reason a PV2310
at a --json doctor | jq -e '.findings[] | select(.code == "PV2310") | tostring | test("c \\(127")' >/dev/null || fail "the doctor does not name c: $(at a --json doctor)"
at c publish t bare >/dev/null
within 10 got b bare 1
within 20 above a 'plumtree_origins_refused_total.reason="unsigned".' 0
got a bare 0 || fail "an unsigned broadcast was delivered"
at b publish t through-all >/dev/null
for name in a c; do within 10 got $name through-all 1; done
within 10 has_reason a PV2308
reload a sign 'changed: sign_origins$'
within 10 lacks_reason a PV2310
at c publish t taken-again >/dev/null
for name in a b; do within 20 got $name taken-again 1; done
echo "require and back"

reload c sign 'these keys need a restart: sign_origins'
at c publish t still-bare >/dev/null
within 10 got a still-bare 1
[ "$(metric c plumtree_frames_signed_total)" = 0 ] || fail "it signs without a restart"
end c TERM
configured c 127.0.0.3:0 --join "$(field a bind)"
within 20 links_are c 'a b'
for name in a b c; do reload $name require 'changed: sign_origins$'; done
at c publish t signed-c >/dev/null
for name in a b; do within 10 got $name signed-c 1; done
within 10 lacks_reason a PV2310
within 20 agree
reload c off 'these keys need a restart: sign_origins'
at c publish t signed-on >/dev/null
for name in a b; do within 10 got $name signed-on 1; done
echo "all of them"
