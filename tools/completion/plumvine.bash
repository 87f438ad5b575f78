# Completion of bash for plumvine, plumvined, plumvine-sim and plumvine-bench. Words come from `--help` of the program itself, so they are those
# of its version: flags, commands, and what these take. `a|b` in the help are words, FILE and DIR are paths, NAME is a member
# of the cluster that the running agent belongs to, SCENARIO one that plumvine-sim lists. The completions of zsh and fish
# ask this one.

# Lines "flag-or-command TAB what it takes" of program $1. A line of help begins with two blanks, the text follows two more.
_plumvine_words() {
  "$1" --help 2>/dev/null | awk -F '  +' '/^  [-a-z]/ {
    head = $2
    sub(/^plumvine-(sim|bench) /, "", head); sub(/^-h,/, "", head)
    n = split(head, list, / (or|and) |, /)
    for (i = 1; i <= n; ++i) {
      space = index(list[i], " ")
      if (space == 0) print list[i] "\t"
      else print substr(list[i], 1, space - 1) "\t" substr(list[i], space + 1)
    }
  }'
}

# Members that the agent of program $1 knows; $2 is its address if --http was typed.
_plumvine_members() {
  "$1" ${2:+--http "$2"} --json members 2>/dev/null | grep -o '"name":"[A-Za-z0-9._-]*"' | cut -d '"' -f 4
}

# Candidates for a value that the help calls $2, of program $1; $3 is the address typed, $4 the beginning typed.
_plumvine_values() {
  local word
  case $2 in
    FILE* | *.json) compgen -f -- "$4" ;;
    DIR) compgen -d -- "$4" ;;
    NAME | MEMBER | PEER) [[ ${1##*/} == plumvine ]] && compgen -W "$(_plumvine_members "$1" "$3")" -- "$4" ;;
    SCENARIO)
      compgen -W "$("$1" list | sed -n 's/^\([a-z][^ ]*\).*/\1/p')" -- "$4"
      compgen -f -X '!*.toml' -- "$4"
      ;;
    *'|'*) for word in ${2//|/ }; do [[ $word =~ ^[a-z] ]] && compgen -W "$word" -- "$4"; done ;;
  esac
}

# What flag or command $1 takes, from the lines $words of the caller.
_plumvine_takes() { sed -n "s/^$1\t//p" <<<"$words" | head -n 1; }

# The words typed so far, one a line. bash cuts them at : and =; HOST:PORT is one word here, and --flag=value two.
_plumvine_typed() {
  local word before="" list=()
  for word in "${COMP_WORDS[@]:0:COMP_CWORD + 1}"; do
    if [[ $word == : || $before == : ]]; then list[-1]+=$word
    elif [[ $word == --*=* ]]; then list+=("${word%%=*}" "${word#*=}")
    elif [[ $word != = ]]; then list+=("$word")
    fi
    before=$word
  done
  [[ $before != = ]] || list+=("")
  printf '%s\n' "${list[@]}"
}

_plumvine() {
  local program=$1 http="" command="" takes words list last i position=0
  words=$(_plumvine_words "$program")
  mapfile -t list < <(_plumvine_typed)
  last=$((${#list[@]} - 1))
  local typed=${list[last]} before=${list[last - 1]}
  # Which command was typed, how many of its arguments, and whose --http.
  for ((i = 1; i < last; ++i)); do
    if [[ ${list[i]} == --http ]]; then
      http=${list[++i]}
    elif [[ ${list[i]} == -* ]]; then
      [[ -z $(_plumvine_takes "${list[i]}") ]] || ((++i))
    elif [[ -z $command ]]; then
      command=${list[i]}
    else
      ((++position))
    fi
  done
  COMPREPLY=()
  if [[ $before == -* && $typed != -* ]] && takes=$(_plumvine_takes "$before") && [[ -n $takes ]]; then
    [[ $command != resync || $before != --from ]] || takes=MEMBER  # elsewhere it is a place in the history
    mapfile -t COMPREPLY < <(_plumvine_values "$program" "$takes" "$http" "$typed")
  elif [[ $typed == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(cut -f 1 <<<"$words" | grep '^-')" -- "$typed")
  elif [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(cut -f 1 <<<"$words" | grep -v '^-' | sort -u)" -- "$typed")
  else
    read -ra takes <<<"$(_plumvine_takes "$command")"
    takes=${takes[position]:-}
    takes=${takes#[}
    mapfile -t COMPREPLY < <(_plumvine_values "$program" "${takes%]}" "$http" "$typed")
  fi
}

# For other shells: candidates for the last of the words given, one a line.
_plumvine_candidates() {
  local COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY
  _plumvine "$1"
  [[ ${#COMPREPLY[@]} -eq 0 ]] || printf '%s\n' "${COMPREPLY[@]}"
}
complete -F _plumvine plumvine plumvined plumvine-sim plumvine-bench
