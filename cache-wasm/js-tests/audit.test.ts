/** What the auditor in Node says of a read: `audit/ledger.mjs`. */

import { expect, test } from "vitest";

import { Ledger, Tally } from "../audit/ledger.mjs";

const KEY = "sport:mlb:1";
type Announced = [version: number, value: string | null | undefined];
type Http = { asOf: string | undefined; version?: number; value?: string | null };

/** Announcements of a key, ten seconds ago and on, and the one that binds a read of now. */
function announced(...all: Announced[]) {
  const ledger = new Ledger();
  ledger.track(KEY);
  all.forEach(([version, value], i) => ledger.announce(KEY, 7, version, value, i));
  return { ledger, bound: ledger.bound(KEY, 10_000)! };
}

function value(version: number, text: string, asOf = `7:${version}`): Http {
  return { asOf, version, value: text };
}

test.each<[Announced, Http, string]>([
  [[10, "1"], value(10, "1"), "consistent"],
  [[10, "1"], value(12, "2"), "superseded"],
  [[10, "1"], value(9, "0", "7:12"), "version 9 was read, older than 7:10"],
  [[10, "1"], value(10, "2"), "another value of version 10 was read"],
  [[10, "1"], value(9, "0"), "read as of 7:9, before 7:10"],
  [[10, undefined], value(10, "1"), "consistent"],
  [[10, undefined], value(9, "0", "7:12"), "unknown"],
  [[10, null], { asOf: "7:10", value: null }, "consistent"],
  [[10, null], value(9, "0", "7:12"), "a value that is gone was read"],
  [[10, "1"], { asOf: "7:10", value: null }, "unknown"],
  [[10, "1"], value(10, "1", "8:10"), "unknown"],
  [[10, "1"], { asOf: undefined }, "unknown"],
])("announced %j, read over HTTP %j: %s", (change, http, expected) => {
  const { ledger, bound } = announced(change);
  expect(ledger.http(bound, 10, http)).toBe(expected);
});

test.each<[Announced[], string | null, Http, string]>([
  [[[10, "1"]], "1", value(10, "1"), "consistent"],
  [[[10, "1"]], "1", value(11, "2"), "consistent"],
  [[[10, "1"]], "2", value(11, "2"), "superseded"],
  [[[10, "1"]], "0", value(10, "1"), "neither 7:10, which was announced, nor anything newer"],
  [[[10, "1"]], null, value(10, "1"), "neither 7:10, which was announced, nor anything newer"],
  [[[10, null]], "1", { asOf: "7:10", value: null }, "neither 7:10, which was announced, nor anything newer"],
  [[[10, null]], null, { asOf: "7:10", value: null }, "consistent"],
  [[[10, undefined]], "1", value(10, "1"), "consistent"],
  [[[10, undefined]], "0", value(10, "1"), "neither 7:10, which was announced, nor anything newer"],
  [[[10, "1"], [11, "2"]], "2", value(11, "2"), "superseded"],
  [[[10, "1"], [11, "2"]], "1", value(11, "2"), "neither 7:11, which was announced, nor anything newer"],
  // It may have ended, or changed again unheard.
  [[[10, "1"]], "0", { asOf: "7:10", value: null }, "unknown"],
  [[[10, "1"]], "0", value(12, "2"), "unknown"],
  [[[10, "1"]], "0", { asOf: undefined }, "unknown"],
])("announced %j, in the cache %j, over HTTP %j: %s", (changes, cached, http, expected) => {
  const { ledger, bound } = announced(...changes);
  expect(ledger.cache(KEY, bound, 10, cached, http)).toBe(expected);
});

test("what was announced a moment ago does not bind yet", () => {
  const { ledger } = announced([10, "1"]);
  ledger.announce(KEY, 7, 11, "2", 9_800);
  expect(ledger.bound(KEY, 10_000)).toMatchObject({ version: 10 });
  expect(ledger.bound(KEY, 10_300)).toMatchObject({ version: 11 });
  // The cache may have heard of it already.
  const bound = ledger.bound(KEY, 10_000)!;
  expect(ledger.cache(KEY, bound, 10, "2", value(11, "2"))).toBe("superseded");
});

test("after a hole and in another epoch earlier announcements bind nothing", () => {
  const { ledger, bound } = announced([10, "1"]);
  ledger.lose((key: string) => key.startsWith("sport:mlb:"));
  expect(ledger.bound(KEY, 10_000)).toBeUndefined();
  expect(ledger.cache(KEY, bound, 10, "0", value(10, "1"))).toBe("unknown");
  ledger.announce(KEY, 7, 12, "3", 1);
  ledger.announce(KEY, 8, 2, "4", 2);
  expect(ledger.bound(KEY, 10_000)).toMatchObject({ epoch: 8, version: 2 });
});

test("a share is of what could be said, and rounded down", () => {
  const tally = new Tally();
  expect(tally.text).toBe("nothing to say");
  for (let i = 0; i < 2_999; i++) tally.count("consistent");
  tally.count("older");
  tally.count("superseded");
  expect(tally.text).toBe("99.9 % of 3001 (1 superseded, 0 unknown)");
});
