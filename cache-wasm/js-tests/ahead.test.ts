/** Reading ahead: what is fetched before anybody asks, when nothing is, and what the edge server teaches. */

import { type CacheOptions, type ConsolidatedCacheManager, createCache, type FetcherMany } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { entry, type EdgeRequest, got, StubEdge } from "./stub-edge.js";

let edge: StubEdge;
let cache: ConsolidatedCacheManager;
/** What the server tells of all readers. */
let model: Response | undefined;

const answer = ({ path, keys }: EdgeRequest) => {
  if (path === "/v1/prefetch-model") return model ?? new Response(null, { status: 404 });
  return keys === undefined ? entry(path) : got(...keys.map((key): [string, string] => [key, key]));
};

const MODEL = { k: 5, contexts: [{ key: "mlb:1", total: 100, next: [["mlb:2", 60], ["mlb:3", 30], ["mlb:4", 5]] }] };
const told = (body: unknown = MODEL, headers: Record<string, string> = { etag: '"one"' }) =>
  new Response(JSON.stringify(body), { headers });

const open = async (options: CacheOptions = {}) => {
  cache = await createCache({
    url: "https://edge.example",
    categories: { props: { max: 100 } },
    fetch: edge.fetch,
    ...options,
  });
};

beforeEach(async () => {
  vi.useFakeTimers();
  edge = new StubEdge();
  edge.respond = answer;
  model = undefined;
  await open();
});

afterEach(() => {
  cache.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Lets what is due in the background happen. */
const rest = (milliseconds = 1) => vi.advanceTimersByTimeAsync(milliseconds);

/** Requests for values, without those for the model. */
const reads = () => edge.requests.filter(({ path }) => path !== "/v1/prefetch-model");
const models = () => edge.requests.filter(({ path }) => path === "/v1/prefetch-model");

/** Learns the model that the server tells. */
async function learn(): Promise<void> {
  model = told();
  await cache.fetch("props", "nba:1");
  await rest(1_000);
  await rest();
  edge.requests.length = 0;
}

test("what this page read one after another four times is fetched ahead from then on", async () => {
  for (let n = 0; n < 4; n++) {
    await cache.fetch("props", "mlb:1");
    await cache.fetch("props", "mlb:2");
  }
  cache.clear();
  await cache.fetch("props", "mlb:1");
  edge.requests.length = 0;
  await rest();
  expect(reads().map(({ path, priority }) => [path, priority])).toEqual([["/v1/entries/mlb:2", "low"]]);
  expect(cache.get("props", "mlb:2")).toBe("/v1/entries/mlb:2");
});

test("what the server learned from all readers is fetched ahead, in one request behind the read", async () => {
  await learn();
  await cache.fetch("props", "mlb:1");
  await rest();
  expect(edge.asked).toEqual([["mlb:1"], ["mlb:2", "mlb:3"]]);
  expect(edge.requests.map(({ priority }) => priority)).toEqual(["auto", "low"]);
  expect(cache.getMany("props", ["mlb:2", "mlb:3", "mlb:4"]).size).toBe(2);
  expect(cache.stats().prefetch).toMatchObject({ issued: 2, used: 0, contexts: expect.any(Number) });
});

test("a hit is a read too", async () => {
  await learn();
  cache.set("props", "mlb:1", "set");
  await cache.fetch("props", "mlb:1");
  await rest();
  expect(edge.asked).toEqual([["mlb:2", "mlb:3"]]);
});

test("what is asked for together is not guessed", async () => {
  await learn();
  await cache.fetchMany("props", ["mlb:1", "mlb:2", "mlb:3"]);
  await rest();
  expect(edge.asked).toEqual([["mlb:1", "mlb:2", "mlb:3"]]);
  expect(cache.stats().prefetch).toMatchObject({ issued: 0 });
});

test("each key of a fetchMany is a read", async () => {
  await learn();
  await cache.fetchMany("props", ["nba:1", "mlb:1"]);
  await rest();
  expect(edge.asked).toEqual([["mlb:1"], ["mlb:2", "mlb:3"]]);
});

test("the reads of one turn are followed by one request", async () => {
  model = told({ contexts: [...MODEL.contexts, { key: "mlb:5", total: 10, next: [["mlb:6", 10]] }] });
  await cache.fetch("props", "nba:1");
  await rest(1_001);
  edge.requests.length = 0;
  await Promise.all([cache.fetch("props", "mlb:1"), cache.fetch("props", "mlb:5")]);
  await rest();
  expect(edge.asked).toEqual([["mlb:1", "mlb:5"], ["mlb:2", "mlb:3", "mlb:6"]]);
});

const IMPOLITE: [when: string, platform: object][] = [
  ["the user saves data", { navigator: { connection: { saveData: true } } }],
  ["the network is gone", { navigator: { onLine: false } }],
  ["the page is hidden", { document: { hidden: true, addEventListener() {}, removeEventListener() {} } }],
];

test.for(IMPOLITE)("nothing is guessed while %s, and no credit is spent", async ([, platform]) => {
  await learn();
  for (const [name, value] of Object.entries(platform)) vi.stubGlobal(name, value);
  await cache.fetch("props", "mlb:1");
  await rest();
  expect(edge.asked).toEqual([["mlb:1"]]);
  expect(cache.stats().prefetch.issued).toBe(0);
  vi.unstubAllGlobals();
  await cache.fetch("props", "mlb:1");
  await rest();
  expect(edge.asked).toEqual([["mlb:1"], ["mlb:2", "mlb:3"]]);
});

test("with `prefetch: false` nothing is guessed, no model is asked for, and no reader is named", async () => {
  cache.close();
  await open({ prefetch: false });
  for (let n = 0; n < 5; n++) {
    await cache.fetch("props", "mlb:1");
    await cache.fetchMany("props", ["mlb:2", "mlb:3"], { forceRefresh: true });
    cache.clear();
  }
  await rest(3_600_000);
  expect(reads()).toHaveLength(10);
  expect(models()).toHaveLength(0);
  expect(edge.requests.filter(({ headers }) => headers.has("cache-reader"))).toEqual([]);
});

test("what is asked for names its reader, at random for each cache, and what is guessed does not", async () => {
  await learn();
  await cache.fetch("props", "mlb:1");
  await cache.fetchMany("props", ["mlb:8", "mlb:9"]);
  await rest();
  await cache.prefetch("props", ["mlb:7"]);
  const readers = edge.requests.map(({ headers }) => headers.get("cache-reader"));
  expect(readers).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), readers[0], null, null]);
  cache.close();
  await open();
  edge.requests.length = 0;
  await cache.fetch("props", "mlb:1");
  expect(edge.requests[0]!.headers.get("cache-reader")).not.toBe(readers[0]);
});

test("a guess displaces nothing", async () => {
  cache.close();
  await open({ categories: { props: { max: 4 } } });
  await learn();
  cache.setMany("props", [["mlb:a", 1], ["mlb:b", 2], ["mlb:c", 3]]);
  await cache.fetch("props", "mlb:1");
  await rest();
  expect(cache.keys("props").filter((key) => ["mlb:2", "mlb:3"].includes(key))).toEqual([]);
  expect(cache.keys("props")).toContain("mlb:1");
});

test("a guess that fails disturbs nobody", async () => {
  await learn();
  edge.respond = (request) => (request.priority === "low" ? new Response(null, { status: 500 }) : answer(request));
  expect(await cache.fetch("props", "mlb:1")).toBe("/v1/entries/mlb:1");
  await rest(60_000);
  expect(edge.asked).toEqual([["mlb:1"], ["mlb:2", "mlb:3"]]);
});

test("a custom fetcher is asked ahead too, and told that it can wait", async () => {
  cache.close();
  const fetcherMany = vi.fn<FetcherMany>(async (keys) => new Map(keys.map((key) => [key, { value: key }])));
  cache = await createCache({ categories: { props: { max: 100 } }, fetcherMany });
  for (let n = 0; n < 4; n++) for (const key of ["mlb:1", "mlb:2"]) await cache.fetch("props", key);
  cache.delete("props", "mlb:2");
  fetcherMany.mockClear();
  await cache.fetch("props", "mlb:1");
  await rest();
  expect(fetcherMany.mock.calls.map(([keys, { priority }]) => [keys, priority])).toEqual([[["mlb:2"], "low"]]);
  await rest(3_600_000);
  expect(edge.requests).toHaveLength(0);
});

test("the model is asked for a second after the first fetch, and then every ten minutes, by its tag", async () => {
  model = told();
  await rest(60_000);
  expect(models()).toHaveLength(0);
  await cache.fetch("props", "mlb:1");
  await cache.fetch("props", "mlb:2");
  await rest(999);
  expect(models()).toHaveLength(0);
  await rest(1);
  expect(models()).toHaveLength(1);
  expect(models()[0]!.headers.get("if-none-match")).toBeNull();
  model = new Response(null, { status: 304 });
  await rest(599_999);
  expect(models()).toHaveLength(1);
  await rest(1);
  await rest(600_000);
  expect(models().map(({ headers, priority }) => [headers.get("if-none-match"), priority])).toEqual([
    [null, "low"],
    ['"one"', "low"],
    ['"one"', "low"],
  ]);
});

test("a hidden page does not ask for the model, and does once it is shown", async () => {
  await cache.fetch("props", "mlb:1");
  vi.stubGlobal("document", { hidden: true });
  await rest(600_000);
  expect(models()).toHaveLength(0);
  vi.unstubAllGlobals();
  await rest(601_000);
  expect(models()).toHaveLength(1);
});

test("a server that has no model is asked once", async () => {
  await cache.fetch("props", "mlb:1");
  await rest(3_600_000);
  expect(models()).toHaveLength(1);
});

test("a server that fails is asked again ten minutes later", async () => {
  model = new Response(null, { status: 500 });
  await cache.fetch("props", "mlb:1");
  await rest(1_000);
  model = told();
  await rest(600_000);
  await rest();
  expect(models()).toHaveLength(2);
  expect(cache.stats().prefetch.contexts).toBeGreaterThan(0);
});

test("what makes no sense in a model is passed over", async () => {
  const contexts = [
    null,
    7,
    { key: 7, total: 10, next: [] },
    { key: "mlb", total: 10, next: [["mlb:2", 10]] },
    { key: "mlb:9", total: 10, next: "none" },
    { key: "mlb:8", total: 10, next: [["mlb", 10]] },
    { key: "mlb:7", total: "many", next: [7, ["mlb:2"], ["mlb:2", "x"], [3, 4]] },
    ...MODEL.contexts,
  ];
  model = told({ contexts });
  await cache.fetch("props", "nba:1");
  await rest(1_001);
  edge.requests.length = 0;
  await cache.fetch("props", "mlb:1");
  await rest();
  expect(edge.asked).toEqual([["mlb:1"], ["mlb:2", "mlb:3"]]);
});

test.for(["null", "[]", "{", '{"contexts":7}'])("a model such as %s teaches nothing", async (body) => {
  model = new Response(body);
  await cache.fetch("props", "nba:1");
  await rest(1_001);
  expect(models()).toHaveLength(1);
  expect(cache.stats().prefetch.contexts).toBe(0);
});

test("a large model is taught in slices", async () => {
  const contexts = Array.from({ length: 2_000 }, (_, i) => ({ key: `mlb:${i}`, total: 10, next: [[`mlb:${i + 1}`, 10]] }));
  model = told({ contexts });
  await cache.fetch("props", "nba:1");
  // Each look at the clock is a millisecond later.
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now++);
  await rest(1_000);
  const first = cache.stats().prefetch.contexts;
  expect(first).toBeLessThan(10);
  vi.restoreAllMocks();
  await rest(100);
  expect(cache.stats().prefetch.contexts).toBe(2_000);
});

test.for([false, true])("after close, nothing is asked for any more (hidden: %o)", async (hidden) => {
  await cache.fetch("props", "mlb:1");
  vi.stubGlobal("document", { hidden, removeEventListener() {} });
  cache.close();
  await rest(3_600_000);
  expect(models()).toHaveLength(0);
  expect(vi.getTimerCount()).toBe(0);
});

test("closing while the model is asked for ends the request", async () => {
  await cache.fetch("props", "mlb:1");
  edge.respond = undefined;
  await rest(1_000);
  cache.close();
  await rest();
  expect([models()[0]!.signal.aborted, vi.getTimerCount()]).toEqual([true, 0]);
});
