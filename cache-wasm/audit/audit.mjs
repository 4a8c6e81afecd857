/**
 * The auditor on the page's side: the real package in Node follows a server, changed keys are sampled, and 1, 5 and 60 s
 * later each is read through the cache and over HTTP, and held against what a connection of its own was told.
 *
 *   node cache-wasm/audit/audit.mjs --url http://127.0.0.1:8080 --seconds 90 [--scope sport:nba:props: ..] [--rate 20]
 *
 * `cargo xtask audit` builds the package and starts the demo's server where no URL is given. It prints a line for each way
 * of reading and horizon, then a verdict, and ends with 1 where there was a violation, or nothing was checked.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";

import { createCache } from "../dist/index.js";
import { follow } from "./announcements.mjs";
import { HORIZONS_MS, Ledger, Tally } from "./ledger.mjs";

const BOARD = ["sport:nba:props:", "sport:mlb:props:", "sport:mlb:games:"];
const { values } = parseArgs({
  options: {
    url: { type: "string" },
    seconds: { type: "string", default: "90" },
    rate: { type: "string", default: "20" },
    scope: { type: "string", multiple: true, default: BOARD },
  },
});
const { url, scope: scopes } = values;
const [seconds, rate] = [Number(values.seconds), Number(values.rate)];
if (url === undefined || !(seconds > 1) || !(rate > 0)) {
  throw new Error("--url is needed, --seconds over 1 and --rate over 0");
}

const ledger = new Ledger();
const ways = { cache: HORIZONS_MS.map(() => new Tally()), http: HORIZONS_MS.map(() => new Tally()) };
const cache = await createCache({ url, WebSocket, categories: { audited: { max: 100_000 } }, prefetch: false });
for (const scope of scopes) cache.subscribe(scope, () => {}, { category: "audited" });
const checks = [];
/** Keys that wait for their last check. */
const sampled = new Map();
const begun = performance.now();
const end = begun + seconds * 1_000;
let nextSample = 0;
let lost = 0;
let closed;
const violations = [];
const stop = follow(url, scopes, {
  changed(key, epoch, version, value) {
    const now = performance.now();
    if (now >= nextSample) {
      nextSample = now + 1_000 / rate;
      sample(key, version, now);
    }
    ledger.announce(key, epoch, version, value, now);
  },
  lost(scope) {
    lost++;
    ledger.lose((key) => key.startsWith(scope));
  },
  closed(code) {
    closed = code;
  },
});

while (performance.now() < end) {
  if (closed !== undefined) throw new Error(`the auditor's own connection was closed (${closed}): nothing can be said`);
  const due = [];
  for (let i = checks.length - 1; i >= 0; i--) if (checks[i].due <= performance.now()) due.push(...checks.splice(i, 1));
  await Promise.all(due.map(check));
  await sleep(20);
}
stop();
const { hits, misses } = cache.stats();
cache.close();
report();

function sample(key, version, now) {
  const fitting = HORIZONS_MS.flatMap((after, horizon) => (now + after < end ? [{ key, version, horizon, due: now + after }] : []));
  if (fitting.length === 0) return;
  ledger.track(key);
  sampled.set(key, (sampled.get(key) ?? 0) + fitting.length);
  checks.push(...fitting);
}

async function check({ key, version, horizon }) {
  const bound = ledger.bound(key, performance.now());
  if (bound === undefined) {
    ways.cache[horizon].count("unknown");
    ways.http[horizon].count("unknown");
  } else {
    const had = await throughCache(key);
    const answer = await overHttp(key, Ledger.min(bound));
    const trace = { key, after_ms: HORIZONS_MS[horizon], sampled: version, bound, http: answer };
    count("http", horizon, ledger.http(bound, version, answer), trace);
    const judged = had === undefined ? "unknown" : ledger.cache(key, bound, version, had, answer);
    count("cache", horizon, judged, { ...trace, cache: had });
  }
  const left = sampled.get(key) - 1;
  if (left > 0) return sampled.set(key, left);
  sampled.delete(key);
  ledger.forget(key);
}

function count(way, horizon, judged, trace) {
  const tally = ways[way][horizon];
  const before = tally.violations;
  tally.count(judged);
  if (tally.violations === before) return;
  violations.push({ way, why: judged, ...trace });
  console.error(`violation: ${JSON.stringify(violations.at(-1))}`);
}

/** The cache's value as JSON, `null` for none; undefined where there is no answer. */
async function throughCache(key) {
  try {
    const value = cache.get("audited", key) ?? (await cache.fetch("audited", key));
    return value === undefined ? null : JSON.stringify(value);
  } catch {
    return undefined;
  }
}

async function overHttp(key, min) {
  try {
    const response = await fetch(`${url}/v1/entries/${encodeURIComponent(key)}`, { headers: { "Cache-Min": min } });
    const asOf = response.headers.get("Cache-As-Of") ?? undefined;
    const text = await response.text();
    if (response.status === 404) return { asOf, value: null };
    if (response.status !== 200) return { asOf: undefined, status: response.status };
    return { asOf, version: Number(response.headers.get("Cache-Version")), value: JSON.stringify(JSON.parse(text)) };
  } catch {
    return { asOf: undefined };
  }
}

function report() {
  let judged = 0;
  for (const [way, tallies] of Object.entries(ways)) {
    for (const [i, tally] of tallies.entries()) {
      judged += tally.judged;
      console.log(`${way.padEnd(5)} ${String(HORIZONS_MS[i] / 1_000).padStart(2)} s  ${tally.text}`);
    }
  }
  console.log(`the cache hit ${hits} of ${hits + misses} reads; what was announced was lost sight of ${lost} times`);
  const verdict = judged === 0 ? "nothing was checked" : violations.length > 0 ? "inconsistent" : "consistent";
  console.log(`audit: ${verdict}, ${judged} checks, ${violations.length} violations`);
  process.exit(verdict === "consistent" ? 0 : 1);
}
