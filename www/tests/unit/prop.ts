import type { Prop } from "../../src/live/values";

export function prop(fields: Partial<Prop> = {}): Prop {
  return {
    source: "prizepicks",
    projection: "1",
    league: "MLB",
    player: "José Ramírez",
    player_id: "608070",
    team: "CLE",
    position: "3B",
    combo: false,
    stat: "Hits",
    line: 1.5,
    odds_type: "standard",
    status: "pre_game",
    opponent: "DET",
    game: "g1",
    start_time: "2026-08-22T13:35:00.000-04:00",
    board_time: null,
    updated_at: "2026-08-22T12:00:00Z",
    is_live: false,
    is_promo: false,
    flash_sale_line: null,
    adjusted_odds: null,
    trending: null,
    ...fields,
  };
}
