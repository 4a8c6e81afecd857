/** What a visit stores, and the next one takes up: nothing that is stored claims to be current where it was not. */

import type { ConsolidatedCacheManager } from "cache-wasm";
import { IDBObjectStore } from "fake-indexeddb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Pages } from "./pages.js";
import { StubServer } from "./stub-server.js";
import { uncaught } from "./uncaught.js";

const SCOPE = "mlb:game:";
let pages: Pages;

beforeEach(() => {
  pages = new Pages();
});

afterEach(() => pages.close());

/** A page that follows the scope, whose server is at `1:10`; `a` and `b` are stored. */
async function following(): Promise<[ConsolidatedCacheManager, StubServer]> {
  const cache = await pages.visit();
  cache.subscribe(SCOPE, () => {}, { category: "props" });
  const server = new StubServer();
  server.accept(SCOPE, "1:8");
  server.change(SCOPE, 8, 10, [
    ["mlb:game:a", 9, { value: "a1" }],
    ["mlb:game:b", 10, { value: "b1" }],
  ]);
  await pages.written(cache);
  expect(await pages.stored()).toEqual({ "mlb:game:a": '"a1"', "mlb:game:b": '"b1"' });
  return [cache, server];
}

/** The next page follows the scope too; its server goes on from where it asks. */
async function resumed(): Promise<[ConsolidatedCacheManager, StubServer, since: number]> {
  const cache = await pages.visit();
  cache.subscribe(SCOPE, () => {}, { category: "props" });
  const server = new StubServer();
  const since = server.asked(SCOPE).since!;
  server.answer(SCOPE, "replayed", since);
  return [cache, server, Number(since.split(":")[1])];
}

const read = (cache: ConsolidatedCacheManager, ...keys: string[]) => keys.map((key) => cache.get("props", key));

test("a second visit starts with what the first one held, for the rest of its life", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", { line: 1.5 }, { ttl: 10_000 });
  first.set("odds", "mlb:2", 2, { tags: ["hot"] });
  expect(await pages.written(first)).toMatchObject({ state: "writing", entries: 2, flushes: 1, failures: 0 });
  const passed = pages.clock.wall();
  first.close();
  const second = await pages.visit();
  expect([second.get("props", "mlb:1"), second.get("odds", "mlb:2")]).toEqual([{ line: 1.5 }, 2]);
  expect(second.stats().persist).toMatchObject({ entries: 2, flushes: 0 });
  await pages.pass(9_999 - (pages.clock.wall() - passed));
  second.invalidate({ tags: ["hot"] });
  expect([second.get("props", "mlb:1"), second.get("odds", "mlb:2")]).toEqual([undefined, undefined]);
});

test("a value that was set over another, or deleted, is so for the next visit", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", "old");
  first.set("props", "mlb:2", "old");
  await pages.written(first);
  first.set("props", "mlb:1", "new");
  first.delete("props", "mlb:2");
  await pages.written(first);
  first.set("props", "mlb:3", "settled by nobody yet");
  pages.crash();
  const second = await pages.visit();
  expect(read(second, "mlb:1", "mlb:2", "mlb:3")).toEqual(["new", undefined, undefined]);
});

test("a value of a followed scope is unread until the stream, resumed from where the visit ended, vouches for it", async () => {
  await following();
  pages.crash();
  const [cache, server, since] = await resumed();
  expect(since).toBe(10);
  expect(read(cache, "mlb:game:a", "mlb:game:b")).toEqual([undefined, undefined]);
  server.change(SCOPE, 10, 11, [["mlb:game:b", 11, "changed"]]);
  server.beat(SCOPE, 11, 11);
  expect(read(cache, "mlb:game:a", "mlb:game:b")).toEqual(["a1", undefined]);
});

test("what cannot be replayed is void", async () => {
  await following();
  pages.crash();
  const cache = await pages.visit();
  cache.subscribe(SCOPE, () => {});
  const server = new StubServer();
  server.answer(SCOPE, "reset", "2:1");
  server.beat(SCOPE, 1, 1);
  expect(read(cache, "mlb:game:a", "mlb:game:b")).toEqual([undefined, undefined]);
  await pages.written(cache);
  expect([await pages.stored(), await pages.positions()]).toEqual([{}, { [SCOPE]: "2:1" }]);
});

test("a change that no write has seen is told again to the next visit", async () => {
  const [, server] = await following();
  server.change(SCOPE, 10, 12, [["mlb:game:a", 12, "changed"]]);
  pages.crash();
  const [cache, next, since] = await resumed();
  expect(since).toBe(10);
  next.change(SCOPE, 10, 12, [["mlb:game:a", 12, "changed"]]);
  next.beat(SCOPE, 12, 12);
  expect(read(cache, "mlb:game:a", "mlb:game:b")).toEqual([undefined, "b1"]);
});

test("a change goes with its position: the row is gone where the position has moved", async () => {
  const [first, server] = await following();
  server.change(SCOPE, 10, 12, [["mlb:game:a", 12, "changed"]]);
  server.beat(SCOPE, 12, 12);
  await pages.written(first);
  pages.crash();
  const [cache, next, since] = await resumed();
  expect(since).toBe(12);
  next.beat(SCOPE, 12, 12);
  expect(read(cache, "mlb:game:a", "mlb:game:b")).toEqual([undefined, "b1"]);
});

test("when a page ends between two writes, rows are missing and none is old", async () => {
  const [first, server] = await following();
  pages.slow();
  server.change(SCOPE, 10, 12, [
    ["mlb:game:a", 11, { value: "a2" }],
    ["mlb:game:b", 12, { value: "b2" }],
    ["mlb:game:c", 12, { value: "c2" }],
  ]);
  await pages.pass(2_001);
  pages.crash();
  await pages.idle();
  expect(first.stats().persist.flushes).toBe(2);
  expect([await pages.stored(), await pages.positions()]).toEqual([{ "mlb:game:a": '"a2"' }, { [SCOPE]: "1:12" }]);
  const [cache, next] = await resumed();
  next.beat(SCOPE, 12, 12);
  expect(read(cache, "mlb:game:a", "mlb:game:b", "mlb:game:c")).toEqual(["a2", undefined, undefined]);
});

test("without an end, later writes add what the first one had no time for", async () => {
  const [first, server] = await following();
  pages.slow();
  server.change(SCOPE, 10, 12, [
    ["mlb:game:a", 11, { value: "a2" }],
    ["mlb:game:b", 12, { value: "b2" }],
  ]);
  while (first.stats().persist.flushes < 3) await pages.written(first);
  expect(await pages.stored()).toEqual({ "mlb:game:a": '"a2"', "mlb:game:b": '"b2"' });
});

test("what changes during a write goes with the next one", async () => {
  const [first, server] = await following();
  server.change(SCOPE, 10, 11, [["mlb:game:a", 11, { value: "a2" }]]);
  vi.advanceTimersByTime(2_001);
  server.change(SCOPE, 11, 12, [["mlb:game:b", 12, "gone"]]);
  vi.advanceTimersByTime(2_001);
  await pages.idle();
  expect([await pages.stored(), await pages.positions()]).toEqual([
    { "mlb:game:a": '"a2"', "mlb:game:b": '"b1"' },
    { [SCOPE]: "1:11" },
  ]);
  await pages.written(first);
  expect([await pages.stored(), await pages.positions()]).toEqual([{ "mlb:game:a": '"a2"' }, { [SCOPE]: "1:12" }]);
});

test("a value that is found unchanged lives on in what is stored", async () => {
  const fetcher = async () => ({ value: 1, ttl: 10_000 });
  const first = await pages.visit({ fetcher });
  await first.fetch("props", "mlb:1");
  await pages.written(first);
  await pages.pass(5_000);
  await first.fetch("props", "mlb:1", { forceRefresh: true });
  await pages.written(first);
  pages.crash();
  await pages.pass(6_000);
  expect((await pages.visit()).get("props", "mlb:1")).toBe(1);
});

test("a write is all or nothing: one that was begun and aborted leaves rows and positions of before", async () => {
  const [first, server] = await following();
  server.change(SCOPE, 10, 12, [["mlb:game:a", 12, { value: "a2" }]]);
  // Not even the database is deleted: the page has ended.
  vi.spyOn(indexedDB, "deleteDatabase").mockImplementation(() => ({}) as IDBOpenDBRequest);
  vi.spyOn(IDBObjectStore.prototype, "put").mockImplementationOnce(function (this: { transaction: IDBTransaction }) {
    this.transaction.abort();
    return {} as IDBRequest<IDBValidKey>;
  });
  await pages.pass(3_000);
  await pages.idle();
  expect(first.stats().persist).toMatchObject({ state: "failed", failures: 1 });
  expect([await pages.stored(), await pages.positions()]).toEqual([
    { "mlb:game:a": '"a1"', "mlb:game:b": '"b1"' },
    { [SCOPE]: "1:10" },
  ]);
});

test("a database without room is deleted, counted and done without", async () => {
  const cache = await pages.visit();
  cache.set("props", "mlb:1", 1);
  await pages.written(cache);
  vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(() => {
    throw new DOMException("no room", "QuotaExceededError");
  });
  cache.set("props", "mlb:2", 2);
  const errors = await uncaught(async () => {
    await pages.pass(3_000);
    await pages.idle();
  });
  expect(errors).toEqual([]);
  expect(cache.stats().persist).toEqual({ state: "failed", entries: 0, bytes: 0, flushes: 1, failures: 1 });
  expect((await indexedDB.databases()).length).toBe(0);
  cache.set("props", "mlb:3", 3);
  await pages.pass(3_000);
  expect(read(cache, "mlb:1", "mlb:2", "mlb:3")).toEqual([1, 2, 3]);
});

test("a row that is not taken up is deleted before a position moves", async () => {
  const first = await pages.visit();
  first.set("odds", "mlb:1", 1);
  first.set("props", "mlb:2", 2);
  first.set("props", "mlb:3", 3, { ttl: 5_000 });
  await pages.written(first);
  first.close();
  await pages.pass(5_000);
  const second = await pages.visit({ categories: { props: { max: 100 } } });
  await pages.written(second);
  expect(await pages.stored()).toEqual({ "mlb:2": "2" });
});

test("what waits for its stream since an earlier visit waits for the next one too", async () => {
  await following();
  pages.crash();
  const elsewhere = await pages.visit();
  elsewhere.set("props", "mlb:team", 1);
  await pages.written(elsewhere);
  elsewhere.close();
  await pages.idle();
  expect(await pages.positions()).toEqual({ [SCOPE]: "1:10" });
  const [cache, server] = await resumed();
  server.beat(SCOPE, 10, 10);
  expect(read(cache, "mlb:game:a", "mlb:team")).toEqual(["a1", 1]);
});

test("another scope that covers what waits is resumed from where that waits", async () => {
  const [first, server] = await following();
  server.change(SCOPE, 10, 11, [["mlb:game:7:x", 11, { value: "x1" }]]);
  await pages.written(first);
  pages.crash();
  const second = await pages.visit();
  second.subscribe("mlb:game:7:", () => {});
  second.subscribe("mlb:game:8:", () => {});
  const narrower = new StubServer();
  narrower.accept("mlb:game:7:", "1:30");
  narrower.accept("mlb:game:8:", "1:31");
  second.set("odds", "mlb:1", 1);
  await pages.written(second);
  expect(await pages.positions()).toEqual({ [SCOPE]: "1:11", "mlb:game:7:": "1:11", "mlb:game:8:": "1:31" });
});

test("a scope that was not followed for a day is forgotten, with its rows", async () => {
  await following();
  pages.crash();
  await pages.pass(24 * 3_600_000);
  const later = await pages.visit();
  expect(later.size).toBe(0);
  await pages.written(later);
  expect([await pages.stored(), await pages.positions()]).toEqual([{}, {}]);
});

test("a visit in which nothing happens writes nothing", async () => {
  await following();
  pages.crash();
  const cache = await pages.visit();
  await pages.pass(10_000);
  expect(cache.stats().persist).toMatchObject({ state: "writing", entries: 2, flushes: 0 });
});

test("what a stream takes up need not be written again", async () => {
  await following();
  pages.crash();
  const put = vi.spyOn(IDBObjectStore.prototype, "put");
  const [cache, server] = await resumed();
  server.beat(SCOPE, 10, 10);
  expect(read(cache, "mlb:game:a")).toEqual(["a1"]);
  cache.set("odds", "mlb:1", 1);
  await pages.written(cache);
  const rows = put.mock.calls.map(([row]) => row as { key?: string }).filter(({ key }) => key !== undefined);
  expect(rows.map(({ key }) => key)).toEqual(["mlb:1"]);
});
