/** Why and when entries leave. */

import { type CacheOptions, type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, expect, test } from "vitest";

import { FakeClock } from "./fake-clock.js";

const clock = new FakeClock();
let cache: ConsolidatedCacheManager;
/** `key reason`, in order. */
let removals: string[];

async function open(options: CacheOptions): Promise<void> {
  removals = [];
  cache = await createCache({ clock, ...options });
  cache.on("evict", ({ key, reason }) => removals.push(`${key} ${reason}`));
}

afterEach(() => cache.close());

test("an entry lives for its ttl and no longer", async () => {
  await open({ categories: { props: { max: 10 } } });
  cache.set("props", "mlb:1", 1, { ttl: 1_000 });
  await clock.advance(999);
  expect([cache.get("props", "mlb:1"), cache.has("props", "mlb:1")]).toEqual([1, true]);
  await clock.advance(1);
  expect([cache.has("props", "mlb:1"), cache.peek("props", "mlb:1"), cache.keys("props")]).toEqual([
    false,
    undefined,
    [],
  ]);
  expect(removals).toEqual([]);
  expect(cache.get("props", "mlb:1")).toBeUndefined();
  expect(removals).toEqual(["mlb:1 expired"]);
  expect(cache.size).toBe(0);
});

test("a category's ttl is what its entries have, unless set says otherwise", async () => {
  await open({ categories: { props: { max: 10, ttl: 1_000 } } });
  cache.set("props", "mlb:category", 1);
  cache.set("props", "mlb:own", 1, { ttl: 5_000 });
  cache.set("props", "mlb:never", 1, { ttl: Infinity });
  await clock.advance(1_000);
  expect(cache.keys("props").sort()).toEqual(["mlb:never", "mlb:own"]);
  await clock.advance(4_000);
  expect(cache.keys("props")).toEqual(["mlb:never"]);
});

test("a read does not lengthen an entry's life, another set does", async () => {
  await open({ categories: { props: { max: 10, ttl: 1_000 } } });
  cache.set("props", "mlb:read", 1);
  cache.set("props", "mlb:set", 1);
  await clock.advance(600);
  expect(cache.get("props", "mlb:read")).toBe(1);
  cache.set("props", "mlb:set", 1);
  await clock.advance(600);
  expect([cache.get("props", "mlb:read"), cache.get("props", "mlb:set")]).toEqual([undefined, 1]);
});

test("a machine that slept finds its entries as old as they are", async () => {
  await open({ categories: { props: { max: 10, ttl: 60_000 } } });
  cache.set("props", "mlb:1", 1);
  await clock.drift(10, 3_600_000);
  expect(cache.get("props", "mlb:1")).toBeUndefined();
});

test("`max` bounds the entries: each one more evicts one", async () => {
  await open({ categories: { props: { max: 5 }, odds: { max: 5 } } });
  for (let i = 0; i < 20; i++) cache.set("props", `mlb:${i}`, i);
  cache.set("odds", "mlb:other", 1);
  expect(cache.category("props").size).toBe(5);
  expect(removals).toHaveLength(15);
  expect(removals.every((removal) => removal.endsWith(" evicted"))).toBe(true);
  const left = cache.keys("props");
  expect(left).toContain("mlb:19");
  expect([...left, ...removals.map((removal) => removal.split(" ")[0])].sort()).toEqual(
    Array.from({ length: 20 }, (_, i) => `mlb:${i}`).sort(),
  );
  expect(cache.get("odds", "mlb:other")).toBe(1);
});

test("what is read again and again outlives what is not", async () => {
  await open({ categories: { props: { max: 10 } } });
  cache.set("props", "mlb:hot", "hot");
  for (let i = 0; i < 200; i++) {
    cache.get("props", "mlb:hot");
    cache.set("props", `mlb:${i}`, i);
  }
  expect(cache.get("props", "mlb:hot")).toBe("hot");
});

test("what was read often outlives a run of entries that nobody reads", async () => {
  await open({ categories: { props: { max: 10 } } });
  cache.set("props", "mlb:hot", "hot");
  for (let i = 0; i < 30; i++) cache.get("props", "mlb:hot");
  for (let i = 0; i < 40; i++) cache.set("props", `mlb:${i}`, i);
  expect(cache.get("props", "mlb:hot")).toBe("hot");
});

test("of entries read as often as each other, the one read longest ago leaves", async () => {
  await open({ categories: { props: { max: 3 } } });
  cache.set("props", "mlb:late", 1);
  cache.set("props", "mlb:early", 1);
  cache.get("props", "mlb:early");
  cache.set("props", "mlb:last", 1);
  cache.get("props", "mlb:late");
  cache.get("props", "mlb:last");
  cache.set("props", "mlb:new", 1);
  expect(removals).toEqual(["mlb:early evicted"]);
});

test("what is past its age leaves before what is not", async () => {
  await open({ categories: { props: { max: 3 } } });
  cache.set("props", "mlb:a", 1);
  cache.set("props", "mlb:old", 1, { ttl: 10 });
  cache.set("props", "mlb:b", 1);
  await clock.advance(10);
  cache.set("props", "mlb:c", 1);
  expect(removals).toEqual(["mlb:old expired"]);
});

test("`maxBytes` bounds a category's bytes, and the cache's", async () => {
  await open({ categories: { props: { max: 100, maxBytes: 1_000 }, odds: { max: 100 } }, maxBytes: 3_000 });
  const hundred = (i: number) => String(i).padStart(98, "0");
  for (let i = 0; i < 50; i++) cache.set("props", `mlb:${i}`, hundred(i));
  expect(cache.category("props").size).toBe(10);
  for (let i = 100; i < 150; i++) cache.set("odds", `mlb:${i}`, hundred(i));
  expect(cache.stats().bytes).toBeLessThanOrEqual(3_000);
  expect(cache.get("odds", "mlb:149")).toBe(hundred(149));
});

test("a value that does not fit is refused, and what it was to replace is gone and told", async () => {
  await open({ categories: { props: { max: 10, maxBytes: 100 } } });
  cache.set("props", "mlb:1", "small");
  expect(() => cache.set("props", "mlb:1", "x".repeat(99))).toThrow(
    "a value of 101 bytes does not fit: category `props` holds at most 100 bytes",
  );
  expect(removals).toHaveLength(1);
  expect([cache.get("props", "mlb:1"), cache.size]).toEqual([undefined, 0]);
  cache.set("props", "mlb:2", "another");
  expect([cache.get("props", "mlb:1"), cache.get("props", "mlb:2")]).toEqual([undefined, "another"]);
});

test("every removal has its reason", async () => {
  await open({ categories: { props: { max: 10 } } });
  const reason = (remove: () => void) => {
    cache.set("props", "mlb:game:1", "value", { tags: ["today"] });
    removals = [];
    remove();
    return removals;
  };
  expect(reason(() => cache.set("props", "mlb:game:1", "next"))).toEqual(["mlb:game:1 replaced"]);
  expect(reason(() => cache.delete("props", "mlb:game:1"))).toEqual(["mlb:game:1 deleted"]);
  expect(reason(() => cache.clear("props"))).toEqual(["mlb:game:1 cleared"]);
  expect(reason(() => cache.invalidate({ keys: ["mlb:game:1"] }))).toEqual(["mlb:game:1 invalidated"]);
  expect(reason(() => cache.invalidate({ scope: "mlb:game:" }))).toEqual(["mlb:game:1 invalidated"]);
  expect(reason(() => cache.invalidate({ tags: ["today"] }))).toEqual(["mlb:game:1 invalidated"]);
  expect(cache.stats().removals).toMatchObject({ replaced: 2, deleted: 1, cleared: 1, invalidated: 3, evicted: 0 });
});

test("a removal names its category", async () => {
  await open({ categories: { props: { max: 10 }, odds: { max: 10 } } });
  const categories: string[] = [];
  cache.on("evict", ({ category }) => categories.push(category));
  cache.set("props", "mlb:1", 1);
  cache.set("odds", "mlb:1", 1);
  cache.invalidate({ keys: ["mlb:1"] });
  expect(categories.sort()).toEqual(["odds", "props"]);
});
