/** The hit path. A hit never enters WebAssembly: a Map lookup, two comparisons, two stores, an array load. */

import type { Core } from "./core.js";
import { FREQUENCY_MAX, type Tables, UNDECODED } from "./tables.js";
import type { Clock } from "./timers.js";

/** The value of a JSON text, or `undefined` for what is not one. */
export function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One category as the application reads it. Its reads never throw. */
export class Category {
  readonly name: string;
  /** @internal The category's number in the core. */
  readonly id: number;
  /** @internal Kept by the manager, which repeats the core's effects. */
  readonly index = new Map<string, number>();
  /** @internal */
  hits = 0;
  /** @internal */
  misses = 0;
  // Not `#private`: that costs a hit 3 of its 40 ns (`cargo xtask bench get`).
  /** @internal */
  private readonly tables: Tables;
  /** @internal */
  private readonly clock: Clock;
  readonly #core: Core;
  /** Tells the manager that a read found an entry past its age. */
  readonly #expired: (slot: number) => void;

  /** @internal */
  constructor(name: string, id: number, tables: Tables, clock: Clock, core: Core, expired: (slot: number) => void) {
    this.name = name;
    this.id = id;
    this.tables = tables;
    this.clock = clock;
    this.#core = core;
    this.#expired = expired;
  }

  /** How many entries, readable or not. */
  get size(): number {
    return this.index.size;
  }

  /** The value, or `undefined` when there is none that may be read now. The same version is the same object. */
  get<T = unknown>(key: string): T | undefined {
    const slot = this.index.get(key);
    if (slot === undefined) {
      this.misses++;
      return undefined;
    }
    const tables = this.tables;
    if (tables.expires.length === 0) tables.attach();
    const now = this.clock.now();
    if (now < tables.expires[slot]! && now < tables.lease[tables.stream[slot]!]!) {
      this.hits++;
      const frequency = tables.uses[slot]! & FREQUENCY_MAX;
      tables.uses[slot] = tables.tick | (frequency < FREQUENCY_MAX ? frequency + 1 : frequency);
      const value = tables.values[slot];
      return (value === UNDECODED ? this.#decode(slot) : value) as T;
    }
    this.misses++;
    if (now >= tables.expires[slot]!) this.#expired(slot);
    return undefined;
  }

  /** Like `get`, without counting as a use. */
  peek<T = unknown>(key: string): T | undefined {
    const slot = this.#readable(key);
    return slot === undefined ? undefined : (this.#value(slot) as T);
  }

  /** Whether `get` would hit. */
  has(key: string): boolean {
    return this.#readable(key) !== undefined;
  }

  /** The keys that `get` would hit. */
  keys(): string[] {
    return [...this.index.keys()].filter((key) => this.has(key));
  }

  /** Keys and values that `get` would hit. */
  entries<T = unknown>(): [string, T][] {
    return this.keys().map((key) => [key, this.peek<T>(key) as T]);
  }

  /** @internal The value whether or not it may be read: only for who asked for stale values. */
  stale(key: string): unknown {
    const slot = this.index.get(key);
    return slot === undefined ? undefined : this.#value(slot);
  }

  #readable(key: string): number | undefined {
    const slot = this.index.get(key);
    if (slot === undefined) return undefined;
    const tables = this.tables;
    if (tables.expires.length === 0) tables.attach();
    const now = this.clock.now();
    return now < tables.expires[slot]! && now < tables.lease[tables.stream[slot]!]! ? slot : undefined;
  }

  #value(slot: number): unknown {
    const value = this.tables.values[slot];
    return value === UNDECODED ? this.#decode(slot) : value;
  }

  /** A payload that is not JSON reads as no value; `fetch`, which brought it, says so. */
  #decode(slot: number): unknown {
    const value = parseJson(this.#core.payload(slot));
    this.tables.values[slot] = value;
    return value;
  }
}
