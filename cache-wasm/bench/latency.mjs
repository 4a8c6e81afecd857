/**
 * How late a commit is in a page: from the moment that a value was due to be committed to the application's callback, in
 * Chromium on this machine, at 1,000 changes a second. Run it by `cargo xtask bench latency`, which builds the server.
 *
 *   EDGE_SERVER_BIN=target/release/edge-server node cache-wasm/bench/latency.mjs --runs 3 --json target/bench/latency.json
 *
 * Every 10 ms one request of 10 values goes to `POST /v1/ingest`. A value says when it was due; what the request and the
 * commit take is counted, and so is what this script is late. Against a bare WebSocket that parses JSON and keeps nothing.
 * The clocks of script and page are two; they are compared before each run, and how far they may be apart is reported.
 */

import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import { openChromium } from "./chromium.mjs";
import { serveBundle } from "./serve-bundle.mjs";

const CONTENDERS = ["this cache", "a bare WebSocket"];
const EVERY_MS = 10;
const VALUES = 10;
const KEYS = 1_000;
const RUN_MS = 6_000;
/** At first code is compiled, and buffers grow. */
const WARMUP_MS = 2_000;

const { values } = parseArgs({ options: { runs: { type: "string", default: "3" }, json: { type: "string" } } });
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs is a whole number from 1 on, not ${values.runs}`);
const program = process.env.EDGE_SERVER_BIN;
if (program === undefined) throw new Error("EDGE_SERVER_BIN names no server: run `cargo xtask bench latency`");

const now = () => performance.timeOrigin + performance.now();
const agent = new Agent({ keepAlive: true, maxSockets: 4 });
const server = await startServer();
const site = await serveBundle(new URL("./latency-page.mjs", import.meta.url));
const browser = await openChromium();
const tables = { p50: {}, p99: {}, max: {} };
const busy = { "the page's thread": {}, "the server's core": {} };
let apart = 0;
let key = 0;
try {
  for (let run = 0; run < runs; run++) {
    for (const contender of CONTENDERS) {
      const measured = await measure(contender);
      apart = Math.max(apart, measured.apart);
      measured.heard.sort((a, b) => a - b);
      const at = (share) => measured.heard[Math.min(measured.heard.length - 1, Math.floor(share * measured.heard.length))];
      for (const [name, share] of [["p50", 0.5], ["p99", 0.99], ["max", 1]]) (tables[name][contender] ??= []).push(at(share));
      for (const [name, share] of Object.entries(measured.busy)) (busy[name][contender] ??= []).push(100 * share);
    }
  }
} finally {
  await browser.close();
  await site.close();
  agent.destroy();
  server.child.kill();
}

const rows = (table) => Object.entries(table).map(([name, samples]) => ({ name, samples }));
const note = `1,000 changes/s for ${RUN_MS / 1_000} s a sample; the clocks are within ${apart.toFixed(2)} ms of each other`;
const environments = {};
for (const [name, table] of Object.entries(tables)) environments[`chromium, ${name}`] = { note, rows: rows(table) };
for (const [name, table] of Object.entries(busy)) environments[name] = { unit: "% busy", note, rows: rows(table) };
const text = JSON.stringify({ name: "latency", unit: "ms", subject: CONTENDERS[0], environments }, null, 2);
if (values.json === undefined) console.log(text);
else await writeFile(values.json, text);
process.exit(0);

async function startServer() {
  const child = spawn(program, ["--listen", "127.0.0.1:0", "--set", "cors_origins=*"], {
    env: { ...process.env, RUST_LOG: "warn" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /listening on (http:\S+)/.exec(line)?.[1];
    if (url !== undefined) return { child, url };
  }
  throw new Error("the server ended before it listened");
}

/** Seconds of a core that the server took so far. */
async function serverSeconds() {
  const fields = (await readFile(`/proc/${server.child.pid}/stat`, "utf8")).split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function measure(contender) {
  const page = await browser.newPage();
  try {
    const failures = [];
    page.on("pageerror", (error) => failures.push(error.message));
    await page.goto(site.url);
    const call = (name, ...args) =>
      page.evaluate(async ([module, name, args]) => (await import(module))[name](...args), [site.module, name, args]);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Performance.enable");
    const pageSeconds = async () => {
      const { metrics } = await devtools.send("Performance.getMetrics");
      return metrics.find(({ name }) => name === "TaskDuration").value;
    };
    await call("follow", contender, server.url);
    const hear = async (sent) => {
      const heard = [];
      for (let patience = 100; heard.length < sent && patience > 0; patience--) {
        heard.push(...(await call("take")));
        if (heard.length < sent) await new Promise((resolve) => setTimeout(resolve, 50));
      }
      if (failures.length > 0) throw new Error(`${contender}: ${failures[0]}`);
      if (heard.length !== sent) throw new Error(`${contender}: ${heard.length} of ${sent} changes were heard`);
      return heard;
    };
    await hear(await publish(WARMUP_MS));
    const { ahead, apart } = await compareClocks(() => call("now"));
    const before = { page: await pageSeconds(), server: await serverSeconds(), at: now() };
    const sent = await publish(RUN_MS);
    const seconds = (now() - before.at) / 1_000;
    const busy = {
      "the page's thread": ((await pageSeconds()) - before.page) / seconds,
      "the server's core": ((await serverSeconds()) - before.server) / seconds,
    };
    const heard = await hear(sent);
    await call("end");
    return { heard: heard.map((late) => late - ahead), apart, busy };
  } finally {
    await page.close();
  }
}

/** By how much the page's clock is ahead of this one, and how wrong that may be at most: half of the quickest exchange. */
async function compareClocks(ask) {
  let best = { ahead: 0, apart: Infinity };
  for (let round = 0; round < 50; round++) {
    const before = now();
    const there = await ask();
    const after = now();
    if ((after - before) / 2 < best.apart) best = { ahead: there - (before + after) / 2, apart: (after - before) / 2 };
  }
  return best;
}

/** Commits for so long, in time whatever becomes of it, and says how many values that were once all are committed. */
async function publish(duration) {
  const begun = now();
  const requests = [];
  for (let turn = 0; turn * EVERY_MS < duration; turn++) {
    const due = begun + turn * EVERY_MS;
    const early = due - now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    let lines = "";
    for (let i = 0; i < VALUES; i++) {
      key = (key + 1) % KEYS;
      lines += `{"key":"sport:bench:props:player:${key}:points","value":{"at":${due},"line":${(turn % 80) + 0.5},"n":${turn}}}\n`;
    }
    requests.push(post(lines));
  }
  await Promise.all(requests);
  return requests.length * VALUES;
}

function post(body) {
  return new Promise((resolve, reject) => {
    const sent = request(`${server.url}/v1/ingest`, { method: "POST", agent, headers: { "content-length": body.length } });
    sent.on("error", reject);
    sent.on("response", (answer) => {
      answer.resume();
      answer.on("end", () => (answer.statusCode === 200 ? resolve() : reject(new Error(`ingest: ${answer.statusCode}`))));
    });
    sent.end(body);
  });
}
