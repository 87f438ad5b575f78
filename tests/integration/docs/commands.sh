#!/usr/bin/env bash
# Runs a page of the guide as its reader would, from top to bottom, in a network of its own and an empty folder. Usage:
# commands.sh PAGE BIN… with the folders of the programs that the page uses.
#
#   ```sh           run in one shell for the whole page; each command must succeed
#   ```sh exit=1    the last command ends with this status
#   ```text         what the block above prints; … stands for anything, blanks are as good as one. Until it does, and succeeds, it is run
#                   again, for 20 s at most
#   ```toml, ```ini a file named in its first line, `# NAME`, is written to the folder; toml is a configuration and must be valid
#   ```yaml         a configuration of Prometheus, which promtool must take; or a container's `args`, with which an agent is started, and
#                   its probes, which it must answer
#
# Other blocks are not run; tests/integration/docs/names.sh knows why.
set -u
# shellcheck source=tests/integration/namespace.sh
source "$(dirname "${BASH_SOURCE[0]}")/../namespace.sh"
enter_namespace --net true "$@"
page=$1
shift
for folder in "$@"; do PATH=$folder:$PATH; done
work=$(mktemp -d)
end() {
  # shellcheck disable=SC2046
  kill -KILL $(jobs -p) 2>/dev/null
  wait 2>/dev/null
  rm -rf "$work"
}
trap end EXIT
fail() {
  echo "FAILED: $*" >&2
  for log in "$work"/*.log; do [ -s "$log" ] && { echo "-- $log" >&2; tail -n 15 "$log" >&2; }; done
  exit 1
}
packaging=$(dirname "$page")/../tools/packaging/prometheus
cd "$work" || exit 1
unset "${!PLUMVINE_@}" NO_COLOR
set -m  # kill %1 is for people, too

# run WANTED: the block, as it stands. A command that fails ends nothing, so what failed first is kept in `failed`. Not to be called in a
# condition: there bash has no ERR trap.
run() {
  local wanted=$1 status
  failed=
  trap 'failed=${failed:-$BASH_COMMAND (exit $?)}' ERR
  eval "$block" >"$work/.answer" 2>&1 </dev/null
  status=$?
  trap - ERR
  [ "$wanted" -eq 0 ] || failed=
  [ "$status" -eq "$wanted" ] || failed="exit status $status"
}
squeezed() { sed 's/[[:blank:]]\+/ /g; s/ $//' "$1"; }
answers() {
  local got pattern
  got=$(squeezed "$work/.answer")
  pattern=$(squeezed "$work/.expected" | sed 's/[^[:alnum:]…[:blank:]]/\\&/g; s/…/*/g')
  # shellcheck disable=SC2053
  [[ $got == $pattern ]]
}
shown() { echo "$page:$line: $1: $(head -c 2000 "$work/.answer")"; }

# A container: on a network of its own the agent runs as `args` say, and what the probes ask is there.
container() {
  local args
  mapfile -t args < <(sed -n 's/^args: //p' "$1" | jq -r '.[]' | sed "s/^\$(POD_NAME)$/pod-0/; s/^plumvine-headless$/127.0.0.1:1/; s|^/data$|$work/data|")
  sed -n 's/.*Probe:.*path: \([^,]*\), port: \([0-9]*\).*/http:\/\/127.0.0.1:\2\1/p' "$1" >"$work/.probes"
  { [ ${#args[@]} -gt 0 ] && [ -s "$work/.probes" ]; } || fail "$page:$line: there are no args or no probes"
  # shellcheck disable=SC2016
  unshare --net bash -c '
    ip link set lo up
    plumvined "$@" 2>container.log &
    trap "kill -KILL $!" EXIT
    while read -r probe; do
      until status=$(curl -s -o /dev/null -w "%{http_code}" "$probe") && [[ $status == 200 || $status == 503 ]]; do
        [ $SECONDS -lt 20 ] || { echo "$probe answers $status"; exit 1; }
        sleep 0.1
      done
    done <.probes' container "${args[@]}" >"$work/.answer" 2>&1 || fail "$(shown 'the container does not do')"
}

settled() { [ -z "$failed" ] || fail "$(shown "$failed")"; }

failed='' line=0 fence='' block='' wanted=0 runs=0
while IFS= read -r text <&3 || [ -n "$text" ]; do
  line=$((line + 1))
  if [ -z "$fence" ]; then
    [[ $text == '```'* ]] || continue
    fence=${text#'```'} body=''
    [ "$fence" = text ] || settled
    continue
  elif [ "$text" != '```' ]; then
    body+=$text$'\n'
    continue
  fi
  case $fence in
    sh | 'sh exit='[0-9])
      block=$body wanted=0
      [[ $fence == *=* ]] && wanted=${fence#*=}
      run "$wanted"
      runs=$((runs + 1))
      ;;
    text)
      printf '%s' "$body" >"$work/.expected"
      deadline=$((SECONDS + 20))
      until answers && [ -z "$failed" ]; do
        [ $SECONDS -lt $deadline ] || fail "$(shown "instead of what is printed there came")"
        sleep 0.3
        run "$wanted"
      done
      ;;
    toml | ini)
      name=$(sed -n '1s/^# \([a-z.-]*\)$/\1/p' <<<"$body")
      [ -n "$name" ] || name=block.$fence
      printf '%s' "$body" >"$name"
      [ "$fence" = ini ] || plumvine config validate "$name" >"$work/.answer" 2>&1 || fail "$(shown 'not a configuration')"
      ;;
    yaml)
      printf '%s' "${body//\/usr\/local\/share\/plumvine\/prometheus/$packaging}" >"$work/block.yaml"
      if grep -q '^scrape_configs:' "$work/block.yaml"; then
        promtool check config "$work/block.yaml" >"$work/.answer" 2>&1 || fail "$(shown 'not a configuration of Prometheus')"
      elif grep -q '^args:' "$work/block.yaml"; then
        container "$work/block.yaml"
      else
        fail "$page:$line: nobody knows how to try this block"
      fi
      runs=$((runs + 1))
      ;;
  esac
  fence=''
done 3<"$page"
[ -z "$fence" ] || fail "$page ends within a block"
settled
echo "$page: $runs blocks work"
