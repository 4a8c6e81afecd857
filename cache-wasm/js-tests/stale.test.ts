/** Values that are held but may be out of date: when they still answer, and when they are asked for anew. */

import { type CacheOptions, type ConsolidatedCacheManager, createCache, type FetcherAnswer } from "cache-wasm";
import { afterEach, beforeEach, expect, test } from "vitest";

import { FakeClock } from "./fake-clock.js";
import { StubEdge } from "./stub-edge.js";
import { LEASE_MS, StubServer } from "./stub-server.js";
import { StubSocket } from "./stub-socket.js";

interface Request {
  key: string;
  answer(answer: FetcherAnswer): void;
  fail(error: unknown): void;
}

let clock: FakeClock;
let cache: ConsolidatedCacheManager;
let requests: Request[];

async function request(n: number): Promise<Request> {
  await expect.poll(() => requests.length, { interval: 1 }).toBeGreaterThanOrEqual(n);
  return requests[n - 1]!;
}

const open = async (category: Omit<NonNullable<CacheOptions["categories"]>[string], "max">) => {
  cache = await createCache({
    categories: { props: { max: 10, ...category } },
    clock,
    retries: 0,
    fetcher: (key) => new Promise((answer, fail) => requests.push({ key, answer, fail })),
  });
};

/** Fetches, with this answer. */
async function fetched(value: unknown): Promise<unknown> {
  const n = requests.length + 1;
  const fetching = cache.fetch("props", "mlb:1");
  (await request(n)).answer({ value });
  return fetching;
}

beforeEach(() => {
  clock = new FakeClock();
  requests = [];
});

afterEach(() => cache.close());

test("a value older than `staleTime` answers at once, and is asked for anew behind it", async () => {
  await open({ ttl: 10_000, staleTime: 1_000 });
  await fetched("old");
  await clock.advance(999);
  expect([cache.isStale("props", "mlb:1"), await cache.fetch("props", "mlb:1")]).toEqual([false, "old"]);
  await clock.advance(1);
  expect(cache.isStale("props", "mlb:1")).toBe(true);
  expect(await Promise.all([cache.fetch("props", "mlb:1"), cache.fetch("props", "mlb:1")])).toEqual(["old", "old"]);
  expect(requests).toHaveLength(2);
  expect(cache.get("props", "mlb:1")).toBe("old");
  requests[1]!.answer({ value: "new" });
  await expect.poll(() => cache.get("props", "mlb:1"), { interval: 1 }).toBe("new");
  expect([cache.isStale("props", "mlb:1"), await cache.fetch("props", "mlb:1"), requests.length]).toEqual([false, "new", 2]);
});

test("a `get` asks for nothing, however stale the value is", async () => {
  await open({ ttl: 10_000, staleTime: 1_000 });
  cache.set("props", "mlb:1", "set");
  await clock.advance(9_999);
  expect(cache.get("props", "mlb:1")).toBe("set");
  await clock.advance(1);
  expect(cache.get("props", "mlb:1")).toBeUndefined();
  expect(requests).toHaveLength(0);
});

test("a refresh that fails is counted and changes nothing", async () => {
  await open({ staleTime: 1_000 });
  await fetched("old");
  await clock.advance(1_000);
  expect(await cache.fetch("props", "mlb:1")).toBe("old");
  requests[1]!.fail(new Error("no route"));
  await expect.poll(() => cache.stats().fills.failed, { interval: 1 }).toBe(1);
  expect(await cache.fetch("props", "mlb:1")).toBe("old");
  expect(requests).toHaveLength(3);
});

test("a refresh in flight is voided by an invalidation, as any fill", async () => {
  await open({ staleTime: 1_000 });
  await fetched("old");
  await clock.advance(1_000);
  await cache.fetch("props", "mlb:1");
  cache.invalidate({ keys: ["mlb:1"] });
  requests[1]!.answer({ value: "old again" });
  (await request(3)).answer({ value: "new" });
  await expect.poll(() => cache.get("props", "mlb:1"), { interval: 1 }).toBe("new");
});

test("who forces a refresh waits for it, however fresh the value is", async () => {
  await open({ ttl: 10_000, staleTime: 1_000 });
  await fetched("old");
  const fetching = cache.fetch("props", "mlb:1", { forceRefresh: true });
  (await request(2)).answer({ value: "new" });
  expect(await fetching).toBe("new");
});

test("a value that a stream vouches for is not asked for anew, but is stale once its lease has ended", async () => {
  StubSocket.all = [];
  const edge = new StubEdge();
  cache = await createCache({
    url: "https://edge.example",
    categories: { props: { max: 10, staleTime: 1_000 } },
    fetch: edge.fetch,
    WebSocket: StubSocket,
    clock,
  });
  cache.subscribe("mlb:game:", () => {}, { category: "props" });
  const server = new StubServer();
  server.accept("mlb:game:", "1:7");
  server.change("mlb:game:", 7, 8, [["mlb:game:1", 8, { value: "pushed" }]]);
  await clock.advance(LEASE_MS - 1);
  expect([await cache.fetch("props", "mlb:game:1"), cache.isStale("props", "mlb:game:1")]).toEqual(["pushed", false]);
  await clock.advance(1);
  expect([cache.get("props", "mlb:game:1"), cache.isStale("props", "mlb:game:1")]).toEqual([undefined, true]);
  expect(edge.requests).toHaveLength(0);
});

test("what is not held, or has no value, is not stale", async () => {
  await open({ staleTime: 1_000, absentTtl: 5_000 });
  await fetched(undefined);
  await clock.advance(1_000);
  expect([cache.isStale("props", "mlb:1"), cache.isStale("props", "mlb:2")]).toEqual([false, false]);
});

test("`staleTime` from `ttl` on would do nothing, and is refused", async () => {
  await expect(open({ ttl: 1_000, staleTime: 1_000 })).rejects.toMatchObject({
    code: "argument",
    message: "category `props`: staleTime, 1000, must be less than ttl, 1000",
  });
  await open({});
});

test("for `staleIfError` after its age a value answers a fetch whose request failed, and no `get`", async () => {
  await open({ ttl: 1_000, staleIfError: 500 });
  await fetched("old");
  await clock.advance(1_499);
  expect([cache.get("props", "mlb:1"), cache.isStale("props", "mlb:1")]).toEqual([undefined, true]);
  const fetching = cache.fetch("props", "mlb:1");
  (await request(2)).fail(new Error("no route"));
  expect(await fetching).toBe("old");
  await clock.advance(1);
  const late = cache.fetch("props", "mlb:1");
  (await request(3)).fail(new Error("no route"));
  await expect(late).rejects.toMatchObject({ code: "unavailable" });
});

test("an answer comes before what is left of an old value, and so does the news that there is none", async () => {
  await open({ ttl: 1_000, staleIfError: 500 });
  await fetched("old");
  await clock.advance(1_200);
  expect(await fetched("new")).toBe("new");
  await clock.advance(1_200);
  expect(await fetched(undefined)).toBeUndefined();
  const fetching = cache.fetch("props", "mlb:1");
  (await request(4)).fail(new Error("no route"));
  await expect(fetching).rejects.toMatchObject({ code: "unavailable" });
});

test("a fault of the application's is not covered by an old value", async () => {
  await open({ ttl: 1_000, staleIfError: 500 });
  await fetched("old");
  await clock.advance(1_200);
  const fetching = cache.fetch("props", "mlb:1");
  (await request(2)).answer({ value: 10n });
  await expect(fetching).rejects.toMatchObject({ code: "argument" });
});

test("for `absentTtl` it is known that a key has no value, and nobody is asked", async () => {
  await open({ absentTtl: 1_000 });
  await fetched(undefined);
  const { hits, misses } = cache.stats();
  await clock.advance(999);
  expect(await cache.fetch("props", "mlb:1")).toBeUndefined();
  expect(cache.stats()).toMatchObject({ hits: hits + 1, misses });
  expect([requests.length, cache.has("props", "mlb:1")]).toEqual([1, false]);
  await clock.advance(1);
  expect(await fetched("there now")).toBe("there now");
});

test("without `absentTtl` it is asked for again", async () => {
  await open({ ttl: 1_000 });
  await fetched(undefined);
  expect(await fetched("there now")).toBe("there now");
});

test("what is known to have no value can be set, invalidated and refreshed", async () => {
  await open({ absentTtl: 1_000 });
  await fetched(undefined);
  cache.set("props", "mlb:1", "set");
  expect(await cache.fetch("props", "mlb:1")).toBe("set");
  cache.delete("props", "mlb:1");
  await fetched(undefined);
  cache.invalidate({ keys: ["mlb:1"] });
  expect(await fetched("new")).toBe("new");
});
