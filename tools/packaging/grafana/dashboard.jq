# The dashboard as a table of rows and panels. In queries % stands for the chosen cluster and members.
# Rates are over $__rate_interval; names with colons come from prometheus/recording.rules.yml.
def source: {type: "prometheus", uid: "${datasource}"};
def queries:
  to_entries | map({datasource: source}
    + {refId: (65 + .key | [.] | implode), expr: (.value[0] | gsub("%"; "cluster=~\"$cluster\",instance=~\"$instance\"")), legendFormat: .value[1]});
# graph(title; what it tells; unit; queries as [expression, legend])
def graph($title; $text; $unit; $list): {
  type: "timeseries", title: $title, description: $text, datasource: source, targets: ($list | queries),
  fieldConfig: {defaults: {unit: $unit, min: 0, custom: {fillOpacity: 8, lineWidth: 1, showPoints: "never"}}, overrides: []},
  options: {legend: {displayMode: "list", placement: "bottom"}, tooltip: {mode: "multi", sort: "desc"}}};
def number($title; $text; $unit; $steps; $expr): {
  type: "stat", title: $title, description: $text, datasource: source, targets: ([[$expr, ""]] | queries),
  fieldConfig: {defaults: {unit: $unit, color: {mode: "thresholds"}, thresholds: {mode: "absolute", steps: $steps}}, overrides: []},
  options: {reduceOptions: {calcs: ["lastNotNull"], fields: "", values: false}, colorMode: "background", graphMode: "none"}};
def plain: [{color: "blue", value: null}];
def bad_from($warn; $bad): [{color: "green", value: null}, {color: "orange", value: $warn}, {color: "red", value: $bad}];
def per_member($expr): [[$expr, "{{instance}}"]];

def rows: [
  {title: "Overview", height: 4, width: 4, panels: [
    number("Health"; "Worst of all members: 0 healthy, 1 degraded, 2 unhealthy."; "none"; bad_from(1; 2); "max(plumvine_health_status{%})"),
    number("Members scraped"; "Members that answer Prometheus."; "none"; plain; "count(plumvine_build_info{%})"),
    number("Dead members"; "As the member that counts most of them sees it."; "none"; bad_from(1; 2); "max(swim_members{%,state=\"dead\"})"),
    number("Alerts"; "Alerts of plumvine that fire."; "none"; bad_from(1; 3); "count(ALERTS{alertname=~\"Plumvine.*\",alertstate=\"firing\"}) or vector(0)"),
    number("Delivered"; "Messages handed to handlers, all members together."; "cps"; plain; "sum(rate(plumtree_messages_delivered_total{%}[$__rate_interval]))"),
    number("Lost"; "Messages that some member will never deliver, in the time shown."; "none"; bad_from(1; 100); "sum(increase(plumtree_messages_lost_total{%}[$__range]))")]},
  {title: "Delivery", height: 8, width: 8, panels: [
    graph("Published"; "Messages published."; "cps"; per_member("rate(plumtree_messages_broadcast_total{%}[$__rate_interval])")),
    graph("Delivered"; "Messages handed to handlers. Lines that differ for long: one member does not keep up."; "cps"; per_member("rate(plumtree_messages_delivered_total{%}[$__rate_interval])")),
    graph("Delivery latency"; "From publishing to delivery, the origin's clock offset removed: the median of all, and 99 of 100 at each member."; "s";
      [["histogram_quantile(0.5, sum by (le) (rate(plumtree_delivery_latency_seconds_bucket{%}[$__rate_interval])))", "median"],
       ["instance:plumtree_delivery_latency_seconds:p99_5m{%}", "p99 {{instance}}"]]),
    graph("Lag"; "Messages known to exist and not here; how old the oldest of them is, and the oldest that a subscriber has not read."; "none"; [["plumtree_missing_messages{%}", "messages {{instance}}"], ["plumvine_lag_seconds{%}", "{{what}} s {{instance}}"]]),
    graph("Lost, dropped, cut"; "What is not delivered, by reason; payloads not sent to slow neighbours; clients of GET /events cut off."; "cps";
      [["sum by (reason) (rate(plumtree_messages_lost_total{%}[$__rate_interval]))", "lost {{reason}}"],
       ["sum by (policy) (rate(plumvine_queue_dropped_total{%}[$__rate_interval]))", "queue {{policy}}"],
       ["sum(rate(plumvine_event_followers_cut_total{%}[$__rate_interval]))", "events"]]),
    graph("Message size"; "99 of 100 are at most as large."; "bytes"; per_member("histogram_quantile(0.99, rate(plumtree_message_size_bytes_bucket{%}[$__rate_interval]))"))]},
  {title: "Tree", height: 8, width: 8, panels: [
    graph("Redundancy"; "Payloads beyond the one that each member needs: 0 is a perfect tree."; "none"; [["cluster:plumtree_redundancy:ratio5m{cluster=~\"$cluster\"}", "{{cluster}}"]]),
    graph("Duplicates"; "Share of the payloads received that came again."; "percentunit"; per_member("instance:plumtree_duplicate:ratio5m{%}")),
    graph("Hops"; "99 of 100 messages came over at most so many hops."; "none"; per_member("instance:plumtree_message_hops:p99_5m{%}")),
    graph("Frames"; "Payloads, announcements, grafts and prunes sent."; "cps";
      [["sum(rate(plumtree_gossip_sent_total{%}[$__rate_interval]))", "payloads"], ["sum(rate(plumtree_ihave_sent_total{%}[$__rate_interval]))", "announcements"],
       ["sum(rate(plumtree_graft_sent_total{%}[$__rate_interval]))", "grafts"], ["sum(rate(plumtree_prune_sent_total{%}[$__rate_interval]))", "prunes"]]),
    graph("Pulls that fail"; "Share of the announced messages pulled that were given up; the next digest repairs them."; "percentunit"; per_member("instance:plumtree_graft_failure:ratio5m{%}")),
    graph("Repair"; "First copies that a digest brought, and messages announced and awaited."; "none";
      [["rate(plumtree_sync_messages_recovered_total{%}[$__rate_interval])", "by digest {{instance}}"], ["plumtree_pending_grafts{%}", "awaited {{instance}}"]])]},
  {title: "Membership", height: 8, width: 8, panels: [
    graph("Members"; "By state, as each member sees it. Lines that differ: members do not agree."; "none"; [["swim_members{%}", "{{state}} {{instance}}"]]),
    graph("Suspicions and deaths"; "Deaths refuted later point to starved processes or packet loss."; "cps";
      [["sum(rate(swim_suspicions_total{%}[$__rate_interval]))", "suspicions"], ["sum(rate(swim_deaths_total{%}[$__rate_interval]))", "deaths"],
       ["sum(rate(swim_false_positives_total{%}[$__rate_interval]))", "refuted deaths"], ["sum(rate(swim_refutations_total{%}[$__rate_interval]))", "refutations"]]),
    graph("Probes"; "How probes were answered: by a packet, by way of others, by a stream, not at all."; "cps"; [["sum by (result) (rate(swim_probes_total{%}[$__rate_interval]))", "{{result}}"]]),
    graph("Probe round trip"; "99 of 100 direct probes."; "s"; per_member("instance:swim_probe_rtt_seconds:p99_5m{%}")),
    graph("Lifeguard score and blocked packets"; "0 is well; members that live while their packets are lost."; "none";
      [["swim_health_score{%}", "score {{instance}}"], ["sum by (instance) (swim_packets_blocked{%})", "blocked {{instance}}"]]),
    graph("Clock offset and partition"; "Largest offset of a neighbour's clock; partition: 0 healthy, 1 partial, 2 majority lost."; "none";
      [["abs(plumvine_clock_offset_seconds{%})", "seconds {{instance}}"], ["plumtree_partition_status{%}", "partition {{instance}}"]])]},
  {title: "Links", height: 8, width: 8, panels: [
    graph("Eager and lazy links"; "By role."; "none"; [["plumtree_eager_peers{%}", "eager {{instance}}"], ["plumtree_lazy_peers{%}", "lazy {{instance}}"]]),
    graph("Links that do not keep up"; "Congested, or with a score below 0.5."; "none"; per_member("plumtree_peers_degraded{%}")),
    graph("Links up and down"; "How often links came up and went down."; "cps"; [["sum(rate(plumtree_peer_added_total{%}[$__rate_interval]))", "up"], ["sum(rate(plumtree_peer_removed_total{%}[$__rate_interval]))", "down"]]),
    graph("Send queues"; "Bytes that wait in all send queues."; "bytes"; per_member("plumvine_queue_bytes{%}")),
    graph("Bytes sent and received"; "Over the network."; "Bps";
      [["sum by (transport) (rate(plumvine_bytes_sent_total{%}[$__rate_interval]))", "sent {{transport}}"], ["sum by (transport) (rate(plumvine_bytes_received_total{%}[$__rate_interval]))", "received {{transport}}"]]),
    graph("Refused"; "Packets, streams and frames refused, and those in clear although there is a key."; "cps";
      [["instance:plumvine_rejected:rate5m{%}", "refused {{instance}}"], ["rate(swim_plaintext_frames_total{%}[$__rate_interval])", "in clear {{instance}}"]])]},
  {title: "Resources", height: 8, width: 8, panels: [
    graph("Loop"; "Share of its time that the loop works."; "percentunit"; per_member("plumvine_loop_busy_ratio{%}")),
    graph("Stalls"; "Turns of the loop of more than a second, and times that the whole process stood still."; "cps";
      [["rate(plumvine_loop_stall_seconds_count{%}[$__rate_interval]) - ignoring(le) rate(plumvine_loop_stall_seconds_bucket{%,le=\"1\"}[$__rate_interval])", "loop {{instance}}"],
       ["rate(swim_stalls_total{%}[$__rate_interval])", "process {{instance}}"]]),
    graph("Handlers"; "99 of 100 calls of the user's handlers."; "s"; per_member("histogram_quantile(0.99, rate(plumvine_handler_seconds_bucket{%}[$__rate_interval]))")),
    graph("Held payloads"; "Cache, send queues, and parts of large payloads."; "bytes"; per_member("instance:plumvine_held_bytes{%}")),
    graph("Graft cache"; "How full it is. A full cache is no harm unless pulls fail."; "percentunit"; per_member("instance:plumtree_cache:utilisation{%}")),
    graph("History and events"; "Messages in the data directory, subscribers, and events retained."; "none";
      [["plumvine_history_messages{%}", "history {{instance}}"], ["plumvine_subscribers{%}", "subscribers {{instance}}"], ["plumvine_events_retained{%}", "events {{instance}}"]])]}];

# Panels of a row side by side, rows one below the other.
def laid_out:
  reduce .[] as $row ({y: 0, id: 1, panels: []};
    .panels += [{type: "row", title: $row.title, collapsed: false, panels: [], id: .id, gridPos: {h: 1, w: 24, x: 0, y: .y}}]
    | .y += 1 | .id += 1
    | .y as $y | .id as $id
    | .panels += ($row.panels | to_entries | map(.key as $i | .value + {id: ($id + $i), gridPos: {h: $row.height, w: $row.width,
        x: ($i * $row.width % 24), y: ($y + ($i * $row.width / 24 | floor) * $row.height)}}))
    | .id += ($row.panels | length)
    | .y += $row.height * (($row.panels | length) * $row.width / 24 | ceil))
  | .panels;
def variable($name; $query): {type: "query", name: $name, label: $name, datasource: source, query: {query: $query, refId: $name}, definition: $query,
  refresh: 2, sort: 1, multi: true, includeAll: true, allValue: ".*", current: {text: "All", value: "$__all"}};
{
  title: "plumvine", uid: "plumvine", description: "Gossip membership and Plumtree broadcast", tags: ["plumvine"],
  schemaVersion: 38, version: 1, editable: true, graphTooltip: 1, refresh: "10s", time: {from: "now-1h", to: "now"}, timezone: "browser",
  annotations: {list: []}, links: [],
  templating: {list: [
    {type: "datasource", name: "datasource", label: "Prometheus", query: "prometheus", current: {}, hide: 0},
    variable("cluster"; "label_values(plumvine_build_info, cluster)"),
    variable("instance"; "label_values(plumvine_build_info{cluster=~\"$cluster\"}, instance)")]},
  panels: (rows | laid_out)
}
