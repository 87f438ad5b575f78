// What the dashboard has to show and to be. Usage: node page_test.js CHROMIUM FOLDER HTTP1 PID1 HTTP2 PID3: the page is that of agent 1,
// messages are published at agent 2, agent 3 is killed, and agent 1 last.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { MadeUp, serve } from "./mock.js";

const require = createRequire(join(process.env.PLUMVINE_PAGE_MODULES, "/"));
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");
const [program, folder, first, firstPid, second, thirdPid] = process.argv.slice(2);
const kSources = join(dirname(fileURLToPath(import.meta.url)), "../../health/dashboard");
const kPatience = 30_000;

let browser;
const visits = [];  // every page that was opened: {page, origin, requests, complaints}

async function visit(address, { width = 1280, height = 900, scheme = "light", motion = "no-preference" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: motion, bypassCSP: false });
  const page = await context.newPage();
  page.setDefaultTimeout(kPatience);
  const seen = { page, origin: "http://" + address, requests: [], complaints: [] };
  page.on("request", request => seen.requests.push(request.url()));
  page.on("console", message => { if (["error", "warning"].includes(message.type())) seen.complaints.push(message.text()); });
  page.on("pageerror", error => seen.complaints.push(error.stack));
  page.on("requestfailed", request => { if (!request.url().endsWith("/live")) seen.complaints.push(request.url() + " failed"); });
  visits.push(seen);
  await page.goto(seen.origin + "/");
  return page;
}

const caption = (page, text) => page.waitForFunction(wanted => document.getElementById("tree-caption").textContent.includes(wanted), text, { timeout: kPatience });
const stateOf = (page, name) => page.evaluate(wanted => [...document.querySelectorAll("#member-table tbody tr")].find(row => row.cells[0].textContent.startsWith(wanted))?.cells[1].textContent, name);
const shown = (page, name, state) => page.waitForFunction(([n, s]) => [...document.querySelectorAll("#member-table tbody tr")].some(r => r.cells[0].textContent.startsWith(n) && r.cells[1].textContent === s),
  [name, state], { timeout: kPatience, polling: 50 });
async function shoot(page, name) {
  await page.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
  await page.screenshot({ path: join(folder, name + ".png"), fullPage: true });
}
const drawn = page => page.waitForFunction(() => {
  const canvas = document.getElementById("graph"), { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });  // reading the canvas itself is slow, and complained of
  copy.drawImage(canvas, 0, 0);
  return copy.getImageData(0, 0, width, height).data.some((value, i) => i % 4 === 3 && value > 0);
}, null, { timeout: kPatience });

// `options` are axe's: of hundreds of rows the contrast is that of five, and takes minutes to look at.
async function accessible(page, what, options = {}) {
  await page.evaluate(await (await import("node:fs/promises")).readFile(axe, "utf8"));
  const { violations } = await page.evaluate(options => globalThis.axe.run(document, options), options);
  const serious = violations.filter(v => ["serious", "critical"].includes(v.impact));
  assert.deepEqual(serious.map(v => `${v.id}: ${v.help} (${v.nodes.map(n => n.target + " " + (n.any[0]?.message ?? "")).join("; ")})`), [], what);
  for (const v of violations) console.log(`  ${what}: ${v.impact}: ${v.id}: ${v.nodes.map(n => n.target).join(" ")}`);
}

const cases = {
  async "five members, their tree, and what is published elsewhere"(page) {
    for (const name of ["n1", "n2", "n3", "n4", "n5"]) await shown(page, name, "alive");
    await page.selectOption("#root", "");
    await caption(page, "reach 5 of 5 living members");
    for (let i = 0; i < 300; ++i) assert.equal((await fetch(`http://${second}/publish/t`, { method: "POST", body: "x".repeat(200) })).status, 202);
    await page.waitForFunction(() => /^delivered [1-9]/.test(document.getElementById("values-rate").textContent), null, { polling: 100 });
    await page.waitForFunction(() => /^mean [12]/.test(document.getElementById("values-hops").textContent));
    await page.waitForFunction(() => /^median [0-9.]+ ms99 % [0-9.]+ ms$/.test(document.getElementById("values-latency").textContent) || document.getElementById("chart-latency").ariaLabel.includes("median"));
    assert.equal(await page.textContent("#status"), "healthy");
    assert.equal(await page.locator("#link-table tbody tr").count(), 4);
    assert.ok(await page.locator("#event-list li .code").count() > 0);
    await page.click("#graph-data summary");
    await page.waitForFunction(() => document.querySelectorAll("#edges tr").length >= 4);
    await page.click("#graph-data summary");
    await drawn(page);
    await shoot(page, "five-light-1280");
  },

  async "by keyboard alone"(page) {
    const seen = [];
    await page.reload();  // focus begins at the top
    await drawn(page);
    for (let i = 0; i < 80; ++i) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const element = document.activeElement;
        return { id: element.id || element.getAttribute("href") || element.getAttribute("aria-label") || element.textContent, outline: getComputedStyle(element).outlineStyle, body: element === document.body };
      });
      if (at.body) break;
      assert.notEqual(at.outline, "none", at.id + " shows no focus");
      seen.push(at.id);
    }
    for (const id of ["#main", "#tree", "theme", "root", "lazy", "closer", "farther", "fit", "graph", "severity", "Events, the newest first", "window", "chart-rate", "chart-latency", "member-find", "member-state",
      "Table of members", "RTT ms", "Table of links", "/metrics", "/debug/history"]) assert.ok(seen.includes(id), id + " cannot be reached: " + seen.join(", "));
    await page.focus("#graph");
    await page.keyboard.press("Home");
    const root = await page.textContent("#graph-detail");
    assert.match(root, /^n\d is alive/);
    for (const key of ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "+", "-", "0"]) await page.keyboard.press(key);
    await page.keyboard.press("Home");
    for (const key of ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"]) {
      await page.keyboard.press(key);
      if (await page.textContent("#graph-detail") !== root) break;
    }
    assert.notEqual(await page.textContent("#graph-detail"), root);
    await page.keyboard.press("Escape");
    assert.match(await page.textContent("#graph-detail"), /^Choose/);
    await page.focus("#theme");
    for (const theme of ["light", "dark"]) {
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), theme);
    }
    await accessible(page, "dark by the button");
    await page.keyboard.press("Enter");
  },

  async "a killed member and the repaired tree within three seconds"(page) {
    await page.selectOption("#root", "");
    await caption(page, "reach 5 of 5 living members");
    process.kill(Number(thirdPid), "SIGKILL");
    const dead = async () => (await (await fetch(`http://${first}/members`)).json()).some(m => m.name === "n3" && m.state === "dead");
    while (!await dead()) await new Promise(done => setTimeout(done, 25));
    const known = Date.now();
    await Promise.all([shown(page, "n3", "dead"), caption(page, "reach 4 of 4 living members")]);
    const took = Date.now() - known;
    console.log(`  shown ${took} ms after the node knew`);
    assert.ok(took <= 3000, `it took ${took} ms`);
    await page.waitForFunction(() => document.getElementById("announce").textContent.includes("n3 is dead"));
    await page.waitForFunction(() => [...document.querySelectorAll("#event-list .text")].some(e => /n3/.test(e.textContent) && /dead/i.test(e.textContent)));
    await shoot(page, "five-killed-1280");
  },
};

async function eachLook(address, name, wanted, looks, options) {
  for (const [scheme, width] of looks) {
    const page = await visit(address, { scheme, width, height: width === 360 ? 740 : 900, motion: width === 360 ? "reduce" : "no-preference" });
    await caption(page, wanted);
    await drawn(page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${name} is ${wide} pixels wide in a window of ${width}`);
    await accessible(page, `${name}, ${scheme}, ${width}`, options);
    await shoot(page, `${name}-${scheme}-${width}`);
    await page.context().close();
  }
}

async function many() {
  const cluster = new MadeUp(500), node = await serve(kSources, cluster);
  const page = await visit(node.address);
  await caption(page, "reaches 500 of 500 living members");
  assert.equal(await page.locator("#member-table tbody tr").count(), 500);
  assert.equal(await page.locator("#member-table i").count(), 0);
  await page.fill("#member-find", "m499");
  assert.equal(await page.locator("#member-table tbody tr").count(), 1);
  await page.fill("#member-find", "");
  await page.click("#member-table th button:text('RTT ms')");
  await page.click("#member-table th button:text('RTT ms')");
  assert.equal(await page.getAttribute("#member-table th:nth-child(4)", "aria-sort"), "descending");
  node.kill(1);
  await shown(page, "m001", "dead");
  await caption(page, "reaches 499 of 499 living members");
  await page.selectOption("#member-state", "dead");
  assert.equal(await page.textContent("#member-count"), "1 of 500");
  assert.equal(await stateOf(page, "m001"), "dead");
  await page.selectOption("#window", "3600");
  await page.waitForFunction(() => /^delivered \d+published here \d+copies sent \d+/.test(document.getElementById("values-rate").textContent));
  await eachLook(node.address, "many", "reaches 499 of 499 living members", [["dark", 1280], ["light", 360]], { rules: { "color-contrast": { enabled: false } } });
  await page.context().close();
  node.close();
}

async function gone(page) {
  process.kill(Number(firstPid), "SIGKILL");
  await page.waitForFunction(() => document.getElementById("status").textContent === "no answer");
}

try {
  browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  const page = await visit(first);
  for (const [name, run] of Object.entries(cases)) {
    await run(page);
    console.log("ok: " + name);
  }
  await eachLook(first, "five", "of 4 living members", [["light", 1280], ["dark", 1280], ["light", 360], ["dark", 360]]);
  console.log("ok: five members, light and dark, wide and narrow");
  await many();
  console.log("ok: five hundred members");
  for (const { origin, requests, complaints } of visits) {
    assert.deepEqual(complaints, [], "the console has complaints");
    assert.deepEqual(requests.filter(url => new URL(url).origin !== origin), [], "requests to other origins");
    assert.ok(requests.length > 5);
  }
  console.log(`ok: ${visits.length} visits without a complaint, or a request to elsewhere`);
  await gone(page);
  console.log("ok: a node that does not answer is said to");
} catch (error) {
  console.error(error.stack.split("\n").slice(0, 8).join("\n"));
  for (const { page, complaints } of visits) {
    complaints.forEach(text => console.error("console: " + text));
    if (!page.isClosed()) await shoot(page, "failed").catch(() => {});
  }
  process.exitCode = 1;
} finally {
  await browser?.close();
}
