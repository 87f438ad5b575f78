// A node that is none: serves the dashboard's files with a cluster of many members that it makes up, the same at every run.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";

const kTypes = { ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml" };

// A cluster: members in zones, a tree of fanout three around m000, lazy links between neighbours in number.
export class MadeUp {
  constructor(size) {
    this.at = 3_600_000;
    this.totals = { broadcast: 0, delivered: 0, duplicate: 0, gossip_sent: 0, ihave_sent: 0, graft_sent: 0, prune_sent: 0, lost: 0, missing: 0, queue_bytes: 0, sent_bytes: 0, received_bytes: 0 };
    this.latency = { le: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1], counts: [0, 0, 0, 0, 0, 0, 0, 0, 0], sum: 0 };
    this.hops = { le: [1, 2, 3, 4, 6, 8, 12], counts: [0, 0, 0, 0, 0, 0, 0, 0], sum: 0 };
    this.states = Array.from({ length: size }, () => "alive");
  }
  // One of them has a name that must not become markup.
  name(i) { return (i === 3 ? "<i>" : "m") + String(i).padStart(3, "0"); }

  member(i) {
    return { name: this.name(i), addr: `10.1.${i >> 8}.${i & 255}:7946`, state: this.states[i], since_ms: this.states[i] === "alive" ? 1000 * i : this.at - 5000, rtt_ms: i === 0 ? null : (i * 37 % 900) / 100,
      incarnation: 1, zone: "abc"[i % 3], accused_by: this.states[i] === "alive" ? [] : [this.name(0)], link: true, self: i === 0 };
  }

  // A child of a dead member is taken over by the nearest living one above it.
  parent(i) {
    let at = Math.floor((i - 1) / 3);
    while (at > 0 && this.states[at] === "dead") at = Math.floor((at - 1) / 3);
    return at;
  }

  graph() {
    const living = [...this.states.keys()].filter(i => this.states[i] !== "dead"), edges = [];
    for (const i of living) {
      if (i > 0) edges.push({ a: this.parent(i), b: i, roles: ["eager", "eager"], rtt_ms: 0.3, trees: [0] });
      for (const other of [i + 7, i + 31]) if (other < this.states.length && this.states[other] !== "dead") edges.push({ a: i, b: other, roles: ["lazy", "lazy"], rtt_ms: 0.8, trees: [] });
    }
    return { age_ms: 0, self: this.name(0), complete: true, silent: [], left_off: 0, edges, trees: [{ tree: "00000000000000ab", root: this.name(0) }],
      nodes: this.states.map((state, i) => ({ name: this.name(i), state, zone: "abc"[i % 3], link: true, answered: true, parents: [i === 0 || state === "dead" ? null : this.parent(i)] })) };
  }

  // A second passes.
  tick() {
    this.at += 1000;
    const wave = Math.round(120 + 60 * Math.sin(this.at / 9000));
    const t = this.totals;
    t.delivered += wave, t.duplicate += Math.round(wave / 50), t.gossip_sent += 2 * wave, t.broadcast += 20, t.sent_bytes += 900 * wave, t.received_bytes += 800 * wave;
    [0.1, 0.2, 0.3, 0.25, 0.1, 0.04, 0.01].forEach((share, i) => { this.latency.counts[i] += Math.round(share * wave); });
    [0.02, 0.06, 0.15, 0.3, 0.44, 0.03].forEach((share, i) => { this.hops.counts[i] += Math.round(share * wave); this.hops.sum += Math.round(share * wave) * (i + 1); });
  }

  state() {
    const links = [1, 2, 3, 7, 31].map((i, n) => ({ peer: this.name(i), role: n < 3 ? "eager" : "lazy", state: "up", direction: n % 2 ? "inbound" : "outbound", rtt_ms: 0.3 + n / 10, score: 1, queue_bytes: 0,
      queue_messages: 0, sent_bytes: this.totals.sent_bytes, received_bytes: this.totals.received_bytes, last_frame_s: 0.2, congested: false, clock_offset_ms: 0 }));
    const dead = this.states.filter(s => s === "dead").length, alive = this.states.filter(s => s === "alive").length;
    const names = role => links.filter(l => l.role === role).map(l => l.peer);
    return { at_ms: this.at, totals: this.totals, latency: this.latency, hops: this.hops, peers: { self: this.name(0), eager: names("eager"), lazy: names("lazy"), protected: [this.name(1)], links, unestablished: [] },
      health: { status: dead > 0 ? "degraded" : "healthy", message: dead > 0 ? "degraded: members cannot be reached" : "healthy: 5 links (3 eager), " + alive + " members alive", version: "0.1.0", name: this.name(0), uptime_s: this.at / 1000,
        reasons: dead > 0 ? [{ code: "PV2005", severity: "degraded", component: "membership", evidence: { unreachable: dead, members_alive: alive }, remedy: "look at the network between the members, and at those that are dead" }] : [],
        peer_health: { partition: dead > 0 ? "partial" : "healthy" }, delivery_health: { delivered_total: this.totals.delivered, duplicate_rate: 0.02, missing_messages: 0 },
        cache_health: { utilization: 0.24 }, loop_health: { busy_ratio: 0.07, max_stall_ms: 3 } } };
  }

  history() {
    const series = ["plumtree_messages_delivered_total", "plumtree_messages_duplicate_total", "plumtree_gossip_sent_total", "plumtree_messages_broadcast_total", 'plumvine_bytes_sent_total{transport="tcp"}',
      ...[...this.latency.le, "+Inf"].map(le => `plumtree_delivery_latency_seconds_bucket{le="${le}"}`), "plumtree_delivery_latency_seconds_sum",
      ...[...this.hops.le, "+Inf"].map(le => `plumtree_message_hops_bucket{le="${le}"}`), "plumtree_message_hops_sum"];
    const rising = counts => counts.reduce((all, c) => [...all, c + (all.at(-1) ?? 0)], []);
    const now = Date.now(), samples = [];
    for (let i = 0; i < 30; ++i) {
      for (let s = 0; s < 10; ++s) this.tick();
      const t = this.totals;
      const values = [t.delivered, t.duplicate, t.gossip_sent, t.broadcast, t.sent_bytes, ...rising(this.latency.counts), 0, ...rising(this.hops.counts), this.hops.sum];
      samples.push({ time: new Date(now - (30 - i) * 10_000).toISOString(), changed: values.map((v, n) => [n, v]) });
    }
    return { interval_s: 10, series, samples };
  }
}

// Serves `cluster` on a port of the system's choice; `kill(i)` lets a member die, `close()` ends it.
export async function serve(folder, cluster) {
  const viewers = new Set(), history = cluster.history();
  const send = (to, event, data) => to.write((event ? `event: ${event}\n` : "") + `data: ${JSON.stringify(data)}\n\n`);
  const event = (n, severity, text) => ({ id: "00000000000000ab-" + n, time: new Date().toISOString(), severity, kind: "member", code: "PV1101", component: "membership", text, fields: {} });
  const timer = setInterval(() => {
    cluster.tick();
    for (const viewer of viewers) send(viewer, "state", cluster.state());
  }, 1000);
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    if (path === "/live") {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      for (let n = 1; n <= 20; ++n) send(response, "", event(n, n % 7 === 0 ? "warn" : "info", `Member ${cluster.name(n)} joined at 10.1.0.${n}:7946`));
      send(response, "members", { whole: true, rows: cluster.states.map((_, i) => cluster.member(i)), gone: [] });
      send(response, "state", cluster.state());
      viewers.add(response);
      response.on("close", () => viewers.delete(response));
      return;
    }
    const json = { "/graph": () => cluster.graph(), "/debug/history": () => history }[path];
    if (json) return void response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(json()));
    const name = path === "/" ? "page.html" : path.startsWith("/dashboard/") ? path.slice(11) : "";
    try {
      const body = await readFile(join(folder, name.replaceAll("/", "")));
      response.writeHead(200, { "Content-Type": kTypes[extname(name)], "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise(done => server.listen(0, "127.0.0.1", done));
  return {
    address: "127.0.0.1:" + server.address().port,
    kill(i) {
      cluster.states[i] = "dead";
      for (const viewer of viewers) {
        send(viewer, "members", { whole: false, rows: [cluster.member(i)], gone: [] });
        send(viewer, "", event(1000 + i, "warn", `Member ${cluster.name(i)} is dead`));
      }
    },
    close() {
      clearInterval(timer);
      for (const viewer of viewers) viewer.end();
      server.close();
    },
  };
}
