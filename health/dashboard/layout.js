// Where the nodes of a graph are drawn. The start is a fan of the tree around its root, the same at every visit; forces
// then pull linked nodes together and push all apart, a few milliseconds at a time. Nodes that stay keep their place.

const kLength = 56;   // of an edge of the tree
const kCool = 0.985;  // heat that a step leaves
const kStill = 0.02;  // heat at which nodes rest
const kPairs = 700;   // nodes that push each other in full; of more, each step takes a share

export class Layout {
  names = [];
  x = [];
  y = [];
  heat = 0;
  #index = new Map();
  #edges = [];
  #share = 0;

  // `edges`: {a, b, strong} by places in `names`. `fresh`: forget the places there are.
  set(names, edges, root, fresh) {
    const old = fresh ? new Map() : new Map(this.names.map((name, i) => [name, [this.x[i], this.y[i]]]));
    const near = names.map(() => []);
    for (const { a, b, strong } of edges) if (strong) near[a].push(b), near[b].push(a);
    const fan = old.size === 0 ? fanOut(near, root) : null;
    this.names = names;
    this.#index = new Map(names.map((name, i) => [name, i]));
    const places = names.map((name, i) => fan ? fan[i] : old.get(name) ?? beside(near[i].map(n => old.get(names[n])).find(Boolean), i));
    this.x = places.map(p => p[0]);
    this.y = places.map(p => p[1]);
    this.vx = names.map(() => 0);
    this.vy = names.map(() => 0);
    this.#edges = edges.map(e => ({ ...e, pull: (e.strong ? 0.9 : 0.015) / Math.max(1, Math.min(near[e.a].length, near[e.b].length)) }));
    this.heat = Math.max(this.heat, fan ? 1 : 0.25);
  }

  // Goes on for so many milliseconds. True: there is more to do.
  run(milliseconds) {
    const end = performance.now() + milliseconds;
    while (this.heat > kStill && performance.now() < end) this.#step();
    return this.heat > kStill;
  }

  #step() {
    const { x, y, vx, vy, heat } = this, count = x.length;
    const stride = Math.ceil(count / kPairs);
    this.#share = (this.#share + 1) % stride;
    for (let i = 0; i < count; ++i) {
      for (let j = i + 1 + this.#share; j < count; j += stride) {
        const dx = x[j] - x[i] || 0.01 * (i - j), dy = y[j] - y[i] || 0.01;
        const push = heat * stride * 220 / Math.max(30, dx * dx + dy * dy);
        vx[i] -= dx * push, vy[i] -= dy * push, vx[j] += dx * push, vy[j] += dy * push;
      }
      vx[i] -= x[i] * 0.008 * heat, vy[i] -= y[i] * 0.018 * heat;  // drawings are wide
    }
    for (const { a, b, pull } of this.#edges) {
      const dx = x[b] - x[a], dy = y[b] - y[a], distance = Math.hypot(dx, dy) || 1;
      const by = (distance - kLength) / distance * pull * heat / 2;
      vx[a] += dx * by, vy[a] += dy * by, vx[b] -= dx * by, vy[b] -= dy * by;
    }
    for (let i = 0; i < count; ++i) {
      vx[i] *= 0.55, vy[i] *= 0.55;
      x[i] += Math.max(-30, Math.min(30, vx[i])), y[i] += Math.max(-30, Math.min(30, vy[i]));
    }
    this.heat *= kCool;
  }

  place(name) {
    const i = this.#index.get(name);
    return i === undefined ? null : [this.x[i], this.y[i]];
  }
}

function beside(place, i) {
  const angle = i * 2.4;
  return place ? [place[0] + 20 * Math.cos(angle), place[1] + 20 * Math.sin(angle)] : [180 * Math.cos(angle), 180 * Math.sin(angle)];
}

// Each subtree gets a sector as wide as it has leaves; what the tree does not reach goes around it.
function fanOut(near, root) {
  const parent = new Array(near.length).fill(-1), order = [], depth = [];
  const visit = start => {
    parent[start] = start, depth[start] = 0;
    const queue = [start];
    for (const node of queue) {
      order.push(node);
      for (const next of near[node]) if (parent[next] < 0) parent[next] = node, depth[next] = depth[node] + 1, queue.push(next);
    }
  };
  if (near.length > 0) visit(root >= 0 ? root : 0);
  const reached = order.length;
  const leaves = new Array(near.length).fill(0);
  for (const node of [...order].reverse()) {
    leaves[node] ||= 1;
    if (parent[node] !== node) leaves[parent[node]] += leaves[node];
  }
  const places = new Array(near.length), from = new Array(near.length);
  const ring = Math.max(kLength, reached * 2);
  for (const node of order) {
    if (parent[node] === node) from[node] = 0;
    const wide = 2 * Math.PI / Math.max(1, leaves[order[0]]);
    let at = from[node];
    for (const next of near[node]) if (parent[next] === node && next !== node) from[next] = at, at += leaves[next] * wide;
    const angle = from[node] + leaves[node] * wide / 2, radius = depth[node] * ring;
    places[node] = [radius * Math.cos(angle), radius * Math.sin(angle)];
  }
  const far = (Math.max(0, ...depth.filter(d => d !== undefined)) + 1.5) * ring;
  for (let i = 0; i < near.length; ++i) places[i] ??= [far * Math.cos(i * 2.4), far * Math.sin(i * 2.4)];
  return places;
}
