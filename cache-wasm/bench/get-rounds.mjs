/**
 * Reads that hit, and writes that evict, against other caches: keys of 45 characters. Runs in Node and in a page alike.
 *
 * Every contender has a loop of its own, compiled apart from the others', so that none pays for what the engine learnt
 * from another. The sum of what was read is returned and checked: no read can be optimised away.
 *
 * All calls of a slice are made in one task, and between slices the event loop turns. This cache and lru-cache read the
 * clock once in a task, quick-lru and tiny-lru at every `get`; Map, LRUMap and TanStack Query know no age here.
 */

import { QueryClient } from "@tanstack/query-core";
import { LRUCache } from "lru-cache";
import { LRUMap } from "mnemonist";
import QuickLRU from "quick-lru";
import { lru } from "tiny-lru";

import { createCache } from "../dist/index.js";

const TTL = 3_600_000;
/** Draws of a key: many more than the branch predictor remembers. */
const DRAWS = 1 << 16;
/** Slices of `DRAWS` reads a sample. */
const READ_SLICES = 16;
/** Distinct keys that are written, as a multiple of what the caches hold: each write is of a key that has left. */
const WRITTEN = 8;
/** Writes of a slice, and slices a sample. */
const WRITES = 1 << 14;
const WRITE_SLICES = 16;
const WARMUP_ROUNDS = 1;

/** As an application's: `sport:mlb:game:776135:props:player:66135:hits`. */
const keyOf = (index) => `sport:mlb:game:${776_000 + index}:props:player:${66_000 + index}:hits`;

/**
 * Every key as a flat string of its own. Shared ones would not do: tiny-lru takes keys for property names, which makes
 * the engine intern them, and from then on each Map that holds the same string compares by address alone.
 */
function freshKeys(count) {
  return JSON.parse(JSON.stringify(Array.from({ length: count }, (_, index) => keyOf(index))));
}

/** What is measured of each contender: its name, what it reads or writes, and the source text of one call. */
async function contenders(max) {
  const ours = async () => (await createCache({ categories: { props: { max, ttl: TTL } } })).category("props");
  const byName = await createCache({ categories: { props: { max, ttl: TTL } } });
  const tanstack = () => new QueryClient({ defaultOptions: { queries: { gcTime: Infinity } } });
  const client = tanstack();
  return [
    { name: "this cache", subject: await ours(), get: "it.get(key)", set: "it.set(key, value)" },
    { name: "this cache (by name)", subject: byName, get: 'it.get("props", key)', set: 'it.set("props", key, value)' },
    { name: "this cache (handle)", subject: await ours(), get: "handles[at[i]].value", set: undefined },
    { name: "Map", subject: new Map(), get: "it.get(key)", set: undefined },
    { name: "lru-cache (ttl)", subject: new LRUCache({ max, ttl: TTL }), get: "it.get(key)", set: "it.set(key, value)" },
    {
      name: "quick-lru (maxAge)",
      subject: new QuickLRU({ maxSize: max, maxAge: TTL }),
      get: "it.get(key)",
      set: "it.set(key, value)",
    },
    { name: "tiny-lru (ttl)", subject: lru(max, TTL), get: "it.get(key)", set: "it.set(key, value)" },
    { name: "mnemonist LRUMap", subject: new LRUMap(max), get: "it.get(key)", set: "it.set(key, value)" },
    { name: "TanStack Query", subject: client, get: "it.getQueryData([key])", set: "it.setQueryData([key], value)" },
  ];
}

/** A function of its own source text, and therefore of its own compiled code: equal texts would share what the engine learns. */
function compiled(name, parameters, body) {
  return new Function(...parameters, `// ${name}\n${body}`);
}

function fill({ name, subject }, keys) {
  const set = name === "TanStack Query" ? (key, value) => subject.setQueryData([key], value) : undefined;
  const byName = name === "this cache (by name)" ? (key, value) => subject.set("props", key, value) : undefined;
  const store = set ?? byName ?? ((key, value) => subject.set(key, value));
  for (const [index, key] of keys.entries()) store(key, { number: index });
}

/** Lets what else is due run: timers, messages, upkeep. */
const turn = () => new Promise((resolve) => setTimeout(resolve));

/**
 * Nanoseconds a call, a sample a round. A sample is the sum of short slices, and the contenders take turns slice by
 * slice, each time in another order: what else the machine does meanwhile falls on all of them alike.
 */
async function sample(all, slices, calls, runs) {
  const rows = all.map(({ name }) => ({ name, samples: [] }));
  for (let round = -WARMUP_ROUNDS; round < runs; round++) {
    const took = all.map(() => 0);
    for (let at = 0; at < slices * all.length; at++) {
      const index = (at + Math.floor(at / all.length)) % all.length;
      await turn();
      took[index] += all[index].slice();
    }
    if (round >= 0) rows.forEach((row, index) => row.samples.push((took[index] * 1e6) / (slices * calls)));
  }
  return rows;
}

/** Random reads of `entries` keys that are all there. */
export async function reads(entries, runs) {
  const at = Uint32Array.from({ length: DRAWS }, () => Math.floor(Math.random() * entries));
  const sum = at.reduce((total, index) => total + index, 0);
  // Above the entries: nothing is evicted, no cache turns its generations over.
  const all = (await contenders(2 * entries)).map((contender) => {
    fill(contender, freshKeys(entries));
    // Read by other string objects than were stored, as in an application that builds its keys anew.
    const keys = freshKeys(entries);
    const handles = contender.get.startsWith("handles") ? keys.map((key) => contender.subject.handle(key)) : [];
    const read = compiled(
      contender.name,
      ["it", "keys", "at", "handles"],
      `let sum = 0;
       for (let i = 0; i < keys.length; i++) { const key = keys[i]; sum += ${contender.get}.number; }
       return sum;`,
    );
    const drawn = Array.from(at, (index) => keys[index]);
    const slice = () => {
      const begun = performance.now();
      const total = read(contender.subject, drawn, at, handles);
      const took = performance.now() - begun;
      if (total !== sum) throw new Error(`${contender.name} did not return what was stored`);
      return took;
    };
    return { name: contender.name, slice };
  });
  return { rows: await sample(all, READ_SLICES, DRAWS, runs), entries, keyLength: keyOf(0).length };
}

/** Writes of keys that are not there, into caches that are full: each one evicts. TanStack Query evicts nothing. */
export async function writes(max, runs) {
  const all = (await contenders(max))
    .filter(({ set }) => set !== undefined)
    .map((contender) => {
      fill(contender, freshKeys(max));
      // TanStack Query evicts nothing: it writes what is there.
      const keys = freshKeys(contender.name === "TanStack Query" ? max : WRITTEN * max);
      const write = compiled(
        contender.name,
        ["it", "keys", "from", "count"],
        `for (let i = 0; i < count; i++) {
           const key = keys[(from + i) % keys.length]; const value = { number: i }; ${contender.set};
         }`,
      );
      let from = max;
      const slice = () => {
        const begun = performance.now();
        write(contender.subject, keys, from, WRITES);
        from += WRITES;
        return performance.now() - begun;
      };
      return { name: contender.name, slice };
    });
  return { rows: await sample(all, WRITE_SLICES, WRITES, runs), max, keyLength: keyOf(0).length };
}

/** Everything that is measured in one environment, under names that say what. */
export async function measure(runs) {
  return {
    "1,000 entries": await reads(1_000, runs),
    "20,000 entries": await reads(20_000, runs),
    "set, 1,000 entries": await writes(1_000, runs),
    "set, 20,000 entries": await writes(20_000, runs),
  };
}
