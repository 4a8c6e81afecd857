import { expect, test } from "vitest";
import { Rows } from "../../src/board/rows";
import type { Prop } from "../../src/live/values";
import { prop } from "./prop";

const KEY = "sport:mlb:props:player:608070:hits:1";

function board() {
  const cache = new Map<string, Prop>();
  const rows = new Rows((key) => cache.get(key));
  const put = (key: string, value: Prop, now = 0) => {
    cache.set(key, value);
    return rows.read(key, now);
  };
  return { cache, rows, put };
}

test("the initial load counts nothing, and shows no row as changed", () => {
  const { rows, put } = board();
  expect(put(KEY, prop(), 5)).toBe("added");
  expect(put(KEY, prop({ line: 2 }), 6)).toBe("changed");
  expect(rows.counts).toEqual({ added: 0, gone: 0, changed: 0 });
});

test("after it, every arrival, change and departure is counted", () => {
  const { rows, put } = board();
  put(KEY, prop());
  rows.begin();
  put("sport:mlb:props:player:2:hits:2", prop());
  put(KEY, prop({ line: 2 }), 7);
  rows.drop("sport:mlb:props:player:2:hits:2");
  rows.drop("sport:mlb:props:player:2:hits:2");
  expect(rows.counts).toEqual({ added: 1, gone: 1, changed: 1 });
  expect(rows.size).toBe(1);
});

test("a value that is equal in content is not a change, though it is another object", () => {
  const { rows, put } = board();
  put(KEY, prop());
  rows.begin();
  expect(put(KEY, prop(), 9)).toBe("same");
  expect(rows.get(KEY)).toMatchObject({ version: 0, changedAt: 0 });
  expect(rows.counts.changed).toBe(0);
});

test("a field that the board does not draw is content too, and moves no line", () => {
  const { rows, put } = board();
  put(KEY, prop());
  rows.begin();
  expect(put(KEY, prop({ updated_at: "2026-08-22T12:01:00Z" }), 9)).toBe("changed");
  expect(rows.get(KEY)).toMatchObject({ version: 1, delta: 0, lines: [1.5], changedAt: 9 });
});

test("a line that moves is remembered with its delta", () => {
  const { rows, put } = board();
  put(KEY, prop());
  put(KEY, prop({ line: 2.5 }), 1);
  put(KEY, prop({ line: 2 }), 2);
  expect(rows.get(KEY)).toMatchObject({ delta: -0.5, lines: [1.5, 2.5, 2], changedAt: 2 });
});

test("a row whose read misses keeps what was drawn, marked as not current, until a read hits", () => {
  const { cache, rows, put } = board();
  const value = prop();
  put(KEY, value);
  cache.delete(KEY);
  expect(rows.read(KEY, 1)).toBe("missed");
  expect(rows.get(KEY)).toMatchObject({ current: false, facts: { line: 1.5 } });
  put(KEY, value, 2);
  expect(rows.get(KEY)).toMatchObject({ current: true, version: 0 });
});

test("a key that was never read makes no row", () => {
  const { rows } = board();
  expect(rows.read(KEY, 1)).toBe("missed");
  expect(rows.size).toBe(0);
});

test("a reload of a scope drops its other rows, save those that the cache has, and leaves other scopes alone", () => {
  const { rows, put } = board();
  const [kept, late, lost, other] = ["sport:mlb:props:a", "sport:mlb:props:b", "sport:mlb:props:c", "sport:nba:props:d"];
  for (const key of [kept, late, lost, other]) put(key as string, prop());
  rows.begin();
  rows.keepOnly("sport:mlb:props:", new Set(["sport:mlb:props:a"]), (key) => key === late);
  expect([...rows.all()].map((row) => row.key)).toEqual([kept, late, other]);
  expect(rows.counts.gone).toBe(1);
});
