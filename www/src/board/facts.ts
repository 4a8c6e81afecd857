/**
 * What a board row needs of a prop, derived from the cached value. Derived, never the truth: facts are made again from
 * the cache when a row is drawn, and memoised by the value object, which the cache keeps for as long as the version.
 */
import { leagueOf } from "../live/scopes";
import type { Prop } from "../live/values";

export type Odds = "standard" | "goblin" | "demon" | "other";

export interface Facts {
  league: string;
  player: string;
  team: string;
  position: string;
  stat: string;
  line: number;
  /** The line for a while, where the upstream holds a flash sale. */
  flashSale: number | undefined;
  odds: Odds;
  oddsText: string;
  opponent: string;
  /** Milliseconds since 1970, or NaN where the upstream names no time. */
  start: number;
  live: boolean;
  promo: boolean;
  trending: number | boolean;
  /** Folded text that the search looks in. */
  search: string;
  /** Folded, for sorting by name. */
  nameOrder: string;
  /** Of the whole value: differs when any field does. */
  print: number;
}

const memo = new WeakMap<object, Facts>();

export function factsOf(key: string, value: Prop): Facts {
  const known = memo.get(value);
  if (known) return known;
  const facts = derive(key, value);
  memo.set(value, facts);
  return facts;
}

function derive(key: string, value: Prop): Facts {
  const league = leagueOf(key);
  const player = value.player ?? "Unknown player";
  const team = value.team ?? "";
  const position = value.position ?? "";
  const opponent = value.opponent ?? "";
  const oddsText = value.odds_type ?? "standard";
  return {
    league,
    player,
    team,
    position,
    stat: value.stat ?? "",
    line: value.line,
    flashSale: value.flash_sale_line ?? undefined,
    odds: oddsText === "standard" || oddsText === "goblin" || oddsText === "demon" ? oddsText : "other",
    oddsText,
    opponent,
    start: value.start_time ? Date.parse(value.start_time) : Number.NaN,
    live: value.is_live === true || value.status === "in_progress",
    promo: value.is_promo === true,
    trending: value.trending ?? false,
    search: fold([player, value.stat, team, opponent, position, oddsText, league].join(" ")),
    nameOrder: fold(player),
    print: fingerprint(JSON.stringify(value)),
  };
}

/** Lower case without accents: "José" is found by "jose". */
export function fold(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** A 53-bit hash (cyrb53): equal texts have equal prints, and a chance clash is one in 2^53. */
export function fingerprint(text: string): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 2654435761);
    b = Math.imul(b ^ unit, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}
