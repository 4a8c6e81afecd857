/** What an observation amounts to: the one place where a cell of the table is judged, whoever's it is. */

/**
 * What was seen of one cell. Versions are numbers, and a greater one is newer; `undefined` is no value.
 *
 * @typedef {object} Observed
 * @property {number} told The version that the cache was told of, or told that something newer than the last one is there.
 * @property {(number | undefined)[]} shown What the mounted observer was handed from then on.
 * @property {Call[]} earlier Callers who asked before that.
 * @property {Call[]} later Callers who asked after that, while the old answer was still on its way.
 * @property {{ value: number | undefined, isMarked: boolean } | undefined} observer What it shows when all is settled, if
 *   there is one, and whether the library says of it that it is stale.
 * @property {Call & { atOnce: number | undefined, isAsked: boolean, isMarked: boolean }} read Then an ordinary read; what it
 *   gave before any answer landed; whether a request was made for it; whether the library said before that what it holds is
 *   stale.
 *
 * @typedef {object} Call
 * @property {(number | undefined)[]} given What the caller was given once the cache had been told, in order.
 * @property {string | undefined} error What it was rejected with.
 * @property {boolean} isWaiting Whether it was given nothing, before or after that, and has not left.
 *
 * @typedef {"new" | "none" | "stale" | "OLD" | "error"} Verdict
 */

/** What each verdict means, from the best to the worst. */
export const VERDICTS = {
  new: "a read gives the new value at once",
  none: "a read gives nothing old: it asks, and gives the new value",
  stale: "the old value is shown, and marked: the library says that it is stale, or a read that gives it asks again behind it",
  OLD: "the old value is held as fresh: reads give it, or the observer shows it, and nothing asks again",
  error: "a read fails",
};

/** What happened besides, on the way there. */
export const MARKS = {
  s: "after the event, the observer was handed the old answer",
  w: "a caller who asked before the event was given the old value after it",
  a: "a caller who asked after the event was given the old value",
  f: "a caller was rejected, or given nothing",
  h: "a caller was never answered",
  b: "the observer ends up with nothing, and nothing asks again",
};

/**
 * @param {Observed} observed
 * @returns {{ verdict: Verdict, marks: string }}
 */
export function judge(observed) {
  const { told, shown, earlier, later, observer, read } = observed;
  /** @param {number | undefined} version */
  const isOld = (version) => version !== undefined && version < told;
  const calls = [...earlier, ...later];
  const marks = {
    s: shown.some(isOld),
    w: earlier.some(({ given }) => given.some(isOld)),
    a: later.some(({ given }) => given.some(isOld)),
    f: calls.some(({ given, error }) => error !== undefined || given.includes(undefined)),
    h: calls.some(({ isWaiting }) => isWaiting),
    b: observer !== undefined && observer.value === undefined,
  };
  /** @type {Verdict[]} */
  const verdicts = [verdictOf(read, isOld)];
  if (observer !== undefined && isOld(observer.value)) verdicts.push(observer.isMarked ? "stale" : "OLD");
  const order = Object.keys(VERDICTS);
  verdicts.sort((one, other) => order.indexOf(other) - order.indexOf(one));
  const marked = Object.entries(marks).filter(([, holds]) => holds);
  return { verdict: /** @type {Verdict} */ (verdicts[0]), marks: marked.map(([mark]) => mark).join("") };
}

/**
 * @param {Observed["read"]} read
 * @param {(version: number | undefined) => boolean} isOld
 * @returns {Verdict}
 */
function verdictOf({ given, atOnce, isAsked, error, isMarked }, isOld) {
  if (error !== undefined || given.length === 0 || given.includes(undefined)) return "error";
  if (given.every((version) => !isOld(version))) return atOnce === undefined ? "none" : "new";
  return isMarked || isAsked ? "stale" : "OLD";
}
