/** Changes counted by the second, for the last minute. Pure: the clock is an argument. */

export const SECONDS = 60;

export class Rate {
  readonly #buckets = new Array<number>(SECONDS).fill(0);
  #second = 0;

  add(n: number, now: number): void {
    this.#turn(now);
    const slot = this.#second % SECONDS;
    this.#buckets[slot] = (this.#buckets[slot] ?? 0) + n;
  }

  /** Oldest first; the last one is the last second that is over. */
  seconds(now: number): number[] {
    this.#turn(now);
    const next = this.#second + 1;
    return Array.from({ length: SECONDS - 1 }, (_, i) => this.#buckets[(next + i) % SECONDS] ?? 0);
  }

  #turn(now: number): void {
    const second = Math.floor(now / 1000);
    const steps = Math.min(SECONDS, second - this.#second);
    for (let i = 0; i < steps; i++) this.#buckets[(second - i) % SECONDS] = 0;
    this.#second = Math.max(second, this.#second);
  }
}
