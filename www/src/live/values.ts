/**
 * The values behind the keys, as the edge server writes them (it has validated them). What the upstream may leave out
 * is nullable here, and the page draws it as absent.
 */

export interface Prop {
  source: string;
  projection: string | number;
  league: string;
  player: string;
  player_id: string | number;
  team: string | null;
  position: string | null;
  /** Two or more players taken together: "A + B". */
  combo: boolean | null;
  stat: string;
  line: number;
  odds_type: string;
  status: string | null;
  opponent: string | null;
  game: string | number | null;
  start_time: string | null;
  board_time: string | null;
  updated_at: string | null;
  is_live: boolean | null;
  is_promo: boolean | null;
  flash_sale_line: number | null;
  adjusted_odds: boolean | null;
  /** How many entries picked it, or whether the upstream calls it trending. */
  trending: number | boolean | null;
}

interface SummarySide {
  id: number;
  name: string;
  score: number | null;
}

export interface GameSummary {
  game: number;
  date: string;
  start: string | null;
  state: string;
  detail: string | null;
  away: SummarySide;
  home: SummarySide;
}

interface LiveSide {
  id: number;
  name: string;
  abbr: string;
  runs: number | null;
  hits: number | null;
  errors: number | null;
}

interface Person {
  id: number;
  name: string;
}

export interface GameLive {
  game: number;
  /** The feed's clock, YYYYMMDD_HHMMSS in UTC. */
  timecode: string;
  state: string;
  detail: string | null;
  inning: number | null;
  half: string | null;
  outs: number | null;
  balls: number | null;
  strikes: number | null;
  away: LiveSide;
  home: LiveSide;
  bases: { first: unknown; second: unknown; third: unknown } | null;
  batter: Person | null;
  pitcher: Person | null;
}

export interface GamePlay {
  game: number;
  timecode: string;
  at_bat: number;
  inning: number | null;
  half: string | null;
  batter: Person | string | null;
  pitcher: Person | string | null;
  event: string | null;
  description: string | null;
  complete: boolean | null;
  balls: number | null;
  strikes: number | null;
  outs: number | null;
  away_score: number | null;
  home_score: number | null;
  pitches: number | null;
  last_pitch: { call: string | null; type: string | null; speed_mph: number | null } | null;
}
