/** How long to wait before trying again. */

export const FIRST_MS = 500;
export const LONGEST_MS = 15_000;

/** Exponential with half jitter: at least half of the full step, so that a countdown shown to a reader is never 0. */
export function backoff(attempt: number, random: () => number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, attempt - 1));
  return Math.round(full / 2 + (full / 2) * random());
}
