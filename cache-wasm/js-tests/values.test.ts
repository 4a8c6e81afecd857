/** Storing, reading and removing, through the real WebAssembly module. */

import { type ConsolidatedCacheManager, createCache, DEFAULT_CATEGORIES } from "cache-wasm";
import { afterEach, beforeEach, expect, test } from "vitest";

let cache: ConsolidatedCacheManager;

beforeEach(async () => {
  cache = await createCache({ categories: { props: { max: 100 }, odds: { max: 100 } } });
});

afterEach(() => cache.close());

test("what was set is got, and a miss is undefined", () => {
  cache.set("props", "mlb:1", { line: 1.5 });
  expect(cache.get("props", "mlb:1")).toEqual({ line: 1.5 });
  expect(cache.get("props", "mlb:2")).toBeUndefined();
});

test("every kind of JSON value can be stored, null and false among them", () => {
  const values = [null, false, 0, "", "text ⚾ 🎯 \u0000", [], {}, [1, [2, { three: null }]], -1.5e-7];
  for (const value of values) {
    cache.set("props", "mlb:1", value);
    expect(cache.get("props", "mlb:1")).toEqual(value);
    expect(cache.has("props", "mlb:1")).toBe(true);
  }
});

test("categories are apart: one key has a value in each", () => {
  cache.set("props", "mlb:1", "prop");
  cache.set("odds", "mlb:1", "odd");
  expect([cache.get("props", "mlb:1"), cache.get("odds", "mlb:1")]).toEqual(["prop", "odd"]);
  cache.delete("props", "mlb:1");
  expect([cache.get("props", "mlb:1"), cache.get("odds", "mlb:1")]).toEqual([undefined, "odd"]);
});

test("two caches are apart", async () => {
  const other = await createCache({ categories: { props: { max: 10 } } });
  cache.set("props", "mlb:1", 1);
  other.set("props", "mlb:1", 2);
  expect([cache.get("props", "mlb:1"), other.get("props", "mlb:1")]).toEqual([1, 2]);
  other.close();
  expect(cache.get("props", "mlb:1")).toBe(1);
});

test("a cache that names no categories has the default ones", async () => {
  const plain = await createCache();
  for (const name of Object.keys(DEFAULT_CATEGORIES)) {
    plain.set(name, "mlb:1", name);
    expect(plain.get(name, "mlb:1")).toBe(name);
  }
  plain.close();
});

test("a key is any text without whitespace and braces, told apart byte for byte", () => {
  const keys = ["mlb:a", "mlb:A", "mlb:ä", "mlb:a\u0308", "mlb:⚾", "mlb:a:b"];
  for (const key of keys) cache.set("props", key, key);
  for (const key of keys) expect(cache.get("props", key)).toBe(key);
  expect(cache.keys("props").sort()).toEqual([...keys].sort());
});

test("peek and has read without counting, get counts", () => {
  cache.set("props", "mlb:1", "one");
  expect(cache.peek("props", "mlb:1")).toBe("one");
  expect(cache.peek("props", "mlb:2")).toBeUndefined();
  expect([cache.has("props", "mlb:1"), cache.has("props", "mlb:2")]).toEqual([true, false]);
  expect(cache.stats()).toMatchObject({ hits: 0, misses: 0 });
  cache.get("props", "mlb:1");
  cache.get("props", "mlb:2");
  cache.category("props").get("mlb:1");
  expect(cache.stats()).toMatchObject({ hits: 2, misses: 1 });
});

test("keys, entries and size say what is there", () => {
  cache.setMany("props", [
    ["mlb:1", 1],
    ["mlb:2", 2],
  ]);
  cache.set("odds", "nba:1", 3);
  expect(cache.keys("props").sort()).toEqual(["mlb:1", "mlb:2"]);
  expect(cache.entries("props").sort()).toEqual([
    ["mlb:1", 1],
    ["mlb:2", 2],
  ]);
  expect([cache.size, cache.category("props").size, cache.category("odds").size]).toEqual([3, 2, 1]);
});

test("getMany gives the keys that hit", () => {
  cache.setMany(
    "props",
    new Map([
      ["mlb:1", 1],
      ["mlb:2", 2],
    ]),
  );
  expect(cache.getMany("props", ["mlb:2", "mlb:3", "mlb:1"])).toEqual(
    new Map([
      ["mlb:2", 2],
      ["mlb:1", 1],
    ]),
  );
  expect(cache.getMany("props", [])).toEqual(new Map());
});

test("delete says whether the key was there", () => {
  cache.set("props", "mlb:1", 1);
  expect([cache.delete("props", "mlb:1"), cache.delete("props", "mlb:1")]).toEqual([true, false]);
  expect(cache.get("props", "mlb:1")).toBeUndefined();
});

test("clear empties one category, or all", () => {
  const fill = () => {
    cache.set("props", "mlb:1", 1);
    cache.set("odds", "mlb:1", 1);
  };
  fill();
  cache.clear("props");
  expect([cache.keys("props"), cache.keys("odds")]).toEqual([[], ["mlb:1"]]);
  fill();
  cache.clear();
  expect(cache.size).toBe(0);
});

test("a key, a scope, a tag and a category can be invalidated", () => {
  const left = (what: Parameters<typeof cache.invalidate>[0]) => {
    cache.clear();
    cache.set("props", "mlb:game:1", 1, { tags: ["today"] });
    cache.set("props", "mlb:game:2", 2);
    cache.set("odds", "mlb:game:1", 3);
    cache.set("odds", "mlb:team:1", 4, { tags: ["today", "home"] });
    cache.invalidate(what);
    return [...cache.entries("props"), ...cache.entries("odds")].map(([, value]) => value).sort();
  };
  expect(left({ keys: ["mlb:game:1"] })).toEqual([2, 4]);
  expect(left({ scope: "mlb:game:" })).toEqual([4]);
  expect(left({ tags: ["today"] })).toEqual([2, 3]);
  expect(left({ tags: ["home", "unknown"] })).toEqual([1, 2, 3]);
  expect(left({ category: "odds" })).toEqual([1, 2]);
  expect(left({ keys: new Set(["mlb:game:2"]), tags: ["home"] })).toEqual([1, 3]);
  expect(left({})).toEqual([1, 2, 3, 4]);
});

test("reads return the same object until it is replaced", () => {
  const first = { line: 1.5 };
  cache.set("props", "mlb:1", first);
  expect(cache.get("props", "mlb:1")).toBe(first);
  cache.set("props", "mlb:2", { line: 1.5 });
  expect(cache.get("props", "mlb:1")).toBe(first);
  expect(cache.peek("props", "mlb:1")).toBe(first);
  expect(cache.category("props").get("mlb:1")).toBe(first);
  expect(cache.getMany("props", ["mlb:1"]).get("mlb:1")).toBe(first);
  cache.set("props", "mlb:1", { line: 2.5 });
  expect(cache.get("props", "mlb:1")).not.toBe(first);
  expect(cache.get("props", "mlb:1")).toEqual({ line: 2.5 });
});

test("a category's handle reads what is set later", () => {
  const props = cache.category("props");
  cache.set("props", "mlb:1", 1);
  expect([props.get("mlb:1"), props.peek("mlb:1"), props.has("mlb:1"), props.keys(), props.entries()]).toEqual([
    1,
    1,
    true,
    ["mlb:1"],
    [["mlb:1", 1]],
  ]);
});

test("entries stay readable when the WebAssembly memory grows", async () => {
  const roomy = await createCache({ categories: { props: { max: 1_000 } }, maxBytes: 1 << 28 });
  roomy.set("props", "mlb:early", { early: true });
  const before = roomy.stats().memoryBytes;
  const megabyte = "x".repeat(1 << 20);
  for (let i = 0; roomy.stats().memoryBytes < before + (16 << 20); i++) {
    roomy.set("props", `mlb:large:${i}`, `${i}${megabyte}`);
    // Read by every way in, each of which may be the first to find the tables detached.
    const reads = [
      () => roomy.get("props", "mlb:early"),
      () => roomy.peek("props", "mlb:early"),
      () => roomy.has("props", "mlb:early") && { early: true },
      () => roomy.entries("props")[0]![1],
    ];
    expect(reads[i % reads.length]!()).toEqual({ early: true });
  }
  expect(roomy.get<string>("props", "mlb:large:0")).toHaveLength(megabyte.length + 1);
  roomy.close();
});

test("another cache's growth of the memory they share is survived too", async () => {
  cache.set("props", "mlb:early", 1);
  const other = await createCache({ categories: { props: { max: 100 } }, maxBytes: 1 << 28 });
  const before = other.stats().memoryBytes;
  for (let i = 0; other.stats().memoryBytes === before; i++)
    other.set("props", `mlb:${i}`, `${i}${"x".repeat(4 << 20)}`);
  expect(cache.get("props", "mlb:early")).toBe(1);
  cache.set("props", "mlb:late", 2);
  expect(cache.get("props", "mlb:late")).toBe(2);
  other.close();
});

test("equal payloads are stored once", () => {
  const text = "x".repeat(10_000);
  cache.set("props", "mlb:1", text);
  cache.set("odds", "mlb:1", text);
  expect(cache.stats()).toMatchObject({ entries: 2, bytes: 20_004, sharedBytes: 10_002 });
});
