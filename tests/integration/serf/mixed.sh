#!/usr/bin/env bash
# Four agents of Serf's and four of ours in one sealed, compressed cluster with tags; Serf's in its protocols 5, 4 and 2.
# After each action every member that runs must list all eight alike: state, address, tags.
# Usage: mixed.sh PLUMVINED PLUMVINE PROFILE KEY_BYTES, PROFILE = lan or wan.
set -u
agent=$1 cli=$2 profile=$3
key=$(head -c "$4" /dev/urandom | base64)
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
# shellcheck source=tests/integration/serf/serf_agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/serf_agents.sh"
# Wan timings are five times as long: there one agent of each side fails, in lan two.
killed=(s3) stopped=(p4)
[ "$profile" = lan ] && killed=(s3 p3) stopped=(s4 p4)
# What gossip did not bring comes with a table exchange, one a minute in wan. Who came back with the incarnation that others have as
# gone is shown there only after an exchange with one of them, in which it hears of that.
long=120
[ "$profile" = lan ] || long=300

# --- what everybody should see ---------------------------------------------------------------------------------
declare -A state tags protocol=([s1]=5 [s2]=4 [s3]=5 [s4]=2) squeeze=([s1]=true [s2]=false [s3]=true [s4]=false)
running=()  # whose lists are looked at
address() { if [[ $1 == s* ]]; then echo "${gossip[$1]}"; else field "$1" bind; fi; }
expected() {
  local name
  for name in "${!state[@]}"; do [ "${state[$name]}" = gone ] || echo "$name ${state[$name]} ${at[$name]} ${tags[$name]}"; done | sort
}
# The list of a member: Serf's `failed` is our `dead`; what our nodes tell each other (pv…) is left out.
view() {
  local foreign='.tags // {} | with_entries(select(.key | startswith("pv") | not)) | tojson'
  if [[ $1 == s* ]]; then
    serf members -rpc-addr="${rpc[$1]}" -format=json | jq -rS \
      ".members[] | \"\\(.name) \\(if .status == \"failed\" then \"dead\" else .status end) \\(.addr) \\($foreign)\"" | sort
  else
    at "$1" --json members | jq -rS ".[] | \"\\(.name) \\(.state) \\(.addr):\\(.port) \\($foreign)\"" | sort
  fi 2>/dev/null
}
declare -A at
# agreed SECONDS WHAT: all lists become as expected.
agreed() {
  local deadline=$((SECONDS + $1)) wanted seer
  for seer in "${!state[@]}"; do at[$seer]=$(address "$seer"); done
  wanted=$(expected)
  for seer in "${running[@]}"; do
    until [ "$(view "$seer")" = "$wanted" ]; do
      [ $SECONDS -lt $deadline ] || { diff <(view "$seer") <(echo "$wanted") >&2; fail "$2: the list of $seer (<) is not as it should be (>)"; }
      sleep 0.3
    done
  done
  echo "$2, after $SECONDS s"
}
set_state() { local to=$1 name; shift; for name in "$@"; do state[$name]=$to; done; }
without() {
  local name kept=()
  for name in "${running[@]}"; do [[ " $* " == *" $name "* ]] || kept+=("$name"); done
  running=("${kept[@]}")
}

# --- agents ----------------------------------------------------------------------------------------------------
place=0
serf_flags() { flags=(-encrypt="$key" -protocol="${protocol[$1]}" -replay=false); [ "${squeeze[$1]}" = true ] || flags+=(-disable-compression); }
theirs_start() {  # NAME SEED TAG…
  local name=$1 seed=$2 flags
  shift 2
  serf_flags "$name"
  place=$((place + 1))
  serf_start "$name" "127.0.0.$((100 + place))" "${flags[@]}" ${seed:+-join="$seed"} "$@"
}
theirs_again() { local flags; serf_flags "$1"; serf_again "$1" "${flags[@]}" -join="$2" "${@:3}" || fail "serf agent $1 ended"; }
# What goes round by gossip misses one of eight members in one case of twenty, which then has it from a table exchange up
# to a minute later: correct, but slow. So ours send it twice as often as they would.
ours_start() {  # NAME BIND SEED; its tags are in $work/NAME.toml
  launch "$1" "$2" /dev/null --preset "$profile" --set retransmit_mult=8 --encrypt "$key" --join "$3" --config "$work/$1.toml"
}
tags=([s1]='{"long":"'$(head -c 480 /dev/zero | tr '\0' v)'"}' [s2]='{"odd name":"a=b, c"}' [s3]='{"role":"žluť ☃"}' [s4]='{"role":"db"}'
  [p1]='{"long":"'$(head -c 464 /dev/zero | tr '\0' w)'"}' [p2]='{"odd name":"a=b, c"}' [p3]='{"role":"žluť ☃"}' [p4]='{}')
toml() { { echo '[tags]'; jq -r 'to_entries[] | "\(.key | tojson) = \(.value | tojson)"' <<<"${tags[$1]}"; } >"$work/$1.toml"; }
for name in p1 p2 p3 p4; do toml $name; done
echo 'serf_events = true' | cat - "$work/p3.toml" >"$work/p3.new" && mv "$work/p3.new" "$work/p3.toml"
echo 'enable_compression = false' | cat - "$work/p2.toml" >"$work/p2.new" && mv "$work/p2.new" "$work/p2.toml"
theirs_tags() { jq -r 'to_entries[] | "-tag", "\(.key)=\(.value)"' <<<"${tags[$1]}"; }

mapfile -t own < <(theirs_tags s1); theirs_start s1 "" "${own[@]}"
ours_start p1 127.0.0.111:0 "${gossip[s1]}"                                  # ours joins theirs
ours_start p2 127.0.0.112:0 "$(field p1 bind)"                               # ours joins ours
mapfile -t own < <(theirs_tags s2); theirs_start s2 "$(field p2 bind)" "${own[@]}"  # theirs joins ours
mapfile -t own < <(theirs_tags s3); theirs_start s3 "${gossip[s2]}" "${own[@]}"
theirs_start s4 "$(field p1 bind)" -tag role=db                             # protocol 2 knows no other tag
ours_start p3 127.0.0.113:0 "${gossip[s3]}"
ours_start p4 127.0.0.114:0 "$(field p3 bind)"
running=(s1 s2 s3 s4 p1 p2 p3 p4)
set_state alive "${running[@]}"
agreed $long "eight members joined"

# --- leaving, being forgotten ----------------------------------------------------------------------------------------
end p4 TERM || fail "p4 ended with $?"
end s4 INT
without p4 s4
set_state left p4 s4
agreed $long "left"
at p1 forget s4 >/dev/null || fail "plumvine forget"
serf force-leave -prune -rpc-addr="${rpc[s1]}" p4 >/dev/null || fail "serf force-leave -prune"
set_state gone p4 s4
agreed $long "those that left are forgotten"

# --- keys ----------------------------------------------------------------------------------------------------------
# Ours write theirs nowhere. That is no news for Serf's log.
other=$(head -c "$4" /dev/urandom | base64)
for order in install remove; do
  serf keys -rpc-addr="${rpc[s1]}" "-$order=$other" >"$work/answer" 2>&1 || fail "serf keys -$order: $(cat "$work/answer")"
done

# --- queries and events ------------------------------------------------------------------------------------------
# Three of Serf's ask at once, two with relayed answers; all that run answer each. (One agent that asks many at once loses
# answers.)
patience=2s
[ "$profile" = lan ] || patience=6s
storm() {
  local asker name asked=()
  for asker in s1 s2 s3; do
    serf query -rpc-addr="${rpc[$asker]}" -timeout=$patience -relay-factor=$((${asker#s} % 2 * 2)) storm >"$work/$asker.answers" 2>&1 &
    asked+=($!)
  done
  wait "${asked[@]}"
  for asker in s1 s2 s3; do
    for name in "${running[@]}"; do grep -q "Ack from '$name'" "$work/$asker.answers" || return 1; done
  done
}
within 90 storm
serf reachability -rpc-addr="${rpc[s2]}" >"$work/reach.answers" 2>&1
grep -q 'Successfully contacted all live nodes' "$work/reach.answers" || fail "reachability: $(cat "$work/reach.answers")"
echo "queries answered, after $SECONDS s"

# --- tags, and orders to leave that are refuted --------------------------------------------------------------------
serf tags -rpc-addr="${rpc[s2]}" -set 'zone=west' -delete 'odd name' >/dev/null || fail "serf tags"
tags[s2]='{"zone":"west"}' tags[p2]='{"more":"","odd name":"a=b, c"}'
echo 'enable_compression = false' | cat - <(toml p2; cat "$work/p2.toml") >"$work/p2.new" && mv "$work/p2.new" "$work/p2.toml"
kill -HUP "${pid[p2]}"
agreed $long "tags changed"
serf force-leave -rpc-addr="${rpc[s1]}" p2 >/dev/null || fail "serf force-leave"
serf force-leave -rpc-addr="${rpc[s1]}" s2 >/dev/null || fail "serf force-leave"
refuted() { grep -q PV1115 "$work/p2.err" && grep -q 'Refuting an older leave intent' "$work/s2.log"; }
within 60 refuted
agreed $long "force-leave refuted"

# --- coming back elsewhere -------------------------------------------------------------------------------------------
# Not right away: at a member of Serf's that is new, too, an order to prune that is still on its way hides who came back.
ours_start p4 127.0.0.114:0 "${gossip[s2]}"
theirs_start s4 "$(field p2 bind)" -tag role=db
running+=(p4 s4)
set_state alive p4 s4
agreed $long "back elsewhere"

# --- dying and standing still --------------------------------------------------------------------------------------
old_places=$(for name in "${killed[@]}" "${stopped[@]}"; do address "$name"; done)
for name in "${stopped[@]}"; do kill -STOP "${pid[$name]}"; done
for name in "${killed[@]}"; do end "$name" KILL; done
without "${killed[@]}" "${stopped[@]}"
set_state dead "${killed[@]}" "${stopped[@]}"
agreed $((2 * long)) "dead"
for name in "${stopped[@]}"; do kill -CONT "${pid[$name]}"; done
running+=("${stopped[@]}")
set_state alive "${stopped[@]}"
agreed $long "alive again"
# s3 is forgotten at one of ours; p3, where it died, is declared to have left and then pruned by one of Serf's.
at p2 forget s3 >/dev/null || fail "plumvine forget"
set_state gone s3
if [ "${state[p3]}" = dead ]; then
  serf force-leave -rpc-addr="${rpc[s2]}" p3 >/dev/null || fail "serf force-leave"
  set_state left p3
  agreed $long "declared to have left"
  serf force-leave -prune -rpc-addr="${rpc[s1]}" p3 >/dev/null || fail "serf force-leave -prune"
  set_state gone p3
fi
agreed $long "the dead are forgotten"

# --- one name twice ------------------------------------------------------------------------------------------------
# A Serf agent asks the others and ends; one of ours says so, and its end does not touch the other.
if [ "$profile" = lan ]; then
  serf agent -node=p1 -bind=127.0.0.121:"${gossip[s1]##*:}" -rpc-addr=127.0.0.121:"${rpc[s1]##*:}" -profile=lan -encrypt="$key" \
    -join="${gossip[s2]}" >"$work/twice.log" 2>&1 &
  pid[twice]=$!
  ended() { ! kill -0 "${pid[twice]}" 2>/dev/null; }
  within 60 ended
  grep -q 'minority in name conflict resolution, quitting' "$work/twice.log" || fail "the second p1 did not find out"
  : >"$work/second.err"
  "$agent" --name s1 --bind 127.0.0.122:0 --http off --encrypt "$key" --join "$(field p2 bind)" 2>"$work/second.err" &
  pid[second]=$!
  told() { grep -q 'PV1104.*start one of the two under another name' "$work/second.err"; }
  within 60 told
  end second TERM || fail "the second s1 ended with $?"
  agreed $long "one name twice"
fi

# --- a member with the numbers of plain memberlist is refused by name, and nobody else suffers ------------------------
plain=0
for seed in "${gossip[s1]}" "$(field p1 bind)"; do
  plain=$((plain + 1))
  launch plain$plain "127.0.0.$((130 + plain)):0" /dev/null --set delegate_protocol=none --encrypt "$key" --join "$seed"
done
refused() { grep -q 'PV1106.*delegate protocol version' "$work/$1.err"; }
for name in plain1 plain2 p1; do within 60 refused $name; done
agreed $long "plain members refused"
for name in plain1 plain2; do end $name KILL; done

# --- back at their places --------------------------------------------------------------------------------------------
mapfile -t own < <(theirs_tags s3)
theirs_again s3 "$(field p1 bind)" "${own[@]}"
running+=(s3)
if [ "${state[p3]}" = gone ]; then
  ours_start p3 "$(field p3 bind)" "${gossip[s1]}"
  running+=(p3)
fi
set_state alive s3 p3
agreed $long "back at their places"

# --- all of ours leave ---------------------------------------------------------------------------------------------
for name in p1 p2 p3 p4; do end $name TERM || fail "$name ended with $?"; done
without p1 p2 p3 p4
set_state left p1 p2 p3 p4
agreed $long "ours left"

# --- nothing that we sent made Serf complain -----------------------------------------------------------------------
# What remains is about members that were killed or stopped on purpose, names used twice on purpose, and slow machines.
places=$(tr '\n' '|' <<<"$old_places" | sed 's/|$//; s/\./\\./g')
complaints() {
  grep -hE '\[(WARN|ERR)\]' "$work"/s[1-4].log | grep -vE \
    "agent\\.ipc: |Refuting a (suspect|dead) message|Was able to connect to|serf: Shutdown without a Leave|Serf shutdown detected, quitting" |
    grep -vE "($places)(: |->.* |.*)(connection refused|i/o timeout|EOF|reset by peer)" |
    grep -vE "Node 'plain[12]' delegate protocol version \\(0\\) is incompatible" |
    grep -vE "Conflicting address for (s1|p1)\.|Name conflict for '(s1|p1)'"
}
complaints >"$work/complaints" && { cat "$work/complaints" >&2; fail "Serf complained"; }
echo "passed after $SECONDS s"
