#!/usr/bin/env bash
# Large payloads through agents, one of which is killed with part of one. Usage: large.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

start() {
  local name=$1
  shift
  launch "$name" 127.0.0.1:0 /dev/null --preset local --print big --print small --print images --set max_message_size=64MiB \
    --set topics.images.payloads=subscribers "$@"
}
ready_now() { [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$(field "$1" http)/readyz")" = 200 ]; }
metric() { curl -s "http://$(field "$1" http)/metrics" | sed -n "s/^$2 //p"; }
# Agent $1 printed a payload as large as the file $2: each has a size of its own. `same`: with these very bytes.
size() { stat -c %s "$work/$1"; }
has() { grep -q "\"size\":$(size "$2")," "$work/$1.out"; }
same() {
  [ "$(jq -r --argjson n "$(size "$2")" 'select(.size == $n) | .payload_base64' "$work/$1.out" | base64 -d | sha256sum)" = "$(sha256sum <"$work/$2")" ]
}
arrives() {
  local file=$1 name
  shift
  for name in "$@"; do
    within 60 has $name $file
    same $name $file || fail "$name got something else than $file, or got it twice"
  done
}

start a
for name in b c; do start $name --join "$(field a bind)"; done
for name in d e; do start $name --join "$(field a bind)" --set topics.images.subscribe=false; done
for name in a b c d e; do within 20 ready_now $name; done
meshed() { [ "$(at a --json members | jq '[.[] | select(.state == "alive")] | length')" = 5 ] && [ "$(metric "$1" plumtree_total_peers)" -ge 2 ]; }
for name in a b c d e; do within 20 meshed $name; done

head -c 12345678 /dev/urandom >"$work/one"
head -c $((32 << 20)) /dev/urandom >"$work/two"
head -c $((5 << 20)) /dev/urandom >"$work/three"
post() { curl -s -o "$work/answer" -w '%{http_code}' --data-binary "@$work/$2" "http://$(field "$1" http)/publish/${3:-big}"; }

# --- one payload, whole --------------------------------------------------------------------------------------
[ "$(post a one)" = 202 ] || fail "refused: $(cat "$work/answer")"
arrives one b c d e
[ "$(metric b plumvine_large_completed_total)" = 1 ] || fail "b does not count what it put together"
[ "$(metric b plumvine_large_parts_total)" = 95 ] || fail "b counts $(metric b plumvine_large_parts_total) parts, not 95"
[ "$(metric b plumtree_messages_delivered_total)" = 1 ] || fail "a large payload is more than one message"
[ "$(metric b plumvine_large_partial)" = 0 ] || fail "something is still under way at b"

# --- too large ------------------------------------------------------------------------------------------------
head -c $(((64 << 20) + 1)) /dev/zero >"$work/too"
[ "$(post a too)" = 413 ] || fail "more than max_message_size was taken"
grep -q '"code":"too_large"' "$work/answer" || fail "not a clear error: $(cat "$work/answer")"
rm "$work/too"

# --- c stops with a part of it and is killed ------------------------------------------------------------------
kill -STOP "${pid[c]}"
[ "$(post a two)" = 202 ] || fail "refused: $(cat "$work/answer")"
[ "$(curl -s -o /dev/null -w '%{http_code}' -d 'overtakes' "http://$(field a http)/publish/small")" = 202 ] || fail "a small one was refused"
took_some() { [ "$(metric d plumvine_large_parts_total)" -gt 95 ]; }
within 30 took_some
end c KILL
arrives two b d e
has c two && fail "c had it before it died"
start c --join "$(field a bind)"
within 30 ready_now c

# --- the next one reaches the new c, too, and everybody had each once -----------------------------------------
[ "$(post b three)" = 202 ] || fail "refused: $(cat "$work/answer")"
arrives three a c d e
for name in b d e; do
  [ "$(metric $name 'plumtree_messages_lost_total{reason="incomplete"}')" = 0 ] || fail "$name lost one"
  within 10 grep -q overtakes "$work/$name.out"
done

# --- a subscriber reads them from the repair store, cursors included ------------------------------------------
curl -s -m 8 -o "$work/window" "http://$(field d http)/subscribe/big?from=window"
[ "$(jq -c 'select(.payload_base64)' "$work/window" | wc -l)" = 3 ] || fail "the window has $(wc -l <"$work/window") lines"
cursor=$(jq -r 'select(.payload_base64) | .cursor' "$work/window" | sed -n 2p)
curl -s -m 4 -o "$work/rest" "http://$(field e http)/subscribe/big?from=$cursor"
[ "$(jq -r 'select(.payload_base64) | .payload_base64' "$work/rest" | base64 -d | sha256sum | cut -d' ' -f1)" = "$(sha256sum <"$work/three" | cut -d' ' -f1)" ] ||
  fail "a cursor after the second one gives: $(cut -c1-200 "$work/rest")"
jq -e '.large == []' <<<"$(at d --json lag)" >/dev/null || fail "GET /lag has no list of large payloads"
jq -e 'select(.reason)' "$work/window" "$work/rest" >/dev/null && fail "a gap is told: $(jq -c 'select(.reason)' "$work/rest")"
[ "$(jq 'select(.origin == "a") | .seq' "$work/d.out" | sort -n | xargs)" = "1 2 3" ] || fail "seq does not count a's broadcasts"

# --- a payload that only a, b and c subscribe to -----------------------------------------------------------------
head -c 7654321 /dev/urandom >"$work/image"
[ "$(post b image images)" = 202 ] || fail "refused: $(cat "$work/answer")"
arrives image a c
for name in d e; do
  has $name image && fail "$name does not subscribe, and got it"
  [ "$(metric $name plumvine_large_partial)" = 0 ] || fail "$name puts together what nobody wants there"
done
code=$(curl -s -m 4 -o "$work/answer" -w '%{http_code}' "http://$(field d http)/subscribe/images")
[ "$code" = 409 ] && grep -q not_subscribed "$work/answer" || fail "d lets one subscribe: $code $(cat "$work/answer")"
[ "$(metric d 'plumtree_messages_lost_total{reason="incomplete"}')" = 0 ] || fail "d reports what it does not want as lost"
echo "large payloads passed"
