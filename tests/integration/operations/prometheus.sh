#!/usr/bin/env bash
# A Prometheus that scrapes a real cluster has an answer to every query of the dashboard, every recording rule and every alert; alerts
# of a cluster that falls apart fire. Usage: prometheus.sh PLUMVINED PLUMVINE SOURCE_DIR
set -u
agent=$1 cli=$2 packaging=$3/tools/packaging
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
command -v prometheus >/dev/null || fail "prometheus is missing: tools/deps installs it"

# The dashboard is made from its table.
jq --indent 1 -n -f "$packaging/grafana/dashboard.jq" >"$work/dashboard.json" || fail "dashboard.jq"
cmp -s "$work/dashboard.json" "$packaging/grafana/plumvine.json" ||
  fail "plumvine.json is not what dashboard.jq makes: jq --indent 1 -n -f dashboard.jq >plumvine.json, in tools/packaging/grafana"

# --- a cluster, and who scrapes it --------------------------------------------------------------------------------
launch a 127.0.0.1:0 /dev/null --preset local --print t
for name in b c; do launch $name 127.0.0.1:0 /dev/null --preset local --print t --join "$(field a bind)"; done
cat >"$work/prometheus.yml" <<YML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$packaging/prometheus/recording.rules.yml, $packaging/prometheus/alerts.rules.yml]
scrape_configs:
  - job_name: plumvine
    static_configs: [{targets: ["$(field a http)", "$(field b http)", "$(field c http)"], labels: {cluster: test}}]
YML
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" --web.listen-address=127.0.0.1:0 >"$work/prometheus.log" 2>&1 &
pid[prometheus]=$!
listens() { api=$(sed -n 's/.*msg="Listening on" address=\(127[0-9.:]*\).*/\1/p' "$work/prometheus.log" 2>/dev/null) && [ -n "$api" ]; }
within 20 listens

# ask PATH [EXPRESSION]
ask() { curl -s ${2:+-G --data-urlencode "query=$2"} "http://$api/api/v1/$1"; }
loaded() { [ "$(ask rules | jq '[.data.groups[].rules[]] | length')" -ge 60 ]; }
within 20 loaded

# --- every query has an answer --------------------------------------------------------------------------------------
jq -r '.panels[].targets[]?.expr' "$work/dashboard.json" |
  sed 's/\$cluster/test/g; s/\$instance/.*/g; s/\$__rate_interval/30s/g; s/\$__range/5m/g' >"$work/queries"
ask rules | jq -r '.data.groups[].rules[] | select(.type == "recording") | .name, .query' >>"$work/queries"
# An alert that does not fire has no series. What it compares has: with `bool` a comparison answers 0 or 1.
ask rules | jq -r '.data.groups[].rules[] | select(.type == "alerting") | .query' | sed -E 's/ (>|<|==|!=) / \1 bool /g' >>"$work/queries"
total=$(wc -l <"$work/queries")
[ "$total" -ge 130 ] || fail "only $total queries were found"
grep -q '\$' "$work/queries" && fail "a query has a variable that this test does not know: $(grep -m 1 '\$' "$work/queries")"

# Messages while Prometheus looks; who has had an answer is asked no more. All questions go out with one call of curl.
answered() {
  for name in a b c; do at $name publish t "from $name" || fail "publish"; done
  sed 's/[\\"]/\\&/g; s#.*#next\nget\nurl = "http://'"$api"'/api/v1/query"\ndata-urlencode = "query=&"#' "$work/queries" | sed 1d >"$work/questions"
  curl -s -K "$work/questions" | jq -r '"\(.status) \(.data.result | length) \(.error)"' >"$work/answers"
  [ "$(wc -l <"$work/answers")" -eq "$(wc -l <"$work/queries")" ] || fail "not as many answers as questions"
  grep -vn '^success' "$work/answers" && fail "a query was refused; the questions: $(cat "$work/queries")"
  paste -d ' ' "$work/answers" "$work/queries" | sed -n 's/^success 0 null //p' >"$work/unanswered"
  cp "$work/unanswered" "$work/queries"
  [ ! -s "$work/queries" ]
}
deadline=$((SECONDS + 60))
until answered; do
  [ $SECONDS -lt $deadline ] || fail "no series for: $(cat "$work/queries")"
done

# What was recorded is what happened: each of three members had what two others published, over one hop.
value() { ask query "$1" | jq -r '.data.result[0].value[1] // "none"'; }
all_received() {
  for name in a b c; do at $name publish t "from $name" || fail "publish"; done
  [ "$(value 'count(instance:plumtree_received:rate5m > 0)')" = 3 ]
}
within 20 all_received
hops=$(value 'max(instance:plumtree_message_hops:p99_5m >= 0)')
awk -v hops="$hops" 'BEGIN { exit !(hops > 0 && hops <= 2) }' || fail "p99 of hops in a cluster of three is $hops"
[ "$(value 'count(ALERTS{alertstate="firing"}) or vector(0)')" = 0 ] || fail "an alert fires in a healthy cluster: $(ask query ALERTS)"

# --- the cluster falls apart ----------------------------------------------------------------------------------------
end b KILL
end c KILL
alert() { ask alerts | jq -e --arg name "$1" --arg state "$2" '.data.alerts | any(.labels.alertname == $name and .state == $state)' >/dev/null; }
within 40 alert PlumvinePartitionMajorityLost firing
within 20 alert PlumvineIsolated firing
within 20 alert PlumvineMembersMissing pending
within 20 alert PlumvineDown pending
ask alerts >"$work/answer"
jq -e --arg instance "$(field a http)" '.data.alerts | map(.annotations)
  | any(.summary == "\($instance) has no eager link") and all(.summary + .description | contains("error") or contains("{{") | not)
  and all(.runbook | startswith("docs/runbooks.md#"))' "$work/answer" >/dev/null || fail "annotations: $(cat "$work/answer")"
echo "$total queries have answers, alerts fire"
