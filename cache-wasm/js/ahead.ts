/**
 * Reads ahead: what readers read next is fetched before this one asks, as far as the core's bucket pays for it. Nothing is
 * guessed while the user saves data, the page is hidden or the network is gone. It teaches the core what the edge server
 * has learned from all readers; it holds no model itself.
 */

import type { Category } from "./category.js";
import type { EdgeClient } from "./http.js";
import type { Mirror } from "./mirror.js";
import { Alarm, background, stamp } from "./timers.js";
import { tried } from "./tries.js";

/** The model can wait for what the page reads first, and is asked for again so often. In milliseconds. */
const FIRST_MS = 1_000;
const AGAIN_MS = 600_000;
const TIMEOUT_MS = 30_000;
/** How long the core is taught at a time. */
const SLICE_MS = 2;

interface Platform {
  navigator?: { connection?: { saveData?: boolean }; onLine?: boolean };
  document?: { hidden?: boolean };
}

const platform = () => globalThis as Platform;

/** Whether the user has asked for less data. */
export function isSavingData(): boolean {
  return platform().navigator?.connection?.saveData === true;
}

function mayGuess(): boolean {
  return !isSavingData() && platform().navigator?.onLine !== false && platform().document?.hidden !== true;
}

/** A random id, which says nothing but that two reads are of one visit. */
export function drawReader(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Ahead {
  readonly #mirror: Mirror;
  readonly #edge: EdgeClient | undefined;
  readonly #fetch: (into: Category, keys: string[]) => void;
  /** Guesses of this turn. */
  readonly #guesses = new Map<Category, Set<string>>();
  readonly #alarm: Alarm;
  readonly #stop = new AbortController();
  #hasBegun = false;
  #etag: string | undefined;

  /** `fetch` is to fetch without displacing anything. */
  constructor(mirror: Mirror, edge: EdgeClient | undefined, fetch: (into: Category, keys: string[]) => void) {
    this.#mirror = mirror;
    this.#edge = edge;
    this.#fetch = fetch;
    this.#alarm = new Alarm(mirror.clock, () => void this.#learn());
  }

  /** The application read a key. Does not throw. */
  read(into: Category, key: string): void {
    if (!mayGuess()) return;
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      background(() => void this.#learn(), FIRST_MS);
    }
    const { core } = this.#mirror;
    // What is no key was refused to who asked for it.
    const guesses = this.#mirror.quietly(() => this.#mirror.call(() => core.readAhead(into.id, key)));
    if (guesses === undefined) return;
    if (this.#guesses.size === 0) background(() => this.#go(), 0);
    const known = this.#guesses.get(into) ?? new Set();
    this.#guesses.set(into, known);
    for (const guess of guesses) known.add(guess);
  }

  stop(): void {
    this.#stop.abort();
    this.#alarm.set(undefined);
  }

  #go(): void {
    const guesses = [...this.#guesses];
    this.#guesses.clear();
    for (const [into, keys] of guesses) this.#fetch(into, [...keys]);
  }

  /** Asks for the model, now and from now on. */
  async #learn(): Promise<void> {
    const edge = this.#edge;
    if (edge === undefined || this.#stop.signal.aborted) return;
    if (mayGuess()) {
      const ask = (signal: AbortSignal) => edge.model(this.#etag, signal);
      // Who does not get it this time, does the next.
      const model = await tried({ retries: 0, timeout: TIMEOUT_MS }, this.#stop.signal, ask).catch(() => undefined);
      if (model === null || this.#stop.signal.aborted) return;
      this.#etag = model?.etag ?? this.#etag;
      if (Array.isArray(model?.contexts)) this.#teach(model.contexts, 0);
    }
    this.#alarm.set(this.#mirror.clock.now() + AGAIN_MS);
  }

  /** Teaches the core from one of these on, as many as there is time for. */
  #teach(contexts: unknown[], from: number): void {
    const { core } = this.#mirror;
    const end = stamp() + SLICE_MS;
    let at = from;
    while (at < contexts.length && stamp() < end) {
      const { key, total, next } = Object(contexts[at++]) as { key?: unknown; total?: unknown; next?: unknown };
      if (typeof key !== "string" || !Array.isArray(next)) continue;
      const pairs = next.filter((pair): pair is [string, number] => Array.isArray(pair) && typeof pair[0] === "string");
      const [keys, counts] = [pairs.map(([key]) => key), Uint32Array.from(pairs, ([, count]) => count)];
      this.#mirror.quietly(() => this.#mirror.call(() => core.teach(key, Number(total), keys, counts)));
    }
    if (at < contexts.length && this.#mirror.closed === undefined) background(() => this.#teach(contexts, at), 0);
  }
}
