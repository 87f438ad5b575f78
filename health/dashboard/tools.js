// Small things that all parts of the page use. Names of members are foreign text: it gets into the page as text only.

export const at = id => document.getElementById(id);

export function make(tag, text, cls) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (cls) element.className = cls;
  return element;
}

const kPills = new Set(["healthy", "degraded", "unhealthy", "alive", "suspect", "dead", "left", "up", "dialling", "greeting", "draining"]);
export const pill = word => make("span", word, "pill" + (kPills.has(word) ? " " + word : ""));

export const ms = value => value === null || value === undefined ? "–" : value < 10 ? value.toFixed(2) : value.toFixed(1);
export const percent = ratio => (ratio * 100).toFixed(ratio < 0.0995 ? 1 : 0) + " %";
export function bytes(n) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (n < 1024) return (unit === "B" ? n.toFixed(0) : n.toFixed(1)) + " " + unit;
    n /= 1024;
  }
  return n.toFixed(1) + " TiB";
}
export const age = s => s < 90 ? Math.max(0, s).toFixed(0) + " s" : s < 5400 ? (s / 60).toFixed(0) + " min" : s < 172800 ? (s / 3600).toFixed(1) + " h" : (s / 86400).toFixed(1) + " d";
export function count(n) {
  if (n < 10) return n.toFixed(n % 1 === 0 ? 0 : 1);
  if (n < 10000) return n.toFixed(0);
  return n < 1e6 ? (n / 1e3).toFixed(1) + " k" : (n / 1e6).toFixed(1) + " M";
}

// Colours as canvas wants them, for the theme as it is now.
let known = null;
export function colours() {
  if (known) return known;
  const probe = make("span");
  document.body.append(probe);
  known = {};
  for (const name of ["ink", "soft", "line", "card", "accent", "second", "third", "good", "warn", "bad"]) {
    probe.style.color = "var(--" + name + ")";
    known[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return known;
}
export const forgetColours = () => { known = null; };

const still = matchMedia("(prefers-reduced-motion: reduce)");
export const stillness = () => still.matches;
