/** The races of `cargo xtask bench races`, as far as they are this cache's: it is right in every one. */

import { setImmediate } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import ours from "../bench/races/cache-wasm.mjs";
import { judge } from "../bench/races/judge.mjs";
import { cells, EVENTS, run } from "../bench/races/scenario.mjs";

type Cell = ReturnType<typeof cells>[number];
type Column = Parameters<typeof run>[1];
type Observed = Parameters<typeof judge>[0];

const turn = () => setImmediate();

/** The cells that `isMeant`, at a time, each with how it went. */
function raced(column: Column, isMeant: (cell: Cell) => boolean) {
  const meant = cells().filter(isMeant);
  return Promise.all(
    meant.map(async (cell, number) => {
      const { verdict, marks } = await run(cell, column, number, turn);
      return { ...cell, verdict, marks };
    }),
  );
}

describe.for(ours)("$name", (column) => {
  test.for(Object.entries(EVENTS))(
    "%s: once %s, no answer of before becomes a value or reaches anyone",
    async ([event]) => {
      const all = await raced(column, (cell) => cell.event === event);
      expect(all).toHaveLength(16);
      expect(all.filter(({ verdict, marks }) => !["new", "none"].includes(verdict) || marks !== "")).toEqual([]);
    },
  );
});

/** What applications write by hand: a Map, and one request for all who ask. */
const UNFENCED: Column = {
  name: "a Map",
  from: "",
  canMount: false,
  open(origin, { key }) {
    const held = new Map<string, number>();
    let flight: Promise<number> | undefined;
    const read = () =>
      (flight ??= origin.read().then(({ version }) => {
        held.set(key, version);
        flight = undefined;
        return version;
      }));
    const invalidate = () => void held.delete(key);
    return {
      ask: ({ given, failed }) => void Promise.resolve(held.get(key) ?? read()).then(given, failed),
      refresh: ({ given, failed }) => void read().then(given, failed),
      isMarked: () => false,
      tell: {
        invalidation: invalidate,
        tag: invalidate,
        scope: invalidate,
        push: (version) => void held.set(key, version),
        reset: invalidate,
      },
      close() {},
    };
  },
};

test("a cache without a fence loses every one of them", async () => {
  const all = await raced(UNFENCED, ({ isMounted }) => !isMounted);
  expect(all).toHaveLength(40);
  expect(all.filter(({ verdict, marks }) => verdict !== "OLD" || !marks.includes("w"))).toEqual([]);
});

test("where no request is in flight there is no race, and that is an error", async () => {
  const { open } = UNFENCED;
  const idle: Column = { ...UNFENCED, open: async (...given) => ({ ...(await open(...given)), ask() {} }) };
  await expect(raced(idle, ({ isMounted, isRefetch }) => !isMounted && !isRefetch)).rejects.toThrow("there is no race");
});

const call = { given: [3], error: undefined, isWaiting: false };
const read = { ...call, atOnce: 3, isAsked: false, isMarked: false };
const good: Observed = { told: 3, shown: [3], earlier: [call], later: [call], observer: { value: 3, isMarked: false }, read };
const nothing = { atOnce: undefined, isAsked: true };
const old = { given: [2], atOnce: 2 };

test.for<[string, Partial<Observed>, string, string]>([
  ["the new value at once", {}, "new", ""],
  ["the new value at once, asked for again", { read: { ...read, isAsked: true } }, "new", ""],
  ["nothing, and then the new value", { read: { ...read, ...nothing } }, "none", ""],
  ["the old value, and no request", { read: { ...read, ...old } }, "OLD", ""],
  ["the old value, and a request", { read: { ...read, given: [2, 3], atOnce: 2, isAsked: true } }, "stale", ""],
  ["the old value, marked", { read: { ...read, ...old, isMarked: true } }, "stale", ""],
  ["a failure", { read: { ...read, given: [], error: "Error: no" } }, "error", ""],
  ["no value", { read: { ...read, given: [undefined] } }, "error", ""],
  ["the new value, where the observer shows the old one", { observer: { value: 1, isMarked: false } }, "OLD", ""],
  ["the new value, where the observer's old one is marked", { observer: { value: 1, isMarked: true } }, "stale", ""],
  ["the new value, where the observer shows nothing", { observer: { value: undefined, isMarked: false } }, "new", "b"],
  ["the new value, and the observer was handed the old one", { shown: [2, 3] }, "new", "s"],
  ["the new value, and who asked before got the old one", { earlier: [{ ...call, given: [2] }] }, "new", "w"],
  ["the new value, and who asked after got the old one", { later: [{ ...call, given: [1, 3] }] }, "new", "a"],
  ["the new value, and a caller was rejected", { earlier: [{ ...call, given: [], error: "Error: no" }] }, "new", "f"],
  ["the new value, and a caller was given nothing", { later: [{ ...call, given: [undefined] }] }, "new", "f"],
  ["the new value, and a caller waits for ever", { later: [{ ...call, given: [], isWaiting: true }] }, "new", "h"],
])("a read that gives %s is judged so", ([, observed, verdict, marks]) => {
  expect(judge({ ...good, ...observed })).toEqual({ verdict, marks });
});
