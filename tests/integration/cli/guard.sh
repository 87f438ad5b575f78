#!/usr/bin/env bash
# Who is kept out: blocks, the token for HTTP, floods of connections, clients that send nothing; and a member that only listens.
# Usage: guard.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

secret=$(head -c 24 /dev/urandom | base64 | tr -d '=/+')0123456789
(umask 077; echo "$secret" >"$work/token"; echo "another-token-0123456789" >"$work/wrong")
a_starts() {
  launch a "$1" /dev/null --preset local --data-dir "$work/a.d" --set http_token_file="$work/token" --print t "${@:2}"
}
start() { launch "$1" "$2" /dev/null --preset local --join "$(field a bind)" --print t "${@:3}"; }
links() { at "$1" --json peers 2>/dev/null | jq -r '[.links[] | select(.state == "up") | .peer] | sort | join(" ")'; }
links_are() { [ "$(links "$1")" = "$2" ]; }
got() { [ "$(jq -r 'select(.topic == "t") | .payload' "$work/$1.out" | grep -cx "$2")" = "$3" ]; }
metric() { at "$1" metrics --grep "^$2" | awk '{ sum += $2 } END { print sum + 0 }'; }
above() { [ "$(metric "$1" "$2")" -gt "$3" ]; }
http_is() { [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$(field "$1" http)$2")" = "$3" ]; }

a_starts 127.0.0.1:0
start b 127.0.0.2:0
start c 127.0.0.3:0
within 20 links_are a 'b c'
within 20 http_is a /readyz 200

# --- the token -----------------------------------------------------------------------------------------------
at a trim >/dev/null || fail "this machine needs no token"
at a --token-file "$work/token" trim >/dev/null || fail "the token is refused"
at a --token-file "$work/wrong" trim 2>"$work/answer" && fail "a wrong token is taken"
grep -q "the token is not the one in http_token_file" "$work/answer" || fail "not a clear refusal: $(cat "$work/answer")"
[ "$(curl -s -o /dev/null -w '%{http_code}' -X POST -H 'Authorization: Bearer nonsense' "http://$(field a http)/trim")" = 401 ] || fail "not 401"
echo "a-new-token-0123456789" >"$work/token"
kill -HUP "${pid[a]}"
other() { at a --token-file "$work/token" trim >/dev/null 2>&1; }
within 10 other
grep -q "PV1513.*Another token for HTTP is in force" "$work/a.err" || fail "nobody says that the token changed"
grep -rqF -e "$secret" -e a-new-token "$work/a.err" "$work/a.d" && fail "the token was written somewhere"
echo "token"

# --- blocks --------------------------------------------------------------------------------------------------
at a block add 127.0.0.2 --ttl 1h >/dev/null || fail "cannot block"
within 5 links_are a c
at a block add name:b >/dev/null || fail "cannot block a name"
at b publish t from-b >/dev/null
within 10 got c from-b 1
above a 'plumvine_blocked_total.what="broadcast".' 0 || within 5 above a 'plumvine_blocked_total.what="broadcast".' 0
got a from-b 0 || fail "a blocked member's broadcast was delivered"
within 10 above a 'plumvine_blocked_total.what="packet".' 0
at a block list | grep -q '^127.0.0.2/32 ' || fail "not listed: $(at a block list)"
at a --json events | jq -es 'any(.code == "PV1512" and .kind == "security")' >/dev/null || fail "no event"
at a block add nonsense 2>"$work/answer" && fail "nonsense is taken"
grep -q "'nonsense' is neither an address" "$work/answer" || fail "not a clear error: $(cat "$work/answer")"
at a block rm name:nobody 2>/dev/null && fail "what is not blocked was taken back"

end a TERM
jq -e 'length == 2 and .[1] == {"what": "name:b"}' "$work/a.d/blocks.json" >/dev/null || fail "not kept: $(cat "$work/a.d/blocks.json")"
a_starts 127.0.0.1:0 --join "$(field c bind)"
within 20 links_are a c
[ "$(at a --json block list | jq length)" = 2 ] || fail "the blocks did not outlive the process"
at a block rm 127.0.0.2 >/dev/null && at a block rm name:b >/dev/null || fail "cannot take back"
within 60 links_are a 'b c'
at b publish t again >/dev/null
within 10 got a again 1
echo "blocks"

# --- five thousand connections that say nothing, and some that say too little ------------------------------------
place=$(field a bind)
flood() {
  local host=${place%:*} port=${place##*:} fds=() fd
  for ((i = 0; i < 5000; ++i)); do
    { exec {fd}<>"/dev/tcp/$host/$port"; } 2>/dev/null || continue
    fds+=("$fd")
    if [ ${#fds[@]} -ge 200 ]; then
      exec {fds[0]}>&- 2>/dev/null
      fds=("${fds[@]:1}")
    fi
  done
}
(ulimit -n 1024; flood) &
flooder=$!
for ((i = 0; i < 20; ++i)); do at c publish t "flooded-$i" >/dev/null; done
launch d 127.0.0.4:0 /dev/null --preset local --join "$place" --print t
joined() { ours_is d a alive && ours_is a d alive; }
within 30 joined
wait "$flooder"
for ((i = 0; i < 20; ++i)); do within 10 got a "flooded-$i" 1; done
exec {loris}<>"/dev/tcp/${place%:*}/${place##*:}"
printf '\x06' >&"$loris"
http=$(field a http)
exec {crawler}<>"/dev/tcp/${http%:*}/${http##*:}"
printf 'GET /readyz HTT' >&"$crawler"
closed() { ! read -r -t 0.2 -u "$1" -n 1 && [ $? -le 128 ]; }
within 40 closed "$loris"
within 40 closed "$crawler"
within 5 http_is a /readyz 200
links_are b 'a c d' || within 20 links_are b 'a c d'
for member in b c d; do ours_is a "$member" alive || fail "$member is not alive after the flood"; done
echo "floods"

# --- who only listens ------------------------------------------------------------------------------------------
launch e 127.0.0.5:0 /dev/null --preset local --join "$place" --print t --set observe=true
within 20 http_is e /readyz 200
at e publish t no 2>"$work/answer" && fail "an observer publishes"
grep -q "this member only listens (observe = true)" "$work/answer" || fail "not a clear error: $(cat "$work/answer")"
at b publish t to-all >/dev/null
within 10 got e to-all 1
echo "observe"
