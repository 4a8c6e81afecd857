import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { pause } from "../js/timers.js";

let over: string[];

const begin = (name: string, milliseconds: number, signal = new AbortController().signal) =>
  void pause(milliseconds, signal).then(() => over.push(name));

beforeEach(() => {
  vi.useFakeTimers();
  over = [];
});

afterEach(() => vi.useRealTimers());

test("pauses of a turn that are as long share one timer, and end in one turn", async () => {
  for (const name of ["a", "b", "c"]) begin(name, 40);
  begin("longer", 80);
  expect(vi.getTimerCount()).toBe(2);
  await vi.advanceTimersByTimeAsync(40);
  expect(over).toEqual(["a", "b", "c"]);
  await vi.advanceTimersByTimeAsync(40);
  expect(over).toEqual(["a", "b", "c", "longer"]);
});

test("a pause of a later turn has its full length", async () => {
  begin("first", 40);
  await vi.advanceTimersByTimeAsync(30);
  begin("second", 40);
  await vi.advanceTimersByTimeAsync(39);
  expect(over).toEqual(["first"]);
  await vi.advanceTimersByTimeAsync(1);
  expect(over).toEqual(["first", "second"]);
});

test("who is aborted goes on at once, and the timer ends with the last", async () => {
  const [a, b] = [new AbortController(), new AbortController()];
  begin("a", 40, a.signal);
  begin("b", 40, b.signal);
  a.abort();
  await Promise.resolve();
  expect([over, vi.getTimerCount()]).toEqual([["a"], 1]);
  b.abort();
  await Promise.resolve();
  expect([over, vi.getTimerCount()]).toEqual([["a", "b"], 0]);
});

test("a pause after all of its turn have left is another one", async () => {
  const leaving = new AbortController();
  begin("left", 40, leaving.signal);
  leaving.abort();
  begin("stays", 40);
  await vi.advanceTimersByTimeAsync(40);
  expect(over).toEqual(["left", "stays"]);
});

test("who was aborted before does not pause", async () => {
  begin("a", 40, AbortSignal.abort());
  await Promise.resolve();
  expect([over, vi.getTimerCount()]).toEqual([["a"], 0]);
});
