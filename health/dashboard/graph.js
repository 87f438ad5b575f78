// The cluster's links as a drawing, as a sentence and as a table.
import { Layout } from "./layout.js";
import { at, colours, make, ms, stillness } from "./tools.js";

const kLabels = 45;       // so many nodes have their names beside them; of more, those that are looked at
const kSlice = 7;         // milliseconds of layout in a frame

export class Graph {
  #canvas = at("graph");
  #layout = new Layout();
  #graph = null;
  #tree = null;           // id of the chosen one; "" all of them
  #shape = null;
  #view = { scale: 1, x: 0, y: 0, own: false };
  #chosen = null;
  #hovered = null;
  #frame = 0;

  constructor() {
    at("root").addEventListener("change", () => { this.#tree = at("root").value; this.#reshape(true); });
    at("lazy").addEventListener("change", () => this.#redraw());
    at("closer").addEventListener("click", () => this.#zoom(1.3));
    at("farther").addEventListener("click", () => this.#zoom(1 / 1.3));
    at("fit").addEventListener("click", () => this.#fit());
    at("graph-data").addEventListener("toggle", () => this.#fillTable());
    const canvas = this.#canvas;
    canvas.addEventListener("keydown", event => this.#key(event));
    canvas.addEventListener("pointermove", event => this.#hover(event));
    canvas.addEventListener("pointerleave", () => { this.#hovered = null; this.#redraw(); });
    canvas.addEventListener("wheel", event => { if (event.ctrlKey) event.preventDefault(), this.#zoom(Math.exp(-event.deltaY / 200)); }, { passive: false });
    canvas.addEventListener("click", event => { if (!this.#dragged) this.#choose(this.#nearest(event)); });
    canvas.addEventListener("pointerdown", event => { this.#dragged = false; if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId); });
    new ResizeObserver(() => this.#redraw()).observe(canvas);
  }
  #dragged = false;

  set(graph) {
    const changed = JSON.stringify([graph.nodes, graph.trees, graph.edges.map(e => [e.a, e.b, e.roles, e.trees])]);
    this.#graph = graph;
    if (changed === this.#before) return;
    this.#before = changed;
    this.#offerTrees();
    this.#reshape(false);
  }
  #before = "";

  // A member's state may be known before the graph is asked for again.
  setState(name, state) {
    const node = this.#graph?.nodes.find(n => n.name === name);
    if (!node || node.state === state) return;
    node.state = state;
    this.#reshape(false);
  }
  repaint() { this.#redraw(); }

  #offerTrees() {
    const trees = this.#graph.trees.map(t => ({ id: t.tree, text: t.root ?? (/^f+$|^0+$/.test(t.tree) ? "shared tree" : t.tree) }));
    trees.sort((a, b) => a.text.localeCompare(b.text));
    if (this.#tree === null || (this.#tree !== "" && !trees.some(t => t.id === this.#tree))) {
      const living = trees.filter(t => this.#graph.nodes.some(n => n.name === t.text && n.state === "alive"));
      this.#tree = (living[0] ?? trees[0])?.id ?? null;
    }
    const options = trees.map(t => new Option(t.text, t.id));
    options.push(new Option("all trees", ""));
    at("root").replaceChildren(...options);
    at("root").value = this.#tree ?? "";
  }

  #reshape(fresh) {
    if (!this.#graph) return;
    const before = this.#shape;
    this.#shape = shape(this.#graph, this.#tree);
    if (fresh || before === null || before.key !== this.#shape.key) {
      this.#layout.set(this.#shape.names, this.#shape.edges.map(e => ({ a: e.a, b: e.b, strong: e.strong })), this.#shape.root, fresh);
    }
    at("tree-caption").textContent = sentence(this.#graph, this.#shape);
    if (this.#chosen !== null && !this.#shape.names.includes(this.#chosen)) this.#chosen = null;
    this.#describe();
    this.#fillTable();
    this.#redraw();
  }

  #redraw() {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => { this.#frame = 0; this.#draw(); });
  }

  #draw() {
    if (!this.#shape || this.#shape.names.length === 0) return;
    const more = this.#layout.run(stillness() ? 12 : kSlice);
    if (more) this.#redraw();
    if (more && stillness() && this.#layout.heat > 0.9) return;  // not while everything moves
    const canvas = this.#canvas, ratio = devicePixelRatio, width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    if (!this.#view.own) this.#frameAll(width, height);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.#drawEdges(pen);
    this.#drawNodes(pen);
  }

  #frameAll(width, height) {
    const { x, y } = this.#layout, count = x.length;
    const left = Math.min(...x), right = Math.max(...x), top = Math.min(...y), bottom = Math.max(...y);
    const side = count <= kLabels ? 70 : 24;
    const scale = Math.min(1.6, (width - side) / Math.max(1, right - left), (height - 48) / Math.max(1, bottom - top));
    Object.assign(this.#view, { scale: Math.max(0.05, scale), x: width / 2 - (left + right) / 2 * scale, y: height / 2 - (top + bottom) / 2 * scale });
  }
  #screen(i) { return [this.#layout.x[i] * this.#view.scale + this.#view.x, this.#layout.y[i] * this.#view.scale + this.#view.y]; }

  #drawEdges(pen) {
    const ink = colours(), { edges, names } = this.#shape, looked = this.#chosen ?? this.#hovered;
    const lines = (wanted, style) => {
      Object.assign(pen, style);
      pen.setLineDash(style.dash ?? []);
      pen.beginPath();
      for (const edge of edges) {
        if (!wanted(edge)) continue;
        pen.moveTo(...this.#screen(edge.a));
        pen.lineTo(...this.#screen(edge.b));
      }
      pen.stroke();
    };
    const of = edge => looked !== null && (names[edge.a] === looked || names[edge.b] === looked);
    const many = names.length > kLabels;
    if (at("lazy").checked) {
      lines(e => !e.strong && !of(e), { strokeStyle: ink.third, lineWidth: 1, globalAlpha: many ? 0.16 : 0.55, dash: many ? [] : [4, 4] });
      lines(e => !e.strong && of(e), { strokeStyle: ink.ink, lineWidth: 1.3, globalAlpha: 0.9, dash: [4, 4] });
    }
    lines(e => e.strong && !of(e), { strokeStyle: ink.accent, lineWidth: many ? 1.4 : 2.4, globalAlpha: 0.9 });
    lines(e => e.strong && of(e), { strokeStyle: ink.accent, lineWidth: many ? 2.6 : 3.8, globalAlpha: 1 });
    pen.globalAlpha = 1;
    pen.setLineDash([]);
  }

  #drawNodes(pen) {
    const ink = colours(), { names, nodes, root } = this.#shape, many = names.length > kLabels;
    const size = many ? Math.max(2.6, Math.min(6, 7 * this.#view.scale)) : 7;
    pen.font = "12px system-ui, sans-serif";
    pen.textAlign = "center";
    names.forEach((name, i) => {
      const [x, y] = this.#screen(i), { state } = nodes[i], radius = i === root ? size * 1.35 : size;
      const looked = name === this.#chosen || name === this.#hovered;
      outline(pen, x, y, radius, state === "suspect");
      pen.fillStyle = state === "dead" ? ink.card : state === "suspect" ? ink.warn : nodes[i].link ? ink.good : ink.third;
      pen.fill();
      pen.lineWidth = 2;
      if (state === "dead") {
        pen.strokeStyle = ink.bad;
        pen.stroke();
        cross(pen, x, y, radius * 0.5);
      }
      if (name === this.#graph.self || looked) {
        pen.strokeStyle = ink.ink;
        pen.beginPath();
        pen.arc(x, y, radius + 3, 0, 7);
        pen.stroke();
      }
      if (!many || looked || name === this.#graph.self || i === root || state !== "alive") label(pen, ink, shorten(name), x, y + radius + 14);
    });
  }

  #zoom(by) {
    const { clientWidth: width, clientHeight: height } = this.#canvas, view = this.#view;
    const scale = Math.max(0.05, Math.min(8, view.scale * by)), real = scale / view.scale;
    Object.assign(view, { scale, x: width / 2 + (view.x - width / 2) * real, y: height / 2 + (view.y - height / 2) * real, own: true });
    this.#redraw();
  }
  #fit() { this.#view.own = false; this.#redraw(); }

  #nearest(event) {
    if (!this.#shape) return null;
    const box = this.#canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, least = 18;
    this.#shape.names.forEach((name, i) => {
      const [nx, ny] = this.#screen(i), distance = Math.hypot(nx - x, ny - y);
      if (distance < least) least = distance, best = name;
    });
    return best;
  }

  #hover(event) {
    if (event.buttons === 1 && event.pointerType === "mouse") {
      this.#dragged ||= Math.abs(event.movementX) + Math.abs(event.movementY) > 1;
      Object.assign(this.#view, { x: this.#view.x + event.movementX, y: this.#view.y + event.movementY, own: true });
      return this.#redraw();
    }
    const name = this.#nearest(event);
    this.#canvas.title = name ?? "";
    if (name !== this.#hovered) this.#hovered = name, this.#redraw();
  }

  #key(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.altKey || event.metaKey || !this.#shape) return;
    if (event.key in ways) this.#choose(this.#towards(...ways[event.key]));
    else if (event.key === "Home") this.#choose(this.#shape.names[this.#shape.root] ?? this.#graph.self);
    else if (event.key === "Escape") this.#choose(null);
    else if (event.key === "+" || event.key === "=") this.#zoom(1.3);
    else if (event.key === "-") this.#zoom(1 / 1.3);
    else if (event.key === "0") this.#fit();
    else return;
    event.preventDefault();
  }

  // The next node in that direction: near, and not far off the line.
  #towards(dx, dy) {
    const { names, root } = this.#shape, from = names.indexOf(this.#chosen);
    if (from < 0) return names[root] ?? this.#graph.self;
    const [x, y] = this.#screen(from);
    let best = this.#chosen, least = Infinity;
    names.forEach((name, i) => {
      const [nx, ny] = this.#screen(i), ahead = (nx - x) * dx + (ny - y) * dy, aside = Math.abs((nx - x) * dy) + Math.abs((ny - y) * dx);
      if (ahead > 1 && ahead + 2 * aside < least) least = ahead + 2 * aside, best = name;
    });
    return best;
  }

  #choose(name) {
    this.#chosen = name;
    this.#describe();
    this.#redraw();
  }

  #describe() {
    const text = this.#chosen === null ? "Choose a member to see its links." : memberSentence(this.#shape, this.#chosen);
    if (at("graph-detail").textContent !== text) at("graph-detail").textContent = text;
  }

  #fillTable() {
    if (!at("graph-data").open || !this.#shape) return;
    const { edges, names } = this.#shape;
    const rows = [...edges].sort((a, b) => names[a.a].localeCompare(names[b.a]) || names[a.b].localeCompare(names[b.b])).map(e => {
      const row = make("tr");
      for (const text of [names[e.a], names[e.b], e.strong ? "eager" : "lazy", e.roles[0] ?? "–", e.roles[1] ?? "–"]) row.append(make("td", text));
      row.append(make("td", ms(e.rtt), "n"));
      return row;
    });
    at("edges").replaceChildren(...rows);
  }
}

// What of a graph belongs to one tree (an id), or to all of them ("").
function shape(graph, tree) {
  const number = graph.trees.findIndex(t => t.tree === tree), all = tree === "" || number < 0;
  const names = graph.nodes.map(n => n.name);
  const eager = e => all ? e.roles.includes("eager") : e.trees.includes(number);
  const edges = graph.edges.map(e => ({ a: e.a, b: e.b, roles: e.roles, rtt: e.rtt_ms, strong: eager(e) }));
  const root = all ? -1 : names.indexOf(graph.trees[number].root);
  return { all, names, nodes: graph.nodes, edges, root, ...reach(graph, edges, root), parents: graph.nodes.map(n => all ? null : n.parents[number]),
           key: JSON.stringify([names, edges.map(e => [e.a, e.b, e.strong])]) };
}

// How far the eager links lead from the root, or from this node.
function reach(graph, edges, root) {
  const near = graph.nodes.map(() => []);
  for (const { a, b, strong } of edges) if (strong) near[a].push(b), near[b].push(a);
  const alive = i => graph.nodes[i].state === "alive" && graph.nodes[i].link;
  let start = root >= 0 && alive(root) ? root : graph.nodes.findIndex(n => n.name === graph.self);
  if (start < 0) start = 0;
  const depth = new Map([[start, 0]]), queue = [start];
  for (const node of queue) for (const next of near[node]) if (!depth.has(next)) depth.set(next, depth.get(node) + 1), queue.push(next);
  const living = graph.nodes.map((_, i) => i).filter(alive);
  return { depth, living: living.length, lost: living.filter(i => !depth.has(i)).map(i => graph.nodes[i].name) };
}

const hops = n => n + (n === 1 ? " hop" : " hops");
const few = names => names.slice(0, 5).join(", ") + (names.length > 5 ? " and " + (names.length - 5) + " more" : "");

function sentence(graph, s) {
  const strong = s.edges.filter(e => e.strong).length;
  const whose = s.all ? "All trees together reach " : "The tree of " + (s.names[s.root] ?? "an unknown root") + " reaches ";
  let text = whose + (s.living - s.lost.length) + " of " + s.living + " living members, at most " + hops(Math.max(0, ...s.depth.values())) + " away, over " +
    strong + " eager links; " + (s.edges.length - strong) + " are lazy.";
  if (s.lost.length > 0) text += " Not reached: " + few(s.lost) + ".";
  if (graph.silent.length > 0) text += " No answer from " + few(graph.silent) + ".";
  if (graph.left_off > 0) text += " Members left " + graph.left_off + " trees out of their answers.";
  return text;
}

function memberSentence(s, name) {
  const self = s.names.indexOf(name), node = s.nodes[self];
  const links = s.edges.filter(e => e.a === self || e.b === self);
  const list = strong => links.filter(e => e.strong === strong).map(e => s.names[e.a === self ? e.b : e.a] + (e.rtt === null ? "" : " (" + ms(e.rtt) + " ms)")).sort();
  const parent = s.parents[self];
  const part = (word, names) => names.length > 0 ? " " + word + ": " + names.slice(0, 12).join(", ") + (names.length > 12 ? " and " + (names.length - 12) + " more" : "") + "." : "";
  return name + " is " + node.state + (node.zone ? ", zone " + node.zone : "") + (self === s.root ? ", the root" : parent !== null ? ", parent " + s.names[parent] : "") +
    (s.depth.has(self) ? ", " + hops(s.depth.get(self)) + " from the start" : "") + "." + part("Eager", list(true)) + part("Lazy", list(false));
}

const shorten = name => name.length > 18 ? name.slice(0, 17) + "…" : name;

function label(pen, ink, text, x, y) {
  pen.lineWidth = 3;
  pen.strokeStyle = ink.card;
  pen.strokeText(text, x, y);
  pen.fillStyle = ink.ink;
  pen.fillText(text, x, y);
}

// A circle, or a diamond: colour alone does not tell states apart.
function outline(pen, x, y, radius, diamond) {
  pen.beginPath();
  if (!diamond) return pen.arc(x, y, radius, 0, 7);
  pen.moveTo(x, y - radius * 1.3);
  for (const [dx, dy] of [[1, 0], [0, 1], [-1, 0]]) pen.lineTo(x + dx * radius * 1.3, y + dy * radius * 1.3);
  pen.closePath();
}

function cross(pen, x, y, size) {
  pen.beginPath();
  pen.moveTo(x - size, y - size);
  pen.lineTo(x + size, y + size);
  pen.moveTo(x + size, y - size);
  pen.lineTo(x - size, y + size);
  pen.stroke();
}
