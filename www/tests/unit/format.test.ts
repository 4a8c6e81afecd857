import { expect, test } from "vitest";
import * as format from "../../src/format";

test("lines keep their fraction and no more", () => {
  expect([24.5, 7, 0.25, 0.1 + 0.2, Number.NaN].map(format.line)).toEqual(["24.5", "7", "0.25", "0.3", "–"]);
});

test("moves carry their sign", () => expect([0.5, -1].map(format.signed)).toEqual(["+0.5", "−1"]));

test("ages grow coarser as they grow", () => {
  expect([-5, 900, 59_999, 65_000, 4_200_000].map(format.age)).toEqual(["0s", "0s", "59s", "1m 05s", "1h 10m"]);
});

test("bytes are in powers of 1024", () => {
  expect([512, 1536, 20 * 1024, 2.5 * 1024 * 1024].map(format.bytes)).toEqual(["512 B", "1.5 KiB", "20 KiB", "2.5 MiB"]);
});

test("a share of nothing is no number", () => {
  expect(format.percent(0, 0)).toBe("–");
  expect(format.percent(1, 3)).toBe("33.3%");
});

test("a long epoch is cut, the offset never", () => {
  expect(format.position("ab12:99")).toBe("ab12:99");
  expect(format.position("0123456789abcdef:1234567")).toBe("012345…:1234567");
});

test("a start names its day unless it is today", () => {
  const now = new Date(2026, 7, 22, 12).getTime();
  expect(format.start(now + 3_600_000, now)).not.toMatch(/[A-Z][a-z]{2} /);
  expect(format.start(now + 2 * 86_400_000, now)).toMatch(/^Mon /);
  expect(format.start(now + 20 * 86_400_000, now)).toMatch(/Sep/);
  expect(format.start(Number.NaN, now)).toBe("");
});

test("short times keep a tenth, and are never less than nothing", () => {
  expect([-0.4, 0.04, 9.94, 10.4, 1_234.5].map(format.milliseconds)).toEqual(["0.0 ms", "0.0 ms", "9.9 ms", "10 ms", "1235 ms"]);
});
