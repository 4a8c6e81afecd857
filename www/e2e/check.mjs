/**
 * Judges a running demo from the page: `node check.mjs SERVER UPSTREAM generated|replay`.
 *
 * Prints one JSON line of what it saw and exits with 0 when that is right, with 1 when it is not.
 */

import { BOARD_SCOPES, board, differences, launch, until } from "./browser.mjs";

const [server, upstream, mode] = process.argv.slice(2);
if (server === undefined || upstream === undefined || (mode !== "generated" && mode !== "replay")) {
  console.error("usage: node check.mjs SERVER UPSTREAM generated|replay");
  process.exit(2);
}

/** The game whose recorded feeds and patches are replayed, and where each step leads. */
const GAME = "746139";
const STEPS = [
  { timecode: "20240612_041302", atBat: 61 },
  { timecode: "20240612_042717", atBat: 67 },
  { timecode: "20240612_042758", atBat: 67 },
];

/** How many projections the first of the two recorded captures has. */
const FIRST_CAPTURE = 594;

const browser = await launch();
/** @type {string[]} */
const errors = [];
/** @type {Record<string, unknown>} */
let saw = { mode };
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto(server);
  // The page may be there before the server's first poll: then the board arrives as changes, which are not those judged.
  const props = mode === "replay" ? FIRST_CAPTURE : 101;
  const first = await until(
    `the board is ready and has games and ${props} props`,
    () => board(page),
    ({ ready, stream, ...seen }) =>
      ready && stream === "live" && seen.props >= props && Object.keys(seen.games).length > 0,
  );
  saw = { mode, first };
  await (mode === "replay" ? replay(page, first) : generated(page, first));
} catch (error) {
  errors.push(String(error));
} finally {
  await browser.close();
}
const ok = errors.length === 0;
console.log(JSON.stringify({ ok, ...saw, ...(ok ? {} : { errors }) }));
process.exit(ok ? 0 : 1);

/**
 * @param {import("playwright-core").Page} page
 * @param {Awaited<ReturnType<typeof board>>} first
 */
async function generated(page, first) {
  const moved = (/** @type {Awaited<ReturnType<typeof board>>} */ seen) =>
    Object.entries(seen.games).filter(([pk, game]) => game.timecode !== first.games[pk]?.timecode).length;
  const later = await until("changes arrive", () => board(page), (seen) => seen.changed >= 20 && moved(seen) > 0);
  // The data changes about each second; between two changes the page and the server are equal.
  const equal = await until(
    "the page equals the server",
    () => differences(page, BOARD_SCOPES),
    ({ compared, differing }) => compared > 100 && differing.length === 0,
  );
  saw = { mode, first: counts(first), later: counts(later), games_moved: moved(later), equal_values: equal.compared };
}

/**
 * @param {import("playwright-core").Page} page
 * @param {Awaited<ReturnType<typeof board>>} first
 */
async function replay(page, first) {
  expect("projections of the first capture", first.props, first.props === FIRST_CAPTURE);
  const before = await until("the game is shown", () => board(page), (seen) => seen.games[GAME] !== undefined);
  expect("the first feed", before.games[GAME], before.games[GAME]?.timecode === "20240612_041248");
  const plays = [before.games[GAME]];
  let after = before;
  for (const step of STEPS) {
    await fetch(`${upstream}/control/step`, { method: "POST" });
    after = await until(
      `the game is at ${step.timecode}`,
      () => board(page),
      (seen) => seen.games[GAME]?.timecode === step.timecode && seen.games[GAME]?.atBat === step.atBat,
    );
    plays.push(after.games[GAME]);
  }
  const moves = (/** @type {Awaited<ReturnType<typeof board>>} */ { gone, changed }) =>
    gone + changed - first.gone - first.changed;
  after = await until("the second capture is shown", () => board(page), (seen) => moves(seen) >= 292);
  // Several polls more, in which nothing may happen.
  await page.waitForTimeout(3_000);
  after = await board(page);
  saw = { mode, first: counts(first), after: counts(after), game: GAME, plays };
  for (const [count, right] of /** @type {const} */ ([["gone", 286], ["added", 0], ["changed", 6]])) {
    const since = after[count] - first[count];
    expect(`projections ${count} since the first capture`, since, since === right);
  }
  expect("projections left", after.props, after.props === 308);
  const { compared, differing } = await differences(page, BOARD_SCOPES);
  expect("keys that differ from the server", differing.slice(0, 5), compared >= 308 && differing.length === 0);
  saw = { ...saw, equal_values: compared };
}

/** @param {Awaited<ReturnType<typeof board>>} seen */
function counts({ props, added, gone, changed, games, stream }) {
  return { props, added, gone, changed, games: Object.keys(games).length, stream };
}

/**
 * @param {string} what
 * @param {unknown} value
 * @param {boolean} right
 */
function expect(what, value, right) {
  if (!right) errors.push(`${what}: ${JSON.stringify(value)}`);
}
