#!/usr/bin/env bash
# plumvine-bench: small runs of every kind, whose JSON has all fields and whose messages all came once; refusals; reports.
# Usage: program.sh PLUMVINE_BENCH
set -u
bench=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() {
  echo "FAILED: $1" >&2
  failed=1
}

# within SECONDS COMMAND…: until it succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
}

# --- measurements -------------------------------------------------------------------------------------------------
fields='["peer","variant","mode","n","size","run","secs","sent","delivered","expected","complete","deliv_per_s","mb_per_s","cpu_s",
  "cpu_s_per_mdeliv","rss_kb_med","rss_kb_max","gaps","dups","p50_us","p99_us","max_us"]'
# measure WHAT FLAGS…: a run of four members; WHAT must hold for its line.
measure() {
  local what=$1
  shift
  timeout 90 "$bench" --n 4 --secs 0.2 "$@" >"$work/line" 2>"$work/said" || fail "plumvine-bench $*: exit $?: $(cat "$work/line" "$work/said")"
  [ "$(wc -l <"$work/line")" -eq 1 ] || fail "plumvine-bench $* prints more or less than a line"
  jq -e --argjson fields "$fields" '
    . as $line | ($fields - keys == []) and .peer == "plumvine" and .n == 4 and .sent > 0 and .expected == 3 * .sent and .delivered == .expected
    and .complete == 1 and .gaps == 0 and .dups == 0 and .deliv_per_s > 0 and .cpu_s > 0 and .cpu_s_per_mdeliv > 0 and .mb_per_s > 0
    and .rss_kb_max >= .rss_kb_med and .rss_kb_med > 0 and .hops_max >= 1 and .secs >= 0.2' "$work/line" >/dev/null ||
    fail "plumvine-bench $*: $(cat "$work/line")"
  jq -e "$what" "$work/line" >/dev/null || fail "plumvine-bench $*: not $what: $(cat "$work/line")"
  cat "$work/line" >>"$work/ours.jsonl"
}
for how in "" --threads; do
  variant=tree${how:+-threads}
  # shellcheck disable=SC2086
  {
    measure ".mode == \"one\" and .variant == \"$variant\" and .size == 64 and .run == 7" --mode one --run 7 $how
    measure ".mode == \"all\" and .variant == \"$variant\" and .size == 1024" --mode all --size 1024 $how
    measure ".mode == \"lat\" and .variant == \"$variant\" and .lat_n == .sent and .p50_us > 0 and .p99_us >= .p50_us and .max_us >= .p99_us and .rate == 200
      and .sent <= 40" --mode lat --rate=200 --secs=0.2 $how
  }
done
# Payloads that go in parts.
measure '.size == 262144' --size 262144
# Of eight members each is linked with all others, or with as many as the preset wants.
measure '.variant == "full" and .links_min == 3' --topology full --mode all
few() { timeout 90 "$bench" --n 8 --secs 0.1 --topology "$1" | jq -e "$2" >/dev/null || fail "--topology $1: not $2"; }
few full '.links_min == 7 and .complete == 1'
few tree '.links_min < 7 and .complete == 1'

# --- the members end with it ----------------------------------------------------------------------------------------
"$bench" --n 4 --secs 3600 >/dev/null &
parent=$!
disown "$parent"  # or bash tells of its end
members() { children=$(pgrep -P "$parent") && [ "$(wc -w <<<"$children")" -eq 4 ]; }
within 20 members || fail "there are not four members but: $children"
kill -KILL "$parent"
# Whoever is the next parent may take its time with what is left of them.
gone() { local pid; for pid in $children; do [[ $(ps -o stat= -p "$pid") =~ ^(Z.*)?$ ]] || return 1; done; }
within 20 gone || fail "members live on without the one that started them"

# --- refusals -----------------------------------------------------------------------------------------------------
# refused CODE WHAT ARGUMENTS…: one line that has WHAT, and nothing on standard output.
refused() {
  local code=$1 what=$2 out status
  shift 2
  out=$("$bench" "$@" 2>&1 >"$work/out")
  status=$?
  [ $status -eq "$code" ] && [[ $out == *"$what"* ]] && [ "$(wc -l <<<"$out")" -eq 1 ] && [ ! -s "$work/out" ] ||
    fail "plumvine-bench $*: exit $status, expected $code and '$what': $out"
}
refused 2 "--n '1': must be a number from 2 to 64" --n 1
refused 2 "--n 'many'" --n many
refused 2 "--size '10': must be a number from 64 to 16777216" --size 10
refused 2 "--secs 'nan'" --secs nan
refused 2 "--mode 'two': must be one, all or lat" --mode two
refused 2 "--topology 'ring': must be tree or full" --topology ring
refused 2 "at most 16 members" --topology full --n 17
refused 2 "--port 65535: 8 members need 8 ports, and the last is 65535" --port 65535
refused 2 "--rate: only --mode lat" --rate 5
refused 2 "--rate '0'" --mode lat --rate 0
refused 2 "--threads takes no value" --threads=yes
refused 2 "--n needs a value" --n
refused 2 "unknown flag '--speed'" --speed 9
refused 2 "unknown command 'walk'" walk
refused 2 "report needs a file" report
refused 2 "unknown flag '--png'" report --png x
refused 2 "--svg needs a value" report x --svg
refused 2 "--over 'time': must be size or members" report x --over time
refused 2 "--netns 'a/b'" --netns a/b
refused 2 "leave --threads out" --netns pv --threads
refused 1 "cannot read '$work/none'" report "$work/none"
"$bench" --help | grep -q "Exit status" || fail "--help"
"$bench" --version | grep -Eq '^plumvine-bench [0-9]+\.[0-9]+\.[0-9]+$' || fail "--version"

# --- reports ------------------------------------------------------------------------------------------------------
line() { # peer variant mode n size deliveries cpu, then more fields
  jq -cn --arg p "$1" --arg v "$2" --arg m "$3" --argjson n "$4" --argjson s "$5" --argjson d "$6" --argjson c "$7" \
    "{peer: \$p, variant: \$v, mode: \$m, n: \$n, size: \$s, deliv_per_s: \$d, mb_per_s: (\$d * \$s / 1e6), cpu_s_per_mdeliv: \$c, complete: 1, gaps: 0, dups: 0${8:-}}"
}
{
  for deliveries in 3000000 1000000 2000000; do line plumvine tree one 8 64 $deliveries 0.5; done
  line plumvine tree one 8 1024 400000 2
  line 'a<b>&"c"|d' '' one 8 64 30000000 0.05
  line 'a<b>&"c"|d' '' one 8 1024 3000000 0.5
  line plumvine tree lat 8 1024 700 100 ', p50_us: 300, p99_us: 900'
  line zmq procs lat 8 1024 700 100 ', lat_p50_us: 400, lat_p99_us: 800'
  echo '{"what":"membership","n":8}'
  echo '{"peer":"nng","variant":"bus","mode":"one","n":8,"size":64,"run":1,"error":"a member died"}'
} >"$work/lines.jsonl"
"$bench" report "$work/lines.jsonl" --svg "$work/plot.svg" >"$work/table" 2>"$work/notes" || fail "report: $(cat "$work/notes")"
has() { grep -qF -- "$1" "$2" || fail "$(basename "$2") has no '$1': $(cat "$2")"; }
has '### One publisher, 8 members' "$work/table"
has '| 64 | **plumvine tree** | 3/3 | 2M [1M to 3M] | 128 [64 to 192] | 0.5 [0.5 to 0.5] | 1.00000 | 0 | 0 |  |  |' "$work/table"
has '| 64 | a\<b>&"c"\|d | 1/1 | 30M |' "$work/table"
has '| 64 | nng bus | 0/1 | a member died |' "$work/table"
has '### One publisher at a fixed rate, 8 members' "$work/table"
has '| 1024 | zmq procs | 1/1 | 700 | 0.717 | 100 | 1.00000 | 0 | 0 | 400 | 800 |' "$work/table"
has '1 lines of other measurements are left out' "$work/notes"
has 'a&lt;b&gt;&amp;&quot;c&quot;|d' "$work/plot.svg"
has '8 members, mode one: CPU s per million deliveries' "$work/plot.svg"
has '8 members, mode lat: latency p99, µs' "$work/plot.svg"
grep -Eq 'nan|inf' "$work/plot.svg" && fail "the plot has a place that is no number"
# Ours and the other are a line each in two plots of mode one; of mode lat, with one size, there are only dots.
[ "$(grep -c '<polyline' "$work/plot.svg")" -eq 4 ] || fail "the plot has $(grep -c '<polyline' "$work/plot.svg") lines, not 4"
[ "$(grep -c '<circle' "$work/plot.svg")" -eq 12 ] || fail "the plot has $(grep -c '<circle' "$work/plot.svg") dots, not 12"
if command -v xmllint >/dev/null; then xmllint --noout "$work/plot.svg" || fail "the plot is no XML"; else echo "xmllint is not installed: the plot is only looked at by its words"; fi
# On the logarithmic axis from 1e5 to 1e8 a rate ten times another is a third of 230 pixels higher.
y() { grep -F "$1" "$work/plot.svg" | sed -n 's/.*cy="\([0-9.]*\)".*/\1/p' | head -n 1; }
awk -v a="$(y 'plumvine tree: 400k')" -v b="$(y 'a&lt;b&gt;&amp;&quot;c&quot;|d: 3M')" 'BEGIN { d = a - b; exit !(d > 66.9 && d < 67.3) }' ||
  fail "3M is at $(y '|d: 3M'), 400k at $(y 'plumvine tree: 400k')"
# Over the number of members: 4 and 16 are a line, 16 of another size is a dot.
{ line plumvine tree one 4 64 1000000 0.5; line plumvine tree one 16 64 900000 0.6; line plumvine tree one 16 1024 90000 6; } >"$work/members.jsonl"
"$bench" report "$work/members.jsonl" --svg "$work/members.svg" --over members >/dev/null || fail "report --over members"
has '64 B, mode one: deliveries/s' "$work/members.svg"
has '>members</text>' "$work/members.svg"
[ "$(grep -c '<polyline' "$work/members.svg")" -eq 2 ] || fail "the plot over members has $(grep -c '<polyline' "$work/members.svg") lines, not 2"
"$bench" report "$work/ours.jsonl" "$work/lines.jsonl" >"$work/table" 2>/dev/null || fail "report of our own lines"
has '### All publish, 4 members' "$work/table"
echo '{"mode":"one","peer":"x"}' >"$work/bad.jsonl"
refused 1 "bad.jsonl:1: field variant" report "$work/bad.jsonl"
echo 'no json' >>"$work/lines.jsonl"
refused 1 "lines.jsonl:11: not a JSON object" report "$work/lines.jsonl"
refused 1 "cannot write" report "$work/ours.jsonl" --svg "$work/no/plot.svg"
exit $failed
