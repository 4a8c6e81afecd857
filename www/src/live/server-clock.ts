/**
 * How far the server's wall clock is from the page's, by asking the server what time it is.
 *
 * The answer was made somewhere between request and answer: taking the middle is wrong by half of the round trip at most.
 * Of the last exchanges the quickest counts; old ones are let go, because clocks drift.
 */

/** Exchanges that are remembered. */
const KEPT = 8;
/** The server writes its time in whole milliseconds, rounded down. */
const ROUNDING = 1;

/** In milliseconds. */
export interface Skew {
  /** The server's clock minus the page's. */
  ahead: number;
  /** What that may be wrong by. */
  within: number;
}

export class ServerClock {
  #exchanges: Skew[] = [];

  /** The page asked at `asked`, the answer `server` came at `answered`. */
  note(asked: number, server: number, answered: number): void {
    if (!Number.isFinite(server) || answered < asked) return;
    const ahead = server + ROUNDING / 2 - (asked + answered) / 2;
    this.#exchanges.push({ ahead, within: (answered - asked + ROUNDING) / 2 });
    if (this.#exchanges.length > KEPT) this.#exchanges.shift();
  }

  /** Undefined before the first answer. */
  skew(): Skew | undefined {
    return this.#exchanges.reduce<Skew | undefined>(
      (best, exchange) => (best === undefined || exchange.within < best.within ? exchange : best),
      undefined,
    );
  }
}

/** The page's wall time, finer than `Date.now()`. */
export function wallTime(): number {
  return performance.timeOrigin + performance.now();
}

/** Asks once. What fails is asked again the next time. */
export async function compare(clock: ServerClock): Promise<void> {
  try {
    const asked = wallTime();
    const response = await fetch("/health/live");
    const answered = wallTime();
    clock.note(asked, Date.parse(((await response.json()) as { now: string }).now), answered);
  } catch {
    // The server is away: the stream's state says so.
  }
}
