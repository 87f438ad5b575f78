#!/usr/bin/env bash
# What five agents say of themselves against what others count: the script what it publishes and what was printed, the kernel bytes,
# connections, memory and processes, through joins, a partition, a crash and a leave. Exact where nothing moves meanwhile, else within
# 1 %. In network namespaces of its own; exit 77 (skipped) where none can be made. Usage: observers.sh PLUMVINED PLUMVINE
set -u
# shellcheck source=tests/integration/namespace.sh
source "$(dirname "${BASH_SOURCE[0]}")/../namespace.sh"
# shellcheck source=tests/integration/operations/wires.sh
source "$(dirname "${BASH_SOURCE[0]}")/wires.sh"
enter_wires "$@"
agent=$1 cli=$2
# shellcheck source=tests/integration/agents.sh
source "$(dirname "${BASH_SOURCE[0]}")/../agents.sh"
make_wires

# --- what is said ---------------------------------------------------------------------------------------------------
scrape() { local name; for name in "$@"; do http "$name" /metrics >"$work/$name.metrics" || fail "no metrics of $name"; done; }
# value NAME SERIES: as last scraped.
value() { awk -v series="$2" '$1 == series { print $2; found = 1 } END { exit !found }' "$work/$1.metrics" || fail "$1 has no $2"; }
# sum SERIES NAME…: over agents. total NAME METRIC: over labels.
sum() { local series=$1 name; shift; for name in "$@"; do value "$name" "$series"; done | awk '{ n += $1 } END { printf "%d\n", n }'; }
total() { awk -v name="$2" 'index($1, name "{") == 1 { n += $2 } END { printf "%d\n", n }' "$work/$1.metrics"; }
# same NAME SERIES WANTED
same() { awk -v is="$(value "$1" "$2")" -v wanted="$3" 'BEGIN { exit !(is == wanted) }' || fail "$2 of $1 is $(value "$1" "$2"), counted from outside: $3"; }
# between LOW IS HIGH WHAT: within 1 % of what was counted before and after.
between() {
  awk -v low="$1" -v is="$2" -v high="$3" 'BEGIN { exit !(is >= 0.99 * low && is <= 1.01 * high) }' || fail "$4 is $2, counted from outside: $1 to $3"
}
becomes() { scrape "$1" && [ "$(value "$1" "$2")" = "$3" ]; }

# --- what the script does ---------------------------------------------------------------------------------------------
declare -A sent=() asked=()
messages=0 bytes=0 small=0
noise() { head -c $(($1 * $2)) /dev/urandom | base64 -w "$2" | head -n "$1"; }
# publish NAME TOPIC COUNT SIZE: lines of standard input that many and that long.
publish() {
  at "$1" publish "$2" || fail "publishing at $1"
  sent[$1]=$((${sent[$1]:-0} + $3)) messages=$((messages + $3)) bytes=$((bytes + $3 * $4))
  [ "$4" -le 256 ] && small=$((small + $3))
  asked[$1]=$((${asked[$1]:-0} + $3))
}
printed() { [ "$(wc -l <"$work/$1.out")" -ge $((messages - ${sent[$1]:-0})) ]; }
everywhere() { local name; for name in "$@"; do within 30 printed "$name"; done; }
running() { local name n=0; for name in a b c d e; do [ -n "${pid[$name]:-}" ] && grep -q '^State:	[RS]' "/proc/${pid[$name]}/status" && n=$((n + 1)); done; echo $n; }
knows() { at "$1" --json members | jq -e --arg states "$2" '[.[].state] | sort | join(" ") == $states' >/dev/null; }

place a west && place b west && place c east && place d east && place e east
flags=(--preset local --print '*' --log-level debug --set topics.blobs.priority=high --set topics.blobs.order=fifo --set topics.zips.compression=lz4
  --set message_cache_ttl=20s --set sync_window=25s --set graft_timeout=1s --set graft_max_retries=1)
launch a "${address[a]}:7946" /dev/null "${flags[@]}"
for name in b c d; do launch $name "${address[$name]}:7946" /dev/null "${flags[@]}" --join "${address[a]}"; done
launch e "${address[e]}:7946" /dev/null "${flags[@]}" --join "${address[a]}" --set message_cache_max_size=40
for name in a b c d e; do within 30 knows $name 'alive alive alive alive alive'; done
scrape a b c d e
for name in a b c d e; do
  same $name 'swim_members{state="alive"}' "$(running)"
  same $name "plumvine_build_info{version=\"$("$program" --version | awk '{ print $2 }')\"}" 1
done

# --- bytes: the kernel's count, before and after asking ------------------------------------------------------------------
# Counted in both directions, through everything that follows.
traffic() {
  local name protocol way
  local -A before
  for name in "$@"; do
    for protocol in tcp udp; do
      for way in in out; do before[$way]=$(payload "$name" $way $protocol); done
      scrape "$name"
      between "${before[in]}" "$(value "$name" "plumvine_bytes_received_total{transport=\"$protocol\"}")" "$(payload "$name" in $protocol)" "$name: $protocol bytes received"
      between "${before[out]}" "$(value "$name" "plumvine_bytes_sent_total{transport=\"$protocol\"}")" "$(payload "$name" out $protocol)" "$name: $protocol bytes sent"
    done
  done
}

# --- links: connections that the kernel has -------------------------------------------------------------------------------
# Connections of an agent that stay: those of membership end by themselves.
connections() { inside "$1" ss -Htn state established "( src ${address[$1]} )" | wc -l; }
linked() {
  at "$1" --json peers >"$work/peers" && scrape "$1" && local n && n=$(connections "$1") &&
    [ "$(value "$1" plumtree_total_peers)" = "$n" ] && [ "$(value "$1" 'plumvine_links{state="up"}')" = "$n" ] &&
    jq -e --argjson n "$n" --argjson eager "$(value "$1" plumtree_eager_peers)" --argjson lazy "$(value "$1" plumtree_lazy_peers)" \
      '(.links | length) == $n and $eager + $lazy == $n and (.eager | length) == $eager and (.lazy | length) == $lazy' "$work/peers" >/dev/null
}
for name in a b c d e; do
  within 20 linked $name
  [ "$(connections $name)" -ge 1 ] || fail "$name has no connection"
done

# --- messages ---------------------------------------------------------------------------------------------------------------
publish a news 100 200 < <(noise 100 200)
publish b blobs 60 1000 < <(noise 60 1000)
publish c news 50 5000 < <(noise 50 5000)
publish c zips 30 800 < <(yes "$(printf '%0800d' 0)" | head -n 30)
everywhere a b c d e
scrape a b c d e
saved=$(value c plumtree_compression_bytes_saved_total)
same c plumtree_compression_bytes_in_total 24000
[ "$saved" -gt 22000 ] || fail "30 messages of 800 equal bytes were compressed by $saved bytes"
for name in a b c d e; do
  received=$((messages - ${sent[$name]:-0}))
  [ "$(wc -l <"$work/$name.out")" -eq $received ] || fail "$name printed too much"
  same $name plumtree_messages_broadcast_total "${sent[$name]:-0}"
  same $name plumtree_messages_delivered_total $received
  same $name plumtree_message_size_bytes_count $messages
  same $name plumtree_message_size_bytes_sum $bytes
  same $name 'plumtree_message_size_bytes_bucket{le="256"}' $small
  same $name plumtree_message_hops_count $received
  same $name plumtree_message_hops_sum "$(jq -s 'map(.hops) | add' "$work/$name.out")"
  same $name plumtree_delivery_latency_seconds_count $received
  same $name plumtree_seen_map_size $((3 + (${sent[$name]:-0} == 0)))  # three who published, and itself
  same $name plumtree_topics 3
  same $name "plumvine_http_requests_total{path=\"/publish/TOPIC\",code=\"202\"}" "${sent[$name]:-0}"
  same $name plumtree_pending_grafts 0
  same $name plumtree_missing_messages 0
  same $name plumvine_mailbox_length 0
done
for name in a b c d; do
  same $name plumtree_cache_size $messages
  same $name plumtree_cache_capacity 10000
  same $name plumtree_cache_bytes $((bytes - saved))  # as they are sent
done
same e plumtree_cache_size 40
same e plumtree_cache_capacity 40
same e 'plumtree_cache_evictions_total{reason="count"}' $((messages - 40))
# Each payload sent was received once, as a first copy or again; each was queued, and left its queue, by its topic's priority.
all=$(sum plumtree_gossip_sent_total a b c d e)
copies=$(($(sum plumtree_messages_delivered_total a b c d e) + $(sum plumtree_messages_duplicate_total a b c d e)))
[ "$all" -eq $copies ] && [ "$all" -ge $((4 * messages)) ] || fail "$all payloads were sent, $copies were received"
for what in enqueued dequeued; do
  high=$(sum "plumtree_priority_${what}_total{priority=\"high\"}" a b c d e) normal=$(sum "plumtree_priority_${what}_total{priority=\"normal\"}" a b c d e)
  [ $((high + normal)) -eq "$all" ] && [ "$high" -ge 240 ] && [ "$high" -le $((all - 4 * (messages - 60))) ] || fail "$what: $high high, $normal normal of $all"
done
echo "$messages messages: $all payloads sent, $copies received"

# --- the process ---------------------------------------------------------------------------------------------------------
resident() { awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/${pid[$1]}/status"; }
age() { awk -v now="$(cut -d' ' -f1 /proc/uptime)" -v hz="$(getconf CLK_TCK)" '{ sub(/.*[)] /, ""); printf "%.2f\n", now - $20 / hz }' "/proc/${pid[$1]}/stat"; }
# The node's own time begins between the start of the process and its first line.
told_since() { local at; at=$(grep -m1 PV1501 "$work/$1.err" | cut -d' ' -f1); awk -v now="$(date +%s.%N)" -v then="$(date -d "$at" +%s.%N)" 'BEGIN { printf "%.2f\n", now - then }'; }
for name in a b c d e; do
  low=$(resident $name); scrape $name; high=$(resident $name)
  between "$low" "$(value $name 'plumvine_memory_bytes{what="resident"}')" "$high" "$name: resident memory"
  low=$(told_since $name); at $name --json health >"$work/health"; high=$(age $name)
  between "$low" "$(jq .uptime_s "$work/health")" "$high" "$name: uptime"
  jq -e --argjson delivered "$(value $name plumtree_messages_delivered_total)" --argjson cached "$(value $name plumtree_cache_size)" \
    --argjson eager "$(value $name plumtree_eager_peers)" --argjson links "$(value $name plumtree_total_peers)" \
    --arg status "$([ $name = e ] && echo degraded || echo healthy)" \
    '.status == $status and .delivery_health.delivered_total == $delivered and .cache_health.messages == $cached and .peer_health.eager_count == $eager
      and .peer_health.total_peers == $links and .peer_health.members_alive == 5' "$work/health" >/dev/null || fail "$name: $(cat "$work/health")"
  same $name plumvine_health_status $([ $name = e ] && echo 1 || echo 0)  # e has little room on purpose
done
# What is asked is counted, by path and answer.
scrape a
declare -A had=()
for series in 'path="/livez",code="200"' 'path="other",code="404"' 'path="/metrics",code="405"' 'path="/metrics",code="200"'; do
  had[$series]=$(value a "plumvine_http_requests_total{$series}")
done
for _ in 1 2 3 4 5; do [ "$(code a /livez)" = 200 ] || fail "/livez"; done
for _ in 1 2 3; do [ "$(code a /nothing)" = 404 ] || fail "/nothing"; done
[ "$(code a -d x /metrics)" = 405 ] || fail "POST /metrics"
scrape a
for series in "${!had[@]}"; do
  case $series in *livez*) n=5 ;; *404*) n=3 ;; *) n=1 ;; esac
  same a "plumvine_http_requests_total{$series}" $((had[$series] + n))
done
told() { http a /events >"$work/told" && scrape a && [ "$(wc -l <"$work/told")" = "$(value a plumvine_events_retained)" ] &&
  [ "$(total a plumvine_events_total)" -eq $(($(wc -l <"$work/told") + $(value a plumvine_events_dropped_total))) ]; }
within 20 told

# --- links, byte by byte: what the kernel counts at the connection ------------------------------------------------------
# link_bytes NAME PEER: sent and received.
link_bytes() {
  inside "$1" ss -Htni state established "( src ${address[$1]} )" | awk -v place="${address[$2]}:" '/^[0-9]/ { ours = index($4, place) == 1; next }
    ours { sent = got = 0; for (i = 1; i <= NF; ++i) { if ($i ~ /^bytes_sent:/) sent = substr($i, 12); if ($i ~ /^bytes_received:/) got = substr($i, 16) } print sent, got }'
}
for peer in b c d e; do
  read -r sent_low got_low < <(link_bytes a $peer)
  at a --json peers >"$work/peers"
  read -r sent_high got_high < <(link_bytes a $peer)
  between "$sent_low" "$(jq --arg peer $peer '.links[] | select(.peer == $peer) | .sent_bytes' "$work/peers")" "$sent_high" "a's link to $peer: bytes sent"
  between "$got_low" "$(jq --arg peer $peer '.links[] | select(.peer == $peer) | .received_bytes' "$work/peers")" "$got_high" "a's link to $peer: bytes received"
done
at a --json members >"$work/members"
for name in a b c d e; do
  jq -e --arg name $name --arg at "${address[$name]}" 'any(.[]; .name == $name and .addr == $at and .port == 7946 and .link and .self == ($name == "a"))' \
    "$work/members" >/dev/null || fail "$name at a: $(cat "$work/members")"
done
traffic a b c d e
echo "bytes agree: $(for name in a b c d e; do echo -n "$name $(payload $name out tcp)+$(payload $name out udp) "; done)"

# --- payloads that do not come: only small packets leave one agent ------------------------------------------------------
# One that has published nothing has no tree of its own: in that of the root its links are lazy, but for one.
scrape d e
for origin in d e; do [ "$(value $origin plumtree_lazy_peers)" -gt 0 ] && break; done
inside $origin nft -f - <<<'table ip hurdle { chain out { type filter hook output priority 1; oifname eth0 meta l4proto tcp meta length > 600 drop; }; }'
publish $origin news 1 1000 < <(noise 1 1000)
gave_up() { grep -q ' WARN tree \[PV1301\] Graft failed for message [0-9a-f]\{16\}-1 after [0-9]* retries$' "$work"/[a-e].err; }
within 20 gave_up
inside $origin nft delete table ip hurdle
everywhere a b c d e
scrape a b c d e
for name in a b c d e; do
  same $name plumtree_graft_failed_total "$(grep -c 'Graft failed for message' "$work/$name.err")"
  same $name plumtree_messages_delivered_total $((messages - ${sent[$name]:-0}))
  [ "$(value $name plumtree_graft_sent_total)" -ge "$(value $name plumtree_graft_success_total)" ] || fail "$name: more grafts brought something than were sent"
done
[ "$(sum plumtree_graft_failed_total a b c d e)" -ge 1 ] && [ "$(sum plumtree_graft_sent_total a b c d e)" -ge 1 ] || fail "no failed graft was counted"
echo "payloads held back: grafts failed, nothing lost"

# What the kernel sends again while nobody answers counts for it, and not for us: a megabyte each keeps that below 1 %.
for name in a b c d e; do publish $name news 200 5000 < <(noise 200 5000); done
everywhere a b c d e

# --- a stopped process ----------------------------------------------------------------------------------------------------
scrape a b
refuted=$(value b swim_refutations_total) suspected=$(value a swim_suspicions_total) failed=$(value a 'swim_probes_total{result="failed"}')
kill -STOP "${pid[b]}"
[ "$(running)" -eq 4 ] || fail "processes that run: $(running)"
within 20 ours_is a b suspect
scrape a
kill -CONT "${pid[b]}"
same a 'swim_members{state="suspect"}' 1
same a 'swim_members{state="alive"}' 4
same a swim_suspicions_total $((suspected + 1))
refuting() { scrape b && [ "$(value b swim_refutations_total)" -gt "$refuted" ]; }
within 10 refuting
for name in a b c d e; do within 10 knows $name 'alive alive alive alive alive'; done
scrape a b c d e
for name in a b c d e; do same $name swim_deaths_total 0; done
echo "a process stood still: suspected, refuted"

# --- a partition ----------------------------------------------------------------------------------------------------------
cut_wire
for name in a b; do within 60 knows $name 'alive alive dead dead dead'; done
for name in c d e; do within 60 knows $name 'alive alive alive dead dead'; done
for name in a b; do within 10 becomes $name plumtree_partition_status 2; same $name 'swim_members{state="dead"}' 3; same $name swim_deaths_total 3; done
for name in c d e; do within 10 becomes $name plumtree_partition_status 1; same $name 'swim_members{state="dead"}' 2; same $name swim_deaths_total 2; done
[ "$(at a --json health | jq -r .peer_health.partition)" = majority_lost ] && [ "$(at c --json health | jq -r .peer_health.partition)" = partial ] || fail "the health reports tell of no partition"
grep -q ' WARN membership \[PV1401\] Possible partition detected - cannot reach peers: c, d, e$' "$work/a.err" || fail "a does not say whom it cannot reach"
for name in a b c d e; do within 20 linked $name; done
publish a news 20 300 < <(noise 20 300)
publish c blobs 30 400 < <(noise 30 400)
mend_wire
for name in a b c d e; do within 60 knows $name 'alive alive alive alive alive'; within 10 becomes $name plumtree_partition_status 0; done
everywhere a b c d e
scrape a b c d e
for name in a b c d e; do
  same $name plumtree_messages_delivered_total $((messages - ${sent[$name]:-0}))
  same $name swim_false_positives_total "$(value $name swim_deaths_total)"
  [ "$(value $name swim_rejoin_attempts_total)" -gt 0 ] || fail "$name contacted nobody again"
done
for name in a b c d e; do within 20 linked $name; done
traffic a b c d e
echo "a partition and back: $messages messages everywhere, deaths taken back"

# --- a crash, and who leaves ------------------------------------------------------------------------------------------------
# What is in the repair store yet would count as partitioned, too, if it left it while e is dead.
within 60 becomes a 'plumvine_memory_bytes{what="store"}' 0
partitioned=$(value a plumtree_messages_partitioned_total)
end e KILL
for name in a b c d; do within 60 knows $name 'alive alive alive alive dead'; done
[ "$(running)" -eq 4 ] || fail "processes that run: $(running)"
publish a news 7 100 < <(noise 7 100)  # for e, too, which is dead: until the repair store gives them up
end d TERM || fail "SIGTERM ended d with $?"
for name in a b c; do within 30 knows $name 'alive alive alive dead left'; done
scrape a b c
for name in a b c; do
  same $name 'swim_members{state="alive"}' "$(running)"
  same $name 'swim_members{state="dead"}' 1
  same $name 'swim_members{state="left"}' 1
  same $name swim_deaths_total $(($(value $name swim_false_positives_total) + 1))
  within 20 linked $name
  [ "$(($(value $name plumtree_peer_added_total) - $(value $name plumtree_peer_removed_total)))" -eq "$(value $name plumtree_total_peers)" ] ||
    fail "$name: links that came and went do not make up those that are"
done
everywhere a b c
# After message_cache_ttl all messages have left the cache, and after sync_window those for the dead member were given up.
for name in a b c; do
  within 40 becomes $name plumtree_cache_size 0
  same $name plumtree_cache_bytes 0
  same $name 'plumtree_cache_evictions_total{reason="ttl"}' $messages
  grep -Eq ' DEBUG tree \[PV1303\] Evicting [0-9]+ messages from cache \(TTL expired\)$' "$work/$name.err" || fail "$name does not say that its cache expires"
  [ "$(sed -n 's/.*Evicting \([0-9]*\) messages.*/\1/p' "$work/$name.err" | awk '{ n += $1 } END { print n }')" -le $messages ] || fail "$name evicts more than there was"
done
within 40 becomes a plumtree_messages_partitioned_total $((partitioned + 7))
traffic a b c
echo "a crash and a leave"

# --- a tree by the paper's rule, for what only it says ------------------------------------------------------------------
classic=(f1 f2 f3 f4 f5 f6 f7 f8)
for name in "${classic[@]}"; do
  place $name east
  launch $name "${address[$name]}:7946" /dev/null --preset local --log-level debug --set tree_rule=classic --set optimization_threshold=1 \
    $([ $name = f1 ] || echo --join "${address[f1]}")
done
for name in "${classic[@]}"; do within 30 knows $name 'alive alive alive alive alive alive alive alive'; done
swapped() {
  for name in "${classic[@]}"; do at $name publish t < <(seq 20); done
  grep -q ' DEBUG tree \[PV1302\] Demoting peer f[1-8] to lazy (optimization threshold reached)$' "$work"/f?.err
}
within 30 swapped
scrape "${classic[@]}"
[ "$(sum plumtree_prune_sent_total "${classic[@]}")" -gt 0 ] && [ "$(sum plumtree_peer_demotions_total "${classic[@]}")" -gt 0 ] || fail "links were swapped, and nothing was counted"

# --- every name, with its type and each known label value ---------------------------------------------------------------
scrape a
while read -r type metric label values; do
  grep -q "^# TYPE $metric $type\$" "$work/a.metrics" || fail "there is no $type $metric"
  [ "$type" = histogram ] && { for part in sum count 'bucket{le="+Inf"}'; do value a "${metric}_$part" >/dev/null; done; continue; }
  [ -z "$label" ] && value a "$metric" >/dev/null
  for one in $values; do grep -q "^$metric{.*$label=\"$one\"" "$work/a.metrics" || fail "$metric has no $label=\"$one\""; done
done <<'NAMES'
counter plumtree_messages_broadcast_total
counter plumtree_messages_delivered_total
counter plumtree_messages_duplicate_total
counter plumtree_messages_partitioned_total
counter plumtree_messages_lost_total reason evicted expired slow_consumer
counter plumtree_gossip_sent_total
counter plumtree_ihave_sent_total
counter plumtree_graft_sent_total
counter plumtree_graft_success_total
counter plumtree_graft_failed_total
counter plumtree_graft_retries_total
counter plumtree_prune_sent_total
counter plumtree_peer_promotions_total
counter plumtree_peer_demotions_total
counter plumtree_peer_added_total
counter plumtree_peer_removed_total
counter plumtree_seen_map_evictions_total
counter plumtree_cache_evictions_total reason ttl count bytes
counter plumtree_sync_rounds_total
counter plumtree_sync_messages_recovered_total
counter plumtree_frames_rejected_total reason malformed too_large unknown_type wrong_label
counter plumtree_rate_limited_total what graft
counter plumtree_priority_enqueued_total priority critical high normal low
counter plumtree_priority_dequeued_total priority critical high normal low
counter plumtree_priority_dropped_total priority critical high normal low
counter plumtree_compression_bytes_in_total
counter plumtree_compression_bytes_saved_total
counter plumtree_invariant_violations_total
histogram plumtree_graft_latency_seconds
histogram plumtree_message_size_bytes
histogram plumtree_message_hops
histogram plumtree_ihave_batch_size
histogram plumtree_delivery_latency_seconds
gauge plumtree_eager_peers
gauge plumtree_lazy_peers
gauge plumtree_total_peers
gauge plumtree_peers_healthy
gauge plumtree_peers_degraded
gauge plumtree_cache_size
gauge plumtree_cache_capacity
gauge plumtree_cache_bytes
gauge plumtree_seen_map_size
gauge plumtree_ihave_queue_size
gauge plumtree_pending_grafts
gauge plumtree_partition_status
gauge swim_members state alive suspect dead left
counter swim_probes_total result ack indirect_ack stream_ack failed
counter swim_indirect_probes_total
counter swim_suspicions_total
counter swim_refutations_total
counter swim_deaths_total
counter swim_false_positives_total
gauge swim_health_score
histogram swim_probe_rtt_seconds
gauge swim_gossip_queue_length
counter swim_push_pull_total direction in out
counter swim_push_pull_total result ok failed
counter swim_packets_rejected_total reason malformed wrong_label encrypted
counter swim_rejoin_attempts_total
gauge plumvine_build_info version
gauge plumvine_health_status
gauge plumvine_links state dialling greeting up draining
gauge plumvine_queue_bytes
counter plumvine_queue_dropped_total lane critical high normal low
counter plumvine_queue_dropped_total policy drop_oldest drop_newest disconnect
counter plumvine_bytes_sent_total transport tcp udp
counter plumvine_bytes_received_total transport tcp udp
gauge plumvine_loop_busy_ratio
histogram plumvine_loop_stall_seconds
histogram plumvine_handler_seconds
gauge plumvine_mailbox_length
gauge plumvine_memory_bytes what resident store queues members
gauge plumvine_clock_offset_seconds
gauge plumvine_certificate_expiry_seconds
counter plumvine_tls_handshakes_total kind full resumed
counter plumvine_tls_rejected_total reason unknown_ca expired wrong_cluster wrong_name plaintext clear_packet
counter plumvine_http_requests_total path /metrics /healthz /members /peers other
counter plumvine_http_requests_total code 200 404 503
NAMES
echo "passed"
