// Rates out of totals, an hour of them, and their drawings.
import { at, colours, count, make, ms, percent } from "./tools.js";

const kPointsMax = 4200;  // an hour, one a second, and the hour before in steps of ten

// A reading: {t (our clock, ms), clock (the node's, where it is known), totals, latency: {le, counts}, hops: {le, counts, sum}}.
export class Flow {
  #last = null;
  #points = [];
  #hops = [];  // readings of the last minute, for the distribution
  #inspected = null;

  constructor() {
    at("window").addEventListener("change", () => this.draw());
    for (const id of ["rate", "latency", "duplicates"]) {
      const canvas = at("chart-" + id);
      canvas.addEventListener("pointermove", event => this.#inspect((event.offsetX - kLeft) / (canvas.clientWidth - kLeft - kRight)));
      canvas.addEventListener("pointerleave", () => this.#inspect(null));
      canvas.addEventListener("blur", () => this.#inspect(null));
      canvas.addEventListener("keydown", event => {
        const by = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
        if (by === undefined) return;
        event.preventDefault();
        this.#inspect(Math.min(1, Math.max(0, (this.#inspected ?? 1) + by)));
      });
    }
    new ResizeObserver(() => this.draw()).observe(at("chart-rate"));
  }

  get now() { return this.#points.at(-1); }

  // False: the totals went back, as after a restart of the node; rates begin anew.
  add(reading) {
    const last = this.#last, clock = last?.clock !== undefined && reading.clock !== undefined ? "clock" : "t";
    const seconds = last ? (reading[clock] - last[clock]) / 1000 : 0;
    this.#last = reading;
    if (!last || seconds <= 0 || reading.totals.delivered < last.totals.delivered || reading.totals.gossip_sent < last.totals.gossip_sent) return false;
    const by = name => reading.totals[name] - last.totals[name];
    const delays = reading.latency.counts.map((c, i) => c - last.latency.counts[i]);
    const copies = by("delivered") + by("duplicate");
    this.#points.push({
      t: reading.t, delivered: by("delivered") / seconds, published: by("broadcast") / seconds, sent: by("gossip_sent") / seconds,
      out: (reading.totals.sent_bytes - last.totals.sent_bytes) / seconds,
      duplicates: copies > 0 ? by("duplicate") / copies : null,
      p50: quantile(reading.latency.le, delays, 0.5), p99: quantile(reading.latency.le, delays, 0.99),
    });
    if (this.#points.length > kPointsMax) this.#points.splice(0, this.#points.length - kPointsMax);
    this.#hops.push(reading);
    while (this.#hops.length > 2 && reading.t - this.#hops[1].t > 60000) this.#hops.shift();
    return true;
  }

  #inspect(where) {
    this.#inspected = where;
    this.draw();
  }

  draw() {
    if (document.hidden) return;
    const span = Number(at("window").value) * 1000, end = this.#last?.t ?? 0;
    const points = this.#points.filter(p => p.t >= end - span);
    const cursor = this.#inspected === null ? null : end - span + this.#inspected * span;
    const shown = cursor === null ? points.at(-1) : points.reduce((best, p) => best && Math.abs(best.t - cursor) <= Math.abs(p.t - cursor) ? best : p, null);
    const chart = (id, label, series, text) => {
      drawLines(at("chart-" + id), series, points, end - span, end, text, cursor === null ? null : shown?.t);
      const values = series.map(s => s.name + " " + (shown && shown[s.key] !== null ? text(shown[s.key]) : "–"));
      at("values-" + id).replaceChildren(...values.map((v, i) => make("span", v, series[i].cls)));
      at("chart-" + id).setAttribute("aria-label", label + ": " + values.join(", "));
    };
    chart("rate", "Messages per second", [{ key: "delivered", name: "delivered", cls: "first" }, { key: "published", name: "published here", cls: "second" },
      { key: "sent", name: "copies sent", cls: "third" }], count);
    chart("latency", "Delivery latency", [{ key: "p50", name: "median", cls: "first" }, { key: "p99", name: "99 %", cls: "second" }], v => ms(v) + " ms");
    chart("duplicates", "Share of copies that were not the first", [{ key: "duplicates", name: "duplicates", cls: "first" }], percent);
    this.#drawHops();
  }

  #drawHops() {
    if (!this.#last) return;
    const first = this.#hops[0], recent = first ? this.#last.hops.counts.map((c, i) => c - first.hops.counts[i]) : [];
    const some = recent.some(c => c > 0), counts = some ? recent : this.#last.hops.counts;
    const sum = counts.reduce((a, b) => a + b, 0), of = some ? "of the last minute" : "since the start";
    const { le } = this.#last.hops;
    const names = counts.map((_, i) => i === le.length ? "> " + le.at(-1) : i > 0 && le[i] - le[i - 1] > 1 ? le[i - 1] + 1 + "–" + le[i] : String(le[i]));
    const total = some ? this.#last.hops.sum - first.hops.sum : this.#last.hops.sum;
    const last = Math.max(4, counts.findLastIndex(c => c > 0));
    drawBars(at("chart-hops"), names.slice(0, last + 1), counts.slice(0, last + 1).map(c => sum > 0 ? c / sum : 0));
    const text = sum > 0 ? "mean " + (total / sum).toFixed(2) + ", " + count(sum) + " messages " + of : "no message yet";
    at("values-hops").textContent = text;
    at("chart-hops").setAttribute("aria-label", "Hops that messages made: " + text + "; " +
      names.map((n, i) => [n, counts[i]]).filter(([, c]) => c > 0).map(([n, c]) => n + " hops " + percent(c / sum)).join(", "));
  }
}

// Milliseconds, between the bounds of its bucket; null without observations.
function quantile(le, counts, share) {
  const sum = counts.reduce((a, b) => a + b, 0);
  if (sum <= 0) return null;
  let before = 0;
  for (let i = 0; i < counts.length; ++i) {
    if (before + counts[i] >= share * sum && counts[i] > 0) {
      const low = i === 0 ? 0 : le[i - 1], high = le[i] ?? le.at(-1);
      return 1000 * (low + (high - low) * (share * sum - before) / counts[i]);
    }
    before += counts[i];
  }
  return 1000 * le.at(-1);
}

const kLeft = 50, kRight = 6, kTop = 6, kBottom = 18;

function prepare(canvas) {
  const ratio = devicePixelRatio, width = canvas.clientWidth, height = canvas.clientHeight, pen = canvas.getContext("2d");
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "11px system-ui, sans-serif";
  return { pen, width, height };
}

// 1, 2 or 5 times a power of ten, not below `value`.
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map(n => n * power).find(n => n >= value * 0.999);
}

function axis(pen, width, height, top, text) {
  const ink = colours();
  pen.strokeStyle = ink.line;
  pen.fillStyle = ink.soft;
  pen.lineWidth = 1;
  pen.textAlign = "right";
  for (const share of [0, 0.5, 1]) {
    const y = Math.round(height - kBottom - share * (height - kTop - kBottom)) + 0.5;
    pen.beginPath();
    pen.moveTo(kLeft, y);
    pen.lineTo(width - kRight, y);
    pen.stroke();
    pen.fillText(text(top * share), kLeft - 6, y + 4);
  }
}

function drawLines(canvas, series, points, from, to, text, cursor) {
  const { pen, width, height } = prepare(canvas), ink = colours();
  if (width === 0) return;
  const most = Math.max(0, ...points.flatMap(p => series.map(s => p[s.key] ?? 0)));
  const top = most > 0 ? nice(most) : 1;
  axis(pen, width, height, top, text);
  const span = to - from, x = t => kLeft + (t - from) / span * (width - kLeft - kRight), y = v => height - kBottom - v / top * (height - kTop - kBottom);
  pen.textAlign = "left";
  pen.fillText(span >= 3600000 ? "1 h ago" : span >= 120000 ? span / 60000 + " min ago" : span / 1000 + " s ago", kLeft, height - 4);
  pen.textAlign = "right";
  pen.fillText(cursor === null || cursor === undefined ? "now" : Math.round((to - cursor) / 1000) + " s ago", width - kRight, height - 4);
  const strokes = { first: ink.accent, second: ink.second, third: ink.third };
  for (const s of [...series].reverse()) {
    pen.strokeStyle = strokes[s.cls];
    pen.lineWidth = 1.6;
    pen.setLineDash(s.cls === "third" ? [3, 3] : []);
    pen.beginPath();
    let last = null;
    for (const p of points) {
      if (p[s.key] === null) { last = null; continue; }
      if (last !== null && p.t - last < 25000) pen.lineTo(x(p.t), y(p[s.key]));
      else pen.moveTo(x(p.t) - 1, y(p[s.key])), pen.lineTo(x(p.t), y(p[s.key]));
      last = p.t;
    }
    pen.stroke();
  }
  pen.setLineDash([]);
  if (cursor === null || cursor === undefined) return;
  pen.strokeStyle = ink.soft;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(Math.round(x(cursor)) + 0.5, kTop);
  pen.lineTo(Math.round(x(cursor)) + 0.5, height - kBottom);
  pen.stroke();
}

function drawBars(canvas, names, shares) {
  const { pen, width, height } = prepare(canvas), ink = colours();
  if (width === 0) return;
  axis(pen, width, height, 1, percent);
  const room = (width - kLeft - kRight) / names.length;
  pen.textAlign = "center";
  names.forEach((name, i) => {
    const tall = shares[i] * (height - kTop - kBottom), x = kLeft + i * room;
    pen.fillStyle = ink.accent;
    pen.fillRect(x + room * 0.2, height - kBottom - tall, room * 0.6, tall);
    pen.fillStyle = ink.soft;
    pen.fillText(name, x + room / 2, height - 4);
  });
}

// The readings of GET /debug/history: series of metrics by place, samples with what changed.
export function readingsOf(history, skew) {
  const totals = { broadcast: "plumtree_messages_broadcast_total", delivered: "plumtree_messages_delivered_total", duplicate: "plumtree_messages_duplicate_total",
    gossip_sent: "plumtree_gossip_sent_total" };
  const values = history.series.map(() => 0);
  const places = name => history.series.map((s, i) => [s, i]).filter(([s]) => s === name || s.startsWith(name + "{")).map(([, i]) => i);
  const rows = Object.fromEntries(Object.entries(totals).map(([key, name]) => [key, places(name)]));
  rows.sent_bytes = places("plumvine_bytes_sent_total");
  const distribution = name => {
    const buckets = places(name + "_bucket").map(i => [Number(/le="([^"]+)"/.exec(history.series[i])?.[1].replace("+Inf", "Infinity")), i]).sort((a, b) => a[0] - b[0]);
    const sums = places(name + "_sum");
    return () => ({ le: buckets.map(b => b[0]).filter(Number.isFinite), counts: buckets.map(([, i], n) => values[i] - (n > 0 ? values[buckets[n - 1][1]] : 0)),
      sum: sums.reduce((sum, i) => sum + values[i], 0) });
  };
  const latency = distribution("plumtree_delivery_latency_seconds"), hops = distribution("plumtree_message_hops");
  return history.samples.map(sample => {
    for (const [series, value] of sample.changed) values[series] = value;
    return { t: Date.parse(sample.time) - skew, totals: Object.fromEntries(Object.entries(rows).map(([key, all]) => [key, all.reduce((sum, i) => sum + values[i], 0)])),
      latency: latency(), hops: hops() };
  });
}
