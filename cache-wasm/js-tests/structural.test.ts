import { type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, expect, test } from "vitest";

import { shareEqual } from "../js/structural.js";

let cache: ConsolidatedCacheManager | undefined;

afterEach(() => cache?.close());

const before = () => ({ id: 1, odds: { over: -110, under: -120 }, lines: [{ at: 1 }, { at: 2 }, { at: 3 }] });

test("what is equal as a whole is the old object", () => {
  const old = before();
  expect(shareEqual(old, before())).toBe(old);
});

test("what is equal in part is the old object in that part, and neither version is changed", () => {
  const [old, next] = [before(), before()];
  next.odds.over = -115;
  next.lines[1] = { at: 2.5 };
  const shared = shareEqual(old, next) as typeof next;
  expect(shared).toEqual(next);
  expect(shared).not.toBe(next);
  expect(shared.odds).not.toBe(old.odds);
  expect(shared.lines[0]).toBe(old.lines[0]);
  expect(shared.lines[1]).not.toBe(old.lines[1]);
  expect(shared.lines[2]).toBe(old.lines[2]);
  expect([old.odds.over, next.lines[0]]).toEqual([-110, { at: 1 }]);
});

const DIFFERENT: [before: unknown, after: unknown][] = [
  [[1], { 0: 1 }],
  [{ a: 1 }, null],
  [null, { a: 1 }],
  [{ a: 1 }, { b: 1 }],
  [{ a: 1, b: 2 }, { a: 1 }],
  [[1, 2], [1]],
  [{ a: undefined }, { b: undefined }],
  ["1", 1],
];

test.for(DIFFERENT)("%j is not %j", ([before, after]) => {
  expect(shareEqual(before, after)).toEqual(after);
  expect(shareEqual(before, after)).not.toBe(before);
});

test("a member called __proto__ stays a member", () => {
  const text = '{"__proto__":{"a":1},"b":2}';
  const shared = shareEqual(JSON.parse(text), JSON.parse(text.replace("2", "3"))) as object;
  expect(JSON.stringify(shared)).toBe('{"__proto__":{"a":1},"b":3}');
  expect(Object.getPrototypeOf(shared)).toBe(Object.prototype);
});

test("a category that asks for it shares what is equal in what is set, and in what is fetched", async () => {
  const answers = [before(), before(), { ...before(), id: 2 }];
  cache = await createCache({
    categories: { props: { max: 10, structuralSharing: true } },
    fetcher: async () => ({ value: answers.shift() }),
  });
  const fetch = () => cache!.fetch<ReturnType<typeof before>>("props", "mlb:1", { forceRefresh: true });
  const first = await fetch();
  expect(await fetch()).toBe(first);
  const third = await fetch();
  expect(third).toEqual({ ...before(), id: 2 });
  expect(third!.odds).toBe(first!.odds);
  cache.set("props", "mlb:1", { ...before(), id: 3 });
  expect(cache.get("props", "mlb:1")).toMatchObject({ id: 3 });
  expect(cache.get<typeof first>("props", "mlb:1")!.lines).toBe(first!.lines);
});

test("what is kept by reference is no version of what is JSON", async () => {
  cache = await createCache({
    categories: { props: { max: 10, structuralSharing: true } },
    fetcher: async () => ({ value: {} }),
  });
  const kept = [new Map([[1, 1]]), new Map([[2, 2]])];
  for (const map of kept) {
    cache.set("props", "mlb:1", map, { pack: false });
    expect(cache.get("props", "mlb:1")).toBe(map);
  }
  cache.set("props", "mlb:1", {});
  expect(cache.get("props", "mlb:1")).not.toBeInstanceOf(Map);
  cache.set("props", "mlb:1", kept[0], { pack: false });
  expect(await cache.fetch("props", "mlb:1", { forceRefresh: true })).not.toBeInstanceOf(Map);
});

test("a category that does not ask for it gives what was set", async () => {
  cache = await createCache({ categories: { props: { max: 10 } } });
  const [old, next] = [before(), before()];
  cache.set("props", "mlb:1", old);
  cache.set("props", "mlb:1", next);
  expect(cache.get("props", "mlb:1")).toBe(next);
});
