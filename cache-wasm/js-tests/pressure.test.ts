/** Shortness of memory: how it is noticed, and what is done about it. */

import { type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { levelOf, type Readings } from "../js/pressure.js";
import type { PressureLevel } from "../js/types.js";
import { FakeClock } from "./fake-clock.js";
import { openWrapped } from "./wrapped-core.js";

let cache: ConsolidatedCacheManager | undefined;
let clock: FakeClock;
let heard: PressureLevel[];

/** Roomy: what pressure leaves of it holds all that the tests set. */
const options = { categories: { props: { max: 4_000 } } };

async function open(more: object = {}, wrap: Parameters<typeof openWrapped>[1] = () => {}): Promise<ConsolidatedCacheManager> {
  cache = await openWrapped({ ...options, clock, ...more }, wrap);
  cache.on("pressure", (level) => heard.push(level));
  return cache;
}

/** Time goes on, for the cache and for its timers. */
async function pass(milliseconds: number): Promise<void> {
  await clock.advance(milliseconds);
  await vi.advanceTimersByTimeAsync(milliseconds);
}

beforeEach(async () => {
  // Before there is a document, so that the module is read from its file.
  (await createCache(options)).close();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  clock = new FakeClock();
  heard = [];
});

afterEach(() => {
  cache?.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
  Reflect.deleteProperty(performance, "memory");
  Reflect.deleteProperty(performance, "measureUserAgentSpecificMemory");
});

const quiet: Readings = { heap: undefined, isAsleep: false, hasFailed: false };
const LEVELS: [readings: Partial<Readings>, before: PressureLevel, level: PressureLevel][] = [
  [{}, "normal", "normal"],
  [{}, "critical", "normal"],
  [{ heap: 0.8 }, "normal", "normal"],
  [{ heap: 0.81 }, "normal", "elevated"],
  [{ heap: 0.75 }, "elevated", "elevated"],
  [{ heap: 0.7 }, "elevated", "normal"],
  [{ heap: 0.92 }, "elevated", "elevated"],
  [{ heap: 0.93 }, "elevated", "critical"],
  [{ heap: 0.93 }, "normal", "critical"],
  [{ heap: 0.86 }, "critical", "critical"],
  [{ heap: 0.85 }, "critical", "elevated"],
  [{ heap: 0.5 }, "critical", "normal"],
  [{ isAsleep: true }, "normal", "elevated"],
  [{ isAsleep: true, heap: 0.95 }, "normal", "critical"],
  [{ hasFailed: true, heap: 0.1 }, "normal", "critical"],
];

test.for(LEVELS)("%o after `%s` is `%s`", ([readings, before, level]) => {
  expect(levelOf({ ...quiet, ...readings }, before)).toBe(level);
});

test("the page may say so itself: decoded copies go, all is settled, and listeners hear", async () => {
  const calls: string[] = [];
  const cache = await open({}, (name, [level]) => calls.push(name === "pressure" ? `pressure ${String(level)}` : name));
  for (let i = 0; i < 500; i++) cache.set("props", `mlb:${i}`, { number: i, text: "x".repeat(200) });
  cache.pressure("elevated");
  expect(calls.filter((name) => name === "settle")).toHaveLength(500);
  expect(calls).toContain("pressure 1");
  expect(cache.stats()).toMatchObject({
    decodedBytes: 0,
    entries: 500,
    pressure: { level: "elevated", since: clock.wall(), responses: 1 },
  });
  await clock.advance(5);
  cache.pressure("elevated");
  cache.pressure("critical");
  cache.pressure("normal");
  // The core may want to be told more than once, and give back a part each time.
  const told = calls.filter((name) => name.startsWith("pressure"));
  expect([...new Set(told)]).toEqual(["pressure 1", "pressure 2", "pressure 0"]);
  expect(told.at(-1)).toBe("pressure 0");
  expect(heard).toEqual(["elevated", "elevated", "critical", "normal"]);
  expect(cache.stats().pressure).toEqual({ level: "normal", since: clock.wall(), responses: 3 });
  expect(cache.get("props", "mlb:7")).toMatchObject({ number: 7 });
});

test("before the first, there is none", async () => {
  const cache = await open();
  expect(cache.stats().pressure).toEqual({ level: "normal", since: undefined, responses: 0 });
});

/** A heap of 1000 bytes, of which so many are used. */
function heapOf(used: () => number): void {
  const memory = { jsHeapSizeLimit: 1_000, get usedJSHeapSize() { return used(); } };
  Object.defineProperty(performance, "memory", { value: memory, configurable: true });
}

test("the heap is looked at every 30 s", async () => {
  let used = 850;
  heapOf(() => used);
  await open();
  await pass(29_999);
  expect(heard).toEqual([]);
  await pass(2);
  expect(heard).toEqual(["elevated"]);
  await pass(30_001);
  expect(heard).toEqual(["elevated"]);
  used = 950;
  await pass(30_001);
  used = 100;
  await pass(30_001);
  expect(heard).toEqual(["elevated", "critical", "normal"]);
});

test("an isolated page is measured whole", async () => {
  heapOf(() => 100);
  const measure = vi.fn(async () => ({ bytes: 990 }));
  Object.defineProperty(performance, "measureUserAgentSpecificMemory", { value: measure, configurable: true });
  vi.stubGlobal("crossOriginIsolated", true);
  await open();
  await pass(30_001);
  expect(heard).toEqual(["critical"]);
  measure.mockRejectedValueOnce(new DOMException("not now", "SecurityError"));
  await pass(30_001);
  expect(heard).toEqual(["critical", "normal"]);
  expect(measure).toHaveBeenCalledTimes(2);
});

test("with `watchMemory: false`, or where nothing can be measured, no timer is set", async () => {
  await open();
  expect(vi.getTimerCount()).toBe(0);
  cache!.close();
  heapOf(() => 990);
  await open({ watchMemory: false });
  expect(vi.getTimerCount()).toBe(0);
  await pass(100_000);
  expect(heard).toEqual([]);
});

test("a machine of up to 2 GiB gets half of the bytes, unless the options say otherwise", async () => {
  vi.stubGlobal("navigator", { deviceMemory: 2 });
  expect((await open()).stats().maxBytes).toBe(8 << 20);
  cache!.close();
  expect((await open({ maxBytes: 1 << 20 })).stats().maxBytes).toBe(1 << 20);
  cache!.close();
  vi.stubGlobal("navigator", { deviceMemory: 4 });
  expect((await open()).stats().maxBytes).toBe(16 << 20);
});

function stubDocument(): EventTarget & { hidden: boolean } {
  const document = Object.assign(new EventTarget(), { hidden: false, visibilityState: "visible" });
  vi.stubGlobal("document", document);
  return document;
}

test("a page that is frozen gives back what it can, and is as before once it is resumed", async () => {
  const document = stubDocument();
  await open();
  document.dispatchEvent(new Event("freeze"));
  expect(heard).toEqual(["elevated"]);
  document.dispatchEvent(new Event("resume"));
  expect(heard).toEqual(["elevated", "normal"]);
});

test("so does a page that has been hidden for 5 minutes, and not one that was hidden for less", async () => {
  const document = stubDocument();
  const turn = (hidden: boolean) => {
    document.hidden = hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  await open();
  turn(true);
  await pass(299_000);
  turn(false);
  await pass(299_000);
  expect(heard).toEqual([]);
  turn(true);
  await pass(300_001);
  expect(heard).toEqual(["elevated"]);
  turn(false);
  expect(heard).toEqual(["elevated", "normal"]);
});

test("after close nothing is listened to", async () => {
  heapOf(() => 990);
  const document = stubDocument();
  const { close } = await open();
  close.call(cache);
  document.dispatchEvent(new Event("freeze"));
  await pass(100_000);
  expect([heard, vi.getTimerCount()]).toEqual([[], 0]);
});

test("a text for which there is no memory is a miss, and critical; until nothing fails for 30 s", async () => {
  let fails = false;
  const cache = await open({}, (name) => {
    if (name === "payload" && fails) throw new RangeError("Invalid string length");
  });
  cache.set("props", "mlb:1", "text");
  cache.pressure("elevated");
  fails = true;
  expect(cache.get("props", "mlb:1")).toBeUndefined();
  await Promise.resolve();
  expect(heard).toEqual(["elevated", "critical"]);
  fails = false;
  expect(cache.get("props", "mlb:1")).toBe("text");
  await pass(30_001);
  expect(heard).toEqual(["elevated", "critical", "normal"]);
});
