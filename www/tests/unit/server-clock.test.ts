import { expect, test } from "vitest";
import { ServerClock } from "../../src/live/server-clock";

/** An exchange with a server whose clock is so far ahead; request and answer take these times. */
function exchange(clock: ServerClock, at: number, ahead: number, there: number, back: number): void {
  clock.note(at, Math.floor(at + there + ahead), at + there + back);
}

test("the truth is within the bound, however unevenly the round trip is split", () => {
  for (const ahead of [-86_400_000, -3, 0, 0.7, 12_345]) {
    for (const [there, back] of [[0, 0], [10, 0], [0, 10], [3, 40]] as const) {
      const clock = new ServerClock();
      exchange(clock, 1_700_000_000_000, ahead, there, back);
      const skew = clock.skew();
      expect(Math.abs((skew?.ahead ?? NaN) - ahead)).toBeLessThanOrEqual(skew?.within ?? NaN);
      expect(skew?.within).toBeLessThanOrEqual((there + back + 1) / 2);
    }
  }
});

test("the quickest of the last exchanges counts, and old ones are let go", () => {
  const clock = new ServerClock();
  expect(clock.skew()).toBeUndefined();
  exchange(clock, 0, 100, 1, 1);
  exchange(clock, 1_000, 100, 50, 50);
  expect(clock.skew()?.within).toBe(1.5);
  for (let i = 2; i < 10; i++) exchange(clock, i * 1_000, 200, 20, 20);
  expect(clock.skew()).toEqual({ ahead: 200.5, within: 20.5 });
});

test("an answer that is no time is none", () => {
  const clock = new ServerClock();
  clock.note(0, Number.NaN, 1);
  clock.note(5, 5, 4);
  expect(clock.skew()).toBeUndefined();
});
