// Tables that are sorted by their headings and change row by row.
import { age, at, bytes, make, ms, pill } from "./tools.js";

class SortedTable {
  #rows = new Map();      // by key: {tr, cells, item}
  #by; #down = false;
  #body = make("tbody");

  // Columns: {name, cls, value(item) for sorting, show(item) as text or element, text(item) where show gives an element}.
  constructor(table, columns, by) {
    this.columns = columns;
    this.#by = by;
    const row = make("tr");
    for (const [i, column] of columns.entries()) {
      const head = make("th", undefined, column.cls), button = make("button", column.name);
      head.scope = "col";
      button.type = "button";
      button.addEventListener("click", () => { this.#down = this.#by === i && !this.#down; this.#by = i; this.#sort(); });
      head.append(button);
      row.append(head);
    }
    this.heads = [...row.children];
    const thead = make("thead");
    thead.append(row);
    table.append(thead, this.#body);
    this.#sort();
  }

  // Shows these items, each under its key.
  set(items, key) {
    const gone = new Set(this.#rows.keys());
    let moved = false;
    for (const item of items) {
      const name = key(item);
      gone.delete(name);
      moved = this.#put(name, item) || moved;
    }
    for (const name of gone) this.#rows.get(name).tr.remove(), this.#rows.delete(name);
    if (moved) this.#sort();
  }

  // True: its place may be another now.
  #put(name, item) {
    const texts = this.columns.map(c => c.text ? c.text(item) : c.show(item));
    const value = this.columns[this.#by].value(item);
    let row = this.#rows.get(name);
    const fresh = !row;
    if (fresh) {
      row = { tr: make("tr"), texts: [] };
      for (const column of this.columns) row.tr.append(make("td", undefined, column.cls));
      this.#rows.set(name, row);
    }
    texts.forEach((text, i) => {
      if (row.texts[i] === text) return;
      const cell = row.tr.children[i], shown = this.columns[i].show(item);
      if (typeof shown === "string") cell.textContent = shown;
      else cell.replaceChildren(shown);
      if (this.columns[i].cls === "name") cell.title = text;
    });
    const moved = fresh || row.value !== value;
    Object.assign(row, { texts, item, value });
    return moved;
  }

  #sort() {
    this.heads.forEach((head, i) => head.setAttribute("aria-sort", i !== this.#by ? "none" : this.#down ? "descending" : "ascending"));
    const value = this.columns[this.#by].value;
    const rows = [...this.#rows].map(([name, row]) => ({ name, row, value: value(row.item) }));
    rows.sort((a, b) => compare(a.value, b.value) * (this.#down ? -1 : 1) || compare(a.name, b.name));
    rows.forEach(({ row, value: v }, i) => {
      row.value = v;
      if (this.#body.children[i] !== row.tr) this.#body.insertBefore(row.tr, this.#body.children[i] ?? null);
    });
  }
}

const compare = (a, b) => typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
const unknownLast = value => value ?? Infinity;
const kStates = { dead: 0, suspect: 1, alive: 2, left: 3 };

export class Members {
  #rows = new Map();
  #now = 0;
  #table = new SortedTable(at("member-table"), [
    { name: "name", cls: "name", value: m => m.name, show: m => m.name + (m.self ? " (this node)" : "") },
    { name: "state", value: m => kStates[m.state], show: m => pill(m.state), text: m => m.state },
    { name: "for", cls: "n", value: m => -m.since_ms, show: m => age((this.#now - m.since_ms) / 1000) },
    { name: "RTT ms", cls: "n", value: m => unknownLast(m.rtt_ms), show: m => ms(m.rtt_ms) },
    { name: "address", value: m => m.addr, show: m => m.addr },
    { name: "zone", cls: "less", value: m => m.zone, show: m => m.zone || "–" },
    { name: "accused by", cls: "less name", value: m => m.accused_by.join(), show: m => m.accused_by.join(", ") || "–" },
  ], 1);

  constructor() {
    for (const id of ["member-find", "member-state"]) at(id).addEventListener("input", () => this.show());
  }

  // Takes an `event: members` over. Returns those whose state is another: [{name, state, before}].
  take({ whole, rows, gone }) {
    const changed = [];
    for (const row of rows) {
      const before = this.#rows.get(row.name)?.state;
      if (before !== row.state) changed.push({ name: row.name, state: row.state, before });
    }
    if (whole) this.#rows = new Map();
    for (const row of rows) this.#rows.set(row.name, row);
    for (const name of gone) this.#rows.delete(name), changed.push({ name, state: "forgotten", before: "known" });
    return changed;
  }

  states() {
    const sums = { alive: 0, suspect: 0, dead: 0, left: 0 };
    for (const row of this.#rows.values()) ++sums[row.state];
    return sums;
  }

  show(now = this.#now) {
    this.#now = now;
    const text = at("member-find").value.toLowerCase(), state = at("member-state").value;
    const shown = [...this.#rows.values()].filter(m => (!state || m.state === state) && (!text || [m.name, m.addr, m.zone].some(t => t.toLowerCase().includes(text))));
    this.#table.set(shown, m => m.name);
    at("member-count").textContent = shown.length + " of " + this.#rows.size;
  }
}

export class Links {
  #table = new SortedTable(at("link-table"), [
    { name: "peer", cls: "name", value: l => l.peer, show: l => l.peer },
    { name: "role", value: l => l.role, show: l => l.role + (l.ring ? ", protected" : "") },
    { name: "state", value: l => l.state, show: l => pill(l.state), text: l => l.state },
    { name: "RTT ms", cls: "n", value: l => unknownLast(l.rtt_ms), show: l => ms(l.rtt_ms) },
    { name: "score", cls: "n", value: l => l.score, show: l => l.score.toFixed(2) },
    { name: "queue", cls: "n", value: l => l.queue_bytes, show: l => bytes(l.queue_bytes) + (l.congested ? " !" : "") },
    { name: "sent", cls: "n", value: l => l.sent_bytes, show: l => bytes(l.sent_bytes) },
    { name: "received", cls: "n", value: l => l.received_bytes, show: l => bytes(l.received_bytes) },
    { name: "heard", cls: "n less", value: l => l.last_frame_s, show: l => age(l.last_frame_s) },
  ], 0);

  show(peers) {
    const ring = new Set(peers.protected);
    this.#table.set([...peers.links, ...peers.unestablished].map(l => ({ ...l, ring: ring.has(l.peer) })), l => l.peer + " " + l.direction);
  }
}
