#!/usr/bin/env bash
# A stream of lines through agents whose links are cut at random all the time: every agent must print it whole, in order, once.
# Usage: cuts.sh PLUMVINED PLUMVINE [MEBIBYTES [AGENTS]]; each line has 64 KiB. 1024 MiB and 8 agents take about a minute.
# Cutting takes root and a kernel that closes other programs' sockets (`ss -K`); without them the test is skipped.
set -u
agent=$1 cli=$2 lines=$((${3:-48} * 16)) agents=${4:-8}
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

# --- can links be cut? -------------------------------------------------------------------------------------------
# connections ADDRESS: of links that end at an agent, as "LOCAL PEER".
connections() { ss -Htn state established | awk -v place="$1" '$3 == place || $4 == place {print $3, $4}'; }
cut() { ss -K src "$1" dst "$2" >/dev/null 2>&1; }

names=()
for i in $(seq "$agents"); do names+=("n$i"); done
fifo=(--preset local --set topics.stream.order=fifo)
mkfifo "$work/lines"
exec 9<>"$work/lines"
launch n1 127.0.0.1:0 "$work/lines" "${fifo[@]}" --publish stream
declare -A reader
for name in "${names[@]:1}"; do
  mkfifo "$work/$name.out"
  jq --unbuffered -rj '.payload + "\n"' <"$work/$name.out" | tee >(wc -l >"$work/$name.count") | sha256sum >"$work/$name.sum" &
  reader[$name]=$!
  launch "$name" 127.0.0.1:0 /dev/null "${fifo[@]}" --print stream --join "$(field n1 bind)"
done
meshed() { [ "$(at n1 --json members | jq '[.[] | select(.state == "alive")] | length')" = "$agents" ]; }
within 30 meshed
# Who dialled whom is drawn: any link will do.
links() { for name in "${names[@]}"; do connections "$(field "$name" bind)"; done; }
linked() { read -r local peer < <(links); }
within 30 linked
cut "$local" "$peer"
gone() { ! links | grep -qxF "$local $peer"; }
for _ in $(seq 50); do gone && break; sleep 0.1; done
gone || { echo "skipped: connections of other programs cannot be cut here"; exit 77; }

# --- the stream ------------------------------------------------------------------------------------------------
# Each line is its number and noise of its own. After each two mebibytes a link is cut while they are on their way.
head -c $((lines * 49152)) /dev/urandom | base64 -w 65536 | awk '{printf "%08d%s\n", NR, substr($0, 9)}' >"$work/input"
want=$(sha256sum <"$work/input")
places=()
for name in "${names[@]}"; do places+=("$(field "$name" bind)"); done
cuts=0
cut_one() {
  local local peer
  read -r local peer < <(connections "${places[RANDOM % agents]}" | shuf -n 1) && cut "$local" "$peer" && cuts=$((cuts + 1))
}
exec 8<"$work/input"
for _ in $(seq $((lines / 32))); do
  for _ in $(seq 32); do IFS= read -r line <&8 && printf '%s\n' "$line"; done >"$work/lines"
  cut_one
done
delivered() { curl -s "http://$(field "$1" http)/metrics" | sed -n 's/^plumtree_messages_delivered_total //p'; }
complete() {
  for name in "${names[@]:1}"; do [ "$(delivered "$name")" = "$lines" ] || return 1; done
}
within 120 complete
echo "complete with $cuts cuts, after $SECONDS s"

for name in "${names[@]:1}"; do end "$name" TERM || fail "$name ended with $?"; done
for name in "${names[@]:1}"; do wait "${reader[$name]}"; done
for name in "${names[@]:1}"; do
  [ "$(cat "$work/$name.sum")" = "$want" ] || fail "$name printed something else: $(cat "$work/$name.count") lines of $lines"
done
[ "$cuts" -ge $((lines / 64)) ] || fail "only $cuts links were cut"
echo "passed"
