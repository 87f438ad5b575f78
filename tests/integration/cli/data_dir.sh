#!/usr/bin/env bash
# What agents keep in --data-dir: members, changed keys, state dumps. Usage: data_dir.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

old=$(head -c 32 /dev/urandom | base64)
new=$(head -c 32 /dev/urandom | base64)
start() {
  local name=$1 bind=$2
  shift 2
  launch "$name" "$bind" /dev/null --preset local --encrypt "$old" --data-dir "$work/$name.d" "$@"
}
known() { jq -r '.peers[].name' "$work/$1.d/peers.json" 2>/dev/null | sort | tr '\n' ' '; }
known_is() { [ "$(known "$1")" = "$2" ]; }
sees() { ours_is "$1" "$2" alive; }
http_ready() { [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$(field "$1" http)/readyz")" = 200 ]; }

start a 127.0.0.1:0
start b 127.0.0.1:0 --join "$(field a bind)"
start c 127.0.0.1:0 --join "$(field a bind)"
within 20 known_is a 'b c '
within 20 known_is b 'a c '
[ "$(stat -c %a "$work/a.d")" = 700 ] || fail "the directory can be read by others"

# --- one process a directory ---------------------------------------------------------------------------------
"$agent" --name x --bind 127.0.0.1:0 --http off --data-dir "$work/a.d" >"$work/x.out" 2>"$work/answer"
[ $? -eq 1 ] || fail "a second process took the directory"
grep -q "data_dir: '$work/a.d' is in use by another process (${pid[a]})" "$work/answer" || fail "not a clear error: $(cat "$work/answer")"
[ "$(wc -l <"$work/answer")" -eq 1 ] || fail "more than one line: $(cat "$work/answer")"

# --- a state dump --------------------------------------------------------------------------------------------
kill -USR1 "${pid[a]}"
dumped() { grep -q "PV5007.*$work/a.d/plumvined-a-" "$work/a.err"; }
within 10 dumped

# --- the only seed dies, and comes back elsewhere without a seed ---------------------------------------------
end a KILL
a_gone() { ours_is b a dead && ours_is c a dead; }
within 60 a_gone
start a 127.0.0.1:0
grep -q 'PV1507.*2 members known from' "$work/a.err" || fail "a does not ask the members it knew"
within 20 sees a b
within 20 sees a c
within 20 sees b a
within 10 http_ready a
echo "found again"

# --- everybody ends, one comes back at its place, the other elsewhere ----------------------------------------
place=$(field b bind)
end a KILL
end b KILL
end c KILL
start b "$place"
within 20 http_ready b            # nobody answers: alone after a moment
start c 127.0.0.1:0
within 30 sees b c
within 30 sees c b
echo "met again"

# --- keys that changed while the agents ran ------------------------------------------------------------------
at b keys install "$new" >"$work/answer" || fail "install: $(cat "$work/answer")"
curl -s "http://$(field b http)/keys" | jq -e --arg k "$new" '.keys[$k] == 2' >/dev/null || fail "GET /keys"
curl -s "http://$(field b http)/metrics" | grep -q 'http_requests_total{path="/keys/COMMAND",code="200"} 1' || fail "the order was not counted"
at b keys use "$new" >"$work/answer" || fail "use: $(cat "$work/answer")"
[ "$(jq -r '.superseded | length' "$work/c.d/key-history.json")" = 1 ] || fail "c does not keep what was replaced"
grep -qF -e "$old" -e "$new" "$work"/?.d/key-history.json && fail "a key stands in the history"
place=$(field b bind)
end b KILL
end c KILL
start b "$place"                  # all that were there begin anew
start c 127.0.0.1:0
within 60 sees b c
within 60 sees c b
start e 127.0.0.1:0 --join "$(field b bind)"   # was away: it has the old key only
learned() { [ "$(jq -r '.[0]' "$work/e.d/keyring.json" 2>/dev/null)" = "$new" ]; }
within 30 learned
grep -q 'PV1121.*is primary, by order of' "$work/e.err" || fail "e does not say that its key changed"
grep -q 'PV1123.*e still seals' "$work/b.err" "$work/c.err" || fail "nobody says that e was away"
within 30 sees b e
end e TERM
e_left() { ours_is b e left && ours_is c e left; }
within 30 e_left
at b keys remove "$old" >"$work/answer" || fail "remove: $(cat "$work/answer")"
[ "$(jq -r '.[]' "$work/c.d/keyring.json")" = "$new" ] || fail "c keeps: $(cat "$work/c.d/keyring.json")"
end c KILL
within 60 ours_is b c dead        # or its old run would be taken for the new one below
start c 127.0.0.1:0               # with --encrypt and the old key
grep -q 'PV1506.*keyring.json.*is from before' "$work/c.err" || fail "c does not say which keys it uses"
within 30 sees c b
within 30 sees b c
echo "keys kept"

# --- files that are broken, a directory that is gone ---------------------------------------------------------
end c TERM
within 60 ours_is b c left
echo '{"format":' >"$work/c.d/peers.json"
start c 127.0.0.1:0 --join "$(field b bind)"
grep -q "PV1505.*peers.json' cannot be understood.*moved to '$work/c.d/peers.json.bad'" "$work/c.err" || fail "a broken file is not told"
within 30 sees c b
within 20 known_is c 'b '
end c TERM
within 60 ours_is b c left
echo '{"format":' >"$work/c.d/key-history.json"
start c 127.0.0.1:0 --join "$(field b bind)"
grep -q "PV1505.*key-history.json' cannot be understood.*moved to" "$work/c.err" || fail "a broken history is not told"
end c TERM
within 60 ours_is b c left
echo '["half' >"$work/c.d/keyring.json"
"$agent" --name c --bind 127.0.0.1:0 --http off --data-dir "$work/c.d" >"$work/x.out" 2>"$work/answer"
[ $? -eq 1 ] && grep -q 'keyring.json.*cannot be understood' "$work/answer" || fail "a node went on in clear: $(cat "$work/answer")"
rm -r "$work/b.d"
at b forget c >/dev/null || fail "forget"
start d 127.0.0.1:0 --join "$(field b bind)"   # has the old key only, so b only hears of it
not_kept() { grep -q "PV1504.*Members are not remembered: cannot write '$work/b.d/peers.json': No such file" "$work/b.err"; }
within 20 not_kept
grep -q PV1120 "$work/b.err" || fail "b did not say that d has another key"
at b members >/dev/null || fail "b does not go on"
echo "passed"
