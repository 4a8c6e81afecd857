/** Asks until there is an answer: each try has its time, and what may pass by itself is tried again after a pause. */

import { CacheError } from "./errors.js";
import { ended } from "./flights.js";
import { later, pause } from "./timers.js";

/** Pauses are drawn evenly up to a bound that doubles from the first to the longest, in milliseconds. */
const FIRST_MS = 100;
const LONGEST_MS = 5_000;
/** A server that wants to be left alone for longer is not waited for. */
const RETRY_AFTER_MAX_MS = 30_000;

export interface Patience {
  /** Tries after the first. */
  retries: number;
  /** How long a try may hear nothing, in milliseconds. */
  timeout: number;
}

/**
 * What an attempt gives, or what the last one failed with. `heard` begins an attempt's time anew. An attempt that does not
 * heed its signal is left behind.
 */
export async function tried<T>(
  { retries, timeout }: Patience,
  signal: AbortSignal,
  attempt: (signal: AbortSignal, heard: () => void) => Promise<T>,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted();
    try {
      return await inTime(timeout, signal, attempt);
    } catch (error) {
      const wait = pauseAfter(error, tries);
      if (tries >= retries || wait === undefined) throw error;
      await pause(wait, signal);
    }
  }
}

async function inTime<T>(
  timeout: number,
  signal: AbortSignal,
  attempt: (signal: AbortSignal, heard: () => void) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  const late = () => controller.abort(new CacheError("unavailable", `no answer came within ${timeout} ms`));
  let stop = later(late, timeout);
  signal.addEventListener("abort", abort);
  try {
    const heard = () => {
      stop();
      stop = later(late, timeout);
    };
    return await ended(attempt(controller.signal, heard), controller.signal);
  } finally {
    stop();
    signal.removeEventListener("abort", abort);
  }
}

/** How long to wait before the next try, or `undefined` when another one would fail like this one. */
function pauseAfter(error: unknown, tries: number): number | undefined {
  const { name, code, status, retryAfter = 0 } = Object(error) as Partial<CacheError>;
  if (error instanceof CacheError ? code !== "unavailable" : name === ("AbortError" as string)) return undefined;
  if (typeof status === "number" && status < 500 && status !== 408 && status !== 429) return undefined;
  if (!(retryAfter <= RETRY_AFTER_MAX_MS)) return undefined;
  return retryAfter + Math.random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** tries);
}
