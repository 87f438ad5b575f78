#!/usr/bin/env bash
# Looking at a cluster: views, trees of a topic, slow subscribers, top, colours, support bundles. Usage: watching.sh PLUMVINED PLUMVINE
set -u
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
key=$(head -c 32 /dev/urandom | base64)
start() { local name=$1; shift; launch "$name" '[::1]:0' /dev/null --preset local --encrypt "$key" --set lag_warning=200ms --set lag_critical=1s "$@"; }
# expect STATUS COMMAND…: runs it, its output goes to $work/answer
expect() {
  local wanted=$1
  shift
  "$@" >"$work/answer" 2>&1
  local status=$?
  [ $status -eq "$wanted" ] || fail "exit $status instead of $wanted: $* ($(head -c 800 "$work/answer"))"
}
says() { grep -Eq -- "$1" "$work/answer" || fail "'$1' is not in: $(head -c 1500 "$work/answer")"; }

start a --join nowhere.example.invalid:7946 --set tags=where=10.9.8.7,role=web
for name in b ip-10-9-8-7; do start $name --join "$(field a bind)" --print t; done
all_alive() { [ "$(at "$1" --json members | grep -o '"state":"alive"' | wc -l)" -eq 3 ]; }
for name in a b ip-10-9-8-7; do within 20 all_alive $name; done

# Who believes what.
agree() { at "$1" members --diff >"$work/answer"; }
for name in a b; do within 20 agree $name; done
says '^seen from b: 3 members, the same view at 2 others$'
expect 0 at a --json members --diff
jq -e '.agree and .agreeing == ["b", "ip-10-9-8-7"] and .disagreements == [] and .cut == [] and .silent == []' <"$work/answer" >/dev/null || fail "$(cat "$work/answer")"
kill -STOP "${pid[b]}"
expect 1 at a members --diff && says '^did not answer: b$'
kill -CONT "${pid[b]}"
for name in a b ip-10-9-8-7; do within 30 all_alive $name; done

# The trees that carry a topic, and where nobody can know.
expect 0 at a tree --topic t && says '^no message on topic t is held here'
arrived() { at a publish t payload-nobody-may-see >/dev/null && grep -q payload-nobody-may-see "$work/b.out"; }
within 20 arrived
expect 0 at b tree --topic t && says '^TREE +ROOT ' && says '^[0-9a-f]{16} +(a|b|ip-10-9-8-7) '
expect 0 at b --json tree --topic other && says '"trees":\[\]'

# A subscriber that does not read lags, and is told of by command, metric and health; then it reads, and does not.
"$cli" --http "$(field b http)" subscribe big >/dev/null 2>&1 &
pid[slow]=$!
subscribed() { at b --json lag | jq -e '.subscribers | length == 1 and .[0].topic == "big" and .[0].reads == "live"' >/dev/null; }
within 10 subscribed
expect 0 at b lag && says '^127\.0\.0\.1:[0-9]+ +big +live +0 +0 +0\.0 +ok$'
kill -STOP "${pid[slow]}"
head -c 200000 /dev/zero | tr '\0' x >"$work/large"
# The kernel's buffers take the first of it.
critical() {
  at a publish big <"$work/large" >/dev/null
  at b --json lag | jq -e '.subscribers[0] | .level == "critical" and .age_s >= 1 and .behind > 0 and .bytes > 0' >/dev/null
}
within 60 critical
expect 0 at b lag && says ' critical$'
expect 0 at b metrics --grep '^plumvine_lagging.what="subscriber",level="critical". 1$'
expect 0 at b metrics --grep '^plumvine_lag_seconds.what="subscriber". [1-9]'
expect 0 at b metrics --grep '^plumvine_subscriber_behind_messages [1-9]'
expect 0 at b metrics --grep '^plumvine_subscriber_waiting_bytes [1-9]'
expect 0 at b health --component delivery && says 'PV2109. degraded delivery' && says '"level":"critical"'
expect 1 at a --json doctor && jq -e '.findings[0] | .code == "PV2109" and .evidence.b.topic == "big"' "$work/answer" >/dev/null ||
  fail "the doctor does not name the slow subscriber first: $(head -c 500 "$work/answer")"
kill -CONT "${pid[slow]}"
caught_up() { at b --json lag | jq -e '.subscribers[0] | .level == "ok" and .behind == 0 and .bytes == 0' >/dev/null; }
within 20 caught_up
expect 0 at b metrics --grep '^plumvine_lagging.what="subscriber",level="critical". 0$'
end slow TERM

# At a glance: once, as data, and live on a terminal.
expect 0 at a top --once && says '^members     3 alive, 0 suspect, 0 dead, 0 left$' && says '^per second  [0-9.]+ published, ' && says '^b  +(eager|lazy) '
expect 0 at a --json top
jq -e '.name == "a" and .members.alive == 3 and .over_s >= 1 and (.links | length) == 2 and .published_per_s >= 0 and (.memory_bytes | has("cache"))
  and (.hops | has("p99")) and (.latency_ms | has("p50")) and .loop_busy >= 0' <"$work/answer" >/dev/null || fail "top: $(cat "$work/answer")"
mkfifo "$work/keys"
TERM=xterm script -qfec "$cli --http $(field a http) top" "$work/screen" <"$work/keys" >/dev/null 2>&1 &
pid[top]=$!
exec 9>"$work/keys"
twice() { [ "$(grep -ac 'members     ' "$work/screen" 2>/dev/null)" -ge 2 ] 2>/dev/null; }
within 20 twice
printf q >&9
wait "${pid[top]}" || fail "top ended with $?"
unset 'pid[top]'
exec 9>&-
grep -aq $'\x1b\[?1049h' "$work/screen" && grep -aq $'\x1b\[?25h\x1b\[?1049l' "$work/screen" || fail "the terminal is not as it was"

# Colours and progress on a terminal only, and no colours with NO_COLOR.
on_terminal() { TERM=xterm script -qec "$1" /dev/null </dev/null; }
on_terminal "$cli --http $(field a http) members" | grep -aq $'\x1b\[32malive\x1b\[0m' || fail "no colour on a terminal"
NO_COLOR=1 on_terminal "$cli --http $(field a http) members" | grep -aq $'\x1b' && fail "a colour in spite of NO_COLOR"
at a members | grep -aq $'\x1b' && fail "a colour where there is no terminal"
on_terminal "$cli --http $(field a http) bundle -o $work/shown.tar.gz" | grep -aq 'bundle \[#.* metrics\.txt' || fail "no progress on a terminal"

# A bundle has everything, never a key, and its manifest is true.
unpack() { rm -rf "$work/plumvine-bundle"; tar -xzf "$1" -C "$work" || fail "$1 is no archive"; }
expect 0 at a bundle -o "$work/whole.tar.gz" && says 'whole\.tar\.gz: 14 files, [0-9]+ bytes$'
[ "$(stat -c %a "$work/whole.tar.gz")" = 600 ] || fail "others may read the bundle"
expect 1 at a bundle -o "$work/whole.tar.gz" && says 'whole\.tar\.gz exists already \(--force overwrites it\)'
expect 2 at a bundle
expect 1 at a bundle -o "$work/no/such/folder.tar" && says 'cannot be written: No such file'
expect 3 "$cli" --http 127.0.0.1:1 bundle -o "$work/none.tar.gz"
[ ! -e "$work/none.tar.gz" ] || fail "a bundle of nobody"
mkfifo "$work/pipe"
expect 1 at a bundle --force -o "$work/pipe" && says 'pipe is no file, and stays'
expect 0 at a --json bundle --force -o "$work/whole.tar.gz"
unpack "$work/whole.tar.gz"
jq -e '.redacted == false and .missing == [] and (.files | length) == 13' "$work/plumvine-bundle/manifest.json" >/dev/null || fail "$(cat "$work/plumvine-bundle/manifest.json")"
jq -r '.files[] | "\(.sha256)  \(.name)"' "$work/plumvine-bundle/manifest.json" >"$work/sums"
(cd "$work/plumvine-bundle" && sha256sum --quiet -c "$work/sums") || fail "the manifest has other sums"
grep -rqF "$key" "$work/plumvine-bundle" && fail "a key is in a bundle"
grep -rq "payload-nobody-may-see" "$work/plumvine-bundle" && fail "a payload is in a bundle"
grep -q '"code":"PV1201"' "$work/plumvine-bundle/events.jsonl" || fail "no events in the bundle"
grep -q '^plumtree_eager_peers ' "$work/plumvine-bundle/metrics.txt" || fail "no metrics in the bundle"
grep -rqF '::1' "$work/plumvine-bundle" && grep -rqF 'nowhere.example.invalid' "$work/plumvine-bundle" || fail "what is to be taken out was not there"

# What is to be shown to others has no address either; names stay, pseudonyms are the same everywhere.
expect 0 at a bundle --redact -o "$work/redacted.tar.gz" && says '[0-9]+ addresses and 1 host names taken out'
unpack "$work/redacted.tar.gz"
for secret in "$key" payload-nobody-may-see ::1 127.0.0.1 10.9.8.7 10-9-8-7 nowhere.example.invalid; do
  grep -raF -- "$secret" "$work/plumvine-bundle" >"$work/found" && fail "'$secret' is in a redacted bundle: $(head -c 300 "$work/found")"
done
for file in "$work"/plumvine-bundle/*.json; do jq -e . "$file" >/dev/null || fail "$file is no JSON any more"; done
jq -es 'length > 0' "$work/plumvine-bundle/events.jsonl" >/dev/null || fail "events are no JSON any more"
addresses=$(jq -r '.[] | .addr' "$work/plumvine-bundle/members.json" | sort -u)
[ "$(echo "$addresses" | wc -l)" -eq 1 ] && [[ $addresses =~ ^addr-[0-9]+$ ]] || fail "one address has several pseudonyms: $addresses"
jq -e --arg a "$addresses" '.address | contains($a)' "$work/plumvine-bundle/state.json" >/dev/null || fail "another pseudonym in the state"
jq -e '[.[] | .name] | index("b")' "$work/plumvine-bundle/members.json" >/dev/null || fail "a name was taken out"
grep -rq 'host-1' "$work/plumvine-bundle/config.json" || fail "the seed has no pseudonym"
jq -e 'all(.[]; .meta | startswith("("))' "$work/plumvine-bundle/members.json" >/dev/null || fail "metadata is in a redacted bundle"
jq -e '.redacted and .addresses_taken_out >= 3' "$work/plumvine-bundle/manifest.json" >/dev/null || fail "the manifest does not say what was taken out"
echo "passed"
