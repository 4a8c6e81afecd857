/** The only file that reads a clock or sets a timer. */

import { NEVER } from "./entry.js";
import type { ClockSource } from "./types.js";

/** A wall clock that differs from the monotonic one by more than this has jumped, or the machine has slept. */
const JUMP_MS = 50;

const platformClock: ClockSource = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
};

/**
 * The cache's milliseconds, whole ones and rounded up: they never go back, and a span of them is never shorter than either clock says (R6). The
 * monotonic clock may stand still while the machine sleeps; the wall clock goes on, and its jump is added. A wall clock
 * that jumps back adds nothing.
 *
 * The reading holds until the current task or microtask ends: a synchronous run of reads sees one moment and pays for
 * one. Rounded up, because ends are compared with `now < end` and are rounded down: nothing is ever read too late.
 */
export class Clock {
  readonly #source: ClockSource;
  #origin: number;
  #drift: number;
  /** The reading; {@link NEVER} when there is none, so that a read's comparison with it fails and asks `now`. */
  moment = NEVER;
  readonly #forget = () => {
    this.moment = NEVER;
  };

  constructor(source: ClockSource = platformClock) {
    this.#source = source;
    const monotonic = source.monotonic();
    this.#origin = monotonic;
    this.#drift = source.wall() - monotonic;
  }

  now(): number {
    return this.moment !== NEVER ? this.moment : this.#read();
  }

  #read(): number {
    const monotonic = this.#source.monotonic();
    const drift = this.#source.wall() - monotonic;
    const jump = drift - this.#drift;
    if (jump > JUMP_MS) this.#origin -= jump;
    if (Math.abs(jump) > JUMP_MS) this.#drift = drift;
    const now = Math.ceil(monotonic - this.#origin);
    this.moment = now < NEVER ? now | 0 : now;
    queueMicrotask(this.#forget);
    return this.moment;
  }
}

/** One alarm, set anew each time something may have changed what is due. It does not keep Node alive. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #due: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  set(due: number | undefined): void {
    if (due === this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    if (due === undefined) return;
    const delay = Math.min(Math.max(due - this.#clock.now(), 0), 0x7fffffff);
    this.#timer = setTimeout(() => {
      this.#due = undefined;
      this.#ring();
    }, Math.ceil(delay));
    letGo(this.#timer);
  }
}

/** Node is not kept alive by the timer. */
function letGo(timer: unknown): void {
  (timer as { unref?: () => void }).unref?.();
}

interface Scheduler {
  postTask(run: () => void, options: { priority: "background"; delay: number }): Promise<void>;
}

/** Runs what can wait, behind what the page has to do, in `delay` milliseconds at the earliest. */
export function background(run: () => void, delay: number): void {
  const { scheduler } = globalThis as { scheduler?: Partial<Scheduler> };
  if (scheduler?.postTask === undefined) letGo(setTimeout(run, delay));
  else void scheduler.postTask(run, { priority: "background", delay });
}

/** A stopwatch's milliseconds, for slices of work and for marks: no measure of anybody's age. */
export function stamp(): number {
  return performance.now();
}

/** Runs in so many milliseconds, of which a timer cannot count more than 2^31; the returned function calls it off. */
export function later(run: () => void, milliseconds: number): () => void {
  const timer = setTimeout(run, Math.min(milliseconds, 0x7fffffff));
  return () => clearTimeout(timer);
}

/** Milliseconds until a date, as a header has it; NaN for what is none. */
export function untilDate(text: string): number {
  return Date.parse(text) - Date.now();
}

/** A pause, and who goes on after it. */
interface Pause {
  waiting: Set<() => void>;
  end(): void;
}

/** Those that have begun in this turn, by their length. */
const begun = new Map<number, Pause>();

/** Waits, unless the signal ends it first. Who begins in one turn, for as long, goes on in one turn. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const { waiting, end } = begun.get(milliseconds) ?? beginPause(milliseconds);
    const done = () => {
      waiting.delete(done);
      if (waiting.size === 0) end();
      signal.removeEventListener("abort", done);
      resolve();
    };
    waiting.add(done);
    signal.addEventListener("abort", done);
  });
}

function beginPause(milliseconds: number): Pause {
  const waiting = new Set<() => void>();
  const stop = later(() => waiting.forEach((done) => done()), milliseconds);
  const close = () => {
    if (begun.get(milliseconds)?.waiting === waiting) begun.delete(milliseconds);
  };
  queueMicrotask(close);
  const pause = {
    waiting,
    end() {
      stop();
      close();
    },
  };
  begun.set(milliseconds, pause);
  return pause;
}
