import { expect, test } from "vitest";
import { Games } from "../../src/games/games";

const side = (name: string, abbr: string, runs: number) => ({ id: 1, name, abbr, runs, hits: 0, errors: 0 });

const live = (fields: object = {}) => ({
  game: 1,
  timecode: "20260822_190000",
  state: "Live",
  detail: "In Progress",
  inning: 5,
  half: "bottom",
  outs: 2,
  balls: 3,
  strikes: 1,
  away: side("New York Yankees", "NYY", 4),
  home: side("Boston Red Sox", "BOS", 2),
  bases: { first: { id: 9, name: "x" }, second: null, third: false },
  batter: { id: 2, name: "Rafael Devers" },
  pitcher: { id: 3, name: "Gerrit Cole" },
  ...fields,
});

const summary = (state: string, start: string) => ({
  game: 1,
  date: "2026-08-22",
  start,
  state,
  detail: "Scheduled",
  away: { id: 1, name: "New York Yankees", score: null },
  home: { id: 2, name: "Boston Red Sox", score: null },
});

function strip(values: Record<string, unknown>) {
  const cache = new Map(Object.entries(values).map(([key, value]) => [`sport:mlb:games:${key}`, value]));
  const games = new Games((key) => cache.get(key));
  for (const key of cache.keys()) games.add(key);
  return { cache, games };
}

const none = (key: string) => expect.unreachable(key);

test("a card is put together from its parts", () => {
  const { games } = strip({
    "1:summary": summary("Live", "2026-08-22T18:00:00Z"),
    "1:live": live(),
    "1:play": { timecode: "20260822_185900", at_bat: 41, description: "Devers walks.", last_pitch: { call: "Ball", type: "Slider", speed_mph: 87.4 } },
  });
  const [drawn] = games.draw(none);
  expect(drawn).toMatchObject({
    current: true,
    card: {
      pk: "1",
      phase: "live",
      away: { abbr: "NYY", score: 4 },
      inning: { arrow: "▼", number: 5 },
      bases: [true, false, false],
      timecode: "20260822_190000",
      atBat: 41,
      play: "Devers walks.",
      pitch: "Ball · 87 mph Slider",
    },
  });
});

test("a card without a feed shows its summary", () => {
  const { games } = strip({ "1:summary": summary("Preview", "2026-08-22T18:00:00Z") });
  expect(games.draw(none)[0]?.card).toMatchObject({ phase: "before", away: { abbr: "Yankees", score: undefined } });
});

test("games in progress stand first, then by start, then those that are over", () => {
  const { games } = strip({
    "1:summary": summary("Final", "2026-08-22T15:00:00Z"),
    "2:summary": summary("Preview", "2026-08-22T22:00:00Z"),
    "3:summary": summary("Preview", "2026-08-22T21:00:00Z"),
    "4:live": live(),
  });
  expect(games.draw(none).map(({ card }) => card.pk)).toEqual(["4", "3", "2", "1"]);
});

test("a part whose read misses is drawn as it was, and the card is not current", () => {
  const { cache, games } = strip({ "1:live": live() });
  games.draw(none);
  cache.clear();
  const missed: string[] = [];
  expect(games.draw((key) => missed.push(key))[0]).toMatchObject({ current: false, card: { away: { score: 4 } } });
  expect(missed).toEqual(["sport:mlb:games:1:live"]);
});

test("a part that is gone is gone from the card, and a game without parts from the strip", () => {
  const { games } = strip({ "1:summary": summary("Live", "2026-08-22T18:00:00Z"), "1:live": live() });
  games.draw(none);
  games.drop("sport:mlb:games:1:live");
  expect(games.draw(none)[0]?.card).toMatchObject({ timecode: "", away: { score: undefined } });
  games.drop("sport:mlb:games:1:summary");
  expect(games.draw(none)).toEqual([]);
});

test("keys that are no part of a game are left alone", () => {
  const { games } = strip({ "1:boxscore": {}, "1:live:more": {} });
  expect(games.draw(none)).toEqual([]);
});
