/** Many keys at a time: `fetchMany`, which waits for them, and `prefetch`, which displaces nothing. */

import { CacheError, type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { entry, got, StubEdge } from "./stub-edge.js";

let edge: StubEdge;
let cache: ConsolidatedCacheManager;

const everyKey = ({ keys }: { keys: string[] | undefined }) =>
  keys === undefined ? entry("alone") : got(...keys.map((key): [string, string] => [key, `value of ${key}`]));

beforeEach(async () => {
  edge = new StubEdge();
  cache = await createCache({
    url: "https://edge.example",
    categories: { props: { max: 4 }, odds: { max: 500 } },
    fetch: edge.fetch,
    retries: 0,
  });
});

afterEach(() => {
  cache.close();
  vi.unstubAllGlobals();
});

test("fetchMany asks for what is not there, in one request, and leaves out what has no value", async () => {
  cache.set("odds", "mlb:1", "set");
  const values = cache.fetchMany("odds", ["mlb:1", "mlb:2", "mlb:none", "mlb:2"]);
  const asked = await edge.request(1);
  expect(asked.keys).toEqual(["mlb:2", "mlb:none"]);
  asked.answer(got(["mlb:2", 2], ["mlb:none", undefined]));
  expect([...(await values)]).toEqual([["mlb:1", "set"], ["mlb:2", 2]]);
});

test("fetchMany of what is all there, or of nothing, asks for nothing", async () => {
  cache.setMany("odds", [["mlb:1", 1], ["mlb:2", null]]);
  expect([...(await cache.fetchMany("odds", new Set(["mlb:1", "mlb:2"])))]).toEqual([["mlb:1", 1], ["mlb:2", null]]);
  expect((await cache.fetchMany("odds", [])).size).toBe(0);
  expect(edge.requests).toHaveLength(0);
});

test("when a key cannot be had, fetchMany says why, and what it got", async () => {
  const values = cache.fetchMany("odds", ["mlb:1", "mlb:2", "mlb"]).catch((error: unknown) => error);
  (await edge.request(1)).answer(got(["mlb:1", 1]));
  (await edge.request(2)).answer(new Response(null, { status: 403, statusText: "Forbidden" }));
  const error = (await values) as CacheError;
  expect(error).toBeInstanceOf(CacheError);
  expect(error).toMatchObject({ code: "unavailable", partial: new Map([["mlb:1", 1]]) });
  expect(error.message).toBe(
    "2 of 3 keys could not be had, the others are in `partial`: CacheError: the edge server answered 403: Forbidden",
  );
  expect(error.cause).toBeInstanceOf(AggregateError);
  expect((error.cause as AggregateError).errors).toMatchObject([{ code: "unavailable", status: 403 }, { code: "argument" }]);
});

test("an abort ends a fetchMany with its reason, and its request", async () => {
  const leaving = new AbortController();
  const values = cache.fetchMany("odds", ["mlb:1", "mlb:2"], { signal: leaving.signal });
  const asked = await edge.request(1);
  leaving.abort("enough");
  await expect(values).rejects.toBe("enough");
  expect(asked.signal.aborted).toBe(true);
});

test("options of a fetchMany are those of a fetch", async () => {
  cache.setMany("odds", [["mlb:1", "old"], ["mlb:2", "old"]]);
  const values = cache.fetchMany("odds", ["mlb:1", "mlb:2"], { forceRefresh: true, allowStale: true });
  (await edge.request(1)).fail(new TypeError("fetch failed"));
  expect([...(await values).values()]).toEqual(["old", "old"]);
});

test("prefetch stores what is neither there nor on its way, at low priority, and says how much", async () => {
  cache.set("odds", "mlb:1", "set");
  const fetching = cache.fetch("odds", "mlb:2");
  await edge.request(1);
  const stored = cache.prefetch("odds", ["mlb:1", "mlb:2", "mlb:3", "mlb:4", "mlb:none"]);
  const asked = await edge.request(2);
  expect([asked.keys, asked.priority]).toEqual([["mlb:3", "mlb:4", "mlb:none"], "low"]);
  expect(edge.requests[0]!.priority).toBe("auto");
  asked.answer(got(["mlb:3", 3], ["mlb:4", 4], ["mlb:none", undefined]));
  expect(await stored).toBe(2);
  expect(cache.stats().decodedBytes, "is not decoded before it is read").toBe("set".length + 2);
  expect(cache.getMany("odds", ["mlb:3", "mlb:4"]).size).toBe(2);
  edge.requests[0]!.answer(entry(2));
  await fetching;
});

test("prefetch displaces nothing", async () => {
  edge.respond = everyKey;
  cache.setMany("props", [["mlb:1", 1], ["mlb:2", 2], ["mlb:3", 3]]);
  expect(await cache.prefetch("props", ["nba:1", "nba:2", "nba:3"])).toBe(1);
  expect(cache.keys("props")).toEqual(["mlb:1", "mlb:2", "mlb:3", "nba:1"]);
});

test("who fetches what is prefetched waits for it, and asks for nothing", async () => {
  const stored = cache.prefetch("odds", ["mlb:1", "mlb:2"]);
  const asked = await edge.request(1);
  const value = cache.fetch("odds", "mlb:1");
  asked.answer(got(["mlb:1", 1], ["mlb:2", 2]));
  expect([await value, await stored, edge.requests.length]).toEqual([1, 2, 1]);
});

test("who fetches what could not be prefetched asks for it", async () => {
  const stored = cache.prefetch("odds", ["mlb:1", "mlb:2"]);
  const asked = await edge.request(1);
  const value = cache.fetch("odds", "mlb:1");
  asked.answer(new Response(null, { status: 503 }));
  (await edge.request(2)).answer(entry("asked"));
  expect([await value, await stored]).toEqual(["asked", 0]);
});

test("who fetches what there was no room to prefetch asks for it, and displaces", async () => {
  cache.setMany("props", [1, 2, 3, 4].map((n) => [`mlb:${n}`, n]));
  const stored = cache.prefetch("props", ["nba:1", "nba:2"]);
  const asked = await edge.request(1);
  const value = cache.fetch("props", "nba:1");
  asked.answer(everyKey(asked) as Uint8Array<ArrayBuffer>);
  (await edge.request(2)).answer(entry("asked"));
  expect(await value).toBe("asked");
  expect([await stored, cache.has("props", "nba:1"), cache.has("props", "nba:2")]).toEqual([0, true, false]);
});

test("who leaves what is prefetched is let go, and it flies on", async () => {
  const stored = cache.prefetch("odds", ["mlb:1", "mlb:2"]);
  const asked = await edge.request(1);
  const leaving = new AbortController();
  const left = cache.fetch("odds", "mlb:1", { signal: leaving.signal });
  leaving.abort("enough");
  await expect(left).rejects.toBe("enough");
  asked.answer(got(["mlb:1", 1], ["mlb:2", 2]));
  expect([await stored, edge.requests.length]).toEqual([2, 1]);
});

test("prefetch does not reject: not when the server fails, a key is none, or the cache is closed", async () => {
  edge.respond = () => new Response(null, { status: 500 });
  expect(await cache.prefetch("odds", ["mlb:1", "mlb:2", "mlb"])).toBe(0);
  edge.respond = undefined;
  const pending = cache.prefetch("odds", ["mlb:3"]);
  cache.close();
  expect([await pending, await cache.prefetch("odds", ["mlb:1"])]).toEqual([0, 0]);
});

test("prefetch is tried once", async () => {
  cache.close();
  cache = await createCache({ url: "https://edge.example", categories: { odds: { max: 10 } }, fetch: edge.fetch });
  edge.respond = () => new Response(null, { status: 503 });
  expect(await cache.prefetch("odds", ["mlb:1"])).toBe(0);
  expect(edge.requests).toHaveLength(1);
});

test("nothing is prefetched while the user saves data", async () => {
  vi.stubGlobal("navigator", { connection: { saveData: true } });
  expect(await cache.prefetch("odds", ["mlb:1"])).toBe(0);
  expect(edge.requests).toHaveLength(0);
});

test("a prefetch is fenced: what is invalidated in flight is not stored", async () => {
  const stored = cache.prefetch("odds", ["mlb:1", "mlb:2"]);
  const asked = await edge.request(1);
  cache.invalidate({ keys: ["mlb:1"] });
  asked.answer(got(["mlb:1", "old"], ["mlb:2", 2]));
  const again = await edge.request(2);
  expect([again.path, cache.has("odds", "mlb:1")]).toEqual(["/v1/entries/mlb:1", false]);
  again.answer(entry("new"));
  expect([await stored, cache.get("odds", "mlb:1")]).toEqual([2, "new"]);
});

const WRONG: [what: string, call: () => unknown, message: string][] = [
  ["a string for keys", () => cache.fetchMany("odds", "mlb:1"), "the keys must be a list of strings, not string"],
  ["null for keys", () => cache.fetchMany("odds", null as unknown as string[]), "the keys must be a list of strings, not null"],
  ["a number among keys", () => cache.fetchMany("odds", [7 as unknown as string]), "the key must be a string, not number"],
  ["no keys to prefetch", () => cache.prefetch("odds", undefined as unknown as string[]), "the keys must be a list of strings, not undefined"],
  ["no category", () => cache.prefetch("nope", []), "there is no category `nope`; the cache has `props`, `odds`"],
  ["an unknown option", () => cache.fetchMany("odds", [], { allowStal: true } as object), "there is no option `allowStal`; did you mean `allowStale`?"],
  ["what is no signal", () => cache.fetch("odds", "mlb:1", { signal: {} as AbortSignal }), "`signal` must be an AbortSignal, not object"],
];

test.for(WRONG)("%s is refused", async ([, call, message]) => {
  const error = await Promise.resolve().then(call).catch((error: unknown) => error);
  expect(error).toMatchObject({ name: "CacheError", code: "argument", message });
});

test("after close, fetchMany is refused, and what waits is let go", async () => {
  const waiting = cache.fetchMany("odds", ["mlb:1", "mlb:2"]);
  cache.close();
  await expect(waiting).rejects.toMatchObject({ code: "closed" });
  await expect(cache.fetchMany("odds", [])).rejects.toMatchObject({ code: "closed" });
});

test("many waits under one signal, and many attempts of one, add few listeners to it", async () => {
  const warned: unknown[] = [];
  const warn = (warning: unknown) => warned.push(warning);
  process.on("warning", warn);
  edge.respond = (request) => {
    // Voids the answer, five times.
    if (edge.requests.length < 6) cache.invalidate({ tags: ["today"] });
    return everyKey(request);
  };
  const keys = Array.from({ length: 20 }, (_, i) => `mlb:${i}`);
  expect((await cache.fetchMany("odds", keys, { signal: new AbortController().signal })).size).toBe(20);
  expect(edge.requests).toHaveLength(6);
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", warn);
  expect(warned).toEqual([]);
});
