/**
 * Invalidating a scope among 100,000 keys, for scopes of three sizes: the cost is to grow with what is removed, not with
 * what is there. Run it by `cargo xtask bench invalidate`.
 *
 * Against lru-cache and a Map as applications use them for that: every key is looked at, and those that begin with the
 * scope are deleted.
 */

import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { LRUCache } from "lru-cache";

import { createCache } from "../dist/index.js";

const THERE = 100_000;
const REMOVED = [1_000, 10_000, 50_000];
const WARMUP_ROUNDS = 2;

const { values } = parseArgs({ options: { runs: { type: "string", default: "7" }, json: { type: "string" } } });
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs is a whole number from 1 on, not ${values.runs}`);

/** Keys of ten segments' depth or so, of which the first `removed` lie under the scope. */
function keysOf(removed) {
  return Array.from({ length: THERE }, (_, index) => {
    const league = index < removed ? "nba" : `l${index % 7}`;
    return `sport:${league}:game:${776_000 + (index % 300)}:props:player:${66_000 + index}:hits`;
  });
}
const SCOPE = "sport:nba:";

const contenders = {
  "this cache": async () => {
    const cache = await createCache({ categories: { props: { max: 2 * THERE } }, maxBytes: 256 * 1024 * 1024 });
    return {
      fill: async (keys) => {
        for (const [index, key] of keys.entries()) cache.set("props", key, { number: index });
        // What is due off the critical path, as naming the entries, is done before: a page has set them long ago.
        await new Promise((resolve) => setTimeout(resolve, 1_500));
      },
      invalidate: () => cache.invalidate({ scope: SCOPE }),
      size: () => cache.size,
    };
  },
  "lru-cache, every key looked at": async () => {
    const cache = new LRUCache({ max: 2 * THERE });
    return {
      fill: async (keys) => keys.forEach((key, index) => cache.set(key, { number: index })),
      invalidate: () => {
        for (const key of [...cache.keys()]) if (key.startsWith(SCOPE)) cache.delete(key);
      },
      size: () => cache.size,
    };
  },
  "Map, every key looked at": async () => {
    const map = new Map();
    return {
      fill: async (keys) => keys.forEach((key, index) => map.set(key, { number: index })),
      invalidate: () => {
        for (const key of map.keys()) if (key.startsWith(SCOPE)) map.delete(key);
      },
      size: () => map.size,
    };
  },
};

const environments = {};
for (const removed of REMOVED) {
  const keys = keysOf(removed);
  const rows = [];
  for (const [name, make] of Object.entries(contenders)) {
    const contender = await make();
    const samples = [];
    for (let round = -WARMUP_ROUNDS; round < runs; round++) {
      await contender.fill(keys);
      const begun = performance.now();
      contender.invalidate();
      const took = performance.now() - begun;
      if (contender.size() !== THERE - removed) throw new Error(`${name} holds ${contender.size()} entries afterwards`);
      if (round >= 0) samples.push(took * 1e3);
    }
    rows.push({ name, samples });
  }
  environments[`node, ${removed.toLocaleString("en")} of ${THERE.toLocaleString("en")}`] = { version: process.version, rows };
}
const text = JSON.stringify({ name: "invalidate", unit: "us", subject: "this cache", environments }, null, 2);
if (values.json === undefined) console.log(text);
else await writeFile(values.json, text);
process.exit(0);
