/** The only file that reads a clock or sets a timer. */

import type { ClockSource } from "./types.js";

/** A wall clock that differs from the monotonic one by more than this has jumped, or the machine has slept. */
const JUMP_MS = 50;

const platformClock: ClockSource = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
};

/**
 * The cache's milliseconds: they never go back, and a span of them is never shorter than either clock says (R6). The
 * monotonic clock may stand still while the machine sleeps; the wall clock goes on, and its jump is added. A wall clock
 * that jumps back adds nothing.
 *
 * The reading holds until the current task or microtask ends: a synchronous run of reads sees one moment and pays for
 * one.
 */
export class Clock {
  readonly #source: ClockSource;
  #origin: number;
  #drift: number;
  #cached = -1;
  readonly #forget = () => {
    this.#cached = -1;
  };

  constructor(source: ClockSource = platformClock) {
    this.#source = source;
    const monotonic = source.monotonic();
    this.#origin = monotonic;
    this.#drift = source.wall() - monotonic;
  }

  now(): number {
    return this.#cached >= 0 ? this.#cached : this.#read();
  }

  #read(): number {
    const monotonic = this.#source.monotonic();
    const drift = this.#source.wall() - monotonic;
    const jump = drift - this.#drift;
    if (jump > JUMP_MS) this.#origin -= jump;
    if (Math.abs(jump) > JUMP_MS) this.#drift = drift;
    this.#cached = monotonic - this.#origin;
    queueMicrotask(this.#forget);
    return this.#cached;
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
    (this.#timer as { unref?: () => void }).unref?.();
  }
}

/** Waits, unless the signal ends it first. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}
