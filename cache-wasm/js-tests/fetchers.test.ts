/** What a fetcher of the application's own may answer, and what it may not. */

import { type CacheOptions, type ConsolidatedCacheManager, createCache, type FetcherMany } from "cache-wasm";
import { afterEach, expect, test, vi } from "vitest";

let cache: ConsolidatedCacheManager;

const open = async (options: CacheOptions) => {
  cache = await createCache({ categories: { props: { max: 500 } }, retries: 0, ...options });
};
const fetchAll = (...keys: string[]) => Promise.all(keys.map((key) => cache.fetch("props", key)));

afterEach(() => cache.close());

test("without `fetcherMany`, each key of a turn is one call", async () => {
  const fetcher = vi.fn(async (key: string) => ({ value: key }));
  await open({ fetcher });
  expect(await fetchAll("mlb:1", "mlb:2")).toEqual(["mlb:1", "mlb:2"]);
  expect(fetcher.mock.calls.map(([key]) => key)).toEqual(["mlb:1", "mlb:2"]);
});

test.for<[form: string, answers: Awaited<ReturnType<FetcherMany>>]>([
  ["a Map", new Map([["mlb:1", { value: 1, tags: ["today"] }], ["mlb:2", { value: undefined }]])],
  ["an object", { "mlb:1": { value: 1, tags: ["today"] }, "mlb:2": { value: undefined } }],
])("the keys of a turn are one call of `fetcherMany`, which may answer with %s", async ([, answers]) => {
  const fetcherMany = vi.fn<FetcherMany>(async () => answers);
  await open({ fetcherMany });
  expect(await fetchAll("mlb:1", "mlb:2")).toEqual([1, undefined]);
  expect(fetcherMany.mock.calls.map(([keys, { min, priority }]) => [keys, min, priority])).toEqual([
    [["mlb:1", "mlb:2"], undefined, "auto"],
  ]);
  cache.invalidate({ tags: ["today"] });
  expect(cache.has("props", "mlb:1")).toBe(false);
});

test("a call of `fetcherMany` has at most 200 keys", async () => {
  const sizes: number[] = [];
  await open({
    fetcherMany: async (keys) => {
      sizes.push(keys.length);
      return new Map(keys.map((key) => [key, { value: key }]));
    },
  });
  const keys = Array.from({ length: 450 }, (_, i) => `mlb:${i}`);
  expect(await fetchAll(...keys)).toEqual(keys);
  expect(sizes).toEqual([200, 200, 50]);
});

test("a single key goes to `fetcher` where there is one, else to `fetcherMany`", async () => {
  const fetcher = vi.fn(async () => ({ value: "one" }));
  const fetcherMany = vi.fn<FetcherMany>(async (keys) => new Map(keys.map((key) => [key, { value: "many" }])));
  await open({ fetcher, fetcherMany });
  expect(await fetchAll("mlb:1")).toEqual(["one"]);
  cache.close();
  await open({ fetcherMany });
  expect(await fetchAll("mlb:1")).toEqual(["many"]);
});

test("a key that `fetcherMany` leaves out is asked for once more alone, and then fails", async () => {
  const asked: string[][] = [];
  await open({
    fetcherMany: async (keys) => {
      asked.push(keys);
      return { "mlb:1": { value: 1 } };
    },
  });
  const [first, second] = await Promise.allSettled([cache.fetch("props", "mlb:1"), cache.fetch("props", "mlb:2")]);
  expect(first).toMatchObject({ value: 1 });
  expect(second).toMatchObject({ reason: { code: "unavailable", message: "the answer does not name `mlb:2`" } });
  expect(asked).toEqual([["mlb:1", "mlb:2"], ["mlb:2"]]);
});

test("one answer of `fetcherMany` that is wrong fails alone", async () => {
  await open({ fetcherMany: async () => ({ "mlb:1": { value: 1 }, "mlb:2": { value: 10n }, "mlb:3": { value: 3 } }) });
  const keys = ["mlb:1", "mlb:2", "mlb:3"];
  expect(await Promise.allSettled(keys.map((key) => cache.fetch("props", key)))).toMatchObject([
    { value: 1 },
    { reason: { code: "argument" } },
    { value: 3 },
  ]);
});

const NO_VALUE =
  "the fetcher's answer for `mlb:1` has no `value`: return `{ value }`, with `undefined` for a key that has none";
const WRONG: [answer: unknown, message: string][] = [
  [{ line: 1 }, NO_VALUE],
  [undefined, NO_VALUE],
  ["text", NO_VALUE],
  [{ value: 1, version: 1.5 }, "version must be a whole number from 0 on, not 1.5"],
  [{ value: 1, version: "7" }, "version must be a whole number from 0 on, not 7"],
  [{ value: 1, ttl: Number.NaN }, "ttl must be a number, not NaN"],
  [{ value: 1, tags: "today" }, "the tags must be a list of strings, not string"],
  [{ value: 1, tags: [7] }, "the tag must be a string, not number"],
  [{ value: 1, tags: ["a,b"] }, "the tag has ',' at byte 1; tags are ASCII without commas, because headers list them"],
  [{ value: 1, asOf: 7 }, "the asOf must be a string, not number"],
];

test.for(WRONG)("an answer such as %o is the fetcher's fault, and says so", async ([answer, message]) => {
  const fetcher = vi.fn(async () => answer as { value: unknown });
  await open({ fetcher, retries: 2 });
  await expect(cache.fetch("props", "mlb:1")).rejects.toMatchObject({ code: "argument", message });
  expect(fetcher).toHaveBeenCalledTimes(1);
  expect(cache.has("props", "mlb:1")).toBe(false);
  expect(cache.stats().fills).toMatchObject({ started: 1, accepted: 0, failed: 1 });
});

test("an answer of `fetcherMany` that is no list of answers says so", async () => {
  const fetcherMany = vi.fn(async () => undefined as unknown as Map<string, { value: unknown }>);
  await open({ fetcherMany, retries: 2 });
  await expect(cache.fetch("props", "mlb:1")).rejects.toMatchObject({
    code: "argument",
    message: "`fetcherMany` must give a Map or an object by key, not undefined",
  });
  expect(fetcherMany).toHaveBeenCalledTimes(1);
});

test("what an answer leaves out may be null, as a header that is not there", async () => {
  const answer = { value: 1, asOf: null, version: null, tags: null, ttl: null };
  await open({ fetcher: async () => answer as unknown as { value: unknown } });
  expect(await cache.fetch("props", "mlb:1")).toBe(1);
});

test.for([0, -5])("an answer with %d ms to live is for who asked alone", async (ttl) => {
  await open({ fetcher: async () => ({ value: 1, ttl }), categories: { props: { max: 10, ttl: 1_000 } } });
  expect(await cache.fetch("props", "mlb:1")).toBe(1);
  expect(cache.has("props", "mlb:1")).toBe(false);
});

test("a fetcher that throws at once fails as one that rejects", async () => {
  await open({
    fetcher: () => {
      throw new Error("no route");
    },
  });
  await expect(cache.fetch("props", "mlb:1")).rejects.toMatchObject({
    code: "unavailable",
    message: "no answer could be had: Error: no route",
  });
});

test("an answer with an older version than is known is dropped, and asked for again", async () => {
  const versions = [4, 6];
  await open({ fetcher: async () => ({ value: "fetched", version: versions.shift()! }) });
  cache.apply("props", [{ key: "mlb:1", value: "told", version: 5 }]);
  expect(await cache.fetch("props", "mlb:1", { forceRefresh: true })).toBe("told");
  expect(cache.get("props", "mlb:1")).toBe("told");
  expect(await cache.fetch("props", "mlb:1", { forceRefresh: true })).toBe("fetched");
});
