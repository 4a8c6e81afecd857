import { expect, test } from "vitest";

import { Clock } from "../js/timers.js";
import { FakeClock } from "./fake-clock.js";

/** How far the cache's time goes on while the two clocks take these steps. */
async function passed(...steps: [monotonic: number, wall: number][]): Promise<number> {
  const source = new FakeClock();
  const clock = new Clock(source);
  const before = clock.now();
  for (const [monotonic, wall] of steps) {
    await source.drift(monotonic, wall);
    clock.now();
  }
  return clock.now() - before;
}

test("time goes as the monotonic clock goes", async () => {
  expect(await passed([100, 100], [250, 250])).toBe(350);
});

test("a wall clock that jumps forward adds its jump, for the machine may have slept", async () => {
  expect(await passed([10, 60_010])).toBe(60_010);
  expect(await passed([10, 60_010], [10, 60_010])).toBe(120_020);
});

test("a wall clock that jumps back adds nothing and takes nothing", async () => {
  expect(await passed([10, -60_000])).toBe(10);
  expect(await passed([10, -60_000], [10, 10])).toBe(20);
});

test("a wall clock that jumps back and then forward adds the jump forward", async () => {
  expect(await passed([10, -60_000], [10, 5_010])).toBe(5_020);
});

test("time is whole milliseconds, rounded up: nothing is ever read too late", async () => {
  expect(await passed([0.1, 0.1])).toBe(1);
  expect(await passed([0.9, 0.9], [0.2, 0.2])).toBe(2);
  expect(await passed([3, 3])).toBe(3);
});

test("small drifts to and fro do not add up", async () => {
  const steps = Array.from({ length: 1_000 }, (_, i): [number, number] => (i % 2 === 0 ? [100, 140] : [100, 60]));
  expect(await passed(...steps)).toBe(100_000);
});

test("a drift that goes one way is added once it is over 50 ms", async () => {
  const steps = Array.from({ length: 60 }, (): [number, number] => [100, 101]);
  expect(await passed(...steps)).toBe(6_051);
});

test("time never goes back, whatever the wall clock does", async () => {
  const source = new FakeClock();
  const clock = new Clock(source);
  let before = clock.now();
  let state = 7;
  for (let i = 0; i < 2_000; i++) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    await source.drift(state % 20, (state % 400) - 200);
    expect(clock.now()).toBeGreaterThanOrEqual(before);
    before = clock.now();
  }
});

test("a synchronous run of reads sees one moment and pays for one reading", async () => {
  const source = new FakeClock();
  const clock = new Clock(source);
  await source.advance(5);
  const readings = source.readings;
  const moment = clock.now();
  void source.advance(1_000);
  expect(clock.now()).toBe(moment);
  expect(source.readings - readings).toBe(1);
  await Promise.resolve();
  expect(clock.now()).toBe(moment + 1_000);
  expect(source.readings - readings).toBe(2);
});
