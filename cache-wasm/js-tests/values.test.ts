/** Storing, reading and removing, through the real WebAssembly module. */

import { type ConsolidatedCacheManager, createCache, DEFAULT_CATEGORIES } from "cache-wasm";
import { afterEach, beforeEach, expect, test } from "vitest";

import { loadModule } from "../dist/load.js";

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

const AFTER_GROWTH: [name: string, act: () => unknown, expected: unknown][] = [
  ["get", () => cache.get("props", "mlb:early"), "early"],
  ["peek", () => cache.peek("props", "mlb:early"), "early"],
  ["has", () => cache.has("props", "mlb:early"), true],
  ["entries", () => cache.entries("props"), [["mlb:early", "early"]]],
  ["a handle", () => cache.category("props").handle("mlb:early").value, "early"],
  ["set", () => cache.set("props", "mlb:late", "late") ?? cache.entries("props"), [["mlb:early", "early"], ["mlb:late", "late"]]],
  ["delete", () => [cache.delete("props", "mlb:early"), cache.has("props", "mlb:early")], [true, false]],
  ["invalidate", () => cache.invalidate({ scope: "mlb:early:" }) ?? cache.invalidate({ keys: ["mlb:early"] }) ?? cache.size, 0],
];

test.for(AFTER_GROWTH)("when the WebAssembly memory has grown, %s works as before", async ([, act, expected]) => {
  cache.set("props", "mlb:early", "early");
  cache.get("props", "mlb:early");
  // As another cache's need would, in the same synchronous run or before the next.
  const { memory } = await loadModule();
  for (const wait of [undefined, Promise.resolve()]) {
    await wait;
    memory.grow(1);
    cache.get("props", "mlb:early");
  }
  memory.grow(1);
  expect(act()).toEqual(expected);
});

test("a value that came as text is read after the memory has grown", async () => {
  const fetching = await createCache({
    categories: { props: { max: 10 } },
    fetcher: async (key) => ({ value: { key } }),
  });
  await fetching.fetch("props", "mlb:1");
  fetching.pressure("elevated");
  (await loadModule()).memory.grow(1);
  expect(fetching.get("props", "mlb:1")).toEqual({ key: "mlb:1" });
  fetching.close();
});

test("equal payloads are stored once", () => {
  const text = "x".repeat(10_000);
  cache.set("props", "mlb:1", text);
  cache.set("odds", "mlb:1", text);
  // Everything set is settled.
  cache.pressure("elevated");
  expect(cache.stats()).toMatchObject({ entries: 2, payloads: { count: 1, references: 2, sharedBytes: 10_002 } });
  expect([cache.get("props", "mlb:1"), cache.get("odds", "mlb:1")]).toEqual([text, text]);
});

test("a category sets what it reads", () => {
  const props = cache.category("props");
  props.set("mlb:1", 1, { tags: ["today"] });
  expect([props.get("mlb:1"), cache.get("props", "mlb:1")]).toEqual([1, 1]);
  cache.invalidate({ tags: ["today"] });
  expect(props.get("mlb:1")).toBeUndefined();
});
