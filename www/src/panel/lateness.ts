/** How late values were, over the last minute. Pure: the clock is an argument; times are milliseconds. */

const MINUTE = 60_000;
/** More than are heard in a minute at 100 changes a second; beyond that the minute becomes shorter. */
const KEPT = 6_000;

export interface Late {
  p50: number;
  p99: number;
  /** Of so many changes. */
  count: number;
}

export class Lateness {
  #heard: { at: number; late: number }[] = [];

  add(late: number, now: number): void {
    this.#heard.push({ at: now, late });
    if (this.#heard.length > KEPT) this.#heard.shift();
  }

  /** Undefined when nothing was heard for a minute. */
  lastMinute(now: number): Late | undefined {
    this.#heard = this.#heard.filter(({ at }) => now - at < MINUTE);
    const sorted = this.#heard.map(({ late }) => late).sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1];
    const [p50, p99] = [at(0.5), at(0.99)];
    return p50 === undefined || p99 === undefined ? undefined : { p50, p99, count: sorted.length };
  }
}
