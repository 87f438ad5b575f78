#!/usr/bin/env bash
# Two members of ours with delegate_protocol = "none" and two plain memberlist programs, which peer.go is: after each action
# all that run must hold the same members alive, with the same addresses and metadata.
# Usage: interop.sh PLUMVINED PLUMVINE GO_CACHE PROTOCOL KEY_BYTES COMPRESS
set -u
agent=$1 cli=$2 cache=$3 protocol=$4 key=$(head -c "$5" /dev/urandom | base64) compress=$6
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/integration/agents.sh
source "$here/../agents.sh"
go_code=/usr/share/gocode
{ command -v go >/dev/null && [ -d $go_code/src/github.com/hashicorp/memberlist ]; } ||
  { echo "FAILED: Go or its package memberlist is missing; tools/deps installs them" >&2; exit 1; }
GO111MODULE=off GOPATH=$go_code GOCACHE=$cache GOFLAGS='' GOPROXY=off go build -o "$work/peer" "$here/peer.go" || fail "peer.go does not build"

# --- members ---------------------------------------------------------------------------------------------------
declare -A state address input
# theirs_start NAME BIND SEED META: a plain memberlist program.
up() { grep -q '"ready"' "$work/$1.out"; }
theirs_start() {
  local name=$1
  [ -n "${input[$name]:-}" ] || { mkfifo "$work/$name.in"; exec {fd}<>"$work/$name.in"; input[$name]=$fd; }
  : >"$work/$name.out"
  "$work/peer" -name "$name" -bind "$2" -join "$3" -meta "$4" -key "$key" -protocol "$protocol" -compress="$compress" \
    -tcp-pings="$([ "$name" = g1 ] && echo true || echo false)" <&"${input[$name]}" >>"$work/$name.out" 2>>"$work/$name.log" &
  pid[$name]=$!
  within 20 up "$name"
  address[$name]=$(jq -r 'select(.ready).ready' "$work/$name.out")
}
tell() { echo "${*:2}" >&"${input[$1]}"; }
ours_start() {  # NAME BIND SEED; its tags are in $work/NAME.toml
  launch "$1" "$2" /dev/null --preset lan --set delegate_protocol=none --set retransmit_mult=8 --encrypt "$key" \
    --set enable_compression="$compress" --join "$3" --config "$work/$1.toml"
  address[$1]=$(field "$1" bind)
}
# Whom a member holds alive, each as NAME ADDRESS META.
view() {
  if [[ $1 == g* ]]; then
    jq -rs 'map(select(.members)) | last | .members[]? | "\(.name) \(.addr) \(.meta)"' "$work/$1.out"
  else
    at "$1" --json members | jq -r 'sort_by(.name)[] | select(.state == "alive") | "\(.name) \(.addr):\(.port) \(.meta)"'
  fi 2>/dev/null
}
# agreed WHAT: all that run hold alive whom $state says, at their addresses, with the same metadata; ours say what became
# of the others.
same() {
  local name seer wanted first
  wanted=$(for name in "${!state[@]}"; do [ "${state[$name]}" != alive ] || echo "$name ${address[$name]}"; done | sort)
  first=$(view p1)
  [ "$(cut -d' ' -f1,2 <<<"$first")" = "$wanted" ] || return 1
  for seer in "${!state[@]}"; do
    [ "${state[$seer]}" = alive ] || continue
    [ "$(view "$seer")" = "$first" ] || return 1
  done
  for name in "${!state[@]}"; do ours_is p1 "$name" "${state[$name]}" || return 1; done
}
agreed() { within 120 same; echo "$1, after $SECONDS s"; }
meta_is() { [ "$(view g1 | awk -v n="$1" '$1 == n {print $3}')" = "$2" ]; }

tags() { printf '[tags]\nrole = "%s"\n' "$2" >"$work/$1.toml"; }
tags p1 one; tags p2 'two, with=more'
theirs_start g1 127.0.0.131:0 '' one
port=0
[ "$protocol" -gt 1 ] || port=${address[g1]##*:}  # the oldest protocol carries no ports: all have the same one
ours_start p1 "127.0.0.132:$port" "${address[g1]}"
theirs_start g2 "127.0.0.133:$port" "${address[p1]}" 'some text'
ours_start p2 "127.0.0.134:$port" "${address[g2]}"
for name in g1 g2 p1 p2; do state[$name]=alive; done
agreed "joined"
at p2 --json members | jq -e '.[] | select(.name == "g2") | .tags.role == "some text" and .link == false' >/dev/null ||
  fail "metadata that is no tags is not shown as role"

# --- metadata, messages ------------------------------------------------------------------------------------------
tell g2 update changed
tags p1 changed
kill -HUP "${pid[p1]}"
within 60 meta_is g2 "$(printf changed | base64)"
new_tags() { view g1 | awk '$1 == "p1" {print $3}' | base64 -d | grep -q changed; }
within 60 new_tags
agreed "metadata changed"
tell g1 send p1 'a packet that means nothing to it'
tell g1 deliver p2 'a stream that means nothing to it'
tell g1 send g2 'hello'
tell g1 deliver g2 'hello again'
heard() { grep -q '"message":"hello"' "$work/g2.out" && grep -q '"message":"hello again"' "$work/g2.out"; }
within 20 heard

# --- dying, standing still, coming back, of both kinds -------------------------------------------------------------
places=$(printf '%s\n' "${address[g2]}" "${address[p2]}")
fail_and_return() {  # who is killed, who is stopped
  end "$1" KILL
  kill -STOP "${pid[$2]}"
  state[$1]=dead state[$2]=dead
  agreed "$1 killed, $2 stopped"
  kill -CONT "${pid[$2]}"
  if [[ $1 == g* ]]; then theirs_start "$1" "${address[$1]}" "${address[p1]}" again; else ours_start "$1" "${address[$1]}" "${address[g1]}"; fi
  state[$1]=alive state[$2]=alive
  agreed "both came back"
}
fail_and_return g2 p2
fail_and_return p2 g2

# --- leaving -----------------------------------------------------------------------------------------------------
end p2 TERM || fail "p2 ended with $?"
tell g2 leave
state[p2]=left state[g2]=left
# What has left still listens, and hears of others no more.
unset 'state[g2]'
left() { ours_is p1 g2 left; }
within 60 left
agreed "left"
end g2 KILL
theirs_start g2 "${address[g2]}" "${address[p1]}" again
ours_start p2 "${address[p2]}" "${address[g1]}"
state[g2]=alive state[p2]=alive
agreed "came back after leaving"

# --- nothing that we sent made memberlist complain -----------------------------------------------------------------
quoted=$(tr '\n' '|' <<<"$places" | sed 's/|$//; s/\./\\./g')
complaints() {
  cat "$work"/g1.log "$work"/g2.log | grep -E '\[(WARN|ERR|ERROR)\]' |
    grep -vE 'Refuting a (suspect|dead) message|Was able to connect to' |
    grep -vE "($quoted).*(connection refused|i/o timeout|EOF|reset by peer)"
}
complaints >"$work/complaints" && { cat "$work/complaints" >&2; fail "memberlist complained"; }
# While p2 is away p1 is unhealthy, and says so.
grep -hE ' (WARN|ERROR) ' "$work"/p1.err | grep -vE 'PV1102|PV1103|PV1401|PV1107|PV1108|health \[PV20(01|05|12)\]' && fail "p1 complained"

# --- one that speaks Serf's numbers is refused by name, and nobody else suffers --------------------------------------
launch p3 "127.0.0.135:$port" /dev/null --preset lan --encrypt "$key" --join "${address[g1]}"
launch p4 "127.0.0.136:$port" /dev/null --preset lan --encrypt "$key" --join "${address[p1]}"
refused() { grep -q "PV1106.*delegate protocol version" "$work/$1.err"; }
within 60 refused p3
within 60 refused p4
within 60 refused p1
tags p1 later
kill -HUP "${pid[p1]}"
tell g1 update later
later() { view g2 | awk '$1 == "p1" {print $3}' | base64 -d | grep -q later && [ "$(view p2 | awk '$1 == "g1" {print $3}')" = "$(printf later | base64)" ]; }
within 60 later
# Table exchanges go on: a newcomer is complete by one.
end p2 KILL
ours_start p2 "${address[p2]}" "${address[g2]}"
agreed "refused by name, the cluster goes on"
echo "passed after $SECONDS s"
