import { expect, test } from "vitest";
import { arrange, type Column, FIRST_VIEW, moved, sortedBy, type View } from "../../src/board/order";
import { type Row, Rows } from "../../src/board/rows";
import type { Prop } from "../../src/live/values";
import { prop } from "./prop";

const VALUES: Record<string, Prop> = {
  "sport:mlb:props:player:1:hits:1": prop({ player: "José Ramírez", line: 1.5, start_time: "2026-08-22T20:00:00Z" }),
  "sport:nba:props:player:2:points:2": prop({
    player: "Nikola Jokić",
    stat: "Points",
    line: 27.5,
    team: "DEN",
    odds_type: "demon",
    start_time: "2026-08-22T19:00:00Z",
    trending: 900,
  }),
  "sport:mlb:props:player:3:runs:3": prop({ player: "Aaron Judge", stat: "Runs", line: 0.5, odds_type: "goblin", start_time: null }),
};

function rows(): Rows {
  const rows = new Rows((key) => VALUES[key]);
  for (const key of Object.keys(VALUES)) rows.read(key, 0);
  return rows;
}

const ids = (found: Row[]) => found.map((row) => row.key.split(":").at(-1)).join("");

function check(view: Partial<View>, expected: string, from = rows()): void {
  expect(ids(arrange(from.all(), { ...FIRST_VIEW, ...view }))).toBe(expected);
}

test("each column sorts by what it shows", () => {
  const expected: [Column, string][] = [
    ["player", "312"],
    ["stat", "123"],
    ["line", "312"],
    ["odds", "312"],
    ["game", "213"],
  ];
  for (const [column, order] of expected) check({ column }, order);
  check({ column: "line", descending: true }, "213");
  check({ column: "trend", descending: true }, "213");
});

test("rows without a start time come last", () => check({ column: "game" }, "213"));

test("the row that changed last has the smallest age, and unchanged rows come after all others", () => {
  const from = rows();
  const [first, second] = [...from.all()];
  Object.assign(first as Row, { changedAt: 10 });
  Object.assign(second as Row, { changedAt: 20 });
  check({ column: "age" }, "213", from);
  check({ changedOnly: true, column: "age" }, "21", from);
});

test("the search ignores accents and case, and wants every word", () => {
  check({ search: "jose" }, "1");
  check({ search: "JOKIC points" }, "2");
  check({ search: "jokic runs" }, "");
  check({ search: "  " }, "213");
});

test("a league's tab shows its league", () => {
  check({ league: "mlb" }, "13");
  check({ league: "nba" }, "2");
});

test("a column chosen again turns round", () => {
  const once = sortedBy(FIRST_VIEW, "line");
  expect(once).toMatchObject({ column: "line", descending: false });
  expect(sortedBy(once, "line").descending).toBe(true);
  expect(sortedBy(once, "trend").descending).toBe(true);
});

test("what a row moved is counted from the first line seen", () => {
  const [row] = [...rows().all()];
  expect(moved({ ...(row as Row), lines: [1, 2, 1.5] })).toBe(0.5);
});
