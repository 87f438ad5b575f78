# Agents of Debian's Serf, to be sourced after agents.sh. An agent NAME writes $work/NAME.log.
command -v serf >/dev/null || { echo "FAILED: the program serf is missing; tools/deps installs it" >&2; exit 1; }
declare -A rpc gossip

# serf_start NAME HOST ARGUMENTS…: an agent on ports that turn out to be free, with the profile `$profile` (local).
# serf_again NAME ARGUMENTS…: an agent at the place where it was.
answers() { serf members -rpc-addr="${rpc[$1]}" >/dev/null 2>&1; }
serf_up() {
  local name=$1
  if ! kill -0 "${pid[$name]}" 2>/dev/null; then return 2; fi
  answers "$name"
}
serf_again() {
  local name=$1 deadline=$((SECONDS + 60)) status
  shift
  serf agent -node="$name" -bind="${gossip[$name]}" -rpc-addr="${rpc[$name]}" -profile="${profile:-local}" -log-level=debug "$@" \
    >>"$work/$name.log" 2>&1 &
  pid[$name]=$!
  while serf_up "$name"; status=$?; [ $status -eq 1 ]; do
    [ $SECONDS -lt $deadline ] || fail "serf agent $name does not answer"
    sleep 0.1
  done
  return $status
}
serf_start() {
  local name=$1 host=$2 port
  shift 2
  while :; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    gossip[$name]=$host:$port rpc[$name]=$host:$((port + 1))
    serf_again "$name" "$@" && return
    grep -q 'address already in use' "$work/$name.log" || fail "serf agent $name ended"
    : >"$work/$name.log"  # the port was taken: another one
  done
}
# What agent $1 of Serf's believes of $2: its status.
theirs() { serf members -rpc-addr="${rpc[$1]}" -name="^$2\$" 2>/dev/null | awk -v n="$2" '$1 == n {print $3}'; }
theirs_is() { [ "$(theirs "$1" "$2")" = "$3" ]; }
their_tag() { serf members -rpc-addr="${rpc[$1]}" -name="^$2\$" 2>/dev/null | awk '{print $4}' | tr , '\n' | grep -qx "$3"; }
