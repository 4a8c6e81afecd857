import { expect, test } from "vitest";
import { inSight } from "../../src/board/window";

test("the window covers what is in sight with some rows beyond, and ends where the list ends", () => {
  const check = (scrollTop: number, count: number, first: number, end: number) =>
    expect(inSight(scrollTop, 340, 34, count)).toEqual({ first, end });
  check(0, 3000, 0, 23);
  check(3400, 3000, 94, 117);
  check(3000 * 34 - 340, 3000, 2983, 3000);
  check(0, 0, 0, 0);
  check(0, 3, 0, 3);
});

test("a list that shrank under the reader still shows its last rows", () => {
  const { first, end } = inSight(90_000, 340, 34, 20);
  expect(end).toBe(20);
  expect(end - first).toBeGreaterThanOrEqual(11);
});

test("every row in sight is in the window, wherever it is scrolled to", () => {
  for (let top = 0; top <= 100 * 34 - 340; top += 7) {
    const { first, end } = inSight(top, 340, 34, 100);
    expect(first * 34).toBeLessThanOrEqual(top);
    expect(end * 34).toBeGreaterThanOrEqual(top + 340);
  }
});
