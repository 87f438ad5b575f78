#!/usr/bin/env bash
# Agents under TLS with certificates of `tls dev-ca`: what `tls verify` says, what a stranger finds at the port, files that change, SIGHUP.
# Usage: tls.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

nodes=(a b c)
pki=$work/pki
issue() { "$cli" tls dev-ca "$pki" "$@" --label prod >/dev/null || fail "dev-ca $*"; }
start() {
  local name=$1
  shift
  launch "$name" 127.0.0.1:0 /dev/null --preset local --cluster prod --tls-cert "$pki/$name.pem" --tls-key "$pki/$name-key.pem" --tls-ca "$pki/ca.pem" "$@"
}
all_alive() {
  local seer name
  for seer in "${nodes[@]}"; do for name in "${nodes[@]}"; do ours_is "$seer" "$name" alive || return 1; done; done
}
metric() { at "$1" metrics --grep "^$2" | awk '{print $2}'; }
logged() { grep -q "$2" "$work/$1.err"; }
status() { local want=$1; shift; "$@" >"$work/said" 2>&1; local got=$?; [ "$got" -eq "$want" ] || { cat "$work/said" >&2; fail "status $got, not $want: $*"; }; }

# --- the private CA ------------------------------------------------------------------------------------------------------
issue "${nodes[@]}"
[ "$(stat -c %a "$pki/a-key.pem" "$pki/ca-key.pem" | tr '\n' ' ')" = '600 600 ' ] || fail "others can read the keys"
before=$(sha256sum <"$pki/ca.pem")
issue a
[ "$(sha256sum <"$pki/ca.pem")" = "$before" ] || fail "a second call made another CA"
status 2 "$cli" tls dev-ca "$pki" ../a
status 2 "$cli" tls
status 0 "$cli" --json tls dev-ca "$work/other" a --label prod
jq -e '.made and .members[0].name == "a"' "$work/said" >/dev/null || fail "the answer in JSON"

# --- a cluster of three --------------------------------------------------------------------------------------------------
start a
start b --join "$(field a bind)"
start c --join "$(field a bind)"
within 30 all_alive
for name in "${nodes[@]}"; do
  logged "$name" 'PV1510.*All streams are under TLS 1.3' || fail "$name does not say that TLS is on"
  [ "$(metric $name plumvine_certificate_expiry_seconds | cut -d. -f1)" -gt 30000000 ] || fail "$name's certificate expires soon"
  [ "$(metric $name 'plumvine_bytes_sent_total.transport="udp"')" = 0 ] || fail "$name sent packets outside of TLS"
done
status 0 at a test-delivery

# --- would everybody take it? --------------------------------------------------------------------------------------------
status 0 at a tls verify "$pki/a.pem" "$pki/ca.pem"
status 0 at a --json tls verify "$pki/a.pem"
jq -e '.good and ([.members[].member] == ["a", "b", "c"])' "$work/said" >/dev/null || fail "verify"
status 1 at a tls verify "$work/other/a.pem"
grep -q "none of our CAs" "$work/said" || fail "verify does not say why"
status 1 at a tls verify "$pki/b.pem"
grep -q "does not name a" "$work/said" || fail "verify takes another's certificate"
status 1 at a tls verify "$pki/a.pem" "$work/other/ca.pem"
status 2 at a tls verify "$pki/a-key.pem"
status 1 at a tls verify "$work/none"

# --- what a stranger finds -----------------------------------------------------------------------------------------------
if command -v openssl >/dev/null; then
  probe() { timeout 10 openssl s_client -connect "$(field a bind)" -CAfile "$pki/ca.pem" "$@" </dev/null >"$work/probe" 2>&1; }
  probe -tls1_2
  grep -q 'New, (NONE)' "$work/probe" || fail "TLS 1.2 is spoken: $(cat "$work/probe")"
  # A client sees a handshake that is done, then the word that there is no certificate.
  (sleep 1) | timeout 10 openssl s_client -connect "$(field a bind)" -CAfile "$pki/ca.pem" -tls1_3 >"$work/probe" 2>&1
  grep -q 'TLSv1.3' "$work/probe" || fail "no TLS 1.3: $(cat "$work/probe")"
  grep -q 'certificate required' "$work/probe" || fail "no certificate was asked for: $(cat "$work/probe")"
  grep -q 'Renegotiation IS NOT' "$work/probe" || grep -q 'Secure Renegotiation' "$work/probe" || fail "renegotiation: $(cat "$work/probe")"
  within 5 logged a 'PV1220.*it shows no certificate'
  [ "$(metric a 'plumvine_tls_rejected_total.reason="no_certificate"')" -ge 1 ] || fail "nobody counted it"
fi

# --- files that change, and SIGHUP ---------------------------------------------------------------------------------------
issue "${nodes[@]}"
for name in "${nodes[@]}"; do within 10 logged "$name" 'PV1510.*New connections use certificate'; done
cp "$pki/a.pem" "$work/good.pem"
echo junk >"$pki/a.pem"
within 10 logged a 'PV1511.*tls_cert'
within 10 at a --json health --component security >"$work/said"
jq -e '[.reasons[].code] | index("PV2305")' "$work/said" >/dev/null || fail "health says nothing of files that are not taken over"
kill -HUP "${pid[a]}"
within 10 logged a 'PV5006.*--tls-cert'
cp "$work/good.pem" "$pki/a.pem"
kill -HUP "${pid[a]}"
within 10 logged a 'PV5002'
healthy() { at a --json health --component security | jq -e '.reasons == []' >/dev/null; }
within 10 healthy
all_alive || fail "somebody was lost on the way"
status 0 at a test-delivery
for name in "${nodes[@]}"; do end "$name" TERM || fail "$name did not end well"; done
echo "certificates were made, asked about, probed and changed"
