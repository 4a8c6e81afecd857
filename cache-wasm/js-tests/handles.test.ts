/** Handles: a key that is read again and again without being looked up. */

import { type Category, type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test } from "vitest";

import { collectGarbage } from "./collect-garbage.js";
import { FakeClock } from "./fake-clock.js";
import { openWrapped } from "./wrapped-core.js";

const clock = new FakeClock();
let cache: ConsolidatedCacheManager;
let props: Category;

beforeEach(async () => {
  cache = await createCache({ categories: { props: { max: 3 }, odds: { max: 1_000 } }, clock });
  props = cache.category("props");
});

afterEach(() => cache.close());

test("a handle reads what get reads, and counts as it does", () => {
  const value = { line: 1.5 };
  cache.set("props", "mlb:1", value);
  const handle = props.handle<{ line: number }>("mlb:1");
  expect(handle.value).toBe(value);
  expect(handle.value?.line).toBe(1.5);
  expect(props.handle("mlb:2").value).toBeUndefined();
  expect(cache.stats()).toMatchObject({ hits: 2, misses: 1 });
});

test("a handle sees a new value at once", () => {
  cache.set("props", "mlb:1", 1);
  const handle = props.handle("mlb:1");
  cache.set("props", "mlb:1", 2);
  expect(handle.value).toBe(2);
  cache.set("props", "mlb:1", 3, { tags: ["today"] });
  expect(handle.value).toBe(3);
});

test("a handle may come before its value", () => {
  const handle = props.handle("mlb:1");
  expect(handle.value).toBeUndefined();
  cache.set("props", "mlb:1", 1);
  expect(handle.value).toBe(1);
});

const LEAVINGS: [name: string, leave: () => unknown][] = [
  ["is deleted", () => cache.delete("props", "mlb:1")],
  ["is invalidated", () => cache.invalidate({ keys: ["mlb:1"] })],
  ["is cleared", () => cache.clear("props")],
  ["expires", () => clock.advance(1_000)],
];

test.for(LEAVINGS)("an entry that %s reads undefined, and is bound again when it is back", async ([, leave]) => {
  cache.set("props", "mlb:1", 1, { ttl: 1_000 });
  const handle = props.handle("mlb:1");
  expect(handle.value).toBe(1);
  await leave();
  expect(handle.value).toBeUndefined();
  cache.set("props", "mlb:1", 2);
  expect(handle.value).toBe(2);
  cache.set("props", "mlb:2", 3);
  expect(handle.value).toBe(2);
});

test("an entry that is held is not evicted, whatever else comes; once released it is", () => {
  cache.set("props", "mlb:held", "held");
  const handle = props.handle("mlb:held");
  for (let i = 0; i < 100; i++) cache.set("props", `mlb:${i}`, i);
  expect(handle.value).toBe("held");
  handle.release();
  for (let i = 0; i < 100; i++) cache.set("props", `mlb:${i}`, i);
  expect(cache.has("props", "mlb:held")).toBe(false);
});

test("of two handles of one entry, each holds it", () => {
  cache.set("props", "mlb:held", "held");
  const [first, second] = [props.handle("mlb:held"), props.handle("mlb:held")];
  first.release();
  first.release();
  for (let i = 0; i < 100; i++) cache.set("props", `mlb:${i}`, i);
  expect([first.value, second.value]).toEqual([undefined, "held"]);
});

test("a category full of what handles hold refuses more with the code `full`, until one is released", () => {
  const handles = [1, 2, 3].map((i) => {
    cache.set("props", `mlb:${i}`, i);
    return props.handle(`mlb:${i}`);
  });
  for (const options of [undefined, { tags: ["today"] }]) {
    expect(() => cache.set("props", "mlb:4", 4, options)).toThrow(
      expect.objectContaining({
        code: "full",
        message: "category `props` is full: handles hold all its 3 entries; release some",
      }),
    );
  }
  cache.set("props", "mlb:1", "replaced");
  expect(handles.map(({ value }) => value)).toEqual(["replaced", 2, 3]);
  handles[1]!.release();
  cache.set("props", "mlb:4", 4);
  expect(cache.get("props", "mlb:4")).toBe(4);
});

test("a handle that is bound to what another flush evicts holds what comes next", () => {
  for (let i = 0; i < 2_000; i++) {
    cache.set("odds", `mlb:${i}`, i);
    const handle = cache.category("odds").handle(`mlb:${i}`);
    expect(handle.value).toBe(i);
    handle.release();
  }
});

test("a released handle reads undefined from then on", () => {
  cache.set("props", "mlb:1", 1);
  const handle = props.handle("mlb:1");
  handle.release();
  expect(handle.value).toBeUndefined();
  cache.set("props", "mlb:1", 2);
  expect(handle.value).toBeUndefined();
});

test("`using` releases, where there is such a thing", () => {
  const { dispose } = Symbol as unknown as { dispose?: symbol };
  if (dispose === undefined) return;
  cache.set("props", "mlb:1", 1);
  const handle = props.handle("mlb:1");
  (handle as unknown as Record<symbol, () => void>)[dispose]!();
  expect(handle.value).toBeUndefined();
});

test("a handle survives the cache", () => {
  cache.set("props", "mlb:1", 1);
  const [read, unread] = [props.handle("mlb:1"), props.handle("mlb:2")];
  cache.close();
  expect([read.value, unread.value, props.handle("mlb:1").value]).toEqual([undefined, undefined, undefined]);
  read.release();
});

test("the core is asked once to hold an entry, and once to let it go", async () => {
  const calls: string[] = [];
  const watched = await openWrapped({ categories: { props: { max: 10 } } }, (name, [slot]) => {
    if (name === "hold" || name === "release") calls.push(`${name} ${String(slot)}`);
  });
  watched.set("props", "mlb:1", 1);
  const handles = [1, 2, 3].map(() => watched.category("props").handle("mlb:1"));
  for (const handle of handles) handle.release();
  expect(calls).toHaveLength(2);
  expect(calls[1]).toBe(calls[0]!.replace("hold", "release"));
  // The slot of an entry that has left may be another's.
  const left = watched.category("props").handle("mlb:1");
  watched.delete("props", "mlb:1");
  left.release();
  expect(calls).toHaveLength(3);
  watched.close();
});

test("a handle that was dropped unreleased holds nothing any more", async () => {
  let releases = 0;
  const watched = await openWrapped({ categories: { props: { max: 10 } } }, (name) => {
    if (name === "release") releases++;
  });
  watched.set("props", "mlb:1", 1);
  (() => watched.category("props").handle("mlb:1").value)();
  await expect
    .poll(
      () => {
        collectGarbage();
        return releases;
      },
      { interval: 1 },
    )
    .toBe(1);
  watched.close();
});
