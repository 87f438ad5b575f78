#!/usr/bin/env bash
# Completion and manual pages know every command and flag of the programs.
# Usage: shells.sh PLUMVINED PLUMVINE PLUMVINE_SIM PLUMVINE_BENCH SOURCE_DIR MAN_DIR
set -u
agent=$1 cli=$2 sim=$3 bench=$4 completion=$5/tools/completion man=$6
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
# shellcheck source=tools/completion/plumvine.bash
source "$completion/plumvine.bash"

# What the programs have, found without the code under test: flags that begin a line, and what an unknown command names.
flags_of() { "$1" --help | grep -Eo '^  (-h,)?--[a-z-]+' | grep -Eo -- '--[a-z-]+'; }
commands=$("$cli" no-such-command 2>&1 | sed 's/.*(allowed: //; s/)$//; s/,//g')
[ "$(wc -w <<<"$commands")" -ge 20 ] || fail "commands were not found: $commands"

# --- every command has its line of help -------------------------------------------------------------------------
for command in $commands; do
  "$cli" --help | grep -Eq "^  $command( [^ ]+)*  +[^ ]" || fail "plumvine --help says nothing of $command: add it to tools/cli/usage.cpp"
done

# --- completion ---------------------------------------------------------------------------------------------------
# offers WORDS… -- CANDIDATES…: completing the last of WORDS offers at least these.
offers() {
  local words=()
  while [ "$1" != -- ]; do words+=("$1"); shift; done
  shift
  _plumvine_candidates "${words[@]}" >"$work/offered"
  for candidate in "$@"; do
    grep -qxF -- "$candidate" "$work/offered" || fail "'${words[*]:1}' does not offer '$candidate', but: $(tr '\n' ' ' <"$work/offered")"
  done
}
only() { offers "$@"; while [ "$1" != -- ]; do shift; done; [ "$(wc -l <"$work/offered")" -eq $(($# - 1)) ] || fail "offered as well: $(tr '\n' ' ' <"$work/offered")"; }
# shellcheck disable=SC2046,SC2086
{
  only "$cli" '' -- $commands
  for program in "$agent" "$cli" "$sim" "$bench"; do
    [ "$(flags_of "$program" | wc -l)" -ge 12 ] || fail "$program: flags were not found"
    _plumvine_candidates "$program" - >"$work/offered"
    for flag in $(flags_of "$program"); do grep -qx -- "$flag" "$work/offered" || fail "$program does not offer $flag"; done
  done
}
only "$cli" mem -- members
only "$agent" --log-level '' -- error warn info debug trace
only "$agent" --log-level=x --preset l -- local lan large
only "$agent" --join host --log-format j -- json
only "$agent" --log-format = '' -- text json
only "$agent" --log-format = -- text json
only "$agent" --log-format=t -- text
only "$agent" --name '' --
only "$cli" health --component '' -- membership tree delivery cache security loop
only "$cli" keys '' -- list install use remove
only "$cli" --json config '' -- validate show
only "$cli" subscribe t --from w -- window
only "$sim" '' -- run list compare
offers "$sim" run p -- p1 p4 p8
only "$sim" run p1 --senders '' -- one changing all
cd "$work" || exit 1
touch one.toml two.json
only "$cli" config validate one -- one.toml
only "$sim" run one -- one.toml
only "$sim" compare two -- two.json
only "$bench" '' -- report
only "$bench" --mode '' -- one all lat
only "$bench" --topology f -- full
only "$bench" report two -- two.json
only "$bench" report --svg two -- two.json
mkdir folder
only "$agent" --data-dir fol -- folder

# Members come from the running agent: HOST:PORT as one word, and cut at the colon as bash does.
launch a 127.0.0.1:0 /dev/null --preset local
launch b 127.0.0.1:0 /dev/null --preset local --join "$(field a bind)"
within 20 ours_is a b alive
http=$(field a http)
only "$cli" --http "$http" promote '' -- a b
only "$cli" --http "${http%:*}" : "${http#*:}" forget b -- b
PLUMVINE_HTTP=$http only "$cli" forget '' -- a b

# As bash itself calls it.
COMP_WORDS=("$cli" mem) COMP_CWORD=1
_plumvine "$cli"
[ "${COMPREPLY[*]}" = members ] || fail "bash would be offered: ${COMPREPLY[*]}"
for program in plumvine plumvined plumvine-sim plumvine-bench; do complete -p $program | grep -q -- '-F _plumvine ' || fail "$program is not completed"; done
for shell in zsh fish; do
  script=$completion/$([ $shell = zsh ] && echo _plumvine || echo plumvine.fish)
  if command -v $shell >/dev/null; then $shell -n "$script" || fail "$script"; else echo "$shell is not installed: $(basename "$script") is not looked at"; fi
done

# --- manual pages -----------------------------------------------------------------------------------------------
for page in plumvine.1 plumvined.8 plumvine-sim.1 plumvine-bench.1; do
  program=$cli
  [ $page = plumvined.8 ] && program=$agent
  [ $page = plumvine-sim.1 ] && program=$sim
  [ $page = plumvine-bench.1 ] && program=$bench
  [ -s "$man/$page" ] || fail "$page was not made"
  grep -q '@' "$man/$page" && fail "$page has a mark that nothing was put in for: $(grep -m 1 '@' "$man/$page")"
  for flag in $(flags_of "$program"); do
    tr -d '\\"' <"$man/$page" | grep -Eq -- "^\.BI? ([^ ]+, )?$flag([ ,]|\$)" || fail "$page does not have $flag"
  done
  if command -v groff >/dev/null; then
    groff -man -ww -z "$man/$page" 2>"$work/groff" || fail "groff: $page"
    [ -s "$work/groff" ] && fail "groff about $page: $(cat "$work/groff")"
  fi
done
command -v groff >/dev/null || echo "groff is not installed: pages are only looked at by their words"
for command in $commands; do
  sed -n '/^.SH COMMANDS/,/^.SH OPTIONS/p' "$man/plumvine.1" | tr -d '\\"' | grep -A 1 -Ex "\.BI? $command( .*)?" | tail -n 1 | grep -q '^[a-zA-Z]' ||
    fail "plumvine.1 says nothing of $command"
done
echo "completion and manual pages have $(wc -w <<<"$commands") commands and all flags"
