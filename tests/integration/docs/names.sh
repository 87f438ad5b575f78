#!/usr/bin/env bash
# Every name that a page has is one that the programs have: metrics, codes, flags, commands, paths of HTTP, keys, scenarios, log lines,
# fences. Usage: names.sh SOURCE_DIR BINARY_DIR PLUMVINED PLUMVINE PLUMVINE_SIM PLUMVINE_BENCH
set -u
source_dir=$1 binary_dir=$2 agent=$3 cli=$4 sim=$5 bench=$6
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$source_dir" || exit 1
pages=(README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md SECURITY.md docs/*.md */README.md */*/README.md)
# A page of misspelt names, one a line: each must be found, or a check below finds nothing any more.
misspelt=tests/integration/docs/misspelt.txt
pages+=("$misspelt")

# What there is. The tables of metrics, keys and codes are compared with the source by tests of their own.
table() { sed -n 's/^| `\([^`]*\)` |.*/\1/p' "$1" | sort -u; }
table metrics/README.md | sed 's/[{ ].*//' | sort -u >"$work/metrics"
sed -n 's/.*- record: //p' tools/packaging/prometheus/recording.rules.yml >"$work/recorded"
table docs/codes.md >"$work/codes"
table docs/configuration.md >"$work/keys"
{ "$agent" --help; "$cli" --help; "$sim" --help; "$bench" --help; sed -n '/<<.TEXT/,/^TEXT/p' tools/demo tools/test tools/deps; } 2>&1 |
  grep -Eo -- '(^|[ ,])--[a-z][a-z-]*' | grep -Eo -- '--.*' | sort -u >"$work/flags"
"$cli" --help | sed -n '/^Commands:/,$s/^  \([a-z-]*\) .*/\1/p' >"$work/commands"
sed -n 's/.*Route{"\([A-Z]*\)", "\([^"]*\)".*/\1 \2/p' transport/uv/admin.cpp >"$work/routes"
"$sim" list | sed -n 's/^\([a-z][a-z0-9-]*\) .*/\1/p' >"$work/scenarios"
for list in metrics recorded codes keys flags commands routes scenarios; do
  [ "$(wc -l <"$work/$list")" -ge 15 ] || { echo "only $(wc -l <"$work/$list") $list were found" >&2; exit 1; }
done

# wrong WHAT: what comes are `PLACE:NAME` of names that are none.
wrong() { sed "s/\$/: no such $1/" >>"$work/findings"; }
# unknown LIST: those of `PLACE:NAME` whose name is not in the list.
unknown() { awk -v list="$work/$1" 'BEGIN { while ((getline line < list) > 0) known[line] } { name = $0; sub(/^[^:]*:[0-9]*:/, "", name) } !(name in known)'; }
# Code of the pages as `PLACE:TEXT`, a span or a line of a block each.
awk '
  FNR == 1 { fenced = 0 }
  /^```/ { fenced = !fenced; if (fenced && FILENAME ~ /^docs\//) print FILENAME ":" FNR ":" substr($0, 4) > fences; next }
  fenced { print FILENAME ":" FNR ":" $0; next }
  { n = split($0, part, "`"); for (i = 2; i < n; i += 2) print FILENAME ":" FNR ":" part[i] }' fences="$work/fences" "${pages[@]}" >"$work/code"
# matches REGEX: each match within code, with its place.
matches() { awk -v wanted="$1" '{ match($0, /^[^:]*:[0-9]*:/); place = substr($0, 1, RLENGTH); text = substr($0, RLENGTH + 1)
  while (match(text, wanted)) { print place substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH) } }' "$work/code"; }

# --- metrics: also as series of a histogram; beginnings where it says so: `plumvine_large_*`, `plumtree_(graft|prune)…`, `--grep` ------
awk -v list="$work/metrics" -v foreign="$here/foreign.txt" '
  BEGIN {
    while ((getline line < list) > 0) known[line]
    while ((getline line < foreign) > 0) { n = split(line, word, " "); for (i = 1; i <= n; ++i) known[word[i]] }
  }
  { rest = $0
    while (match(rest, /(plumtree|swim|plumvine)_[a-z0-9_]*[*({]?/)) {
      name = substr(rest, RSTART, RLENGTH); before = substr(rest, RSTART - 1, RSTART > 1); rest = substr(rest, RSTART + RLENGTH)
      start = name; sub(/[*({]$/, "", start); series = start; sub(/_(bucket|sum|count)$/, "", series)
      ok = start in known || series in known || before ~ /[A-Za-z0-9_]/
      if (!ok && (name ~ /[*(]$/ || start ~ /_$/ || /--grep/)) for (one in known) if (index(one, start) == 1) ok = 1
      if (!ok) print FILENAME ":" FNR ":" name
    }
  }' "${pages[@]}" | wrong metric
matches '[a-z]+:[a-z_]+:[a-z0-9_]+' | grep -E ':(instance|cluster|job):' | unknown recorded | wrong 'recorded series'

# --- codes -------------------------------------------------------------------------------------------------------------------------
grep -nEo '\bPV[0-9]{4}\b' "${pages[@]}" | unknown codes | wrong code

# --- flags: ours, and those of programs that are not ours ------------------------------------------------------------------------
grep -v '^#' "$here/foreign.txt" | tr ' ' '\n' | grep '^--' >>"$work/flags"
matches '(^|[^a-z0-9-])--[a-z][a-z-]*' | sed 's/^\([^:]*:[0-9]*:\)[^-]*/\1/' | unknown flags | wrong flag

# --- commands and scenarios ----------------------------------------------------------------------------------------------------------
matches '(^|[ |($;])plumvine( --json| --http [^ ]+)* [a-z][a-z-]+' | sed 's/^\([^:]*:[0-9]*:\).* /\1/' | unknown commands | wrong 'command of plumvine'
matches '(plumvine-sim |^)run [a-z][a-z0-9-]*' | sed 's/^\([^:]*:[0-9]*:\).*run /\1/' | unknown scenarios | wrong scenario

# --- paths of HTTP: with a method, or alone in a span ------------------------------------------------------------------------------
{ matches '(GET|POST) /[A-Za-z/_-]*'; matches '(localhost|127[.]0[.]0[.]1):909[0-9]/[a-z/_-]+' | sed 's/^\([^:]*:[0-9]*:\)[^/]*/\1GET /'; grep -E '^[^:]*:[0-9]*:/[a-z-]+(/[A-Za-z-]*)*(\?[a-z=0-9]*)?$' "$work/code" |
    sed 's/\?.*//; s/^\([^:]*:[0-9]*:\)/\1GET /' | grep -Ev ':GET /(etc|var|usr|lib|proc|tmp|run|dev)/'; } |
  awk -v list="$work/routes" '
    BEGIN { while ((getline line < list) > 0) { split(line, r, " "); known[r[2]] } }
    { path = $0; sub(/^[^:]*:[0-9]*:[A-Z]* /, "", path); base = path; sub(/[^\/]*$/, "", base)
      if (!(path in known) && !((path "/") in known) && !(base != "/" && base in known) && !(path ~ /^\/keys\//)) print }' | wrong path

# --- keys: what is set, and other words with an underscore, which must at least stand in the source --------------------------------
{ cat "$work/keys"; sed -n 's/^topics[.]NAME[.]//p' "$work/keys"; } | sort -u >"$work/settings"
{ matches '--set [a-zA-Z_.]+=' | sed 's/:--set /:/' | grep -Ev ':(key|topics[.]NAME[.]key)='; matches '^[a-z_]+ = ("|[0-9]|true|false|[[])'; } | grep -v '^tests/sim/' |
  sed 's/ *=.*//; s/:topics[.][^.]*[.]/:topics.NAME./' | unknown settings | wrong key
grep -rohE --exclude-dir=docs --include='*.hpp' --include='*.cpp' --include='*.txt' --include='*.sh' --include='*.yml' '\b[a-z]+(_[a-z0-9]+)+\b' include membership plumtree \
  transport health metrics tools tests CMakeLists.txt >"$work/words"
# Names of tests as ctest has them, and of metrics without the prefix.
grep -rhoE --include=CTestTestfile.cmake 'add_test\(\[=\[[A-Za-z0-9_-]+' "$binary_dir" | sed 's/.*\[//' >>"$work/words"
sed 's/^[a-z]*_//' "$work/metrics" >>"$work/words"
grep -v "^#" "$here/foreign.txt" | tr " " "\n" >>"$work/words"
grep -E '^[^:]*:[0-9]*:[a-z]+(_[a-z0-9]+)+$' "$work/code" | unknown words | wrong 'word in the source'

# --- log lines: rows of a table in docs/operations.md, with {…} for what differs: each part of the text, and code and level before the first
sed -n '/^| code | level | text/,/^$/s/^| `\(PV[0-9]*\)` | `\([A-Z]*\)` | `\(.*\)` |.*/\1 \2 \3/p' docs/operations.md >"$work/lines"
[ "$(wc -l <"$work/lines")" -ge 4 ] || { echo "docs/operations.md has no table of log lines" >&2; exit 1; }
while read -r code level text; do
  name=$(sed -n "s/.* \(k[A-Za-z]*\) = \"$code\".*/\1/p" transport/codes.hpp)
  call=$(grep -rhF -B 2 --include='*.cpp' -- "\"${text%%\{*}\"" membership plumtree transport tools)
  grep -qE "\"$code\"|code::${name:-none}\b" <<<"$call" && grep -q "LogLevel::${level,,}," <<<"$call" || echo "docs/operations.md:0:$code $level $text"
  sed 's/{[^}]*}/\n/g' <<<"$text" | grep '[a-z]' | while IFS= read -r part; do
    grep -rqF --include='*.cpp' -- "\"$part\"" membership plumtree transport tools || echo "docs/operations.md:0:$code $level $text ('$part')"
  done
done <"$work/lines" | wrong 'log line'

# --- fences: what is run says so, what is not says why ------------------------------------------------------------------------------
grep -Ev '^[^:]*:[0-9]*:(sh|sh exit=[0-9]|text|toml|ini|yaml|cpp|cmake|console)$' "$work/fences" | wrong 'kind of block'
grep ':console$' "$work/fences" | while IFS=: read -r file line _; do
  first=$(sed -n "$((line + 1))p" "$file")
  grep -qxF "$file | ${first//|/\\|}" <(sed 's/ | [^|]*$//' "$here/not_run.txt") || echo "$file:$line:$first (not in not_run.txt)"
done | wrong 'reason not to run it'
grep -v '^#' "$here/not_run.txt" | while IFS= read -r row; do
  file=${row%% | *} first=${row#* | }
  grep -qxF -- "${first% | *}" "$file" || echo "tests/integration/docs/not_run.txt:0:$first"
done | wrong 'block any more'

# --- the guide's index has every page ------------------------------------------------------------------------------------------------
for page in docs/*.md; do
  [ "$page" = docs/README.md ] || grep -qF "](${page#docs/})" docs/README.md || echo "docs/README.md:0:$page is missing"
done | wrong 'line in the index'

while IFS=: read -r line text; do
  grep -q "^$misspelt:$line:" "$work/findings" || echo "$misspelt:$line:$text: was not found" >>"$work/missed"
done < <(grep -n . "$misspelt")
grep -v "^$misspelt:" "$work/findings" | cat - "$work/missed" 2>/dev/null >"$work/result"
[ ! -s "$work/result" ] || { cat "$work/result" >&2; exit 1; }
echo "$(grep -c . "$work/code") pieces of code in ${#pages[@]} pages name what there is, and $(wc -l <"$misspelt") misspelt names are found"
