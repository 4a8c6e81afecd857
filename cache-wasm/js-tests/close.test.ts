import { CacheError, type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { beforeEach, expect, test } from "vitest";

let cache: ConsolidatedCacheManager;

beforeEach(async () => {
  cache = await createCache({ categories: { props: { max: 10 } } });
  cache.set("props", "mlb:1", 1);
});

test("after close, reads miss", () => {
  const props = cache.category("props");
  cache.close();
  expect([cache.get("props", "mlb:1"), cache.peek("props", "mlb:1"), cache.has("props", "mlb:1")]).toEqual([
    undefined,
    undefined,
    false,
  ]);
  expect([props.get("mlb:1"), props.size, cache.size, cache.keys("props"), cache.entries("props")]).toEqual([
    undefined,
    0,
    0,
    [],
    [],
  ]);
  expect(cache.getMany("props", ["mlb:1"]).size).toBe(0);
});

test("after close, everything else is refused with the code `closed`", async () => {
  cache.close();
  const calls: (() => unknown)[] = [
    () => cache.set("props", "mlb:1", 1),
    () => cache.setMany("props", [["mlb:1", 1]]),
    () => cache.delete("props", "mlb:1"),
    () => cache.clear(),
    () => cache.invalidate({ keys: ["mlb:1"] }),
    () => cache.subscribe("mlb:1:", () => {}),
    () => cache.stats(),
    () => cache.fetch("props", "mlb:1"),
    () => cache.fetchScope("props", "mlb:1:"),
  ];
  for (const call of calls) {
    const error = await Promise.resolve()
      .then(call)
      .catch((error: unknown) => error);
    expect(error, String(call)).toBeInstanceOf(CacheError);
    expect(error, String(call)).toMatchObject({ code: "closed", message: "the cache was closed; create another one" });
  }
});

test("closing twice is closing once", () => {
  cache.close();
  expect(() => cache.close()).not.toThrow();
});

test("closing removes nothing by name: no evict is told", () => {
  const heard: string[] = [];
  cache.on("evict", ({ key }) => heard.push(key));
  cache.close();
  expect(heard).toEqual([]);
});

test("those who wait for a fetch are let go, even if the fetcher heeds no signal", async () => {
  let asked: AbortSignal | undefined;
  const fetching = await createCache({
    categories: { props: { max: 10 } },
    fetcher: (_key, { signal }) => {
      asked = signal;
      return new Promise(() => {});
    },
  });
  const waiter = fetching.fetch("props", "mlb:1");
  await Promise.resolve();
  fetching.close();
  await expect(waiter).rejects.toMatchObject({ code: "closed" });
  expect(asked?.aborted).toBe(true);
});

test("an answer that comes after close is dropped", async () => {
  let answer!: (value: { value: unknown }) => void;
  const fetching = await createCache({
    categories: { props: { max: 10 } },
    fetcher: () => new Promise((resolve) => (answer = resolve)),
  });
  const waiter = fetching.fetch("props", "mlb:1");
  await Promise.resolve();
  fetching.close();
  answer({ value: 1 });
  await expect(waiter).rejects.toMatchObject({ code: "closed" });
  expect(fetching.get("props", "mlb:1")).toBeUndefined();
});

test("another cache can be made after one was closed", async () => {
  cache.close();
  const next = await createCache({ categories: { props: { max: 10 } } });
  expect(next.get("props", "mlb:1")).toBeUndefined();
  next.set("props", "mlb:1", 2);
  expect(next.get("props", "mlb:1")).toBe(2);
  next.close();
});
