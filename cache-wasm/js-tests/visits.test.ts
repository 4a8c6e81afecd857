/** What one cache dumps another takes up: as old as it is by then, and nothing of a followed scope before its stream vouches. */

import { CacheError, type CacheOptions, type ConsolidatedCacheManager, createCache, type Dump } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { FakeClock } from "./fake-clock.js";
import { StubServer } from "./stub-server.js";
import { StubSocket } from "./stub-socket.js";

const SCOPE = "mlb:game:";

let clock: FakeClock;
let open: ConsolidatedCacheManager[];

beforeEach(() => {
  StubSocket.all = [];
  clock = new FakeClock();
  open = [];
});

afterEach(() => {
  open.forEach((cache) => cache.close());
  vi.useRealTimers();
});

async function visit(options: CacheOptions = {}): Promise<ConsolidatedCacheManager> {
  const categories = { props: { max: 10 }, odds: { max: 3, ttl: 1_000, staleTime: 400 } };
  const cache = await createCache({ categories, clock, url: "https://edge.example", WebSocket: StubSocket, ...options });
  open.push(cache);
  return cache;
}

/** As it is after a way through storage or a network. */
function carried(dump: Dump): Dump {
  return JSON.parse(JSON.stringify(dump)) as Dump;
}

/** A visit that followed the scope up to `1:10` and holds `a` and `b` of it. */
async function followed(): Promise<Dump> {
  const cache = await visit();
  cache.subscribe(SCOPE, () => {}, { category: "props" });
  const server = new StubServer();
  server.accept(SCOPE, "1:8");
  server.change(SCOPE, 8, 10, [
    ["mlb:game:a", 9, { value: "a1" }],
    ["mlb:game:b", 10, { value: "b1", tags: ["hot"] }],
  ]);
  expect(cache.get("props", "mlb:game:a")).toBe("a1");
  return carried(cache.dump());
}

const read = (cache: ConsolidatedCacheManager, ...keys: string[]) => keys.map((key) => cache.get("props", key));

test("what was set comes back, with its tags", async () => {
  const first = await visit();
  first.set("props", "mlb:1", { line: 1.5 }, { tags: ["hot"] });
  first.set("props", "mlb:2", "ä\ud83d\ude00");
  const second = await visit();
  expect(second.load(carried(first.dump()))).toEqual({ restored: 2, dropped: 0 });
  expect(read(second, "mlb:1", "mlb:2")).toEqual([{ line: 1.5 }, "ä\ud83d\ude00"]);
  second.invalidate({ tags: ["hot"] });
  expect(read(second, "mlb:1", "mlb:2")).toEqual([undefined, "ä\ud83d\ude00"]);
});

test("what is kept by reference, absent or past its age is left out", async () => {
  const categories = { props: { max: 10, absentTtl: 1_000, staleIfError: 1_000 } };
  const first = await visit({ fetcher: async () => ({ value: undefined }), categories });
  first.set("props", "mlb:1", new Map(), { pack: false });
  first.set("props", "mlb:2", 2, { ttl: 10 });
  await first.fetch("props", "mlb:3");
  expect(first.size).toBe(3);
  await clock.advance(10);
  expect(first.dump().entries).toEqual([]);
});

test("a life goes on from visit to visit, and an endless one has no end", async () => {
  const first = await visit();
  first.set("odds", "mlb:1", 1);
  first.set("props", "mlb:2", 2);
  await clock.advance(300);
  const dump = carried(first.dump());
  await clock.advance(600);
  const second = await visit();
  second.load(dump);
  await clock.advance(99);
  expect([second.get("odds", "mlb:1"), second.get("props", "mlb:2")]).toEqual([1, 2]);
  await clock.advance(1);
  expect([second.get("odds", "mlb:1"), second.get("props", "mlb:2")]).toEqual([undefined, 2]);
  await clock.advance(2 ** 32);
  const third = await visit();
  expect(third.load(dump)).toEqual({ restored: 1, dropped: 1 });
  expect(third.get("props", "mlb:2")).toBe(2);
});

test("a clock that went back has let no time pass", async () => {
  const first = await visit();
  first.set("odds", "mlb:1", 1);
  const dump = first.dump();
  await clock.drift(0, -86_400_000);
  const second = await visit();
  second.load(dump);
  await clock.advance(999);
  expect(second.get("odds", "mlb:1")).toBe(1);
  await clock.advance(1);
  expect(second.get("odds", "mlb:1")).toBeUndefined();
});

test("it is asked for anew when it is as old as `staleTime` over all visits", async () => {
  let asked = 0;
  const fetcher = async () => ({ value: ++asked });
  const first = await visit();
  first.set("odds", "mlb:1", 0);
  await clock.advance(200);
  const dump = first.dump();
  await clock.advance(199);
  const second = await visit({ fetcher });
  second.load(dump);
  expect([await second.fetch("odds", "mlb:1"), asked]).toEqual([0, 0]);
  await clock.advance(1);
  expect([await second.fetch("odds", "mlb:1"), asked]).toEqual([0, 1]);
});

const GOOD = { category: "props", key: "mlb:1", json: "1" };
const BAD_ROWS: [what: string, row: unknown][] = [
  ["no row", null],
  ["a text", "mlb:1"],
  ["an empty one", {}],
  ["one of a category that is not there", { ...GOOD, category: "props2" }],
  ["one whose key is none", { ...GOOD, key: "mlb" }],
  ["one whose key is a number", { ...GOOD, key: 1 }],
  ["one whose key has half a character", { ...GOOD, key: "mlb:\ud800" }],
  ["one whose value is not JSON", { ...GOOD, json: "{" }],
  ["one whose value is no text", { ...GOOD, json: 1 }],
  ["one whose life is over", { ...GOOD, ttl: 0 }],
  ["one whose life is no number", { ...GOOD, ttl: null }],
  ["one whose age is no number", { ...GOOD, age: "1" }],
  ["one whose version is no number", { ...GOOD, version: "1" }],
  ["one whose tags are no list", { ...GOOD, tags: "hot" }],
  ["one with a tag that is none", { ...GOOD, tags: ["a b"] }],
  ["one whose tags are no texts", { ...GOOD, tags: [1] }],
  ["one whose position is none", { ...GOOD, seen: "1" }],
  ["one whose position is beyond numbers", { ...GOOD, seen: "1:9007199254740992" }],
  ["one whose position is of no epoch", { ...GOOD, seen: "0:1" }],
  ["one whose scope stood nowhere", { ...GOOD, seen: "1:1" }],
];

test.for(BAD_ROWS)("of many rows, %s is dropped, and counted", async ([, row]) => {
  const cache = await visit();
  const entries = [{ ...GOOD, key: "mlb:0" }, row, { ...GOOD, key: "mlb:9" }] as Dump["entries"];
  expect(cache.load({ ...cache.dump(), entries })).toEqual({ restored: 2, dropped: 1 });
  expect(cache.keys("props")).toEqual(["mlb:0", "mlb:9"]);
});

test("more than a category holds is dropped", async () => {
  const cache = await visit();
  const entries = Array.from({ length: 5 }, (_, i) => ({ category: "odds", key: `mlb:${i}`, json: `${i}` }));
  expect(cache.load({ ...cache.dump(), entries })).toEqual({ restored: 3, dropped: 2 });
  expect(cache.keys("odds")).toEqual(["mlb:0", "mlb:1", "mlb:2"]);
});

test("what is here already is newer, and stays", async () => {
  const first = await visit();
  first.set("props", "mlb:1", "old");
  const second = await visit();
  second.set("props", "mlb:1", "new");
  expect(second.load(first.dump())).toEqual({ restored: 0, dropped: 1 });
  expect(second.get("props", "mlb:1")).toBe("new");
});

test("a dump of another format is dropped whole", async () => {
  const cache = await visit();
  expect(cache.load({ ...cache.dump(), format: 0, entries: [GOOD] })).toEqual({ restored: 0, dropped: 1 });
});

test.for([undefined, null, "{}", {}, [], { format: 1, at: 0, positions: {} }, { format: 1, at: "0", positions: {}, entries: [] }])(
  "%j is no dump",
  async (given) => {
    const cache = await visit();
    expect(() => cache.load(given as unknown as Dump)).toThrow(
      new CacheError("argument", "this is no dump: pass what `dump()` gave, or what `JSON.parse` makes of its text"),
    );
  },
);

test("a value of a followed scope is unread until its stream vouches for it", async () => {
  const cache = await visit();
  expect(cache.load(await followed())).toEqual({ restored: 2, dropped: 0 });
  cache.subscribe(SCOPE, () => {});
  const server = new StubServer();
  expect(server.asked(SCOPE).since).toBe("1:10");
  server.answer(SCOPE, "replayed", "1:10");
  server.change(SCOPE, 10, 12, [["mlb:game:b", 12, "changed"]]);
  expect(read(cache, "mlb:game:a", "mlb:game:b")).toEqual([undefined, undefined]);
  server.beat(SCOPE, 12, 12);
  expect(read(cache, "mlb:game:a", "mlb:game:b")).toEqual(["a1", undefined]);
});

test.for(["reset", "fresh"] as const)("what the stream cannot replay is void: %s", async (mode) => {
  const cache = await visit();
  cache.load(await followed());
  cache.subscribe(SCOPE, () => {});
  const server = new StubServer();
  server.answer(SCOPE, mode, "1:90");
  server.beat(SCOPE, 90, 90);
  expect([read(cache, "mlb:game:a"), cache.size]).toEqual([[undefined], 0]);
});

test("what is loaded under a scope that is followed already is dropped", async () => {
  const dump = await followed();
  const cache = await visit();
  cache.subscribe(SCOPE, () => {});
  expect(cache.load(dump)).toEqual({ restored: 0, dropped: 2 });
});

test("of several dumps the first alone brings values of followed scopes: one position cannot stand for two visits", async () => {
  const dump = await followed();
  const older = { ...dump, positions: { [SCOPE]: "1:5" }, entries: [{ ...GOOD, key: "mlb:game:c", seen: "1:5" }, GOOD] };
  const cache = await visit();
  expect(cache.load(dump).restored).toBe(2);
  expect(cache.load(older)).toEqual({ restored: 1, dropped: 1 });
  cache.subscribe(SCOPE, () => {});
  expect(new StubServer().asked(SCOPE).since).toBe("1:10");
});

test("of scopes that overlap, each is resumed from the earliest: either may have vouched for what both cover", async () => {
  const first = await visit();
  first.subscribe(SCOPE, () => {}, { category: "props" });
  first.subscribe("mlb:game:7:", () => {});
  first.subscribe("mlb:team:", () => {});
  const server = new StubServer();
  server.accept(SCOPE, "1:10");
  server.accept("mlb:game:7:", "1:12");
  server.accept("mlb:team:", "2:5");
  expect(first.dump().positions).toEqual({ [SCOPE]: "1:10", "mlb:game:7:": "1:10", "mlb:team:": "2:5" });
});

const OTHER_STREAMS: [what: string, scope: string, begin: (cache: ConsolidatedCacheManager) => void][] = [
  ["of a narrower scope", "mlb:game:7:", () => {}],
  // The first one takes the position with it.
  ["of the same scope, followed for the second time", SCOPE, (cache) => cache.subscribe(SCOPE, () => {})()],
];

test.for(OTHER_STREAMS)(
  "a stream %s that begins anew vouches for nothing of an earlier visit, after a reconnect neither",
  async ([, scope, begin]) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const cache = await visit();
    const dump = await followed();
    cache.load({ ...dump, entries: [{ category: "props", key: "mlb:game:7:a", json: "1", seen: "1:10" }] });
    begin(cache);
    cache.subscribe(scope, () => {});
    new StubServer().accept(scope, "1:30");
    StubSocket.all.at(-1)!.lose();
    await clock.advance(400);
    await vi.advanceTimersByTimeAsync(400);
    const server = new StubServer();
    expect(server.asked(scope).since).toBe("1:30");
    server.answer(scope, "replayed", "1:30");
    server.beat(scope, 30, 30);
    // Of what changed between 10 and 30 nobody was told.
    expect(cache.get("props", "mlb:game:7:a")).toBeUndefined();
  },
);
