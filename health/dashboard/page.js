// The dashboard: one stream (GET /live) of states, members and events; the graph is asked for beside it.
import { Flow, readingsOf } from "./charts.js";
import { Graph } from "./graph.js";
import { Links, Members } from "./tables.js";
import { age, at, bytes, count, forgetColours, make, ms, percent, pill } from "./tools.js";

const kEventsMax = 300;   // kept
const kEventsShown = 120;
const kGraphEvery = 2000; // the node asks its members no more often

const members = new Members(), links = new Links(), graph = new Graph(), flow = new Flow();
let events = [];          // the newest first
let state = null;
let source = null;
let skew = 0;             // the node's wall clock before ours, in milliseconds

// What a screen reader is told: changes, a second's worth at a time.
let news = [];
let telling = 0;
function announce(text) {
  news.push(text);
  telling ||= setTimeout(() => {
    at("announce").textContent = news.length > 4 ? news.slice(0, 4).join(". ") + ", and " + (news.length - 4) + " more" : news.join(". ");
    news = [];
    telling = 0;
  }, 300);
}

function connect() {
  source?.close();
  source = new EventSource("/live");
  source.addEventListener("members", event => takeMembers(JSON.parse(event.data)));
  source.addEventListener("state", event => takeState(JSON.parse(event.data)));
  source.addEventListener("message", event => takeEvent(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    silent();
    // A refusal ends the stream for good; a broken one the browser opens again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (!document.hidden) connect(); }, 5000);
  });
}

function silent() {
  if (at("status").textContent === "no answer") return;
  setStatus("no answer", "silent");
  at("message").textContent = "The node does not answer; what is shown is from before.";
  announce("The node does not answer");
}

function setStatus(text, cls) {
  at("status").textContent = text;
  at("status").className = "pill " + cls;
}

function takeMembers(message) {
  const changed = members.take(message);
  for (const { name, state: now, before } of changed) graph.setState(name, now);
  if (!message.whole) for (const { name, state: now } of changed) announce(name + " is " + now);
  members.show();
  if (changed.length > 0) wantGraph();
}

function takeState(fresh) {
  const { health } = fresh, before = state;
  if (before && before.health.status !== health.status) announce("Health is " + health.status);
  const roles = s => JSON.stringify([s.peers.eager, s.peers.lazy]);
  if (before && roles(before) !== roles(fresh)) wantGraph();
  state = fresh;
  document.title = health.name + " · " + health.status + " · plumvine";
  at("name").textContent = health.name;
  setStatus(health.status, health.status);
  at("about").textContent = "plumvine " + health.version + ", up " + age(health.uptime_s);
  flow.add({ t: Date.now(), clock: fresh.at_ms, totals: fresh.totals, latency: fresh.latency, hops: fresh.hops });
  showHealth(health);
  showTiles();
  members.show(fresh.at_ms);
  links.show(fresh.peers);
  flow.draw();
}

let reasonsShown = "";
function showHealth(health) {
  if (at("message").textContent !== health.message) at("message").textContent = health.message;
  const text = JSON.stringify(health.reasons);
  if (text === reasonsShown) return;
  reasonsShown = text;
  at("reasons").replaceChildren(...health.reasons.map(reason => {
    const item = make("li", undefined, reason.severity);
    const facts = Object.entries(reason.evidence).map(([key, value]) => key + " " + value).join(", ");
    item.append(pill(reason.severity), " ", make("span", reason.code, "code"), " " + reason.component + (facts ? " (" + facts + ")" : ""),
      make("br"), make("span", reason.remedy, "soft"));
    return item;
  }));
}

function showTiles() {
  const { health, totals, peers } = state, sums = members.states(), now = flow.now;
  const d = health.delivery_health, c = health.cache_health, l = health.loop_health;
  const tiles = [
    ["alive", String(sums.alive)], ["suspect", String(sums.suspect), sums.suspect > 0 && "warn"], ["dead", String(sums.dead), sums.dead > 0 && "bad"],
    ["links", String(peers.links.length)], ["eager", String(peers.eager.length)], ["lazy", String(peers.lazy.length)],
    ["partition", health.peer_health.partition, health.peer_health.partition !== "healthy" && "bad"],
    ["delivered", count(d.delivered_total)], ["per second", now ? count(now.delivered) : "–"],
    ["median delay", now && now.p50 !== null ? ms(now.p50) + " ms" : "–"],
    ["duplicates", percent(d.duplicate_rate)], ["missing", String(d.missing_messages), d.missing_messages > 0 && "warn"],
    ["lost", count(totals.lost), totals.lost > 0 && "warn"],
    ["queues", bytes(totals.queue_bytes)], ["out", now ? bytes(now.out) + "/s" : "–"],
    ["cache", percent(c.utilization)], ["loop busy", percent(l.busy_ratio)], ["longest stall", l.max_stall_ms.toFixed(0) + " ms"],
  ];
  if (at("tiles").children.length !== tiles.length) at("tiles").replaceChildren(...tiles.map(() => { const tile = make("div"); tile.append(make("dt"), make("dd")); return tile; }));
  tiles.forEach(([name, value, cls], i) => {
    const tile = at("tiles").children[i], [term, number] = tile.children;
    if (term.textContent !== name) term.textContent = name;
    if (number.textContent !== value) number.textContent = value;
    tile.className = cls || "";
  });
}

const kSeverities = ["debug", "info", "warn", "error"];
let eventsDue = 0;
function takeEvent(event) {
  if (events.some(e => e.id === event.id)) return;
  events.unshift(event);
  events.length = Math.min(events.length, kEventsMax);
  eventsDue ||= requestAnimationFrame(() => { eventsDue = 0; showEvents(); });
}

function showEvents() {
  const least = kSeverities.indexOf(at("severity").value);
  const shown = events.filter(e => kSeverities.indexOf(e.severity) >= least).slice(0, kEventsShown);
  at("event-list").replaceChildren(...shown.map(event => {
    const item = make("li", undefined, event.severity), time = make("time", new Date(event.time).toLocaleTimeString([], { hour12: false }), "soft");
    time.dateTime = event.time;
    time.title = event.time;
    const code = make("span", event.code, "code");
    code.title = event.severity + ", plumvine explain " + event.code;
    item.append(time, code, make("span", event.text, "text"));
    return item;
  }));
  if (shown.length === 0) at("event-list").append(make("li", "Nothing of that severity has happened.", "soft"));
}

// The graph: soon where something has changed, else every few seconds, more slowly where it is large.
let graphTimer = 0;
let graphAsking = false;
let graphAge = kGraphEvery;   // of what is shown, when it came
let graphCame = 0;
let graphWanted = false;
function wantGraph() {
  graphWanted = true;
  planGraph(kGraphEvery);
}
function planGraph(every) {
  if (graphAsking || document.hidden) return;
  clearTimeout(graphTimer);
  graphTimer = setTimeout(loadGraph, Math.max(0, every - graphAge - (Date.now() - graphCame)) + 20);
}
async function loadGraph() {
  graphAsking = true;
  graphWanted = false;
  let every = kGraphEvery;
  try {
    const answer = await fetch("/graph", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const found = await answer.json();
    graphAge = found.age_ms;
    graph.set(found);
    every = graphWanted ? kGraphEvery : Math.max(kGraphEvery, found.nodes.length * 10);
  } catch {
    graphAge = 0;  // the stream says that the node does not answer
  }
  graphCame = Date.now();
  graphAsking = false;
  planGraph(every);
}

async function loadHistory() {
  try {
    const answer = await fetch("/debug/history");
    skew = Date.parse(answer.headers.get("date")) - Date.now() || 0;
    if (Math.abs(skew) < 2000) skew = 0;  // the header has whole seconds
    for (const reading of readingsOf(await answer.json(), skew)) flow.add(reading);
  } catch {
    // Without it the charts begin now.
  }
}

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  at("theme").textContent = "Theme: " + theme;
  try { localStorage.setItem("theme", theme); } catch { /* then it lasts for this visit */ }
  recolour();
}
function recolour() {
  forgetColours();
  graph.repaint();
  flow.draw();
}
function themeNow() {
  try { return localStorage.getItem("theme") ?? "system"; } catch { return "system"; }
}

at("theme").addEventListener("click", () => {
  const order = ["system", "light", "dark"];
  setTheme(order[(order.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % order.length]);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
at("severity").addEventListener("change", showEvents);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return source?.close();
  connect();
  planGraph(kGraphEvery);
});
setTheme(themeNow());
showEvents();
loadHistory().finally(() => { connect(); loadGraph(); });
