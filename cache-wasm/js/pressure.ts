/**
 * Whether the page is short of memory. The levels are worked out by `levelOf` alone; the rest listens, and tells the cache
 * when the level has changed.
 */

import { Alarm, type Clock } from "./timers.js";
import type { PressureLevel } from "./types.js";

/** What can be known of the page's memory. */
export interface Readings {
  /** The share of the heap's limit that is in use; undefined where the browser does not say. */
  heap: number | undefined;
  /** The page is frozen, or has been hidden for long: what it holds is of little use to anybody. */
  isAsleep: boolean;
  /** An allocation failed since the last look. */
  hasFailed: boolean;
}

/** Shares of the heap's limit. A level ends lower than it begins, or it would come and go with every collection. */
const ELEVATED = { from: 0.8, until: 0.7 };
const CRITICAL = { from: 0.92, until: 0.85 };
/** The pause between two looks. `measureUserAgentSpecificMemory` is not to be asked more often. */
const LOOK_MS = 30_000;
/** How long a page is hidden until it counts as asleep. */
const HIDDEN_MS = 300_000;
/** A page may use about so much of the machine's memory, where the browser does not name a limit. */
const PAGE_SHARE = 0.25;
const GIB = 2 ** 30;
/** On a machine of at most so many GiB, the cache is half as large unless its options say otherwise. */
const SMALL_MACHINE_GIB = 2;

export function levelOf({ heap = 0, isAsleep, hasFailed }: Readings, before: PressureLevel): PressureLevel {
  if (hasFailed || heap > (before === "critical" ? CRITICAL.until : CRITICAL.from)) return "critical";
  if (isAsleep || heap > (before === "normal" ? ELEVATED.from : ELEVATED.until)) return "elevated";
  return "normal";
}

/** What browsers say of memory, each in its own way. */
interface MemoryHints {
  crossOriginIsolated?: boolean;
  navigator?: { deviceMemory?: number };
  performance?: {
    memory?: { usedJSHeapSize: number; jsHeapSizeLimit: number };
    measureUserAgentSpecificMemory?(): Promise<{ bytes: number }>;
  };
}

const platform = () => globalThis as MemoryHints;

/** Whether the machine is a small one. */
export function isSmallMachine(): boolean {
  return (platform().navigator?.deviceMemory ?? Infinity) <= SMALL_MACHINE_GIB;
}

/** The share of the heap's limit in use, as far as the browser says. */
async function heapShare(): Promise<number | undefined> {
  const { crossOriginIsolated, navigator, performance } = platform();
  const memory = performance?.memory;
  const share = memory && memory.usedJSHeapSize / memory.jsHeapSizeLimit;
  if (crossOriginIsolated !== true || performance?.measureUserAgentSpecificMemory === undefined) return share;
  const limit = memory?.jsHeapSizeLimit ?? (navigator?.deviceMemory ?? 0) * GIB * PAGE_SHARE;
  try {
    const { bytes } = await performance.measureUserAgentSpecificMemory();
    return limit > 0 ? bytes / limit : share;
  } catch {
    // A page that is not allowed to measure is told so each time.
    return share;
  }
}

export class PressureWatch {
  readonly #clock: Clock;
  readonly #changed: (level: PressureLevel) => void;
  readonly #isPolling: boolean;
  readonly #alarm: Alarm;
  readonly #readings: Readings = { heap: undefined, isAsleep: false, hasFailed: false };
  #level: PressureLevel = "normal";
  #stop = () => {};
  #isStopped = false;

  constructor(clock: Clock, isPolling: boolean, changed: (level: PressureLevel) => void) {
    this.#clock = clock;
    this.#changed = changed;
    this.#isPolling = isPolling && (platform().performance?.memory !== undefined || platform().crossOriginIsolated === true);
    this.#alarm = new Alarm(clock, () => void this.#look());
    this.#listen();
    if (this.#isPolling) this.#lookLater();
  }

  /** An allocation failed. The level changes once the current call is over. */
  failed(): void {
    if (this.#readings.hasFailed) return;
    this.#readings.hasFailed = true;
    queueMicrotask(() => this.#judge());
  }

  stop(): void {
    this.#isStopped = true;
    this.#stop();
    this.#alarm.set(undefined);
  }

  #listen(): void {
    if (typeof document === "undefined") return;
    const hidden = new Alarm(this.#clock, () => this.#sleeps(true));
    const frozen = () => this.#sleeps(true);
    const shown = () => {
      hidden.set(document.hidden ? this.#clock.now() + HIDDEN_MS : undefined);
      if (!document.hidden) this.#sleeps(false);
    };
    document.addEventListener("freeze", frozen);
    document.addEventListener("visibilitychange", shown);
    document.addEventListener("resume", shown);
    this.#stop = () => {
      hidden.set(undefined);
      document.removeEventListener("freeze", frozen);
      document.removeEventListener("visibilitychange", shown);
      document.removeEventListener("resume", shown);
    };
  }

  #sleeps(isAsleep: boolean): void {
    this.#readings.isAsleep = isAsleep;
    this.#judge();
  }

  #lookLater(): void {
    this.#alarm.set(this.#clock.now() + LOOK_MS);
  }

  async #look(): Promise<void> {
    this.#readings.heap = this.#isPolling ? await heapShare() : undefined;
    this.#readings.hasFailed = false;
    this.#judge();
    if (this.#isPolling && !this.#isStopped) this.#lookLater();
  }

  #judge(): void {
    if (this.#isStopped) return;
    const level = levelOf(this.#readings, this.#level);
    // A failure is over when nothing has failed until the next look.
    if (this.#readings.hasFailed) this.#lookLater();
    if (level === this.#level) return;
    this.#level = level;
    this.#changed(level);
  }
}
