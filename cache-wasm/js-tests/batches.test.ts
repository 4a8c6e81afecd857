/** What is fetched in one turn leaves in one request, and each key of it is ruled on alone. */

import { type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test } from "vitest";

import { entry, got, StubEdge } from "./stub-edge.js";
import { StubServer } from "./stub-server.js";
import { StubSocket } from "./stub-socket.js";

let edge: StubEdge;
let cache: ConsolidatedCacheManager;

beforeEach(async () => {
  edge = new StubEdge();
  StubSocket.all = [];
  cache = await createCache({
    url: "https://edge.example",
    categories: { props: { max: 500, maxEntrySize: 1_000 }, odds: { max: 500 } },
    fetch: edge.fetch,
    WebSocket: StubSocket,
  });
});

afterEach(() => cache.close());

const fetchAll = (...keys: string[]) => Promise.all(keys.map((key) => cache.fetch("props", key)));

test("keys fetched in one turn are one request", async () => {
  const values = fetchAll("mlb:1", "mlb:2", "mlb:none");
  const asked = await edge.request(1);
  expect([asked.method, asked.path, asked.keys]).toEqual([
    "POST",
    "/v1/entries:get",
    ["mlb:1", "mlb:2", "mlb:none"],
  ]);
  expect(asked.headers.get("accept")).toBe("application/vnd.coherence+postcard");
  expect(asked.headers.get("content-type")).toBe("application/json");
  expect(asked.headers.get("cache-min")).toBeNull();
  asked.answer(got(["mlb:1", { line: 1 }, { tags: ["today"] }], ["mlb:2", null], ["mlb:none", undefined]));
  expect(await values).toEqual([{ line: 1 }, null, undefined]);
  expect(cache.get("props", "mlb:1")).toBe((await values)[0]);
  cache.invalidate({ tags: ["today"] });
  expect([cache.has("props", "mlb:1"), cache.has("props", "mlb:2")]).toEqual([false, true]);
  expect(edge.requests).toHaveLength(1);
});

test("a key alone is asked for by its path, and turns are apart", async () => {
  const first = cache.fetch("props", "mlb:1");
  await edge.request(1);
  const second = cache.fetch("props", "mlb:2");
  (await edge.request(2)).answer(entry(2));
  edge.requests[0]!.answer(entry(1));
  expect(await Promise.all([first, second])).toEqual([1, 2]);
  expect(edge.requests.map(({ method, path }) => [method, path])).toEqual([
    ["GET", "/v1/entries/mlb:1"],
    ["GET", "/v1/entries/mlb:2"],
  ]);
});

test("a key that two categories ask for is asked for once", async () => {
  const values = Promise.all([cache.fetch("props", "mlb:1"), cache.fetch("odds", "mlb:1"), cache.fetch("odds", "mlb:2")]);
  const asked = await edge.request(1);
  expect(asked.keys).toEqual(["mlb:1", "mlb:2"]);
  asked.answer(got(["mlb:1", 1], ["mlb:2", 2]));
  expect(await values).toEqual([1, 1, 2]);
  expect([cache.has("props", "mlb:1"), cache.has("odds", "mlb:1")]).toEqual([true, true]);
});

test("a request has at most 200 keys", async () => {
  edge.respond = ({ keys }) => got(...keys!.map((key): [string, string] => [key, key]));
  const keys = Array.from({ length: 410 }, (_, i) => `mlb:${i}`);
  expect(await fetchAll(...keys)).toEqual(keys);
  expect(edge.asked.map(({ length }) => length)).toEqual([200, 200, 10]);
});

test("keys that must have reached other positions are asked for apart", async () => {
  cache.subscribe("mlb:game:", () => {});
  new StubServer().accept("mlb:game:", "1:7");
  const values = fetchAll("mlb:game:1", "nba:1", "mlb:game:2", "nba:2");
  await edge.request(2);
  expect(edge.requests.map(({ keys, headers }) => [keys, headers.get("cache-min")])).toEqual([
    [["mlb:game:1", "mlb:game:2"], "1:7"],
    [["nba:1", "nba:2"], null],
  ]);
  edge.requests[0]!.answer(got(["mlb:game:1", 1], ["mlb:game:2", 2]));
  edge.requests[1]!.answer(got(["nba:1", 3], ["nba:2", 4]));
  expect(await values).toEqual([1, 3, 2, 4]);
});

test("a key of a batch that changed in flight is asked for again, and the others are kept", async () => {
  cache.subscribe("mlb:game:", () => {});
  const server = new StubServer();
  server.accept("mlb:game:", "1:7");
  const values = fetchAll("mlb:game:1", "mlb:game:2");
  const asked = await edge.request(1);
  server.change("mlb:game:", 7, 8, [["mlb:game:2", 8, "changed"]]);
  asked.answer(got(["mlb:game:1", "kept"], ["mlb:game:2", "old"]));
  const again = await edge.request(2);
  expect([again.path, again.headers.get("cache-min")]).toEqual(["/v1/entries/mlb:game:2", "1:8"]);
  expect([cache.get("props", "mlb:game:1"), cache.get("props", "mlb:game:2")]).toEqual(["kept", undefined]);
  again.answer(entry("new", { "cache-as-of": "1:8" }));
  expect(await values).toEqual(["kept", "new"]);
  expect(cache.stats().fills).toMatchObject({ started: 3, accepted: 2, discarded: 1, failed: 0 });
});

test("a key that was set while its batch was in flight stays as it was set", async () => {
  const values = fetchAll("mlb:1", "mlb:2");
  const asked = await edge.request(1);
  cache.set("props", "mlb:2", "set");
  asked.answer(got(["mlb:1", 1], ["mlb:2", "old"]));
  expect(await values).toEqual([1, "set"]);
  expect(edge.requests).toHaveLength(1);
});

test("a server that has not come far enough is asked again, for all at once", async () => {
  const values = fetchAll("mlb:1", "mlb:2");
  (await edge.request(1)).answer(new Response(null, { status: 425 }));
  const again = await edge.request(2);
  expect(again.keys).toEqual(["mlb:1", "mlb:2"]);
  again.answer(got(["mlb:1", 1], ["mlb:2", 2]));
  expect(await values).toEqual([1, 2]);
});

test("keys that are asked for again after a pause are one request still", async () => {
  edge.respond = ({ keys }) =>
    edge.requests.length < 4 ? new Response(null, { status: 425 }) : got(...keys!.map((key): [string, string] => [key, key]));
  expect(await fetchAll("mlb:1", "mlb:2", "mlb:3")).toEqual(["mlb:1", "mlb:2", "mlb:3"]);
  expect(edge.asked).toEqual(Array(4).fill(["mlb:1", "mlb:2", "mlb:3"]));
});

test("keys that wait for their stream's first word are one request once it has come", async () => {
  cache.subscribe("mlb:game:", () => {});
  const server = new StubServer();
  const values = fetchAll("mlb:game:1", "mlb:game:2");
  server.accept("mlb:game:", "1:7");
  const asked = await edge.request(1);
  expect([asked.keys, asked.headers.get("cache-min")]).toEqual([["mlb:game:1", "mlb:game:2"], "1:7"]);
  asked.answer(got(["mlb:game:1", 1], ["mlb:game:2", 2]));
  expect([await values, edge.requests.length]).toEqual([[1, 2], 1]);
});

test("a key that the answer leaves out is asked for alone, and fails alone", async () => {
  const values = Promise.allSettled(["mlb:1", "mlb:2", "mlb:3"].map((key) => cache.fetch("props", key)));
  (await edge.request(1)).answer(got(["mlb:2", 2]));
  await edge.request(3);
  expect(edge.asked).toEqual([["mlb:1", "mlb:2", "mlb:3"], ["mlb:1"], ["mlb:3"]]);
  edge.requests[1]!.answer(entry(1));
  edge.requests[2]!.answer(new Response(null, { status: 403, statusText: "Forbidden" }));
  expect(await values).toMatchObject([
    { value: 1 },
    { value: 2 },
    { reason: { code: "unavailable", status: 403, message: "the edge server answered 403: Forbidden" } },
  ]);
});

test("an answer that is no frame fails all of its keys, and leaves no fill behind", async () => {
  const values = Promise.allSettled([cache.fetch("props", "mlb:1"), cache.fetch("props", "mlb:2")]);
  (await edge.request(1)).answer(Uint8Array.of(3, 0, 2, 5));
  const reason = { code: "unavailable", message: expect.stringContaining("the answer for 2 keys cannot be read: ") };
  expect(await values).toMatchObject([{ reason }, { reason }]);
  expect(edge.requests).toHaveLength(1);
  expect(cache.stats().fills).toMatchObject({ started: 2, failed: 2 });
});

test("who leaves a batch leaves alone; with the last the request ends", async () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const values = Promise.allSettled([
    cache.fetch("props", "mlb:1", { signal: first.signal }),
    cache.fetch("props", "mlb:2", { signal: second.signal }),
  ]);
  const asked = await edge.request(1);
  first.abort("one");
  expect(asked.signal.aborted).toBe(false);
  second.abort("two");
  expect(asked.signal.aborted).toBe(true);
  expect(await values).toEqual([
    { status: "rejected", reason: "one" },
    { status: "rejected", reason: "two" },
  ]);
});

test("of a batch that one has left, the others are answered", async () => {
  const leaving = new AbortController();
  const left = cache.fetch("props", "mlb:1", { signal: leaving.signal });
  const stays = cache.fetch("props", "mlb:2");
  const asked = await edge.request(1);
  leaving.abort("enough");
  await expect(left).rejects.toBe("enough");
  asked.answer(got(["mlb:1", 1], ["mlb:2", 2]));
  expect(await stays).toBe(2);
  expect([cache.has("props", "mlb:1"), edge.requests.length]).toEqual([false, 1]);
});

test("who leaves in the turn of the request is not asked for", async () => {
  const leaving = new AbortController();
  const left = cache.fetch("props", "mlb:1", { signal: leaving.signal });
  const stays = cache.fetch("props", "mlb:2");
  leaving.abort("enough");
  await expect(left).rejects.toBe("enough");
  const asked = await edge.request(1);
  expect(asked.path).toBe("/v1/entries/mlb:2");
  asked.answer(entry(2));
  expect(await stays).toBe(2);
});

test("when all leave in the turn of the request, nothing is asked for", async () => {
  const leaving = new AbortController();
  const left = Promise.allSettled(["mlb:1", "mlb:2"].map((key) => cache.fetch("props", key, { signal: leaving.signal })));
  leaving.abort("enough");
  await left;
  await new Promise((resolve) => setImmediate(resolve));
  expect(edge.requests).toHaveLength(0);
});

test("what is fetched and what is prefetched in one turn are apart", async () => {
  const value = cache.fetch("props", "mlb:1");
  const stored = cache.prefetch("props", ["mlb:2"]);
  edge.respond = () => entry(1);
  await edge.request(2);
  expect(edge.requests.map(({ path, priority }) => [path, priority])).toEqual([
    ["/v1/entries/mlb:1", "auto"],
    ["/v1/entries/mlb:2", "low"],
  ]);
  for (const request of edge.requests) request.answer(entry(1));
  expect([await value, await stored]).toEqual([1, 1]);
});

test("a value of a batch that does not fit is given to who asked, and not kept", async () => {
  const values = fetchAll("mlb:1", "mlb:large");
  (await edge.request(1)).answer(got(["mlb:1", 1], ["mlb:large", "x".repeat(1_500)]));
  expect(await values).toEqual([1, "x".repeat(1_500)]);
  expect([cache.has("props", "mlb:1"), cache.has("props", "mlb:large")]).toEqual([true, false]);
});

test("a listener that throws a batch's values out again does not make the fetches fail", async () => {
  cache.set("props", "mlb:1", "old");
  cache.on("evict", ({ reason }) => reason === "replaced" && cache.clear());
  const values = Promise.all(["mlb:1", "mlb:2"].map((key) => cache.fetch("props", key, { forceRefresh: true })));
  (await edge.request(1)).answer(got(["mlb:1", 1], ["mlb:2", 2]));
  expect(await values).toEqual([1, 2]);
  expect(cache.size).toBe(0);
});

test("a batch that is answered after close is dropped", async () => {
  const values = Promise.allSettled([cache.fetch("props", "mlb:1"), cache.fetch("props", "mlb:2")]);
  const asked = await edge.request(1);
  cache.close();
  asked.answer(got(["mlb:1", 1], ["mlb:2", 2]));
  expect(await values).toMatchObject([{ reason: { code: "closed" } }, { reason: { code: "closed" } }]);
});
