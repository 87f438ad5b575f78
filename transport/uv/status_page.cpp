#include "status_page.hpp"

namespace plumvine::uv {

// Names of members are foreign bytes: the script puts them into the page as text only, never as markup.
std::string_view status_page() noexcept {
  return R"PAGE(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>plumvine</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='6' fill='%237a4fb5'/%3E%3C/svg%3E">
<style>
:root { --bg: #f6f5f8; --card: #fff; --ink: #1d1a24; --soft: #675f75; --line: #e0dce8; --accent: #6a3fa8;
        --good: #1d7a46; --warn: #9a6200; --bad: #b3261e; --good-bg: #e0f3e8; --warn-bg: #fbeed5; --bad-bg: #fbe3e1; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #15131a; --card: #1e1b25; --ink: #ece8f3; --soft: #a49cb3; --line: #332e3e; --accent: #b794f0;
          --good: #6fd39b; --warn: #e8b55c; --bad: #ff8f87; --good-bg: #15321f; --warn-bg: #3a2b10; --bad-bg: #431a17; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1rem; display: grid; gap: 1rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem .9rem; }
h1 { font-size: 1.35rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0 0 .6rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem 1rem; min-width: 0; }
.soft { color: var(--soft); }
.pill { display: inline-block; border-radius: 1rem; padding: .05rem .65rem; font-weight: 600; font-size: .85rem; background: var(--line); }
.healthy, .alive, .up, .eager { color: var(--good); background: var(--good-bg); }
.degraded, .suspect, .dialling, .greeting, .draining { color: var(--warn); background: var(--warn-bg); }
.unhealthy, .dead, .offline { color: var(--bad); background: var(--bad-bg); }
.numbers { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .7rem; margin: 0; }
.numbers dt { color: var(--soft); font-size: .8rem; }
.numbers dd { margin: 0; font-size: 1.2rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: .8rem; }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
.n { text-align: right; }
ul { margin: 0; padding: 0; list-style: none; display: grid; gap: .6rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem .9rem; }
a { color: var(--accent); }
code { font-size: .9em; }
</style>
</head>
<body>
<main>
<header>
  <h1 id="name">plumvine</h1><span class="pill" id="status">…</span><span class="soft" id="about"></span>
</header>
<section aria-live="polite"><h2>Health</h2><p id="message" style="margin:0 0 .6rem">Loading.</p><ul id="reasons"></ul></section>
<section><h2>Numbers</h2><dl class="numbers" id="numbers"></dl></section>
<section><h2>Members</h2><div class="scroll"><table id="members"></table></div></section>
<section><h2>Links</h2><div class="scroll"><table id="links"></table></div></section>
<section><h2>Trees</h2><div class="scroll"><table id="trees"></table></div></section>
<section><h2>Everything as data</h2><nav>
  <a href="/metrics">/metrics</a><a href="/healthz">/healthz</a><a href="/readyz">/readyz</a><a href="/livez">/livez</a>
  <a href="/members">/members</a><a href="/peers">/peers</a><a href="/tree">/tree</a><a href="/lag">/lag</a>
  <a href="/config">/config</a><a href="/events">/events</a>
  <a href="/debug/state">/debug/state</a><a href="/debug/history">/debug/history</a></nav>
  <p class="soft" style="margin:.6rem 0 0">From this machine also: <code>GET /subscribe/TOPIC</code>, <code>POST /publish/TOPIC</code>,
  <code>POST /join</code>, <code>/leave</code>, <code>/rejoin</code>, <code>/promote/PEER</code>, <code>/trim</code>.</p></section>
<noscript><section>The tables need JavaScript; the links above do not.</section></noscript>
</main>
<script>
"use strict";
const at = id => document.getElementById(id);
const make = (tag, text, cls) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; if (cls) e.className = cls; return e; };
const known = ["healthy", "degraded", "unhealthy", "alive", "suspect", "dead", "left", "up", "dialling", "greeting", "draining", "eager", "lazy"];
const pill = word => make("span", word, "pill " + (known.includes(word) ? word : ""));
const ms = v => v === null ? "–" : v.toFixed(2);
const bytes = n => { for (const u of ["B", "KiB", "MiB", "GiB"]) { if (n < 1024) return (u === "B" ? n : n.toFixed(1)) + " " + u; n /= 1024; } return n.toFixed(1) + " TiB"; };
const age = s => s < 90 ? s.toFixed(0) + " s" : s < 5400 ? (s / 60).toFixed(0) + " min" : (s / 3600).toFixed(1) + " h";
const percent = x => (x * 100).toFixed(1) + " %";
function table(id, heads, rows) {
  const head = make("tr");
  heads.forEach(h => head.append(make("th", h.replace("#", ""), h.startsWith("#") ? "n" : "")));
  const body = rows.map(cells => { const r = make("tr"); cells.forEach((c, i) => {
    const d = make("td", undefined, heads[i].startsWith("#") ? "n" : ""); d.append(c); r.append(d); }); return r; });
  const shown = body.length ? [head, ...body] : [make("caption", "none", "soft")];
  at(id).replaceChildren(...shown);
}
function health(h) {
  document.title = h.name + " · plumvine";
  at("name").textContent = h.name;
  at("status").textContent = h.status;
  at("status").className = "pill " + h.status;
  at("about").textContent = "plumvine " + h.version + ", up " + age(h.uptime_s);
  at("message").textContent = h.message;
  at("reasons").replaceChildren(...h.reasons.map(r => {
    const li = make("li");
    const facts = Object.entries(r.evidence).map(([k, v]) => k + " " + v).join(", ");
    li.append(pill(r.severity), " ", make("code", r.code), " " + r.component + (facts ? " (" + facts + ")" : ""), make("br"), make("span", r.remedy, "soft"));
    return li; }));
  const p = h.peer_health, d = h.delivery_health, c = h.cache_health, l = h.loop_health;
  const numbers = { "members alive": p.members_alive, "suspect": p.members_suspect, "dead": p.members_dead, "links": p.total_peers,
    "eager": p.eager_count, "lazy": p.lazy_count, "partition": p.partition, "delivered": d.delivered_total, "missing": d.missing_messages,
    "pending grafts": d.pending_grafts, "duplicates": percent(d.duplicate_rate), "cache": percent(c.utilization),
    "loop busy": percent(l.busy_ratio), "longest stall": l.max_stall_ms.toFixed(0) + " ms" };
  at("numbers").replaceChildren(...Object.entries(numbers).map(([k, v]) => { const e = make("div"); e.append(make("dt", k), make("dd", String(v))); return e; }));
}
const get = async path => (await fetch(path, { cache: "no-store" })).json();
const shown = 200;
async function refresh() {
  try {
    const [h, members, peers, tree] = await Promise.all(["/healthz", "/members", "/peers", "/tree"].map(get));
    health(h);
    table("members", ["name", "address", "state", "#since", "#rtt ms", "#incarnation", "links"], members.slice(0, shown).map(m =>
      [m.name + (m.self ? " (this one)" : ""), (m.addr.includes(":") ? "[" + m.addr + "]" : m.addr) + ":" + m.port, pill(m.state), age(m.since_s), ms(m.rtt_ms),
       String(m.incarnation), m.link ? "yes" : "no"]));
    if (members.length > shown) at("members").append(make("caption", "the first " + shown + " of " + members.length, "soft"));
    table("links", ["peer", "role", "state", "direction", "#rtt ms", "#score", "#queue", "#sent", "#received", "#last frame"],
      [...peers.links, ...peers.unestablished].slice(0, shown).map(l =>
      [l.peer + (peers.protected.includes(l.peer) ? " (protected)" : ""), pill(l.role), pill(l.state), l.direction, ms(l.rtt_ms), l.score.toFixed(2),
       bytes(l.queue_bytes), bytes(l.sent_bytes), bytes(l.received_bytes), age(l.last_frame_s)]));
    table("trees", ["root", "parent", "eager", "lazy", "settled"], tree.trees.slice(0, shown).map(t =>
      [t.root || t.tree, t.parent || "–", t.eager.join(", ") || "–", t.lazy.join(", ") || "–", t.settled ? "yes" : "no"]));
  } catch (error) {
    at("status").textContent = "no answer";
    at("status").className = "pill offline";
    at("message").textContent = "The node does not answer; what is shown below is from before.";
  }
  setTimeout(refresh, document.hidden ? 10000 : 2000);
}
refresh();
</script>
</body>
</html>
)PAGE";
}

}  // namespace plumvine::uv
