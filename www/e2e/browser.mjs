/** Headless Chromium as the tests use it, and what every test of the page needs. */

import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Starts the browser at `CHROMIUM`, or where Debian has it.
 *
 * @param {{keepsPages?: boolean}} [options] Whether pages that are left go into the back/forward cache, which Playwright
 * turns off.
 */
export function launch({ keepsPages = false } = {}) {
  const ignoreDefaultArgs = keepsPages ? ["--disable-back-forward-cache"] : [];
  const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: ARGUMENTS, ignoreDefaultArgs });
}

/**
 * Asks until the answer is true, and fails with what was seen last.
 *
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} look
 * @param {(seen: T) => boolean} holds
 * @param {number} [limitMs]
 * @returns {Promise<T>}
 */
export async function until(what, look, holds, limitMs = 20_000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > end) throw new Error(`${what}: after ${limitMs} ms it is ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * The board as the page shows it: its counters and its games.
 *
 * @param {import("playwright-core").Page} page
 */
export function board(page) {
  return page.evaluate(() => {
    const number = (/** @type {string} */ id) =>
      Number(document.querySelector(`[data-testid=${id}]`)?.getAttribute("data-value") ?? NaN);
    /** @type {Record<string, {timecode: string | null, atBat: number, play: string}>} */
    const games = {};
    for (const card of document.querySelectorAll("[data-testid^=game-]")) {
      const pk = card.getAttribute("data-testid")?.slice("game-".length) ?? "";
      games[pk] = {
        timecode: card.getAttribute("data-timecode"),
        atBat: Number(card.getAttribute("data-at-bat") ?? NaN),
        play: document.querySelector(`[data-testid=play-${pk}]`)?.textContent ?? "",
      };
    }
    return {
      ready: document.documentElement.dataset["ready"] === "true",
      stream: document.querySelector("[data-testid=stream-state]")?.getAttribute("data-value") ?? "",
      props: number("board-count"),
      added: number("added"),
      gone: number("gone"),
      changed: number("changed"),
      games,
    };
  });
}

/**
 * Where the page's cache and the server differ: keys that only one of them has, and keys with other values.
 *
 * @param {import("playwright-core").Page} page
 * @param {[category: string, scope: string][]} scopes
 */
export function differences(page, scopes) {
  return page.evaluate(async (scopes) => {
    const cache = /** @type {any} */ (window).__cache;
    /** @type {string[]} */
    const differing = [];
    let compared = 0;
    for (const [category, scope] of scopes) {
      const answer = await fetch(`/v1/entries?scope=${encodeURIComponent(scope)}`);
      const { items } = /** @type {{items: {key: string, value: unknown}[]}} */ (await answer.json());
      const held = new Map(
        /** @type {[string, unknown][]} */ (cache.entries(category)).filter(([key]) => key.startsWith(scope)),
      );
      for (const { key, value } of items) {
        compared++;
        if (JSON.stringify(held.get(key)) !== JSON.stringify(value)) differing.push(key);
        held.delete(key);
      }
      differing.push(...held.keys());
    }
    return { compared, differing };
  }, scopes);
}

/** What the board follows. @type {[category: string, scope: string][]} */
export const BOARD_SCOPES = [
  ["props", "sport:nba:props:"],
  ["props", "sport:mlb:props:"],
  ["games", "sport:mlb:games:"],
];
