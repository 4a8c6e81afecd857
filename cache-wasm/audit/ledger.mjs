/**
 * What was announced of sampled keys, and what a read of one says against it. No socket, no clock: the time is an
 * argument, in milliseconds.
 *
 * A read may lag what this side was told by `GRACE_MS`, because two connections are not told in the same moment. What
 * was announced longer ago binds it.
 */

/** How long after a change it is read. */
export const HORIZONS_MS = [1_000, 5_000, 60_000];
const GRACE_MS = 500;
/** Announcements of a key that are remembered; of one that changed oftener than that nothing is said. */
const REMEMBERED = 64;

/** Offsets of two epochs are never compared. */
function parse(position) {
  const [epoch, offset] = position.split(":").map(Number);
  return { epoch, offset };
}

export class Ledger {
  /** @type {Map<string, { version: number, epoch: number, at: number, value: string | null | undefined }[]>} */
  #keys = new Map();

  /** Begins to remember what is announced of a key. */
  track(key) {
    if (!this.#keys.has(key)) this.#keys.set(key, []);
  }

  forget(key) {
    this.#keys.delete(key);
  }

  /** A hole, a reset, a purge: of these keys nothing is known until they are announced again. */
  lose(isLost) {
    for (const key of this.#keys.keys()) if (isLost(key)) this.#keys.set(key, []);
  }

  /** A key's change was announced: its JSON text, `null` for none, `undefined` where it was not told. */
  announce(key, epoch, version, value, at) {
    const known = this.#keys.get(key);
    if (known === undefined) return;
    if (known.at(-1)?.epoch !== epoch) known.length = 0;
    known.push({ version, epoch, at, value });
    if (known.length > REMEMBERED) known.shift();
  }

  /** What binds a read that begins now: the newest announcement of more than the grace ago; none if nothing is known. */
  bound(key, now) {
    return this.#keys.get(key)?.findLast(({ at }) => at <= now - GRACE_MS);
  }

  /** The position to ask an answer for. */
  static min({ epoch, version }) {
    return `${epoch}:${version}`;
  }

  /**
   * Judges what HTTP answered to a read bound by `bound`: `consistent`, `superseded`, `unknown`, or what is wrong.
   * `sampled` is the version of the change that the read is about.
   */
  http(bound, sampled, answer) {
    if (answer.asOf === undefined) return "unknown";
    const asOf = parse(answer.asOf);
    if (asOf.epoch !== bound.epoch) return "unknown";
    if (asOf.offset < bound.version) return `read as of ${answer.asOf}, before ${Ledger.min(bound)}`;
    const same = bound.version === sampled ? "consistent" : "superseded";
    // A value whose time ended is gone before that is announced.
    if (answer.value === null) return bound.value === null ? same : "unknown";
    if (answer.version > bound.version) return "superseded";
    if (bound.value === null) return "a value that is gone was read";
    if (bound.value === undefined) return answer.version === bound.version ? same : "unknown";
    if (answer.version < bound.version) return `version ${answer.version} was read, older than ${Ledger.min(bound)}`;
    return answer.value === bound.value ? same : `another value of version ${bound.version} was read`;
  }

  /**
   * Judges what the cache had, or fetched, in a read bound by `bound`; `http` is what was read over HTTP right behind it.
   * The cache tells no version: a value is what binds, something newer that was announced or read since, or neither.
   */
  cache(key, bound, sampled, value, http) {
    const known = this.#keys.get(key) ?? [];
    if (!known.includes(bound)) return "unknown";
    const same = bound.version === sampled ? "consistent" : "superseded";
    if (bound.value !== undefined && value === bound.value) return same;
    if (known.some((later) => later.version > bound.version && later.value === value)) return "superseded";
    if (http.asOf === undefined || parse(http.asOf).epoch !== bound.epoch) return "unknown";
    const isBound = http.value === null ? bound.value === null : http.version === bound.version;
    if (http.version > bound.version) return http.value === value ? "superseded" : "unknown";
    // Nothing newer was there even after the cache was read.
    if (isBound) return http.value === value ? same : `neither ${Ledger.min(bound)}, which was announced, nor anything newer`;
    return "unknown";
  }
}

/** Counts at one horizon. */
export class Tally {
  consistent = 0;
  superseded = 0;
  unknown = 0;
  violations = 0;

  count(judged) {
    if (judged === "consistent" || judged === "superseded" || judged === "unknown") this[judged]++;
    else this.violations++;
  }

  /** How many of which something can be said. */
  get judged() {
    return this.consistent + this.superseded + this.violations;
  }

  /** The share of them that was nothing older, as text. */
  get text() {
    const { judged } = this;
    if (judged === 0) return "nothing to say";
    // Rounded down: one violation of many is not 100 %.
    const percent = Math.floor((1000 * (judged - this.violations)) / judged) / 10;
    return `${percent} % of ${judged} (${this.superseded} superseded, ${this.unknown} unknown)`;
  }
}
