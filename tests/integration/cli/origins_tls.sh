#!/usr/bin/env bash
# Signed origins under TLS: a member's key belongs to whom its certificate names, so one that was set up anew is believed at once by its
# neighbours; that is kept over a restart.
# Usage: origins_tls.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

pki=$work/pki
"$cli" tls dev-ca "$pki" a b c --label prod >/dev/null || fail "dev-ca"
# start NAME BIND DIR CERTIFICATE FLAGS…
start() {
  launch "$1" "$2" /dev/null --preset local --cluster prod --tls-cert "$pki/$4.pem" --tls-key "$pki/$4-key.pem" --tls-ca "$pki/ca.pem" \
    --data-dir "$work/$3" --print t --set sign_origins=require "${@:5}"
}
got() { [ "$(jq -r 'select(.topic == "t") | .payload' "$work/$1.out" | grep -cx "$2")" = "$3" ]; }
links_are() { [ "$(at "$1" --json peers 2>/dev/null | jq -r '[.links[] | select(.state == "up") | .peer] | sort | join(" ")')" = "$2" ]; }
proven() { [ "$(jq -r '[.keys[] | select(.proven) | .member] | sort | join(" ")' "$work/$1.d/origin-keys.json" 2>/dev/null)" = "$2" ]; }

start a 127.0.0.1:0 a.d a
start b 127.0.0.2:0 b.d b --join "$(field a bind)"
start c 127.0.0.3:0 c.d c --join "$(field a bind)"
within 30 links_are a 'b c'
within 30 links_are c 'a b'
at b publish t first >/dev/null
for name in a c; do within 10 got $name first 1; done
# Links that are up prove keys, and that is kept.
within 20 proven a 'b c'
within 20 proven c 'a b'
echo "proven"

kept_key() { jq -r '.keys[] | select(.member == "b" and .proven) | .key' "$work/$1.d/origin-keys.json" 2>/dev/null; }
other_than() { local now; now=$(kept_key "$1"); [ -n "$now" ] && [ "$now" != "$2" ]; }
before=$(kept_key a)
[ -n "$before" ] || fail "no key of b"

# --- set up anew, with its certificate and another key: nobody has to forget it --------------------------------
end b KILL
start b 127.0.0.2:0 other.d b --join "$(field a bind)"
within 30 links_are b 'a c'
for name in a c; do
  replaced() { grep -q 'PV1312.*Member b signs with the key .* now, as its certificate proves' "$work/$name.err"; }
  within 20 replaced
done
at b publish t anew >/dev/null
for name in a c; do within 20 got $name anew 1; done
for name in a c; do within 10 other_than $name "$before"; done
echo "set up anew"

# --- somebody without its certificate does not even start under its name ----------------------------------------------
end b KILL
timeout 20 "$agent" --name b --bind 127.0.0.2:0 --http off --preset local --cluster prod --tls-cert "$pki/c.pem" --tls-key "$pki/c-key.pem" \
  --tls-ca "$pki/ca.pem" --data-dir "$work/mad.d" --set sign_origins=require --join "$(field a bind)" </dev/null >"$work/answer" 2>&1 && fail "it runs"
grep -q 'tls-cert.*not us' "$work/answer" || fail "not a clear error: $(cat "$work/answer")"
# The key that was proven is still the member's, also over a restart of one that knows it.
end c KILL
start c 127.0.0.3:0 c.d c --join "$(field a bind)"
start b 127.0.0.2:0 other.d b --join "$(field a bind)"
within 30 links_are b 'a c'
at b publish t the-same-one >/dev/null
for name in a c; do within 20 got $name the-same-one 1; done
grep -q 'PV131[12]' "$work/c.err" && fail "another key than the kept one: $(grep 'PV131[12]' "$work/c.err")"
echo "kept"
