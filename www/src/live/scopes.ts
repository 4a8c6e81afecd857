/** What the page follows, and how its keys are spelled. */

export type Category = "props" | "games";

export interface Followed {
  scope: string;
  category: Category;
  /** As the page calls it. */
  title: string;
}

export const FOLLOWED: readonly Followed[] = [
  { scope: "sport:nba:props:", category: "props", title: "NBA props" },
  { scope: "sport:mlb:props:", category: "props", title: "MLB props" },
  { scope: "sport:mlb:games:", category: "games", title: "MLB games" },
];

/** The league named by a key's root, `nba` in `sport:nba:props:…`. */
export function leagueOf(key: string): string {
  return key.split(":", 2)[1] ?? "";
}

export interface GameKey {
  pk: string;
  part: "summary" | "live" | "play";
}

/** Reads `sport:mlb:games:{pk}:{part}`; undefined for a key that names no part of a game that the page knows. */
export function parseGameKey(key: string): GameKey | undefined {
  const [, , kind, pk, part, more] = key.split(":");
  if (kind !== "games" || !pk || more !== undefined) return undefined;
  if (part !== "summary" && part !== "live" && part !== "play") return undefined;
  return { pk, part };
}
