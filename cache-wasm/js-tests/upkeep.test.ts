/** The housekeeper: what is done off the critical path, and what memory it gives back. */

import type { ConsolidatedCacheManager } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { collectGarbage } from "./collect-garbage.js";
import { openWrapped } from "./wrapped-core.js";

let cache: ConsolidatedCacheManager;
let calls: string[];
/** How many entries the core was told the names of. */
let named: number;
/** The stopwatch's reading. */
let now: number;
/** What a call takes, by name. */
let costs: Record<string, number>;

const count = (name: string) => calls.filter((call) => call === name).length;
const key = (i: number) => `mlb:game:${i}`;
const value = (i: number) => ({ number: i, text: "x".repeat(80) });
const options = { categories: { props: { max: 1_000 } }, maxBytes: 1 << 20 };

async function open(more: object = {}): Promise<void> {
  cache = await openWrapped({ ...options, ...more }, (name, given) => {
    calls.push(name);
    if (name === "name") named += given[1] as number;
    now += costs[name] ?? 0;
  });
  calls = [];
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => now);
  calls = [];
  costs = {};
  named = 0;
});

afterEach(() => {
  cache.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test("what was set is named and settled some time later, and not before", async () => {
  await open();
  for (let i = 0; i < 300; i++) cache.set("props", key(i), value(i));
  await vi.advanceTimersByTimeAsync(90);
  expect([count("name"), count("settle")]).toEqual([0, 0]);
  await vi.advanceTimersByTimeAsync(20);
  expect([count("name"), count("settle")]).toEqual([2, 300]);
  calls = [];
  await vi.advanceTimersByTimeAsync(10_000);
  expect(calls).toEqual([]);
});

test("it works in slices of about 2 ms", async () => {
  await open();
  for (let i = 0; i < 10; i++) cache.set("props", key(i), value(i));
  costs["settle"] = 0.9;
  await vi.advanceTimersByTimeAsync(100);
  expect(count("settle")).toBe(3);
  await vi.advanceTimersToNextTimerAsync();
  expect(count("settle")).toBe(6);
  await vi.advanceTimersByTimeAsync(10);
  expect(count("settle")).toBe(10);
});

test("it runs as a background task where the platform has such", async () => {
  const postTask = vi.fn((_run: () => void, _options: object) => Promise.resolve());
  vi.stubGlobal("scheduler", { postTask });
  await open();
  cache.set("props", key(0), 1);
  await Promise.resolve();
  vi.unstubAllGlobals();
  expect(postTask.mock.calls.map(([, options]) => options)).toEqual([{ priority: "background", delay: 100 }]);
  postTask.mock.calls[0]![0]();
  expect(count("settle")).toBe(1);
});

test("entries that have left are neither named nor settled", async () => {
  await open();
  for (let i = 0; i < 5_000; i++) cache.set("props", key(i), i);
  const left = cache.size;
  await vi.advanceTimersByTimeAsync(1_000);
  expect([named, count("settle")]).toEqual([left, left]);
  for (let i = 0; i < 500; i++) cache.set("props", key(i), "again");
  cache.clear();
  calls = [];
  await vi.advanceTimersByTimeAsync(10_000);
  expect([count("name"), count("settle")]).toEqual([0, 0]);
});

test("while decoded copies are over `maxDecodedBytes`, those not used since the last round are dropped", async () => {
  await open({ maxDecodedBytes: 5_000 });
  for (let i = 0; i < 200; i++) cache.set("props", key(i), value(i));
  const used = Array.from({ length: 20 }, (_, i) => key(i));
  for (let second = 0; second < 5; second++) {
    for (const name of used) cache.get("props", name);
    await vi.advanceTimersByTimeAsync(1_000);
  }
  const { decodedBytes } = cache.stats();
  expect(decodedBytes).toBeLessThanOrEqual(5_000);
  expect(decodedBytes).toBeGreaterThan(2_000);
  calls = [];
  for (const name of used) cache.get("props", name);
  expect(count("payload")).toBe(0);
  // Until then a dropped object is still there, and given again.
  collectGarbage();
  for (let i = 0; i < 200; i++) expect(cache.get("props", key(i))).toEqual(value(i));
  expect(count("payload")).toBeGreaterThan(100);
  // All were used now, and none is from here on.
  expect(cache.stats().decodedBytes).toBeGreaterThan(5_000);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(cache.stats().decodedBytes).toBeLessThanOrEqual(5_000);
});

test("while they are not over, none is dropped", async () => {
  await open({ maxDecodedBytes: 100_000 });
  for (let i = 0; i < 200; i++) cache.set("props", key(i), value(i));
  await vi.advanceTimersByTimeAsync(10_000);
  const { decodedBytes } = cache.stats();
  expect(decodedBytes).toBe(Array.from({ length: 200 }, (_, i) => JSON.stringify(value(i)).length).reduce((a, b) => a + b));
});

test("a dropped object is the same object for as long as the page holds it", async () => {
  await open();
  const held = value(0);
  cache.set("props", key(0), held);
  cache.pressure("elevated");
  expect(cache.stats().decodedBytes).toBe(0);
  calls = [];
  expect(cache.get("props", key(0))).toBe(held);
  expect(count("payload")).toBe(0);
});

test("a dropped object of an older version is not given for a newer one", async () => {
  await open();
  const old = value(0);
  cache.set("props", key(0), old);
  cache.pressure("elevated");
  cache.set("props", key(0), value(1), { tags: ["today"] });
  cache.pressure("elevated");
  expect(cache.get("props", key(0))).toEqual(value(1));
  expect(old).toEqual(value(0));
});

test("what a handle holds is not dropped", async () => {
  await open();
  for (let i = 0; i < 10; i++) cache.set("props", key(i), value(i));
  cache.category("props").handle(key(3));
  cache.pressure("critical");
  expect(cache.stats().decodedBytes).toBe(JSON.stringify(value(3)).length);
});
