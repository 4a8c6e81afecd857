/** Several pages of one origin, pages that hide and come back, and what persistence does where it cannot be had. */

import { CacheError, createCache } from "cache-wasm";
import { IDBFactory, IDBObjectStore } from "fake-indexeddb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

// @ts-ignore: written by the build
import { Core } from "../dist/core/core.js";
import { Database } from "../dist/database.js";
import { done, Pages } from "./pages.js";
import { StubServer } from "./stub-server.js";

let pages: Pages;

beforeEach(() => {
  pages = new Pages();
});

afterEach(() => pages.close());

const NOTHING = { entries: 0, bytes: 0, flushes: 0, failures: 0 };

test("one page writes, and another takes over with all that it holds itself when that one closes", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", "first");
  await pages.written(first);
  const second = await pages.visit();
  expect([first.stats().persist.state, second.stats().persist.state]).toEqual(["writing", "waiting"]);
  expect(second.get("props", "mlb:1")).toBe("first");
  second.set("props", "mlb:2", "second");
  second.delete("props", "mlb:1");
  await pages.pass(10_000);
  expect([await pages.stored(), second.stats().persist.flushes]).toEqual([{ "mlb:1": '"first"' }, 0]);
  first.set("props", "mlb:3", "first");
  await pages.written(first);
  first.close();
  await pages.written(second);
  expect([second.stats().persist.state, await pages.stored()]).toEqual(["writing", { "mlb:2": '"second"' }]);
});

test("a page that takes over rows which it has not read clears them", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", "first");
  await pages.written(first);
  const second = await pages.visit();
  first.set("props", "mlb:2", "first");
  await pages.written(first);
  first.close();
  await pages.written(second);
  expect(await pages.stored()).toEqual({ "mlb:1": '"first"' });
});

test("whose writes do nothing any more is forgotten after an hour", async () => {
  const ended = () => pages.read("ended", (store) => store.getAllKeys());
  for (let i = 0; i < 3; i++) (await pages.visit()).close();
  expect(await ended()).toHaveLength(2);
  await pages.pass(3_600_001);
  await pages.visit();
  expect(await ended()).toHaveLength(1);
});

test("when another page has claimed the database, a write does nothing: what is stored is always one page's own", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", "first");
  first.set("props", "mlb:2", "first");
  await pages.written(first);
  // The lock proves nothing: here both hold one.
  pages.unlock();
  const second = await pages.visit();
  second.set("props", "mlb:1", "second");
  second.set("props", "mlb:3", "second");
  await pages.written(second);
  expect(await pages.stored()).toEqual({ "mlb:1": '"second"', "mlb:2": '"first"', "mlb:3": '"second"' });
  first.set("props", "mlb:4", "first");
  await pages.pass(3_000);
  await pages.idle();
  expect(await pages.stored()).toEqual({ "mlb:1": '"second"', "mlb:2": '"first"', "mlb:3": '"second"' });
  expect([first.stats().persist.state, first.stats().persist.failures]).toEqual(["waiting", 0]);
  second.close();
  await pages.written(first);
  expect(await pages.stored()).toEqual({ "mlb:1": '"first"', "mlb:2": '"first"', "mlb:4": '"first"' });
});

test("closing writes what is left, at once", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", 1);
  await pages.written(first);
  first.set("props", "mlb:1", 3);
  first.set("props", "mlb:2", 2);
  first.close();
  const second = await pages.visit();
  expect([second.get("props", "mlb:1"), second.get("props", "mlb:2")]).toEqual([3, 2]);
});

test("a cache that is closed writes nothing more, and no call of it crashes", async () => {
  const cache = await pages.visit();
  cache.set("props", "mlb:1", 1);
  cache.close();
  await pages.pass(10_000);
  for (const call of [() => cache.dump(), () => cache.load({ format: 1, at: 0, positions: {}, entries: [] })]) {
    expect(call).toThrow(new CacheError("closed", "the cache was closed; create another one"));
  }
  await cache.forget();
  expect(await indexedDB.databases()).toEqual([]);
});

test("forgetting deletes what is stored, here and for other pages, and nothing more is", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", 1);
  await pages.written(first);
  const second = await pages.visit();
  await second.forget();
  expect(await indexedDB.databases()).toEqual([]);
  for (const cache of [first, second]) {
    cache.set("props", "mlb:2", 2);
    await pages.pass(10_000);
    expect(cache.stats().persist).toEqual({ ...NOTHING, state: "stopped", flushes: cache === first ? 1 : 0 });
    expect(cache.get("props", "mlb:1")).toBe(1);
  }
  expect(await indexedDB.databases()).toEqual([]);
});

test("forgetting where nothing is stored does nothing", async () => {
  const cache = await pages.visit({ persist: false });
  await cache.forget();
  expect(cache.stats().persist).toEqual({ ...NOTHING, state: "off" });
});

test.for(["indexedDB", "navigator"])("without `%s` nothing is stored, and the cache works", async (missing) => {
  vi.stubGlobal(missing, undefined);
  const cache = await pages.visit();
  cache.set("props", "mlb:1", 1);
  await pages.pass(10_000);
  expect([cache.get("props", "mlb:1"), cache.stats().persist]).toEqual([1, { ...NOTHING, state: "unsupported" }]);
  await cache.forget();
});

test("a browser that refuses to open a database is done without", async () => {
  vi.spyOn(indexedDB, "open").mockImplementation(() => {
    throw new DOMException("not in a private window", "SecurityError");
  });
  const cache = await pages.visit();
  cache.set("props", "mlb:1", 1);
  expect([cache.get("props", "mlb:1"), cache.stats().persist]).toEqual([1, { ...NOTHING, state: "failed", failures: 1 }]);
});

test("without its own code, which may not have come, nothing is stored, and the cache works", async () => {
  vi.doMock("../dist/persist.js", () => {
    throw new Error("offline");
  });
  const cache = await pages.visit();
  vi.doUnmock("../dist/persist.js");
  cache.set("props", "mlb:1", 1);
  expect([cache.get("props", "mlb:1"), cache.stats().persist]).toEqual([1, { ...NOTHING, state: "failed" }]);
  await cache.forget();
});

test("a browser that refuses locks is done without", async () => {
  const request = async () => Promise.reject(new DOMException("not in a sandbox", "SecurityError"));
  vi.stubGlobal("navigator", { locks: { request } });
  const cache = await pages.visit();
  cache.set("props", "mlb:1", 1);
  expect([cache.get("props", "mlb:1"), cache.stats().persist]).toEqual([1, { ...NOTHING, state: "failed", failures: 1 }]);
});

test("a database that does not answer for 500 ms is not waited for, and what it says later is dropped", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", 1);
  await pages.written(first);
  first.close();
  const { open } = indexedDB;
  const late = {} as { onsuccess(): void; result: IDBDatabase };
  let opened: Promise<IDBDatabase> | undefined;
  vi.spyOn(indexedDB, "open").mockImplementationOnce((name, format) => {
    opened = done(open.call(indexedDB, name, format));
    return late as unknown as IDBOpenDBRequest;
  });
  const opening = pages.visit();
  // The code that opens it is loaded first, which takes as long as it takes.
  while (opened === undefined) await pages.idle();
  await pages.pass(499);
  expect(await Promise.race([opening, Promise.resolve("waiting")])).toBe("waiting");
  await pages.pass(1);
  const second = await opening;
  late.result = await opened;
  late.onsuccess();
  second.set("props", "mlb:2", 2);
  await pages.written(second);
  expect([second.get("props", "mlb:1"), await pages.stored()]).toEqual([undefined, { "mlb:2": "2" }]);
});

test("what a later version of the package has stored is dropped", async () => {
  const request = indexedDB.open("cache-wasm/https://edge.example", 1_000);
  request.onupgradeneeded = () => {
    const store = request.result.createObjectStore("entries", { keyPath: "key" });
    store.put({ category: "props", key: "mlb:1", json: "1", at: pages.clock.wall() });
  };
  (await done(request)).close();
  const cache = await pages.visit();
  expect(cache.size).toBe(0);
  cache.set("props", "mlb:2", 2);
  await pages.written(cache);
  expect(await pages.stored()).toEqual({ "mlb:2": "2" });
});

test("what is stored in an older format is dropped", async () => {
  const written = await Database.open("any", 1, () => {});
  await written.write({ state: { owner: "1", mark: "1" }, isAnew: true, deleted: [], added: [{ category: "props", key: "mlb:1" }] });
  written.close();
  const opened = await Database.open("any", 2, () => {});
  expect(await opened.read()).toEqual({ state: undefined, rows: [] });
});

test("a cache that broke keeps no other page from writing", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", 1);
  await pages.written(first);
  const second = await pages.visit();
  vi.spyOn(Core.prototype, "invalidateKey").mockImplementation(() => {
    throw new Error("unreachable");
  });
  expect(() => first.invalidate({ keys: ["mlb:1"] })).toThrow(CacheError);
  await pages.idle();
  expect(second.stats().persist.state).toBe("writing");
});

test("categories that are excluded are not stored, and not taken up", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", 1);
  first.set("odds", "mlb:2", 2);
  await pages.written(first);
  first.close();
  const second = await pages.visit({ persist: { exclude: ["odds"] } });
  expect([second.get("props", "mlb:1"), second.get("odds", "mlb:2")]).toEqual([1, undefined]);
  second.set("odds", "mlb:3", 3);
  await pages.written(second);
  expect(await pages.stored()).toEqual({ "mlb:1": "1" });
  const third = await pages.visit({ persist: { name: "other", exclude: ["odds"] } });
  third.set("odds", "mlb:3", 3);
  third.set("props", "mlb:4", 4);
  await pages.written(third);
  expect(await pages.stored("other")).toEqual({ "mlb:4": "4" });
});

test("caches of different names share nothing", async () => {
  const first = await pages.visit({ persist: { name: "mine" } });
  first.set("props", "mlb:1", 1);
  await pages.written(first);
  const second = await pages.visit({ persist: { name: "yours" } });
  expect([second.size, second.stats().persist.state]).toEqual([0, "writing"]);
  expect(await pages.stored("mine")).toEqual({ "mlb:1": "1" });
});

test("over `maxBytes` what was used longest ago is left out", async () => {
  const persist = { maxBytes: 1_000 };
  const first = await pages.visit({ persist, categories: { props: { max: 100, policy: "lru" } } });
  const set = (from: number, to: number) => {
    for (let i = from; i < to; i++) first.set("props", `mlb:${i}`, "x".repeat(100));
  };
  set(0, 5);
  await pages.written(first);
  expect(Object.keys(await pages.stored())).toHaveLength(5);
  first.get("props", "mlb:0");
  set(5, 8);
  const { bytes, entries } = await pages.written(first);
  expect(Object.keys(await pages.stored()).sort()).toEqual(["mlb:0", "mlb:4", "mlb:5", "mlb:6", "mlb:7"]);
  expect([entries, bytes <= 1_000, first.size]).toEqual([5, true, 8]);
  set(8, 30);
  expect((await pages.written(first)).entries).toBe(5);
  expect(Object.keys(await pages.stored()).sort()).toEqual(["mlb:25", "mlb:26", "mlb:27", "mlb:28", "mlb:29"]);
  first.set("props", "mlb:large", "x".repeat(1_000));
  await pages.written(first);
  expect(Object.keys(await pages.stored())).toHaveLength(5);
  first.close();
  // All anew, the last used first.
  await pages.idle();
  await new Promise<void>((resolve) => {
    indexedDB.deleteDatabase("cache-wasm/https://edge.example").onsuccess = () => resolve();
  });
  const second = await pages.visit({ persist, categories: { props: { max: 100, policy: "lru" } } });
  for (let i = 0; i < 8; i++) second.set("props", `mlb:${i}`, "x".repeat(100));
  second.get("props", "mlb:0");
  const put = vi.spyOn(IDBObjectStore.prototype, "put");
  pages.slow();
  for (let i = 0; i < 10; i++) await pages.written(second);
  expect(put.mock.calls.filter(([row]) => (row as { key?: string }).key !== undefined)).toHaveLength(5);
  expect(second.stats().persist.flushes).toBe(5);
  expect(Object.keys(await pages.stored()).sort()).toEqual(["mlb:0", "mlb:4", "mlb:5", "mlb:6", "mlb:7"]);
});

test("a value that is larger than the database may be is not stored", async () => {
  const first = await pages.visit();
  first.set("props", "mlb:1", "x".repeat(2_000));
  await pages.written(first);
  first.close();
  const second = await pages.visit({ persist: { maxBytes: 1_000 } });
  expect(second.get("props", "mlb:1")).toBe("x".repeat(2_000));
  second.set("props", "mlb:2", 2);
  await pages.written(second);
  expect(await pages.stored()).toEqual({ "mlb:2": "2" });
});

test("thousands of rows that leave at once are not deleted one by one", async () => {
  const cache = await pages.visit({ categories: { props: { max: 5_000 } } });
  for (let i = 0; i < 3_000; i++) cache.set("props", `mlb:${i}`, i);
  const stored = async (count: number) => {
    while (Object.keys(await pages.stored()).length !== count) await pages.pass(100);
  };
  await stored(3_000);
  const [cleared, deleted] = [vi.spyOn(IDBObjectStore.prototype, "clear"), vi.spyOn(IDBObjectStore.prototype, "delete")];
  for (let i = 0; i < 2_990; i++) cache.delete("props", `mlb:${i}`);
  await stored(10);
  const rows = deleted.mock.calls.filter(([key]) => Array.isArray(key));
  expect([cleared.mock.calls.length, rows.length]).toEqual([1, 0]);
});

/** A page, as far as the cache listens to it. */
function stubPage() {
  const page = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "visible", hidden: false });
  vi.stubGlobal("document", document);
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
  return {
    hide() {
      Object.assign(document, { visibilityState: "hidden", hidden: true });
      document.dispatchEvent(new Event("visibilitychange"));
    },
    leave: () => page.dispatchEvent(new Event("pagehide")),
    comeBack: () => page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true })),
  };
}

test("a page that is hidden writes at once, positions too", async () => {
  const page = stubPage();
  const cache = await pages.visit();
  cache.subscribe("mlb:game:", () => {});
  const server = new StubServer();
  server.accept("mlb:game:", "1:10");
  cache.set("props", "mlb:1", 1);
  page.hide();
  await pages.idle();
  expect([await pages.stored(), await pages.positions()]).toEqual([{ "mlb:1": "1" }, { "mlb:game:": "1:10" }]);
  server.beat("mlb:game:", 10, 15);
  page.hide();
  await pages.idle();
  expect(await pages.positions()).toEqual({ "mlb:game:": "1:15" });
  const { flushes } = cache.stats().persist;
  page.hide();
  await pages.idle();
  expect(cache.stats().persist.flushes).toBe(flushes);
});

test("a page that is left writes at once and gives the lock up, and takes it again when it comes back", async () => {
  const page = stubPage();
  const first = await pages.visit();
  first.set("props", "mlb:1", 1);
  page.leave();
  await pages.idle();
  expect([await pages.stored(), first.stats().persist.state]).toEqual([{ "mlb:1": "1" }, "waiting"]);
  page.comeBack();
  page.leave();
  await pages.idle();
  expect(first.stats().persist.state).toBe("waiting");
  page.comeBack();
  await pages.idle();
  expect(first.stats().persist.state).toBe("writing");
  first.set("props", "mlb:2", 2);
  await pages.written(first);
  expect(await pages.stored()).toEqual({ "mlb:1": "1", "mlb:2": "2" });
  first.close();
  const request = vi.spyOn(navigator.locks, "request");
  page.comeBack();
  expect(request).not.toHaveBeenCalled();
});

test("a page that waits is not set back by being hidden: it goes on from the rows that it has read", async () => {
  const page = stubPage();
  const before = await pages.visit();
  before.subscribe("mlb:game:", () => {}, { category: "props" });
  const server = new StubServer();
  server.accept("mlb:game:", "1:10");
  server.change("mlb:game:", 10, 11, [["mlb:game:a", 11, { value: "a" }]]);
  before.close();
  const [first, second] = [await pages.visit(), await pages.visit()];
  second.set("props", "mlb:1", 1);
  page.hide();
  first.close();
  await pages.written(second);
  expect(await pages.stored()).toEqual({ "mlb:1": "1", "mlb:game:a": '"a"' });
});

const BAD_OPTIONS: [given: unknown, message: string][] = [
  [1, "`persist` must be `true` or its options, not 1"],
  [null, "`persist` must be `true` or its options, not null"],
  [{ maxByte: 1 }, "`persist`: there is no option `maxByte`; did you mean `maxBytes`?"],
  [{ maxBytes: 0 }, "`persist`: maxBytes must be above 0, not 0"],
  [{ interval: "2000" }, "`persist`: interval must be above 0, not 2000"],
  [{ name: 1 }, "the `name` of `persist` must be a string, not number"],
  [{ exclude: "odds" }, "`persist`: `exclude` must be a list of categories, not odds"],
  [{ exclude: ["odd"] }, "`persist`: there is no category `odd` to exclude; there are props, odds"],
];

test.for(BAD_OPTIONS)("%j is no way to persist", async ([persist, message]) => {
  const categories = { props: { max: 1 }, odds: { max: 1 } };
  await expect(createCache({ categories, persist: persist as boolean })).rejects.toEqual(new CacheError("argument", message));
});
