/** Reading through a `fetcher` of the application's own, with no server: one flight a key, fenced by hand. */

import {
  type CacheError,
  type ConsolidatedCacheManager,
  createCache,
  type Fetcher,
  type FetcherAnswer,
} from "cache-wasm";
import { afterEach, beforeEach, expect, test } from "vitest";

import { FakeClock } from "./fake-clock.js";

interface Request {
  key: string;
  signal: AbortSignal;
  min: string | undefined;
  answer(answer: FetcherAnswer): void;
  fail(error: unknown): void;
}

const clock = new FakeClock();
let cache: ConsolidatedCacheManager;
let requests: Request[];

const fetcher: Fetcher = (key, { signal, min }) =>
  new Promise((answer, fail) => requests.push({ key, signal, min, answer, fail }));

/** The nth request, which is on its way by now or will be in a moment. */
async function request(n: number): Promise<Request> {
  await expect.poll(() => requests.length, { interval: 1 }).toBeGreaterThanOrEqual(n);
  return requests[n - 1]!;
}

beforeEach(async () => {
  requests = [];
  cache = await createCache({ categories: { props: { max: 10 }, odds: { max: 10 } }, fetcher, clock, retries: 0 });
});

afterEach(() => cache.close());

test("a miss asks the fetcher, and the answer is a hit from then on", async () => {
  const value = cache.fetch("props", "mlb:1");
  (await request(1)).answer({ value: { line: 1 } });
  expect(await value).toEqual({ line: 1 });
  expect(await cache.fetch("props", "mlb:1")).toBe(cache.get("props", "mlb:1"));
  expect(requests.map(({ key, min }) => [key, min])).toEqual([["mlb:1", undefined]]);
});

test("what is set already is not asked for, unless a refresh is forced", async () => {
  cache.set("props", "mlb:1", "set");
  expect(await cache.fetch("props", "mlb:1")).toBe("set");
  const refreshed = cache.fetch("props", "mlb:1", { forceRefresh: true });
  (await request(1)).answer({ value: "fetched" });
  expect(await refreshed).toBe("fetched");
  expect(cache.get("props", "mlb:1")).toBe("fetched");
});

test("null is a value, not a miss", async () => {
  const value = cache.fetch("props", "mlb:1");
  (await request(1)).answer({ value: null });
  expect([await value, await cache.fetch("props", "mlb:1"), requests.length]).toEqual([null, null, 1]);
});

test("a key that has no value is undefined, and leaves the cache if it was there", async () => {
  cache.set("props", "mlb:1", 1);
  const reasons: string[] = [];
  cache.on("evict", ({ reason }) => reasons.push(reason));
  const value = cache.fetch("props", "mlb:1", { forceRefresh: true });
  (await request(1)).answer({ value: undefined });
  expect(await value).toBeUndefined();
  expect(cache.has("props", "mlb:1")).toBe(false);
  expect(reasons).toEqual(["gone"]);
});

test("those who ask for a key at a time share one flight and get the same object", async () => {
  const values = Promise.all([1, 2, 3].map(() => cache.fetch("props", "mlb:1")));
  (await request(1)).answer({ value: { line: 1 } });
  const [first, ...others] = await values;
  for (const other of others) expect(other).toBe(first);
  expect(cache.get("props", "mlb:1")).toBe(first);
  expect(requests).toHaveLength(1);
});

test("other keys, and other categories, fly apart", async () => {
  const values = Promise.all([
    cache.fetch("props", "mlb:1"),
    cache.fetch("props", "mlb:2"),
    cache.fetch("odds", "mlb:1"),
  ]);
  for (let n = 1; n <= 3; n++) (await request(n)).answer({ value: n });
  expect(await values).toEqual([1, 2, 3]);
});

test("a waiter may abort; the others get their value", async () => {
  const leaving = new AbortController();
  const left = cache.fetch("props", "mlb:1", { signal: leaving.signal });
  const stays = cache.fetch("props", "mlb:1");
  const asked = await request(1);
  leaving.abort(new Error("enough"));
  await expect(left).rejects.toThrow("enough");
  expect(asked.signal.aborted).toBe(false);
  asked.answer({ value: 1 });
  expect(await stays).toBe(1);
});

test("when the last waiter aborts, the fetcher's signal says so", async () => {
  const leaving = new AbortController();
  const left = cache.fetch("props", "mlb:1", { signal: leaving.signal });
  const asked = await request(1);
  leaving.abort();
  await expect(left).rejects.toMatchObject({ name: "AbortError" });
  expect(asked.signal.aborted).toBe(true);
  const next = cache.fetch("props", "mlb:1");
  (await request(2)).answer({ value: 2 });
  expect(await next).toBe(2);
});

const INVALIDATIONS: [name: string, invalidate: () => void][] = [
  ["its key", () => cache.invalidate({ keys: ["mlb:game:1"] })],
  ["its scope", () => cache.invalidate({ scope: "mlb:game:" })],
  ["a tag, which it may carry", () => cache.invalidate({ tags: ["today"] })],
  ["its category", () => cache.invalidate({ category: "props" })],
  ["everything, by clear", () => cache.clear()],
  ["the key, by delete", () => void cache.delete("props", "mlb:game:1")],
];

test.for(INVALIDATIONS)(
  "an answer that was in flight while one invalidated %s is not kept, and asked for again",
  async ([, invalidate]) => {
    const values = Promise.all([cache.fetch("props", "mlb:game:1"), cache.fetch("props", "mlb:game:1")]);
    const before = await request(1);
    invalidate();
    before.answer({ value: "old" });
    const after = await request(2);
    expect(cache.get("props", "mlb:game:1")).toBeUndefined();
    after.answer({ value: "new" });
    expect(await values).toEqual(["new", "new"]);
    expect(cache.get("props", "mlb:game:1")).toBe("new");
    expect(requests).toHaveLength(2);
    expect(cache.stats().fills).toMatchObject({ started: 2, accepted: 1, discarded: 1, failed: 0 });
  },
);

test("an answer that was in flight while the key was set is not kept, and who waits gets what was set", async () => {
  const value = cache.fetch("props", "mlb:game:1");
  const asked = await request(1);
  cache.set("props", "mlb:game:1", "set");
  asked.answer({ value: "older" });
  expect(await value).toBe("set");
  expect(cache.get("props", "mlb:game:1")).toBe("set");
  expect(requests).toHaveLength(1);
});

test("an invalidation of something else leaves an answer in flight as it is", async () => {
  const value = cache.fetch("props", "mlb:game:1");
  const asked = await request(1);
  cache.invalidate({ keys: ["mlb:game:2"], scope: "mlb:team:" });
  asked.answer({ value: 1 });
  expect(await value).toBe(1);
  expect(requests).toHaveLength(1);
});

test("a key that is invalidated at every attempt is `unsettled`, and nothing is kept", async () => {
  const value = cache.fetch("props", "mlb:1").catch((error: CacheError) => error);
  for (let n = 1; n <= 6; n++) {
    const asked = await request(n);
    cache.invalidate({ keys: ["mlb:1"] });
    asked.answer({ value: n });
  }
  expect(await value).toMatchObject({
    code: "unsettled",
    message: "`mlb:1` changed faster than it could be read; try again, or allow stale values",
  });
  expect(cache.get("props", "mlb:1")).toBeUndefined();
  expect(requests).toHaveLength(6);
});

test("a fetcher that fails makes the fetch fail, with its error as the cause, and keeps what was there", async () => {
  cache.set("props", "mlb:1", "kept");
  const value = cache.fetch("props", "mlb:1", { forceRefresh: true });
  const fault = new TypeError("no route");
  (await request(1)).fail(fault);
  await expect(value).rejects.toMatchObject({
    code: "unavailable",
    message: "no answer could be had: TypeError: no route",
    cause: fault,
  });
  expect(cache.get("props", "mlb:1")).toBe("kept");
  expect(cache.stats().fills).toMatchObject({ started: 1, failed: 1 });
});

test("with allowStale, a fetcher that fails leaves the value there is", async () => {
  cache.set("props", "mlb:1", "kept");
  const value = cache.fetch("props", "mlb:1", { forceRefresh: true, allowStale: true });
  (await request(1)).fail(new Error("no route"));
  expect(await value).toBe("kept");
});

test("with allowStale, a value past its age is the last resort", async () => {
  cache.set("props", "mlb:1", "old", { ttl: 1_000 });
  await clock.advance(1_000);
  const value = cache.fetch("props", "mlb:1", { allowStale: true });
  (await request(1)).fail(new Error("no route"));
  expect(await value).toBe("old");
  expect(cache.get("props", "mlb:1")).toBeUndefined();
});

test("with allowStale, a fresh answer still comes first", async () => {
  cache.set("props", "mlb:1", "old", { ttl: 1_000 });
  await clock.advance(1_000);
  const value = cache.fetch("props", "mlb:1", { allowStale: true });
  (await request(1)).answer({ value: "new" });
  expect(await value).toBe("new");
  expect(cache.get("props", "mlb:1")).toBe("new");
});

test("with allowStale, what was invalidated does not come back", async () => {
  cache.set("props", "mlb:1", "old", { ttl: 1_000 });
  await clock.advance(1_000);
  const value = cache.fetch("props", "mlb:1", { allowStale: true });
  const asked = await request(1);
  cache.invalidate({ keys: ["mlb:1"] });
  asked.fail(new Error("no route"));
  await expect(value).rejects.toMatchObject({ code: "unavailable" });
});

test("with allowStale, who aborted is not given a stale value", async () => {
  cache.set("props", "mlb:1", "old");
  const leaving = new AbortController();
  const value = cache.fetch("props", "mlb:1", { forceRefresh: true, allowStale: true, signal: leaving.signal });
  await request(1);
  leaving.abort();
  await expect(value).rejects.toMatchObject({ name: "AbortError" });
});

test("an answer's ttl and tags are kept with it", async () => {
  const value = cache.fetch("props", "mlb:1");
  (await request(1)).answer({ value: 1, ttl: 500, tags: ["today"] });
  await value;
  await clock.advance(499);
  expect(cache.has("props", "mlb:1")).toBe(true);
  await clock.advance(1);
  expect(cache.has("props", "mlb:1")).toBe(false);
  const again = cache.fetch("props", "mlb:1");
  (await request(2)).answer({ value: 2, tags: ["today"] });
  await again;
  cache.invalidate({ tags: ["today"] });
  expect(cache.has("props", "mlb:1")).toBe(false);
});

test("an answer that does not fit is given to who asked, and not kept", async () => {
  const small = await createCache({ categories: { props: { max: 10, maxBytes: 100 } }, fetcher });
  const value = small.fetch<string>("props", "mlb:1");
  (await request(1)).answer({ value: "x".repeat(1_000) });
  expect(await value).toHaveLength(1_000);
  expect(small.has("props", "mlb:1")).toBe(false);
  small.close();
});

test("a listener that throws the old value's successor out again does not make the fetch fail", async () => {
  cache.set("props", "mlb:1", "old");
  cache.on("evict", ({ key, reason }) => reason === "replaced" && cache.delete("props", key));
  const value = cache.fetch("props", "mlb:1", { forceRefresh: true });
  (await request(1)).answer({ value: "new" });
  expect(await value).toBe("new");
  expect(cache.has("props", "mlb:1")).toBe(false);
});

test("an answer that JSON cannot carry is the fetcher's fault, and says so", async () => {
  const value = cache.fetch("props", "mlb:1");
  (await request(1)).answer({ value: 10n });
  await expect(value).rejects.toMatchObject({
    code: "argument",
    message: expect.stringContaining("cannot be JSON: TypeError: Do not know how to serialize a BigInt"),
  });
});
