/** A game card's content, put together from the game's parts. Pure. */
import type { GameLive, GamePlay, GameSummary } from "../live/values";

export interface Parts {
  summary: GameSummary | undefined;
  live: GameLive | undefined;
  play: GamePlay | undefined;
}

export type Phase = "live" | "before" | "over";

export interface Side {
  abbr: string;
  name: string;
  score: number | undefined;
}

export interface Card {
  pk: string;
  phase: Phase;
  away: Side;
  home: Side;
  start: number;
  /** The upstream's word for the state: "In Progress", "Delayed: Rain". */
  detail: string;
  /** "▲ 5", "▼ 5" as arrow and number, with the words for readers that hear. */
  inning: { arrow: string; number: number; words: string } | undefined;
  balls: number;
  strikes: number;
  outs: number;
  bases: [boolean, boolean, boolean];
  batter: string;
  pitcher: string;
  play: string;
  pitch: string;
  timecode: string;
  atBat: number | undefined;
}

function phaseOf(state: string | undefined): Phase {
  if (state === "Live") return "live";
  return state === "Final" ? "over" : "before";
}

const nameOf = (who: { name: string } | string | null | undefined): string =>
  typeof who === "string" ? who : (who?.name ?? "");

/** Of "New York Yankees" without an abbreviation: "Yankees". */
const nick = (name: string): string => name.split(" ").at(-1) ?? name;

function inningOf(live: GameLive | undefined): Card["inning"] {
  if (!live?.inning) return undefined;
  const half = (live.half ?? "").toLowerCase();
  const top = half.startsWith("top") || half === "t";
  return { arrow: top ? "▲" : "▼", number: live.inning, words: `${top ? "top" : "bottom"} of inning ${live.inning}` };
}

function pitchOf(play: GamePlay | undefined): string {
  const pitch = play?.last_pitch;
  if (!pitch) return "";
  const speed = pitch.speed_mph ? `${Math.round(pitch.speed_mph)} mph` : "";
  return [pitch.call, [speed, pitch.type].filter(Boolean).join(" ")].filter(Boolean).join(" · ");
}

/** Undefined when no part is there. */
export function cardOf(pk: string, { summary, live, play }: Parts): Card | undefined {
  if (!summary && !live) return undefined;
  const side = (which: "away" | "home"): Side => {
    const name = live?.[which].name ?? summary?.[which].name ?? "";
    return {
      name,
      abbr: live?.[which].abbr ?? nick(name),
      score: live?.[which].runs ?? summary?.[which].score ?? undefined,
    };
  };
  const bases = live?.bases;
  return {
    pk,
    phase: phaseOf(live?.state ?? summary?.state),
    away: side("away"),
    home: side("home"),
    start: summary?.start ? Date.parse(summary.start) : Number.NaN,
    detail: live?.detail ?? summary?.detail ?? "",
    inning: inningOf(live),
    balls: live?.balls ?? 0,
    strikes: live?.strikes ?? 0,
    outs: live?.outs ?? 0,
    bases: [Boolean(bases?.first), Boolean(bases?.second), Boolean(bases?.third)],
    batter: nameOf(live?.batter),
    pitcher: nameOf(live?.pitcher),
    play: play?.description ?? play?.event ?? "",
    pitch: pitchOf(play),
    timecode: live?.timecode ?? play?.timecode ?? "",
    atBat: play?.at_bat,
  };
}

const PHASE_ORDER: Record<Phase, number> = { live: 0, before: 1, over: 2 };

export function byPhase(a: Card, b: Card): number {
  return (
    PHASE_ORDER[a.phase] - PHASE_ORDER[b.phase] ||
    (a.start || 0) - (b.start || 0) ||
    (a.pk < b.pk ? -1 : 1)
  );
}
