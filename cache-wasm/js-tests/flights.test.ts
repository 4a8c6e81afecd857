import { expect, test, vi } from "vitest";

import { Flights } from "../js/flights.js";

/** A flight that ends when the test says so. */
function departure() {
  let resolve!: (value: string) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<string>((...settle) => ([resolve, reject] = settle));
  const start = vi.fn((_signal: AbortSignal) => promise);
  return { start, resolve, reject, signal: () => start.mock.calls[0]![0] };
}

test("those who ask for one name share one flight", async () => {
  const flights = new Flights();
  const { start, resolve } = departure();
  const waiters = [1, 2, 3].map(() => flights.join("a", undefined, start));
  resolve("landed");
  expect(await Promise.all(waiters)).toEqual(["landed", "landed", "landed"]);
  expect(start).toHaveBeenCalledTimes(1);
});

test("other names fly apart", async () => {
  const flights = new Flights();
  const [a, b] = [departure(), departure()];
  const waiters = [flights.join("a", undefined, a.start), flights.join("b", undefined, b.start)];
  b.resolve("b");
  a.resolve("a");
  expect(await Promise.all(waiters)).toEqual(["a", "b"]);
});

test("a waiter may leave; the others still arrive", async () => {
  const flights = new Flights();
  const { start, resolve, signal } = departure();
  const leaving = new AbortController();
  const left = flights.join("a", leaving.signal, start);
  const stays = flights.join("a", new AbortController().signal, start);
  leaving.abort(new Error("enough"));
  await expect(left).rejects.toThrow("enough");
  expect(signal().aborted).toBe(false);
  resolve("landed");
  expect(await stays).toBe("landed");
});

test("a waiter without a signal keeps the flight in the air", async () => {
  const flights = new Flights();
  const { start, resolve, signal } = departure();
  const leaving = new AbortController();
  const left = flights.join("a", leaving.signal, start);
  const stays = flights.join("a", undefined, start);
  leaving.abort();
  await expect(left).rejects.toThrow();
  expect(signal().aborted).toBe(false);
  resolve("landed");
  expect(await stays).toBe("landed");
});

test("when the last waiter leaves, the flight is aborted for its reason", async () => {
  const flights = new Flights();
  const { start, signal } = departure();
  const [first, second] = [new AbortController(), new AbortController()];
  const waiters = [flights.join("a", first.signal, start), flights.join("a", second.signal, start)];
  first.abort("one");
  expect(signal().aborted).toBe(false);
  second.abort("two");
  expect(signal().reason).toBe("two");
  expect(await Promise.allSettled(waiters)).toEqual([
    { status: "rejected", reason: "one" },
    { status: "rejected", reason: "two" },
  ]);
});

test("who asks after that starts a new flight, which the old one's end does not touch", async () => {
  const flights = new Flights();
  const [old, next] = [departure(), departure()];
  const leaving = new AbortController();
  const left = flights.join("a", leaving.signal, old.start);
  leaving.abort("enough");
  await expect(left).rejects.toBe("enough");
  const waiter = flights.join("a", undefined, next.start);
  old.resolve("old");
  await Promise.resolve();
  const late = flights.join("a", undefined, departure().start);
  next.resolve("new");
  expect(await Promise.all([waiter, late])).toEqual(["new", "new"]);
});

test("an error reaches all who wait, and the next to ask starts anew", async () => {
  const flights = new Flights();
  const { start, reject } = departure();
  const waiters = [flights.join("a", undefined, start), flights.join("a", new AbortController().signal, start)];
  reject(new Error("lost"));
  const settled = await Promise.allSettled(waiters);
  expect(settled.map((each) => each.status === "rejected" && each.reason.message)).toEqual(["lost", "lost"]);
  const next = departure();
  next.resolve("landed");
  expect(await flights.join("a", undefined, next.start)).toBe("landed");
});

test("a signal aborted beforehand starts nothing", async () => {
  const flights = new Flights();
  const { start } = departure();
  await expect(flights.join("a", AbortSignal.abort("too late"), start)).rejects.toBe("too late");
  expect(start).not.toHaveBeenCalled();
});

test("a signal that is aborted after the landing does nothing any more", async () => {
  const flights = new Flights();
  const { start, resolve, signal } = departure();
  const late = new AbortController();
  const waiter = flights.join("a", late.signal, start);
  resolve("landed");
  expect(await waiter).toBe("landed");
  await Promise.resolve();
  late.abort();
  expect(signal().aborted).toBe(false);
});

test("ending every flight lets all waiters go, even if what flies does not heed its signal", async () => {
  const flights = new Flights();
  const [a, b] = [departure(), departure()];
  const waiters = [flights.join("a", undefined, a.start), flights.join("b", new AbortController().signal, b.start)];
  flights.abort("closed");
  expect(a.signal().reason).toBe("closed");
  expect(await Promise.allSettled(waiters)).toEqual([
    { status: "rejected", reason: "closed" },
    { status: "rejected", reason: "closed" },
  ]);
});
