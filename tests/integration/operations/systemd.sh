#!/usr/bin/env bash
# What an agent tells systemd, and the unit. Usage: systemd.sh PLUMVINED PLUMVINE NOTIFY_LISTENER SOURCE_DIR
set -u
agent=$1 cli=$2 listener=$3 unit=$4/tools/packaging/systemd/plumvined.service
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"

# listen NAME ADDRESS: what is told there goes to $work/NAME.told.log
listen() {
  "$listener" "$2" >"$work/$1.told.log" 2>&1 &
  pid[listener_$1]=$!
  within 10 told "$1" '^listening$'
}
told() { grep -Eq -- "$2" "$work/$1.told.log"; }
times() { grep -Ec -- "$2" "$work/$1.told.log"; }
at_least() { [ "$(times "$1" "$2")" -ge "$3" ]; }

# --- the unit ---------------------------------------------------------------------------------------------------
for key in Type=notify WatchdogSec=30 'ExecReload=/bin/kill -HUP \$MAINPID' DynamicUser=yes StateDirectory=plumvine; do
  grep -q "^$key\$" "$unit" || fail "the unit has no line $key"
done
if command -v systemd-analyze >/dev/null; then
  sed "s#^ExecStart=plumvined#ExecStart=$agent#" "$unit" >"$work/plumvined.service"
  systemd-analyze verify --man=no "$work/plumvined.service" >"$work/verify.log" 2>&1 || fail "systemd-analyze verify"
  grep -q plumvined "$work/verify.log" && fail "systemd-analyze verify has something to say"
  # Of 100 for a service without any protection; what is left is that it speaks over the network.
  systemd-analyze security --offline=yes --threshold=20 "$work/plumvined.service" >"$work/security.log" 2>&1 ||
    fail "the unit is more exposed than 2.0: $(tail -n 1 "$work/security.log")"
else
  echo "systemd-analyze is not installed: the unit is only looked at by its lines"
fi

# --- ready, status, watchdog ------------------------------------------------------------------------------------
listen a "$work/notify"
NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=400000 launch a 127.0.0.1:0 /dev/null --preset local
within 10 told a '^READY=1$'
within 10 told a '^STATUS=healthy'
within 10 at_least a '^WATCHDOG=1$' 3

# An abstract address; and a watchdog that is meant for another process is none of ours.
listen b "@plumvine-test-$$"
NOTIFY_SOCKET=@plumvine-test-$$ WATCHDOG_USEC=400000 WATCHDOG_PID=1 launch b 127.0.0.1:0 /dev/null --preset local --join "$(field a bind)"
within 10 told b '^STATUS=healthy: [1-9].* 2 members alive'
within 10 told a '^STATUS=healthy: [1-9].* 2 members alive'

# A loop that stands still tells nothing: while a is stopped, c tells three times as much as a could need for one.
kill -STOP "${pid[a]}"
stopped() { grep -q '^State:.T' "/proc/${pid[a]}/status"; }
within 10 stopped
before=$(times a '^WATCHDOG=1$')
listen c "$work/notify_c"
NOTIFY_SOCKET=$work/notify_c WATCHDOG_USEC=400000 launch c 127.0.0.1:0 /dev/null --preset local
within 10 at_least c '^WATCHDOG=1$' 4
[ "$(times a '^WATCHDOG=1$')" -eq "$before" ] || fail "a stopped agent fed the watchdog"
kill -CONT "${pid[a]}"
within 10 at_least a '^WATCHDOG=1$' $((before + 2))
[ "$(times b '^WATCHDOG=1$')" -eq 0 ] || fail "the watchdog of another process was fed"

# --- reload, stop -------------------------------------------------------------------------------------------------
kill -HUP "${pid[c]}"
within 10 at_least c '^READY=1$' 2
kill -HUP "${pid[c]}"
within 10 at_least c '^READY=1$' 3
# Each reload tells its moment first.
sed -n 's/^RELOADING=1 MONOTONIC_USEC=\([0-9]*\)$/\1/p' "$work/c.told.log" >"$work/moments"
[ "$(wc -l <"$work/moments")" -eq 2 ] && [ "$(head -n 1 "$work/moments")" -gt 0 ] && sort -nuc "$work/moments" || fail "not two moments, in order"
end c TERM || fail "exit $? after SIGTERM"
told c '^STOPPING=1$' || fail "no STOPPING=1"
[ "$(grep -n -m 1 '^READY=1' "$work/c.told.log" | cut -d: -f1)" -lt "$(grep -n -m 1 '^STOPPING=1' "$work/c.told.log" | cut -d: -f1)" ] || fail "the order"

# A configuration that is refused: the old one goes on, and systemd is not left waiting.
printf 'preset = "local"\n' >"$work/d.toml"
listen d "$work/notify_d"
NOTIFY_SOCKET=$work/notify_d launch d 127.0.0.1:0 /dev/null --config "$work/d.toml"
printf 'nonsense = 1\n' >"$work/d.toml"
kill -HUP "${pid[d]}"
within 10 at_least d '^READY=1$' 2
grep -q 'PV5006.*was not taken over' "$work/d.err" || fail "the refusal is not in the log"
[ "$(times d '^WATCHDOG=1$')" -eq 0 ] || fail "a watchdog that was not asked for was fed"
end d TERM || fail "exit $? after SIGTERM"
echo "ready, status, watchdog, reload and stop were told"
