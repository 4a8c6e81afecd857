/** User timing: what the cache puts on the browser's performance timeline. */

import { type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { StubSocket } from "./stub-socket.js";

let cache: ConsolidatedCacheManager;

const open = async (marks: boolean) => {
  cache = await createCache({
    categories: { props: { max: 10 } },
    url: "https://edge.example",
    WebSocket: StubSocket,
    fetcher: async () => ({ value: 1 }),
    marks,
  });
};

const measures = () =>
  performance
    .getEntriesByType("measure")
    .filter(({ name }) => name.startsWith("cache-wasm:"))
    .map((entry) => [entry.name, (entry as PerformanceMeasure).detail as unknown]);

async function use(): Promise<void> {
  cache.set("props", "mlb:1", 1);
  cache.category("props").set("mlb:2", 1);
  await cache.fetch("props", "mlb:3");
  await cache.fetch("props", "mlb:1");
  cache.subscribe("mlb:game:", () => {});
  StubSocket.all.at(-1)!.open();
  StubSocket.all.at(-1)!.onmessage?.({ data: new ArrayBuffer(3) });
  await vi.advanceTimersByTimeAsync(100);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  performance.clearMeasures();
});

afterEach(() => {
  cache.close();
  vi.useRealTimers();
});

test("with `marks`, sets, fetches, frames and upkeep are measured, with their category where they have one", async () => {
  await open(true);
  await use();
  expect(measures().sort()).toEqual([
    ["cache-wasm:fetch", "props"],
    ["cache-wasm:fetch", "props"],
    ["cache-wasm:frame", null],
    ["cache-wasm:set", "props"],
    ["cache-wasm:set", "props"],
    ["cache-wasm:upkeep", null],
  ]);
});

test("a call that fails is measured, and fails as it would", async () => {
  await open(true);
  expect(() => cache.set("props", "mlb:1", undefined)).toThrow("it is undefined");
  await expect(cache.fetch("props", "")).rejects.toMatchObject({ code: "argument" });
  expect(measures().map(([name]) => name)).toEqual(["cache-wasm:set", "cache-wasm:fetch"]);
});

test("without it, nothing is", async () => {
  await open(false);
  await use();
  expect(measures()).toEqual([]);
});
