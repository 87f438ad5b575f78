# What the scripts here share, to be sourced: a folder for their files, agents that end with the script, waiting.
# Before: `agent` and `cli`, the two programs. An agent NAME writes $work/NAME.out and $work/NAME.err.
work=$(mktemp -d)
declare -A pid
cleanup() {
  exec 9>&- 2>/dev/null
  for p in "${pid[@]}"; do kill -KILL "$p" 2>/dev/null; done
  wait 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
fail() {
  echo "FAILED: $*" >&2
  for log in "$work"/*.err "$work"/*.log "$work"/*.out "$work"/*.events; do
    [ -s "$log" ] && { echo "-- $log" >&2; tail -n 15 "$log" >&2; }
  done
  exit 1
}
# Runs the rest until it succeeds, at most so many seconds.
within() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || fail "not within the time given: $*"
    sleep 0.1
  done
}
# launch NAME BIND INPUT FLAGS…: an agent of ours, once it listens. `field NAME bind` and `field NAME http` are its addresses.
ready() { grep -q "^plumvined ready name=$1 " "$work/$1.err"; }
field() { sed -n "s/^plumvined ready name=$1 .*$2=\([^ ]*\).*/\1/p" "$work/$1.err"; }
launch() {
  local name=$1 bind=$2 input=$3
  shift 3
  : >"$work/$name.err"
  "$agent" --name "$name" --bind "$bind" --http 127.0.0.1:0 "$@" <"$input" >>"$work/$name.out" 2>>"$work/$name.err" &
  pid[$name]=$!
  within 20 ready "$name"
}
# end NAME SIGNAL: returns the exit status.
end() {
  local status
  kill "-$2" "${pid[$1]}"
  wait "${pid[$1]}" 2>/dev/null
  status=$?
  unset "pid[$1]"
  return $status
}
# at NAME COMMAND…: the command line tool asks this agent.
at() { local name=$1; shift; "$cli" --http "$(field "$name" http)" "$@"; }
# What agent $1 of ours believes of $2: its state.
ours() { at "$1" --json members 2>/dev/null | jq -r --arg name "$2" '.[] | select(.name == $name) | .state'; }
ours_is() { [ "$(ours "$1" "$2")" = "$3" ]; }
