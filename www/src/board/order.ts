/** Which rows are shown, and in which order. Pure. */
import { fold } from "./facts";
import type { Row } from "./rows";

export const COLUMNS = ["player", "stat", "line", "odds", "game", "trend", "age"] as const;
export type Column = (typeof COLUMNS)[number];

export const LEAGUES = ["all", "nba", "mlb"] as const;
export type League = (typeof LEAGUES)[number];

export interface View {
  league: League;
  /** Every word has to be found in the row. */
  search: string;
  changedOnly: boolean;
  column: Column;
  descending: boolean;
}

export const FIRST_VIEW: View = { league: "all", search: "", changedOnly: false, column: "game", descending: false };

/** The direction that a column is first sorted in: what moved most is wanted on top. */
export function firstDescending(column: Column): boolean {
  return column === "trend";
}

export function sortedBy(view: View, column: Column): View {
  if (view.column === column) return { ...view, descending: !view.descending };
  return { ...view, column, descending: firstDescending(column) };
}

/** Whether the view leaves any row out. */
export function isFiltered(view: View): boolean {
  return view.league !== "all" || view.changedOnly || view.search.trim() !== "";
}

type Compare = (a: Row, b: Row) => number;

const text = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byName: Compare = (a, b) => text(a.facts.nameOrder, b.facts.nameOrder);
const byStat: Compare = (a, b) => text(a.facts.stat, b.facts.stat);
const byLine: Compare = (a, b) => a.facts.line - b.facts.line;
const ODDS = { goblin: 0, standard: 1, demon: 2, other: 3 };

/** Rows without a start time come last. */
const byStart: Compare = (a, b) => (a.facts.start || Infinity) - (b.facts.start || Infinity) || 0;

const COMPARE: Record<Column, Compare> = {
  player: byName,
  stat: byStat,
  line: byLine,
  odds: (a, b) => ODDS[a.facts.odds] - ODDS[b.facts.odds],
  game: byStart,
  trend: (a, b) => Math.abs(moved(a)) - Math.abs(moved(b)) || Number(a.facts.trending) - Number(b.facts.trending),
  // The youngest change has the smallest age; rows that have not changed come last.
  age: (a, b) => b.changedAt - a.changedAt,
};

/** How far the line is from the first one that this page saw. */
export function moved(row: Row): number {
  return row.facts.line - (row.lines[0] ?? row.facts.line);
}

function matcher(view: View): (row: Row) => boolean {
  const words = fold(view.search).split(/\s+/).filter(Boolean);
  return (row) => {
    if (view.league !== "all" && row.facts.league !== view.league) return false;
    if (view.changedOnly && row.changedAt === 0) return false;
    return words.every((word) => row.facts.search.includes(word));
  };
}

export function arrange(rows: Iterable<Row>, view: View): Row[] {
  const matches = matcher(view);
  const shown: Row[] = [];
  for (const row of rows) if (matches(row)) shown.push(row);
  const first = COMPARE[view.column];
  const sign = view.descending ? -1 : 1;
  return shown.sort(
    (a, b) => sign * first(a, b) || byStart(a, b) || byName(a, b) || byStat(a, b) || byLine(a, b) || text(a.key, b.key),
  );
}
