/** Listeners may do what they like: throw, leave, and use the cache. */

import { type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test } from "vitest";

import { FakeClock } from "./fake-clock.js";
import { uncaught } from "./uncaught.js";

const clock = new FakeClock();
let cache: ConsolidatedCacheManager;
let heard: string[];

beforeEach(async () => {
  heard = [];
  cache = await createCache({ categories: { props: { max: 3 } }, clock });
});

afterEach(() => cache.close());

test("a listener that throws breaks neither the call nor the other listeners, and its error is not lost", async () => {
  cache.on("evict", () => {
    throw new Error("a listener's fault");
  });
  cache.on("evict", ({ key }) => heard.push(key));
  cache.set("props", "mlb:1", 1);
  cache.set("props", "mlb:2", 2);
  const errors = await uncaught(() => cache.clear());
  expect(heard.sort()).toEqual(["mlb:1", "mlb:2"]);
  expect(errors).toEqual([new Error("a listener's fault"), new Error("a listener's fault")]);
  cache.set("props", "mlb:3", 3);
  expect(cache.get("props", "mlb:3")).toBe(3);
});

test("a listener that has left hears nothing more", () => {
  const leave = cache.on("evict", ({ key }) => heard.push(key));
  cache.set("props", "mlb:1", 1);
  cache.delete("props", "mlb:1");
  leave();
  leave();
  cache.set("props", "mlb:2", 1);
  cache.delete("props", "mlb:2");
  expect(heard).toEqual(["mlb:1"]);
});

test("a listener may leave, or end another's listening, while it is told", () => {
  const leave = cache.on("evict", ({ key }) => {
    heard.push(`first ${key}`);
    leave();
    leaveToo();
  });
  const leaveToo = cache.on("evict", ({ key }) => heard.push(`second ${key}`));
  cache.set("props", "mlb:1", 1);
  cache.set("props", "mlb:2", 1);
  cache.clear();
  expect(heard).toHaveLength(1);
  expect(heard[0]).toMatch(/^first/);
});

test("one who listens from within a listener hears what happens from then on", () => {
  cache.on("evict", ({ key }) => {
    heard.push(`first ${key}`);
    if (key === "mlb:1") cache.on("evict", ({ key }) => heard.push(`second ${key}`));
  });
  cache.set("props", "mlb:1", 1);
  cache.delete("props", "mlb:1");
  cache.set("props", "mlb:2", 1);
  cache.delete("props", "mlb:2");
  expect(heard).toEqual(["first mlb:1", "first mlb:2", "second mlb:2"]);
});

test("a listener may set and delete; what that removes is told after what came before it", () => {
  cache.on("evict", ({ key, reason }) => {
    heard.push(`begin ${key} ${reason}`);
    if (key === "mlb:1") {
      cache.set("props", "mlb:again", 1);
      cache.delete("props", "mlb:2");
      expect(cache.get("props", "mlb:again")).toBe(1);
    }
    heard.push(`end ${key}`);
  });
  cache.set("props", "mlb:1", 1);
  cache.set("props", "mlb:2", 2);
  cache.delete("props", "mlb:1");
  expect(heard).toEqual(["begin mlb:1 deleted", "end mlb:1", "begin mlb:2 deleted", "end mlb:2"]);
  expect(cache.keys("props")).toEqual(["mlb:again"]);
});

test("a listener that puts back what was evicted does not loop within one call", () => {
  let putBack = 0;
  cache.on("evict", ({ key }) => {
    if (putBack++ < 10) cache.set("props", key, "again");
  });
  for (let i = 0; i < 4; i++) cache.set("props", `mlb:${i}`, i);
  expect(cache.size).toBe(3);
  expect(putBack).toBe(11);
});

test("a listener sees the removal done: the key is not there", () => {
  cache.on("evict", ({ key, reason }) => heard.push(`${reason} ${String(cache.get("props", key))}`));
  cache.set("props", "mlb:1", 1);
  cache.set("props", "mlb:1", 2);
  cache.delete("props", "mlb:1");
  expect(heard).toEqual(["replaced 2", "deleted undefined"]);
});

test("a read that finds an entry expired tells it, and a listener may then set it anew", async () => {
  cache.on("evict", ({ key, reason }) => reason === "expired" && cache.set("props", key, "renewed"));
  cache.set("props", "mlb:1", 1, { ttl: 10 });
  await clock.advance(10);
  expect(cache.get("props", "mlb:1")).toBeUndefined();
  expect(cache.get("props", "mlb:1")).toBe("renewed");
});

test("a listener may close the cache", () => {
  cache.on("evict", ({ key }) => {
    heard.push(key);
    cache.close();
  });
  cache.set("props", "mlb:1", 1);
  cache.delete("props", "mlb:1");
  expect(heard).toEqual(["mlb:1"]);
  expect(() => cache.set("props", "mlb:1", 1)).toThrow("the cache was closed");
});
