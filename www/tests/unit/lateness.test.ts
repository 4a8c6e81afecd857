import { expect, test } from "vitest";
import { Lateness } from "../../src/panel/lateness";

test("half of the changes are not later than the p50, all but one of a hundred not than the p99", () => {
  const lateness = new Lateness();
  for (let i = 1; i <= 200; i++) lateness.add(201 - i, 1_000);
  expect(lateness.lastMinute(1_000)).toEqual({ p50: 100, p99: 198, count: 200 });
});

test("a minute later it is forgotten", () => {
  const lateness = new Lateness();
  expect(lateness.lastMinute(0)).toBeUndefined();
  lateness.add(900, 1_000);
  lateness.add(5, 31_000);
  expect(lateness.lastMinute(60_999)?.count).toBe(2);
  expect(lateness.lastMinute(61_000)).toEqual({ p50: 5, p99: 5, count: 1 });
  expect(lateness.lastMinute(91_000)).toBeUndefined();
});
