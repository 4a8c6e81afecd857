/** A trap in the core: the page hears of it as an error of the cache's, and goes on without it. */

import { CacheError, type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, expect, test, vi } from "vitest";

import type { Core } from "../js/core.js";
import { FakeClock } from "./fake-clock.js";
import { StubSocket } from "./stub-socket.js";
import { openWrapped } from "./wrapped-core.js";

const clock = new FakeClock();
let cache: ConsolidatedCacheManager;
let callsAfter: string[];

/** A cache with an entry and a handle, that traps at the next call of this name. */
async function open(trap: keyof Core) {
  let isArmed = false;
  let isBroken = false;
  callsAfter = [];
  cache = await openWrapped(
    {
      categories: { props: { max: 1_000 } },
      url: "https://edge.example",
      WebSocket: StubSocket,
      fetcher: async () => ({ value: "fetched" }),
      clock,
    },
    (name) => {
      if (isBroken) callsAfter.push(name);
      if (!isArmed || name !== trap) return;
      isBroken = true;
      throw new WebAssembly.RuntimeError("unreachable");
    },
  );
  cache.set("props", "mlb:1", 1, { ttl: 1_000 });
  const handle = cache.category("props").handle("mlb:1");
  isArmed = true;
  return handle;
}

afterEach(() => {
  expect(() => cache.close()).not.toThrow();
  expect(callsAfter).toEqual([]);
  vi.useRealTimers();
});

const isBroken = expect.objectContaining({
  name: "CacheError",
  code: "broken",
  message:
    "the cache failed and closed itself (RuntimeError: unreachable); reads miss, and another one can be created",
});

const CALLS: [trap: keyof Core, call: () => unknown][] = [
  ["enroll", () => cache.setMany("props", Array.from({ length: 100 }, (_, i) => [`mlb:${i}`, i]))],
  ["put", () => cache.set("props", "mlb:2", 2, { tags: ["today"] })],
  ["keyError", () => cache.set("props", "mlb:é", 2)],
  ["delete", () => cache.delete("props", "mlb:1")],
  ["clear", () => cache.clear()],
  ["invalidateScope", () => cache.invalidate({ scope: "mlb:1:" })],
  ["follow", () => cache.subscribe("mlb:game:", () => {})],
  ["poll", () => cache.subscribe("mlb:game:", () => {})],
  ["pollTimeout", () => cache.subscribe("mlb:game:", () => {})],
  ["pressure", () => cache.pressure("critical")],
  ["settle", () => cache.pressure("critical")],
  ["stats", () => cache.stats()],
  ["beginFill", () => cache.fetch("props", "mlb:2")],
  ["endFill", () => cache.fetch("props", "mlb:2")],
  ["beginLoad", () => cache.fetchScope("props", "mlb:game:")],
];

test.for(CALLS)("a trap in `%s` is an error of code `broken`, and so is every call after it", async ([, call]) => {
  const trap = CALLS.find(([, each]) => each === call)![0];
  const handle = await open(trap);
  const attempt = () => Promise.resolve().then(call);
  await expect(attempt()).rejects.toEqual(isBroken);
  await expect(attempt()).rejects.toEqual(isBroken);
  expect(() => cache.stats()).toThrow(CacheError);
  expect([cache.get("props", "mlb:1"), cache.has("props", "mlb:1"), cache.size, cache.keys("props"), handle.value]).toEqual([
    undefined,
    false,
    0,
    [],
    undefined,
  ]);
  handle.release();
});

const READS: [trap: keyof Core, read: (handle: { value: unknown }) => unknown, seen: unknown][] = [
  ["expire", () => cache.get("props", "mlb:1"), undefined],
  ["expire", (handle) => handle.value, undefined],
  ["hold", () => cache.category("props").handle("mlb:2").value, undefined],
  ["enroll", () => cache.set("props", "mlb:2", 2) ?? cache.size, 0],
  ["payload", () => cache.get("props", "mlb:json"), undefined],
];

test.for(READS)("a trap in `%s` during a read is a miss", async ([trap, read, seen]) => {
  const handle = await open(trap);
  if (trap === "expire") await clock.advance(1_000);
  if (trap === "hold") cache.set("props", "mlb:2", 2);
  if (trap === "payload") await cache.fetch("props", "mlb:json").catch(() => {});
  expect(read(handle)).toBe(seen);
  expect(cache.get("props", "mlb:1")).toBeUndefined();
});

test("a trap in the background, or on a message, closes the cache and its connection", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  await open("settle");
  cache.subscribe("mlb:game:", () => {});
  const socket = StubSocket.all.at(-1)!;
  await vi.advanceTimersByTimeAsync(200);
  expect(() => cache.stats()).toThrow(isBroken);
  expect(socket.closed?.[0]).toBe(1000);
  expect(vi.getTimerCount()).toBe(0);
});

test("who waits for an answer is let go when the core traps", async () => {
  await open("delete");
  const waiting = cache.fetch("props", "mlb:2", { forceRefresh: true });
  expect(() => cache.delete("props", "mlb:1")).toThrow(isBroken);
  await expect(waiting).rejects.toEqual(isBroken);
});

test("another cache can be created, and works", async () => {
  await open("stats");
  expect(() => cache.stats()).toThrow(isBroken);
  const next = await createCache({ categories: { props: { max: 10 } } });
  next.set("props", "mlb:1", 2);
  expect(next.get("props", "mlb:1")).toBe(2);
  next.close();
});

test("what the core merely refuses leaves the cache open", async () => {
  await open("free");
  expect(() => cache.set("props", "mlb:2", 2, { tags: ["to day"] })).toThrow(
    expect.objectContaining({ code: "argument" }),
  );
  expect(cache.get("props", "mlb:1")).toBe(1);
});
