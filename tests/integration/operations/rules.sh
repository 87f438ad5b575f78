#!/usr/bin/env bash
# Every alert fires for values above its limit and is silent for values just below. Usage: rules.sh SOURCE_DIR
set -u
source_dir=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rules=$source_dir/tools/packaging/prometheus
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
command -v promtool >/dev/null || fail "promtool is missing: tools/deps installs it (package prometheus)"

promtool check rules "$rules"/*.yml >"$work/check" 2>&1 || fail "$(cat "$work/check")"

# The alerts and the cases are the same set, and each alert says whom it wakes, what is wrong and where to read on.
sed -n 's/^ *- alert: //p' "$rules/alerts.rules.yml" | sort >"$work/alerts"
grep -v '^#' "$here/alerts.cases" | sed 's/ |.*//' | sort >"$work/cases"
diff "$work/alerts" "$work/cases" >&2 || fail "alerts (<) and alerts.cases (>) differ"
count=$(wc -l <"$work/alerts")
[ "$count" -ge 40 ] || fail "only $count alerts were found"
for part in 'labels: {severity: \(critical\|warning\)}' 'summary: "..*"' 'description: "..*"' 'runbook: docs/runbooks.md#[a-z]'; do
  [ "$(grep -c "$part" "$rules/alerts.rules.yml")" -eq "$count" ] || fail "not every alert has: $part"
done
sed -n 's/^ *runbook: docs\/runbooks.md#//p' "$rules/alerts.rules.yml" | sort -u | while read -r section; do
  grep -qix "## $section" "$source_dir/docs/runbooks.md" || fail "docs/runbooks.md has no section '$section'"
done || exit 1

# Each case twice, with the values that fire and with those that do not, each as a cluster of its own: nothing in the rules goes
# from one cluster to another, so all can be asked of one run.
awk -F ' *[|] *' -v rules="$rules" '
  function labelled(series, cluster) {
    if (series !~ /{/) series = series "{}"
    if (series !~ /job=/) sub(/{/, "{job=\"plumvine\",", series)
    if (series !~ /instance=/) sub(/{/, "{instance=\"a\",", series)
    sub(/{/, "{cluster=\"" cluster "\",", series)
    sub(/,}/, "}", series)
    return series
  }
  function minutes(values,   n, parts, i, total) {
    n = split(values, parts, " ")
    for (i = 1; i <= n; ++i) { sub(/.*x/, "", parts[i]); total += parts[i] }
    return total
  }
  function test(which,   i, at, pair, last, cluster) {
    cluster = $1 (which == 1 ? " fires" : " is silent")
    for (i = 2; i <= NF; ++i) {
      at = index($i, " = ")
      split(substr($i, at + 3), pair, " / ")
      last = minutes(pair[which])
      print "      - series: \047" labelled(substr($i, 1, at - 1), cluster) "\047\n        values: \047" pair[which] "\047"
    }
    questions = questions "      - expr: count(ALERTS{alertname=\"" $1 "\",cluster=\"" cluster "\"" (which == 1 ? ",alertstate=\"firing\"" : "") "})\n" \
      "        eval_time: " last "m\n        exp_samples:" (which == 1 ? "\n          - value: 1" : " []") "\n"
  }
  BEGIN {
    print "rule_files: [" rules "/recording.rules.yml, " rules "/alerts.rules.yml]\nevaluation_interval: 1m"
    print "group_eval_order: [plumvine-recording, plumvine-alerts]\ntests:\n  - interval: 1m\n    input_series:"
  }
  /^#/ { next }
  { test(1); test(2) }
  END { printf "    promql_expr_test:\n%s", questions }' "$here/alerts.cases" >"$work/tests.yml"
promtool test rules "$work/tests.yml" >"$work/result" 2>&1 || fail "$(head -c 4000 "$work/result")"
grep -q SUCCESS "$work/result" || fail "$(head -c 2000 "$work/result")"
echo "$count alerts, each above and just below its limit"
