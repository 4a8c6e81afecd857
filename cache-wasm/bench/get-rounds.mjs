/**
 * One read that hits: 1,000 entries, keys of 45 characters, random order. Runs in Node and in a page alike.
 *
 * Every contender has a loop of its own, compiled apart from the others', so that none pays for what the engine learnt
 * from another. The sum of what was read is returned and checked: no read can be optimised away.
 *
 * All reads of a sample are made in one task. This cache, lru-cache and no other take one clock reading for all of
 * them; quick-lru and tiny-lru read the clock at every `get`.
 */

import { LRUCache } from "lru-cache";
import { LRUMap } from "mnemonist";
import QuickLRU from "quick-lru";
import { lru } from "tiny-lru";

import { createCache } from "../dist/index.js";

const ENTRIES = 1_000;
/** Above the entries: nothing is evicted, no cache turns its generations over. */
const MAX = 2 * ENTRIES;
const TTL = 3_600_000;
/** Draws of a key: many more than the branch predictor remembers. */
const DRAWS = 1 << 16;
const READS = 1 << 22;
const WARMUP_READS = 1 << 20;

/** As an application's: `sport:mlb:game:776135:props:player:660271:hits`. */
const keyOf = (index) => `sport:mlb:game:${String(776_000 + index)}:props:player:${String(660_000 + index)}:hits`;

async function contenders() {
  const cache = await createCache({ categories: { props: { max: MAX, ttl: TTL } } });
  const category = cache.category("props");
  const map = new Map();
  const lruCache = new LRUCache({ max: MAX, ttl: TTL });
  const quick = new QuickLRU({ maxSize: MAX, maxAge: TTL });
  const tiny = lru(MAX, TTL);
  const lruMap = new LRUMap(MAX);
  for (let index = 0; index < ENTRIES; index++) {
    const [key, value] = [keyOf(index), { number: index }];
    cache.set("props", key, value);
    for (const other of [map, lruCache, quick, tiny, lruMap]) other.set(key, value);
  }
  return [
    { name: "this cache", read: loop("category.get(key)", { category }) },
    { name: "this cache (by name)", read: loop('cache.get("props", key)', { cache }) },
    { name: "Map", read: loop("map.get(key)", { map }) },
    { name: "lru-cache (ttl)", read: loop("lruCache.get(key)", { lruCache }) },
    { name: "quick-lru (maxAge)", read: loop("quick.get(key)", { quick }) },
    { name: "tiny-lru (ttl)", read: loop("tiny.get(key)", { tiny }) },
    { name: "mnemonist LRUMap", read: loop("lruMap.get(key)", { lruMap }) },
  ];
}

/** A function `(keys, reads) => sum`, of its own source text and therefore of its own compiled code. */
function loop(get, subject) {
  const [[name, object]] = Object.entries(subject);
  const body = `return (keys, reads) => {
    let sum = 0;
    const last = keys.length - 1;
    for (let i = 0; i < reads; i++) {
      const key = keys[i & last];
      sum += ${get}.number;
    }
    return sum;
  };`;
  return new Function(name, body)(object);
}

/** Keys to read: equal to the stored ones and, as in an application, not the same string objects. */
function draw() {
  const apart = Array.from({ length: ENTRIES }, (_, index) => JSON.parse(`["${keyOf(index)}"]`)[0]);
  const indexes = Array.from({ length: DRAWS }, () => Math.floor(Math.random() * ENTRIES));
  return { keys: indexes.map((index) => apart[index]), sum: indexes.reduce((sum, index) => sum + index, 0) };
}

/** @returns nanoseconds a read, a sample a round; each round begins with another contender. */
export async function measure(runs) {
  const all = await contenders();
  const { keys, sum } = draw();
  const time = ({ name, read }, reads) => {
    const begun = performance.now();
    const read_sum = read(keys, reads);
    const took = performance.now() - begun;
    if (read_sum !== sum * (reads / DRAWS)) throw new Error(`${name} did not return what was stored`);
    return (took * 1e6) / reads;
  };
  for (const contender of [...all, ...all]) time(contender, WARMUP_READS);
  const rows = all.map(({ name }) => ({ name, samples: [] }));
  for (let round = 0; round < runs; round++) {
    for (let turn = 0; turn < all.length; turn++) {
      const index = (round + turn) % all.length;
      rows[index].samples.push(time(all[index], READS));
    }
  }
  return { rows, entries: ENTRIES, keyLength: keyOf(0).length, readsPerSample: READS };
}
