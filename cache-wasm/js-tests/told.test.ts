/** What an application with a socket of its own tells the cache: values and invalidations, with and without versions. */

import { type ConsolidatedCacheManager, createCache, type FetcherAnswer, type ToldItem } from "cache-wasm";
import { afterEach, beforeEach, expect, test } from "vitest";

import { FakeClock } from "./fake-clock.js";
import { StubServer } from "./stub-server.js";
import { StubSocket } from "./stub-socket.js";

interface Request {
  key: string;
  answer(answer: FetcherAnswer): void;
}

const clock = new FakeClock();
let cache: ConsolidatedCacheManager;
let requests: Request[];

async function request(n: number): Promise<Request> {
  await expect.poll(() => requests.length, { interval: 1 }).toBeGreaterThanOrEqual(n);
  return requests[n - 1]!;
}

beforeEach(async () => {
  requests = [];
  cache = await createCache({
    categories: { props: { max: 10, maxEntrySize: 100 }, odds: { max: 10 } },
    clock,
    fetcher: (key) => new Promise((answer) => requests.push({ key, answer })),
  });
});

afterEach(() => cache.close());

test("what is applied can be read, with its tags and its age", async () => {
  const items = [
    { key: "mlb:1", value: { line: 1 }, tags: ["today"] },
    { key: "mlb:2", value: null, ttl: 500 },
  ];
  expect(cache.apply("props", items)).toEqual({ applied: 2, older: [], refused: [] });
  expect([cache.get("props", "mlb:1"), cache.get("props", "mlb:2")]).toEqual([{ line: 1 }, null]);
  await clock.advance(500);
  cache.invalidate({ tags: ["today"] });
  expect([cache.has("props", "mlb:1"), cache.has("props", "mlb:2")]).toEqual([false, false]);
});

test("a key that is told to have no value leaves the cache", async () => {
  cache.set("props", "mlb:1", "old");
  expect(cache.apply("props", [{ key: "mlb:1", value: undefined }])).toMatchObject({ applied: 1 });
  expect([cache.get("props", "mlb:1"), cache.has("props", "mlb:1")]).toEqual([undefined, false]);
});

test("without a version, what comes last is the newest", () => {
  cache.apply("props", [{ key: "mlb:1", value: 1 }, { key: "mlb:1", value: 2 }]);
  expect(cache.get("props", "mlb:1")).toBe(2);
});

test("an older version than is known is not applied, and the same one is", () => {
  const tell = (...versions: number[]) =>
    cache.apply("props", versions.map((version) => ({ key: "mlb:1", value: version, version })));
  expect(tell(5, 4, 5, 6, 3)).toEqual({ applied: 3, older: ["mlb:1", "mlb:1"], refused: [] });
  expect(cache.get("props", "mlb:1")).toBe(6);
});

const WRONG: [what: string, item: unknown, key: unknown, message: string][] = [
  ["no key", { key: "mlb", value: 1 }, "mlb", "the key has 1 segments; 2 to 16 are allowed, as in `sport:mlb:props:player:123:hits`"],
  ["a number for a key", { key: 7, value: 1 }, 7, "the key must be a string, not number"],
  ["no item", null, undefined, "the key must be a string, not undefined"],
  ["a version that is none", { key: "mlb:9", value: 1, version: -1 }, "mlb:9", "version must be a whole number from 0 on, not -1"],
  ["a ttl that is none", { key: "mlb:9", value: 1, ttl: "1s" }, "mlb:9", "ttl must be a number, not 1s"],
  ["what JSON cannot carry", { key: "mlb:9", value: { at: new Date(0) } }, "mlb:9", "the value of `mlb:9` cannot be JSON: `$.at` is of class Date; keep it by reference with `{ pack: false }`"],
  ["a value that is too large", { key: "mlb:9", value: "x".repeat(200) }, "mlb:9", "a value of 202 bytes does not fit: an entry of category `props` holds at most 100 bytes"],
];

test.for(WRONG)("an item with %s is named, and the others are applied", ([, item, key, message]) => {
  const items = [{ key: "mlb:1", value: 1 }, item as ToldItem, { key: "mlb:2", value: 2 }];
  expect(cache.apply("props", items)).toEqual({ applied: 2, older: [], refused: [{ key, message }] });
  expect(cache.getMany("props", ["mlb:1", "mlb:2"]).size).toBe(2);
});

test("an answer in flight is dropped for what was applied meanwhile, unless its version is as new", async () => {
  const unversioned = cache.fetch("props", "mlb:1");
  await request(1);
  cache.apply("props", [{ key: "mlb:1", value: "told" }]);
  requests[0]!.answer({ value: "old" });
  expect(await unversioned).toBe("told");

  const older = cache.fetch("props", "mlb:1", { forceRefresh: true });
  await request(2);
  cache.apply("props", [{ key: "mlb:1", value: "told 7", version: 7 }]);
  requests[1]!.answer({ value: "old 6", version: 6 });
  expect(await older).toBe("told 7");

  const newer = cache.fetch("props", "mlb:1", { forceRefresh: true });
  await request(3);
  cache.apply("props", [{ key: "mlb:1", value: "told 8", version: 8 }]);
  requests[2]!.answer({ value: "new 9", version: 9 });
  expect([await newer, cache.get("props", "mlb:1")]).toEqual(["new 9", "new 9"]);
  expect(requests).toHaveLength(3);
});

test("an invalidation with a version leaves what is as new, in every category, and drops what is older", () => {
  cache.apply("props", [{ key: "mlb:1", value: 5, version: 5 }]);
  cache.apply("odds", [{ key: "mlb:1", value: 5, version: 5 }]);
  cache.invalidate({ keys: ["mlb:1"], version: 5 });
  expect([cache.get("props", "mlb:1"), cache.get("odds", "mlb:1")]).toEqual([5, 5]);
  cache.invalidate({ keys: ["mlb:1"], version: 6 });
  expect([cache.get("props", "mlb:1"), cache.get("odds", "mlb:1")]).toEqual([undefined, undefined]);
  expect(cache.apply("props", [{ key: "mlb:1", value: 5, version: 5 }])).toMatchObject({ older: ["mlb:1"] });
});

test("an answer is kept if its version is the one that was invalidated to, and asked for again if it is older", async () => {
  const value = cache.fetch("props", "mlb:1");
  await request(1);
  cache.invalidate({ keys: ["mlb:1"], version: 6 });
  requests[0]!.answer({ value: "old", version: 5 });
  (await request(2)).answer({ value: "new", version: 6 });
  expect([await value, cache.get("props", "mlb:1"), requests.length]).toEqual(["new", "new", 2]);
});

test("a listener hears of what is applied when all of it is, and may use the cache", () => {
  cache.set("props", "mlb:1", "old");
  const seen: unknown[] = [];
  cache.on("evict", ({ key, reason }) => seen.push([key, reason, cache.get("props", "mlb:2")]));
  cache.apply("props", [{ key: "mlb:1", value: "new" }, { key: "mlb:2", value: 2 }]);
  expect(seen).toEqual([["mlb:1", "replaced", 2]]);
});

test("under a followed scope a told value holds until the next change", async () => {
  StubSocket.all = [];
  const following = await createCache({
    url: "https://edge.example",
    categories: { props: { max: 10 } },
    WebSocket: StubSocket,
    clock,
  });
  following.subscribe("mlb:game:", () => {});
  const server = new StubServer();
  server.accept("mlb:game:", "1:7");
  following.apply("props", [{ key: "mlb:game:1", value: "told" }]);
  expect(following.get("props", "mlb:game:1")).toBe("told");
  server.change("mlb:game:", 7, 8, [["mlb:game:1", 8, "changed"]]);
  expect(following.get("props", "mlb:game:1")).toBeUndefined();
  following.close();
});

const REFUSED: [what: string, call: () => unknown, message: string][] = [
  ["an invalidation of what is no list", () => cache.invalidate({ keys: "mlb:1" }), "the keys must be a list of strings, not string"],
  ["one of an unknown member", () => cache.invalidate({ tag: "today" } as object), "invalidate: there is no option `tag`; did you mean `tags`?"],
  ["one of a version without keys", () => cache.invalidate({ scope: "mlb:", version: 1 }), "invalidate: a `version` is one of `keys`: name them"],
  ["one of a version that is none", () => cache.invalidate({ keys: ["mlb:1"], version: 0.5 }), "version must be a whole number from 0 on, not 0.5"],
  ["items for no category", () => cache.apply("nope", []), "there is no category `nope`; the cache has `props`, `odds`"],
  ["what is no list of items", () => cache.apply("props", {} as ToldItem[]), "the items must be a list, not object"],
];

test.for(REFUSED)("%s is refused", ([, call, message]) => {
  expect(call).toThrowError(expect.objectContaining({ name: "CacheError", code: "argument", message }));
});

test("after close, nothing is applied", () => {
  cache.close();
  expect(() => cache.apply("props", [{ key: "mlb:1", value: 1 }])).toThrowError(expect.objectContaining({ code: "closed" }));
});
