import type { ChangeEvent, ScopeAnswer } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { backoff, LONGEST_MS } from "../../src/live/backoff";
import { Follower } from "../../src/live/follow";

const SCOPE = "sport:mlb:props:";
const KEY = `${SCOPE}a`;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** One scope over a cache whose answers the test gives. */
function following() {
  const held = new Set<string>();
  const log: string[] = [];
  let listener: (change: ChangeEvent) => void = () => {};
  const scopes: { answer: (answer: ScopeAnswer) => void; fail: (text: string) => void }[] = [];
  const flights: { key: string; answer: (value: unknown) => void; unkept: () => void; fail: () => void }[] = [];
  const follower = new Follower(
    {
      has: (_category, key) => held.has(key),
      fetch: (_category, key) =>
        new Promise((resolve, reject) => {
          const answer = (value: unknown) => {
            if (value !== undefined) held.add(key);
            resolve(value);
          };
          flights.push({ key, answer, unkept: () => resolve({}), fail: () => reject(new Error("unsettled")) });
        }),
      fetchScope: () =>
        new Promise((resolve, reject) => scopes.push({ answer: resolve, fail: (text) => reject(new Error(text)) })),
      subscribe: (_scope, given) => ((listener = given), () => {}),
    },
    [{ scope: SCOPE, category: "props", title: "MLB props" }],
    {
      read: (_category, key) => log.push(`read ${key.slice(SCOPE.length)}`),
      gone: (_category, key) => log.push(`gone ${key.slice(SCOPE.length)}`),
      only: (_followed, keys) => log.push(`only ${[...keys].map((key) => key.slice(SCOPE.length)).join(",")}`),
      announced: () => {},
      load: (_followed, state) => log.push(state.phase),
    },
    () => 1,
  );
  const change = (part: Partial<ChangeEvent>) =>
    listener({ scope: SCOPE, values: [], changed: [], gone: [], purged: false, observedAt: undefined, ...part });
  let begun = false;
  void follower.start().then(() => (begun = true));
  const settle = () => vi.advanceTimersByTimeAsync(0);
  return { follower, held, log, scopes, flights, change, settle, begun: () => begun };
}

test("a loaded scope is read key by key, after what it no longer has was told", async () => {
  const f = following();
  f.scopes[0]?.answer({ keys: [KEY], late: [] });
  await f.settle();
  expect(f.log).toEqual(["loading", "loaded", "only a", "read a"]);
  expect(f.begun()).toBe(true);
});

test("late keys are fetched singly, and the first load ends with them", async () => {
  const f = following();
  f.scopes[0]?.answer({ keys: [], late: [KEY, `${SCOPE}b`] });
  await f.settle();
  expect(f.flights.map(({ key }) => key)).toEqual([KEY, `${SCOPE}b`]);
  f.flights[0]?.answer({});
  await f.settle();
  expect(f.begun()).toBe(false);
  f.flights[1]?.answer(undefined);
  await f.settle();
  expect(f.log.slice(2)).toEqual(["only a,b", "read a", "gone b"]);
  expect(f.begun()).toBe(true);
});

test("a late key that the stream brings needs no fetch's answer", async () => {
  const f = following();
  f.scopes[0]?.answer({ keys: [], late: [KEY] });
  await f.settle();
  f.change({ values: [KEY] });
  await f.settle();
  expect(f.begun()).toBe(true);
  f.flights[0]?.answer(undefined);
  await f.settle();
  expect(f.log.at(-1)).toBe("read a");
});

test("a changed key that the cache holds is read, another is fetched first", async () => {
  const f = following();
  f.scopes[0]?.answer({ keys: [], late: [] });
  await f.settle();
  f.held.add(KEY);
  f.change({ changed: [KEY, `${SCOPE}b`], gone: [`${SCOPE}c`] });
  expect(f.log.slice(3)).toEqual(["read a", "gone c"]);
  expect(f.flights.map(({ key }) => key)).toEqual([`${SCOPE}b`]);
});

test("a fetch that fails is made again after a pause", async () => {
  const f = following();
  f.scopes[0]?.answer({ keys: [], late: [] });
  await f.settle();
  f.change({ changed: [KEY] });
  f.flights[0]?.fail();
  await f.settle();
  expect(f.flights).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(500);
  f.flights[1]?.answer({});
  await f.settle();
  expect(f.log.at(-1)).toBe("read a");
});

test("a value that the cache did not keep is fetched again after a pause, not at once", async () => {
  const f = following();
  f.scopes[0]?.answer({ keys: [], late: [] });
  await f.settle();
  f.change({ changed: [KEY] });
  f.flights[0]?.unkept();
  await f.settle();
  f.follower.missed("props", KEY);
  expect(f.flights).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(500);
  expect(f.flights).toHaveLength(2);
  expect(f.log).toHaveLength(3);
});

test("a load that fails is tried again, later each time, and at once when the stream is back", async () => {
  const f = following();
  f.scopes[0]?.fail("no answer");
  await f.settle();
  expect(f.log).toEqual(["loading", "retrying"]);
  await vi.advanceTimersByTimeAsync(499);
  expect(f.scopes).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(f.scopes).toHaveLength(2);
  f.scopes[1]?.fail("no answer");
  await f.settle();
  f.follower.hurry();
  expect(f.scopes).toHaveLength(3);
  await vi.advanceTimersByTimeAsync(LONGEST_MS);
  expect(f.scopes).toHaveLength(3);
});

test("a purge loads the scope again", async () => {
  const f = following();
  f.scopes[0]?.answer({ keys: [KEY], late: [] });
  await f.settle();
  f.change({ purged: true });
  f.scopes[1]?.answer({ keys: [`${SCOPE}b`], late: [] });
  await f.settle();
  expect(f.log.slice(4)).toEqual(["loading", "loaded", "only b", "read b"]);
});

test("an answer that was on its way when the scope was purged is not the last word", async () => {
  const f = following();
  f.change({ purged: true });
  f.scopes[0]?.answer({ keys: [KEY], late: [] });
  await f.settle();
  expect(f.log).toEqual(["loading", "loading"]);
  expect(f.begun()).toBe(false);
  f.scopes[1]?.answer({ keys: [], late: [] });
  await f.settle();
  expect(f.begun()).toBe(true);
});

test("a missed read is fetched once, and not while its whole scope is on its way", async () => {
  const f = following();
  f.follower.missed("props", KEY);
  expect(f.flights).toHaveLength(0);
  f.scopes[0]?.answer({ keys: [KEY], late: [] });
  await f.settle();
  f.follower.missed("props", KEY);
  f.follower.missed("props", KEY);
  expect(f.flights).toHaveLength(1);
});

test("at most sixteen keys are fetched at one time", async () => {
  const f = following();
  f.scopes[0]?.answer({ keys: [], late: [] });
  await f.settle();
  f.change({ changed: Array.from({ length: 40 }, (_, i) => `${SCOPE}${i}`) });
  expect(f.flights).toHaveLength(16);
  f.flights[3]?.answer({});
  await f.settle();
  expect(f.flights).toHaveLength(17);
});

test("backoff grows to its limit, and never falls below half a step", () => {
  expect([1, 2, 3, 20].map((attempt) => backoff(attempt, () => 1))).toEqual([500, 1000, 2000, LONGEST_MS]);
  expect(backoff(1, () => 0)).toBe(250);
});
