/**
 * One reader's day on the demo: reads that follow a site's recorded day, through the cache and over the network to the
 * edge server, while its values go on changing. Run it by `cargo xtask bench session`, which starts the server and the
 * simulated upstream.
 *
 *   EDGE_URL=http://127.0.0.1:8080 DAY=day.json node cache-wasm/bench/session.mjs --json target/bench/session.json
 *
 * The recorded keys are laid on those of the demo's board, the first that is read on the first, and so on round. Each
 * read is a `fetch`; it hits when no request is made for it. The best possible is what a cache of as many entries
 * can have that knows all reads beforehand (Belady), and asks the server for each first one: what is pushed or read
 * ahead goes beyond it.
 */

import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";

import { createCache } from "../dist/index.js";

/** Of the distinct keys that are read, how many the cache has room for. */
const ROOMS = { "room for a tenth": 0.1, "room for a half": 0.5, "room for all": 1 };
const SCOPES = ["sport:nba:props:", "sport:mlb:props:"];

const { values } = parseArgs({ options: { runs: { type: "string" }, json: { type: "string" } } });
const url = process.env.EDGE_URL;
const day = process.env.DAY;
if (url === undefined || day === undefined) throw new Error("EDGE_URL and DAY must be set: run `cargo xtask bench session`");

const board = await boardKeys();
const recorded = JSON.parse(await readFile(day, "utf8"));
const numbers = new Map();
for (const key of recorded) if (!numbers.has(key)) numbers.set(key, numbers.size);
const reads = recorded.map((key) => board[numbers.get(key) % board.length]);
const distinct = new Set(reads).size;

const environments = {};
for (const [room, part] of Object.entries(ROOMS)) {
  const max = Math.max(1, Math.round(distinct * part));
  const best = belady(reads, max) / reads.length;
  const rows = [row("best possible", best, best)];
  for (const [name, options] of [
    ["this cache", { prefetch: false }],
    ["and reads ahead", {}],
    ["and follows the board", { follows: true }],
  ]) {
    rows.push(row(name, await hitRate(max, options), best));
  }
  environments[`${room} (${max} of ${distinct} keys, ${reads.length} reads)`] = { rows };
}
const report = { name: "session", unit: "% of reads that hit", subject: "best possible", environments };
if (values.json === undefined) console.log(JSON.stringify(report, null, 2));
else await writeFile(values.json, JSON.stringify(report, null, 2));
process.exit(0);

function row(name, rate, best) {
  const share = `${((100 * rate) / best).toFixed(1)} % of the best possible`;
  return { name: rate === best ? name : `${name}: ${share}`, samples: [100 * rate] };
}

/** Every key of the demo's board, once there are some. */
async function boardKeys() {
  for (let attempt = 0; attempt < 100; attempt++) {
    const answers = await Promise.all(SCOPES.map((scope) => fetch(`${url}/v1/entries?scope=${encodeURIComponent(scope)}`)));
    const found = (await Promise.all(answers.map((answer) => answer.json()))).flatMap(({ items }) => items ?? []);
    if (found.length > 0) return found.map(({ key }) => key).sort();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} has nothing under ${SCOPES.join(" and ")}`);
}

async function hitRate(max, { follows = false, ...options }) {
  // Lines leave the board while it is read: that one is gone is an answer, too.
  const categories = { props: { max, absentTtl: 60_000 } };
  const cache = await createCache({ url, WebSocket, categories, ...options });
  try {
    // Without a category: what is pushed keeps true what was asked for, and takes nobody's place.
    if (follows) for (const scope of SCOPES) cache.subscribe(scope, () => {});
    let hits = 0;
    for (const key of reads) {
      const { started } = cache.stats().fills;
      await cache.fetch("props", key);
      if (cache.stats().fills.started === started) hits++;
    }
    return hits / reads.length;
  } finally {
    cache.close();
  }
}

/** The hits of a cache of so many entries that knows every read beforehand, and may refuse a newcomer. */
function belady(keys, capacity) {
  const next = new Array(keys.length);
  const seen = new Map();
  for (let i = keys.length - 1; i >= 0; i--) {
    next[i] = seen.get(keys[i]) ?? Infinity;
    seen.set(keys[i], i);
  }
  const held = new Map();
  let hits = 0;
  for (const [i, key] of keys.entries()) {
    if (held.has(key)) hits++;
    if (next[i] === Infinity) {
      held.delete(key);
      continue;
    }
    held.set(key, next[i]);
    if (held.size > capacity) {
      let farthest = key;
      for (const [other, use] of held) if (use > held.get(farthest)) farthest = other;
      held.delete(farthest);
    }
  }
  return hits;
}
