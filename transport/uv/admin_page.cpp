#include "admin_page.hpp"

namespace plumvine::uv {

std::string_view favicon() {
  return R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g stroke="#7a4ea3" stroke-width="2.5" fill="none"><path d="M16 6v8M16 14l-8 9M16 14l8 9"/></g><g fill="#7a4ea3"><circle cx="16" cy="6" r="4"/><circle cx="7" cy="25" r="4"/><circle cx="25" cy="25" r="4"/><circle cx="16" cy="15" r="3"/></g></svg>)svg";
}

std::string_view status_page() {
  return R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>plumvine</title>
<link rel="icon" href="/favicon.ico" type="image/svg+xml">
<style>
:root { color-scheme: light dark; --fg: #1d1b22; --bg: #faf9fc; --card: #fff; --line: #e3dfea; --dim: #625d6e; --accent: #7a4ea3; --good: #1c7c45; --warn: #9a6200; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --fg: #ece8f2; --bg: #16141a; --card: #201d26; --line: #383342; --dim: #a59fb3; --accent: #c39be8; --good: #5dcf8d; --warn: #e5b04f; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg); }
main, header, footer { max-width: 70rem; margin: 0 auto; padding: 0 1rem; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; padding-top: 1.25rem; }
h1 { font-size: 1.5rem; margin: 0; } h1 small { font-weight: 400; color: var(--dim); font-size: .9rem; }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem 1rem; margin: 1rem 0; overflow-x: auto; }
.status { padding: .1rem .7rem; border-radius: 1rem; border: 1px solid currentColor; font-weight: 600; }
.healthy, .alive, .up { color: var(--good); } .degraded, .suspect { color: var(--warn); } .unhealthy, .dead { color: var(--bad); } .left, .dim { color: var(--dim); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--dim); font-weight: 500; font-size: .85rem; } tr:last-child td { border-bottom: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; }
.tiles div { border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .7rem; } .tiles b { display: block; font-size: 1.25rem; }
ul { margin: .3rem 0; padding-left: 1.2rem; } a { color: var(--accent); } nav a { margin-right: .9rem; white-space: nowrap; }
footer { color: var(--dim); padding-bottom: 2rem; }
</style>
</head>
<body>
<header><h1><span id="name">plumvine</span> <small id="version"></small></h1><span id="status" class="status dim" role="status">…</span><span id="message" class="dim"></span></header>
<main>
<section aria-label="Numbers"><div class="tiles" id="tiles"></div></section>
<section id="why" hidden><h2>Reasons</h2><ul id="reasons"></ul></section>
<section><h2>Members</h2><table><thead><tr><th>Name<th>Address<th>State<th>Incarnation<th>RTT<th>Links</tr></thead><tbody id="members"></tbody></table></section>
<section><h2>Links</h2><table><thead><tr><th>Peer<th>Role<th>State<th>Direction<th>RTT<th>Queue<th>Sent<th>Received</tr></thead><tbody id="links"></tbody></table></section>
<section><h2>Origins</h2><table><thead><tr><th>Origin<th>Highest<th>Delivered<th>Missing</tr></thead><tbody id="origins"></tbody></table></section>
</main>
<footer><nav aria-label="Paths"><a href="/metrics">/metrics</a><a href="/livez">/livez</a><a href="/readyz">/readyz</a><a href="/healthz">/healthz</a><a href="/members">/members</a><a href="/peers">/peers</a><a href="/tree">/tree</a><a href="/lag">/lag</a><a href="/config">/config</a><a href="/debug/state">/debug/state</a><a href="/subscribe/*">/subscribe/TOPIC</a></nav>
<p id="age">Refreshes itself every two seconds.</p></footer>
<script>
'use strict';
const $ = id => document.getElementById(id);
const cell = (text, kind) => { const td = document.createElement('td'); td.textContent = text; if (kind) td.className = kind; return td; };
const row = cells => { const tr = document.createElement('tr'); tr.append(...cells); return tr; };
const ms = x => x === null ? '–' : x.toFixed(2) + ' ms';
const size = n => { const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']; let i = 0; while (n >= 1024 && i < 4) { n /= 1024; ++i; } return (i ? n.toFixed(1) : n) + ' ' + units[i]; };
const get = async path => (await fetch(path, { cache: 'no-store' })).json();
const tile = (label, value) => { const div = document.createElement('div'); const b = document.createElement('b'); b.textContent = value; div.append(b, label); return div; };
async function refresh() {
  try {
    const [health, members, peers, lag] = await Promise.all(['/healthz', '/members', '/peers', '/lag'].map(get));
    document.title = health.name + ' – plumvine';
    $('name').textContent = health.name; $('version').textContent = 'plumvine ' + health.version;
    $('status').textContent = health.status; $('status').className = 'status ' + health.status; $('message').textContent = health.message;
    const p = health.peer_health, d = health.delivery_health, c = health.cache_health;
    $('tiles').replaceChildren(tile('members alive', p.members_alive), tile('eager / lazy peers', p.eager_count + ' / ' + p.lazy_count), tile('delivered', d.delivered_total),
      tile('missing', d.missing_messages), tile('duplicate rate', (d.duplicate_rate * 100).toFixed(1) + ' %'), tile('cache', (c.utilization * 100).toFixed(0) + ' %'),
      tile('loop busy', (health.loop_health.busy_ratio * 100).toFixed(1) + ' %'), tile('up', Math.round(health.uptime_s) + ' s'));
    $('why').hidden = health.reasons.length === 0;
    $('reasons').replaceChildren(...health.reasons.map(r => { const li = document.createElement('li'); li.className = r.severity; li.textContent = '[' + r.code + '] ' + r.component + ': ' + r.remedy + ' ' + JSON.stringify(r.evidence); return li; }));
    $('members').replaceChildren(...members.map(m => row([cell(m.name + (m.self ? ' (this node)' : '')), cell(m.addr + ' port ' + m.port), cell(m.state, m.state), cell(m.incarnation), cell(ms(m.rtt_ms)), cell(m.link ? 'yes' : 'no')])));
    $('links').replaceChildren(...peers.links.map(l => row([cell(l.peer), cell(l.role), cell(l.state, l.state), cell(l.direction), cell(ms(l.rtt_ms)), cell(size(l.queue_bytes)), cell(size(l.sent_bytes)), cell(size(l.received_bytes))])));
    $('origins').replaceChildren(...lag.origins.map(o => row([cell(o.origin || o.instance), cell(o.highest), cell(o.delivered), cell(o.missing, o.missing ? 'degraded' : '')])));
    $('age').textContent = 'Refreshed at ' + new Date().toLocaleTimeString() + ', every two seconds.';
  } catch (error) {
    $('status').textContent = 'not reachable'; $('status').className = 'status unhealthy'; $('message').textContent = String(error);
  }
}
refresh(); setInterval(refresh, 2000);
</script>
</body>
</html>
)html";
}

}  // namespace plumvine::uv
