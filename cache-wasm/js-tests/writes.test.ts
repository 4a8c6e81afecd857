/** The write path: what a common `set` leaves for later is done before anything can observe the difference. */

import { type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { FakeClock } from "./fake-clock.js";
import { openWrapped } from "./wrapped-core.js";

const clock = new FakeClock();
let cache: ConsolidatedCacheManager;
/** The calls into the core, by name. */
let calls: string[];

const open = (options: Parameters<typeof openWrapped>[0]) => openWrapped({ clock, ...options }, (name) => calls.push(name));
const settable = { categories: { props: { max: 1_000 }, odds: { max: 1_000 } } };
const key = (i: number) => `mlb:game:${i}`;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  calls = [];
  cache = await open(settable);
  calls = [];
});

afterEach(() => {
  cache.close();
  vi.useRealTimers();
});

test("a common set does not cross, but for room, and is readable at once", () => {
  cache.set("props", key(0), 0);
  calls = [];
  for (let i = 1; i < 7; i++) cache.set("props", key(i), i);
  expect(calls).toEqual([]);
  expect([0, 6].map((i) => cache.get("props", key(i)))).toEqual([0, 6]);
});

test("the core hears of it when the microtask ends", async () => {
  cache.set("props", key(0), 0);
  cache.set("odds", key(0), 0);
  calls = [];
  await Promise.resolve();
  expect(calls.filter((name) => name === "enroll")).toHaveLength(2);
});

const OBSERVERS: [name: string, observe: () => unknown, expected: unknown][] = [
  ["size", () => cache.size, 3],
  ["a category's size", () => cache.category("props").size, 3],
  ["keys", () => cache.keys("props").length, 3],
  ["entries", () => cache.entries("props").length, 3],
  ["stats", () => cache.stats().entries, 3],
];

test.for(OBSERVERS)("%s tells of all that was set", ([, observe, expected]) => {
  for (let i = 0; i < 3; i++) cache.set("props", key(i), i);
  expect(observe()).toBe(expected);
});

const LOOKUPS: [name: string, look: () => unknown][] = [
  ["delete", () => cache.delete("props", key(1))],
  ["an invalidated key", () => cache.invalidate({ keys: [key(1)] })],
  ["an invalidated scope", () => cache.invalidate({ scope: "mlb:game:" })],
  ["a set with tags", () => cache.set("props", key(1), "replaced", { tags: ["today"] })],
];

test.for(LOOKUPS)("%s finds by name what was set in the same run", ([, look]) => {
  const left: string[] = [];
  cache.on("evict", ({ key }) => left.push(key));
  for (let i = 0; i < 3; i++) cache.set("props", key(i), i);
  look();
  expect(left).toContain(key(1));
  expect(calls.indexOf("name")).toBeGreaterThan(0);
});

test("what is set again and again is told to the core once, with its last value", async () => {
  for (let i = 0; i < 50; i++) cache.set("props", key(0), i);
  await Promise.resolve();
  await vi.advanceTimersByTimeAsync(200);
  expect(calls.filter((name) => name === "settle")).toHaveLength(1);
  cache.pressure("critical");
  expect(cache.get("props", key(0))).toBe(49);
});

test("`max` holds whenever it can be observed, and nothing is evicted before it must be", async () => {
  const evicted: string[] = [];
  cache.on("evict", ({ key }) => evicted.push(key));
  for (let i = 0; i < 1_000; i++) cache.set("props", key(i), i);
  expect([cache.size, evicted.length]).toEqual([1_000, 0]);
  for (let i = 1_000; i < 3_000; i++) {
    cache.set("props", key(i), i);
    expect(cache.get("props", key(i))).toBe(i);
    if (i % 100 === 0) await Promise.resolve();
    if (i % 50 === 0) expect(cache.size).toBeLessThanOrEqual(1_000);
  }
  expect(cache.size).toBeGreaterThanOrEqual(992);
  expect(cache.size + evicted.length).toBe(3_000);
  expect(new Set([...evicted, ...cache.keys("props")]).size).toBe(3_000);
});

test("a value that was just set is not evicted for want of bytes of another category alone", async () => {
  cache.close();
  cache = await open({ categories: { props: { max: 100 }, odds: { max: 100 } }, maxBytes: 10_000 });
  const text = "x".repeat(998);
  for (let i = 0; i < 200; i++) {
    cache.set(i % 2 === 0 ? "props" : "odds", key(i), text);
    if (i % 10 === 0) await Promise.resolve();
  }
  const { bytes, entries } = cache.stats();
  expect(bytes).toBeLessThanOrEqual(10_000);
  expect(entries).toBe(cache.keys("props").length + cache.keys("odds").length);
});

test("a value that another category's need evicts, before the core has heard of it, is gone without a trace", async () => {
  cache.close();
  cache = await open({ categories: { props: { max: 1_000 }, odds: { max: 10 } }, maxBytes: 10_000 });
  cache.set("props", key(0), "x".repeat(6_000));
  await Promise.resolve();
  cache.set("props", key(0), "y".repeat(7_000));
  // A small category's needs are met at once.
  cache.set("odds", key(1), "z".repeat(5_000));
  await Promise.resolve();
  expect([cache.keys("props"), cache.keys("odds"), cache.stats().entries]).toEqual([[], [key(1)], 1]);
  cache.set("props", key(2), 2);
  expect([cache.get("props", key(2)), cache.stats().entries]).toEqual([2, 2]);
});

test("a set while a fill is under way goes through the core, which voids the fill", async () => {
  cache.close();
  let answer!: (answer: { value: unknown }) => void;
  cache = await open({ ...settable, fetcher: () => new Promise((resolve) => (answer = resolve)) });
  const fetched = cache.fetch("props", key(0));
  await Promise.resolve();
  await Promise.resolve();
  calls = [];
  cache.set("props", key(0), "set");
  expect(calls).toContain("put");
  answer({ value: "older" });
  expect(await fetched).toBe("set");
  calls = [];
  cache.set("props", key(1), 1);
  expect(calls).not.toContain("put");
});

test("a value kept by reference is given as it is, never packed, and not charged for more than it says", () => {
  const player = new Map([["name", "A. Judge"]]);
  cache.set("props", key(0), player, { pack: false, size: 5_000 });
  cache.set("props", key(1), () => 1, { pack: false });
  cache.pressure("elevated");
  expect(cache.get("props", key(0))).toBe(player);
  expect(cache.get<() => number>("props", key(1))!()).toBe(1);
  expect(calls).not.toContain("settle");
  expect(cache.stats().bytes).toBe(5_064);
  expect(() => cache.set("props", key(2), undefined, { pack: false })).toThrow("it is undefined; delete the key instead");
});

test("a value kept by reference may take the place of JSON, and the other way round", () => {
  const kept = new Set([1]);
  for (const round of [1, 2]) {
    cache.set("props", key(0), { round });
    cache.pressure("critical");
    expect(cache.get("props", key(0))).toEqual({ round });
    cache.set("props", key(0), kept, { pack: false });
    cache.pressure("critical");
    expect(cache.get("props", key(0))).toBe(kept);
  }
});

test("a category may keep all by reference", async () => {
  const keeping = await createCache({ categories: { nodes: { max: 10, pack: false } } });
  const node = new (class Node {})();
  keeping.set("nodes", key(0), node);
  keeping.pressure("critical");
  expect(keeping.get("nodes", key(0))).toBe(node);
  expect(() => keeping.set("nodes", key(1), node, { pack: true })).toThrow("it is of class Node");
  keeping.close();
});

test("a value that was changed since it was set, into what JSON cannot carry, stays by reference", () => {
  const value: { line: unknown } = { line: 1 };
  cache.set("props", key(0), value);
  value.line = 10n;
  cache.pressure("critical");
  expect(cache.get("props", key(0))).toBe(value);
});

test("an entry over `maxEntrySize` is refused", async () => {
  const small = await createCache({ categories: { props: { max: 10, maxEntrySize: 100 } } });
  small.set("props", key(0), "x".repeat(98));
  expect(() => small.set("props", key(0), "x".repeat(99))).toThrow(
    "a value of 101 bytes does not fit: an entry of category `props` holds at most 100 bytes",
  );
  expect(small.size).toBe(0);
  small.close();
});

test("`lru` evicts exactly what was used longest ago", async () => {
  const evicted: string[] = [];
  const lru = await createCache({ categories: { props: { max: 8, policy: "lru" } } });
  lru.on("evict", ({ key, reason }) => reason === "evicted" && evicted.push(key));
  const model = new Map<string, number>();
  const expected: string[] = [];
  let state = 7;
  for (let i = 0; i < 3_000; i++) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const name = key((state >> 8) % 24);
    if (state % 3 === 0) {
      expect(lru.get("props", name)).toBe(model.get(name));
      if (!model.has(name)) continue;
      model.set(name, [model.get(name)!, model.delete(name)][0] as number);
    } else {
      lru.set("props", name, i);
      model.delete(name);
      model.set(name, i);
      if (model.size <= 8) continue;
      const oldest = model.keys().next().value!;
      model.delete(oldest);
      expected.push(oldest);
    }
  }
  expect(evicted).toEqual(expected);
  lru.close();
});

test("after 2^30 ms, the greatest small integer, times are still right", async () => {
  await clock.advance(2 ** 30);
  cache.set("props", key(0), "endless");
  cache.set("props", key(1), "ending", { ttl: 1_000 });
  cache.set("props", key(2), "slow", { ttl: 1_000, tags: ["today"] });
  expect([0, 1, 2].map((i) => cache.get("props", key(i)))).toEqual(["endless", "ending", "slow"]);
  await clock.advance(999);
  expect([0, 1, 2].map((i) => cache.has("props", key(i)))).toEqual([true, true, true]);
  await clock.advance(1);
  expect([0, 1, 2].map((i) => cache.get("props", key(i)))).toEqual(["endless", undefined, undefined]);
});

test("an age of years is no shorter than it says", async () => {
  const year = 365 * 86_400_000;
  cache.set("props", key(0), 1, { ttl: year });
  await clock.advance(year - 1);
  expect(cache.get("props", key(0))).toBe(1);
  await clock.advance(1);
  expect(cache.get("props", key(0))).toBeUndefined();
});
