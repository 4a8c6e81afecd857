import { expect, test } from "vitest";
import { factsOf, fingerprint, fold } from "../../src/board/facts";
import { prop } from "./prop";

const KEY = "sport:nba:props:player:1:points:9";

test("the league is the key's", () => expect(factsOf(KEY, prop()).league).toBe("nba"));

test("facts of one value are made once", () => {
  const value = prop();
  expect(factsOf(KEY, value)).toBe(factsOf(KEY, value));
  expect(factsOf(KEY, prop())).not.toBe(factsOf(KEY, value));
});

test("what the upstream leaves out is absent", () => {
  const facts = factsOf(KEY, prop({ team: null, position: null, opponent: null, start_time: null, trending: null }));
  expect(facts).toMatchObject({ team: "", position: "", opponent: "", trending: false });
  expect(facts.start).toBeNaN();
});

test("an odds type that the page does not know is shown as the upstream says it", () => {
  expect(factsOf(KEY, prop({ odds_type: "wizard" }))).toMatchObject({ odds: "other", oddsText: "wizard" });
});

test("accents fold away", () => expect(fold("Nikola Jokić, Acuña")).toBe("nikola jokic, acuna"));

test("prints tell texts apart that differ in one character", () => {
  const seen = new Set<number>();
  for (let i = 0; i < 5000; i++) seen.add(fingerprint(JSON.stringify({ line: i / 2, at: "2026-08-22" })));
  expect(seen.size).toBe(5000);
  expect(fingerprint("a")).toBe(fingerprint("a"));
});
