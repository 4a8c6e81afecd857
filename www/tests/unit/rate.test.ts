import { expect, test } from "vitest";
import { Rate, SECONDS } from "../../src/panel/rate";

test("changes fall into the second they came in, and the running second is not shown", () => {
  const rate = new Rate();
  rate.add(3, 100_000);
  rate.add(4, 100_900);
  rate.add(9, 101_000);
  expect(rate.seconds(101_500).at(-1)).toBe(7);
  expect(rate.seconds(102_000).slice(-2)).toEqual([7, 9]);
});

test("a quiet minute empties it", () => {
  const rate = new Rate();
  rate.add(3, 100_000);
  expect(rate.seconds(100_000 + SECONDS * 1000)).toEqual(new Array(SECONDS - 1).fill(0));
  expect(rate.seconds(9_000_000)).toEqual(new Array(SECONDS - 1).fill(0));
});
