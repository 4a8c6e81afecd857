/**
 * One read that hits: 1,000 entries, keys of 45 characters, random order. Runs in Node and in a page alike.
 *
 * Every contender has a loop of its own, compiled apart from the others', so that none pays for what the engine learnt
 * from another. The sum of what was read is returned and checked: no read can be optimised away.
 *
 * All reads of a sample are made in one task. This cache and lru-cache read the clock once in a task, quick-lru and
 * tiny-lru at every `get`; Map and LRUMap know no age.
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
/** Of `DRAWS` reads each: 4,194,304 reads a sample. */
const SLICES = 64;
const WARMUP_ROUNDS = 1;

/** As an application's: `sport:mlb:game:776135:props:player:66135:hits`. */
const keyOf = (index) => `sport:mlb:game:${776_000 + index}:props:player:${66_000 + index}:hits`;

async function contenders() {
  const cache = await createCache({ categories: { props: { max: MAX, ttl: TTL } } });
  const category = cache.category("props");
  const map = new Map();
  const lruCache = new LRUCache({ max: MAX, ttl: TTL });
  const quick = new QuickLRU({ maxSize: MAX, maxAge: TTL });
  const tiny = lru(MAX, TTL);
  const lruMap = new LRUMap(MAX);
  const byName = await createCache({ categories: { props: { max: MAX, ttl: TTL } } });
  return [
    contender("this cache", "category.get(key)", { category }, (key, value) => cache.set("props", key, value)),
    contender("this cache (by name)", 'cache.get("props", key)', { cache: byName }, (key, value) =>
      byName.set("props", key, value),
    ),
    contender("Map", "map.get(key)", { map }),
    contender("lru-cache (ttl)", "lruCache.get(key)", { lruCache }),
    contender("quick-lru (maxAge)", "quick.get(key)", { quick }),
    contender("tiny-lru (ttl)", "tiny.get(key)", { tiny }),
    contender("mnemonist LRUMap", "lruMap.get(key)", { lruMap }),
  ];
}

/** The source text of one read, what it reads from, and how that is filled. */
function contender(name, get, subject, set = (key, value) => Object.values(subject)[0].set(key, value)) {
  for (const [index, key] of freshKeys().entries()) set(key, { number: index });
  // Read by other string objects than were stored, as in an application that builds its keys anew.
  const keys = freshKeys();
  return { name, read: loop(get, subject), keysAt: (indexes) => indexes.map((index) => keys[index]) };
}

/**
 * Every key as a flat string of its own. Shared ones would not do: tiny-lru takes keys for property names, which makes
 * the engine intern them, and from then on each Map that holds the same string compares by address alone.
 */
function freshKeys() {
  return JSON.parse(JSON.stringify(Array.from({ length: ENTRIES }, (_, index) => keyOf(index))));
}

/** A function `(keys) => sum`, of its own source text and therefore of its own compiled code. */
function loop(get, subject) {
  const [[name, object]] = Object.entries(subject);
  const body = `return (keys) => {
    let sum = 0;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      sum += ${get}.number;
    }
    return sum;
  };`;
  return new Function(name, body)(object);
}

/**
 * Nanoseconds a read, a sample a round. A sample is the sum of short slices, and the contenders take turns slice by
 * slice, each time in another order: what else the machine does meanwhile falls on all of them alike.
 */
export async function measure(runs) {
  const indexes = Array.from({ length: DRAWS }, () => Math.floor(Math.random() * ENTRIES));
  const sum = indexes.reduce((total, index) => total + index, 0);
  const all = (await contenders()).map((each) => ({ ...each, keys: each.keysAt(indexes) }));
  const slice = ({ name, read, keys }) => {
    const begun = performance.now();
    const total = read(keys);
    const took = performance.now() - begun;
    if (total !== sum) throw new Error(`${name} did not return what was stored`);
    return took;
  };
  const rows = all.map(({ name }) => ({ name, samples: [] }));
  for (let round = -WARMUP_ROUNDS; round < runs; round++) {
    const took = all.map(() => 0);
    for (let turn = 0; turn < SLICES * all.length; turn++) {
      const index = (turn + Math.floor(turn / all.length)) % all.length;
      took[index] += slice(all[index]);
    }
    if (round >= 0) rows.forEach((row, index) => row.samples.push((took[index] * 1e6) / (SLICES * DRAWS)));
  }
  return { rows, entries: ENTRIES, keyLength: keyOf(0).length, readsPerSample: SLICES * DRAWS };
}
