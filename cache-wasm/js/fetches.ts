/** What an application asks for: answered by what is held where it may be, else by a flight that all who ask share. */

import { type Ahead, isSavingData } from "./ahead.js";
import { text, texts } from "./arguments.js";
import type { Category } from "./category.js";
import { ABSENT } from "./entry.js";
import { CacheError } from "./errors.js";
import { Flights } from "./flights.js";
import type { Mirror } from "./mirror.js";
import type { Reader } from "./reader.js";
import type { FetchOptions, ScopeAnswer } from "./types.js";

export class Fetches {
  readonly #mirror: Mirror;
  readonly #reader: Reader;
  readonly #flights = new Flights();
  /** Flights that nobody waits for. */
  readonly #ahead = new Flights();

  constructor(mirror: Mirror, reader: Reader) {
    this.#mirror = mirror;
    this.#reader = reader;
  }

  /** One value. */
  one(into: Category, key: string, options: FetchOptions, ahead: Ahead | undefined): Promise<unknown> {
    const value = this.#read(into, key, options);
    ahead?.read(into, key);
    return value;
  }

  /** Many values; what has none is left out. */
  async many<T>(
    into: Category,
    keys: Iterable<string>,
    options: FetchOptions,
    ahead: Ahead | undefined,
  ): Promise<Map<string, T>> {
    const wanted = [...new Set(texts("key", keys))];
    const reads = wanted.map((key) => this.#read(into, key, options));
    // Not before all are on their way: what is asked for need not be guessed.
    for (const key of wanted) ahead?.read(into, key);
    const settled = await Promise.allSettled(reads);
    this.#mirror.checkOpen();
    options.signal?.throwIfAborted();
    const found = new Map<string, T>();
    const failures: unknown[] = [];
    for (const [i, read] of settled.entries()) {
      if (read.status === "rejected") failures.push(read.reason);
      else if (read.value !== undefined) found.set(wanted[i]!, read.value as T);
    }
    if (failures.length === 0) return found;
    const count = `${failures.length} of ${wanted.length} keys`;
    const message = `${count} could not be had, the others are in \`partial\`: ${String(failures[0])}`;
    throw new CacheError("unavailable", message, { cause: new AggregateError(failures, message), partial: found });
  }

  /** Fetches what is neither there nor on its way: how many are there in the end. It does not reject. */
  async prefetch(into: Category, keys: readonly string[]): Promise<number> {
    if (isSavingData()) return 0;
    const isWanted = (key: string) => {
      const entry = into.index.get(key);
      return (entry === undefined || !into.isFresh(entry)) && !this.#flights.has(nameOf(into, key));
    };
    const wanted = [...new Set(keys)].filter(isWanted);
    const fill = (key: string) =>
      this.#ahead.join(nameOf(into, key), undefined, (signal) => this.#reader.fillAhead(into, key, signal));
    await Promise.allSettled(wanted.map(fill));
    return wanted.filter((key) => ((into.index.get(key)?.flags ?? ABSENT) & ABSENT) === 0).length;
  }

  /** Everything under a scope. */
  scope(into: Category, scope: string, signal: AbortSignal | undefined): Promise<ScopeAnswer> {
    return this.#flights.join(`scope ${nameOf(into, scope)}`, signal, (signal) => this.#reader.load(into, scope, signal));
  }

  /** Ends every flight. */
  abort(why: unknown): void {
    this.#flights.abort(why);
    this.#ahead.abort(why);
  }

  async #read(into: Category, key: string, options: FetchOptions): Promise<unknown> {
    const { signal, forceRefresh, allowStale } = options;
    text("key", key);
    if (forceRefresh !== true) {
      const held = this.#held(into, key, allowStale === true);
      if (held !== undefined) return held.value;
      const ahead = nameOf(into, key);
      if (this.#ahead.has(ahead)) {
        // It is on its way already; what becomes of it is seen in the cache.
        await this.#ahead.join(ahead, signal, () => Promise.resolve()).catch(() => {});
        this.#mirror.checkOpen();
        const arrived = this.#held(into, key, true);
        if (arrived !== undefined) return arrived.value;
      }
    }
    try {
      return await this.#asked(into, key, signal);
    } catch (error) {
      if (signal?.aborted !== true) {
        const stale = allowStale === true ? into.stale(key) : into.staleIfError(key, error);
        if (stale !== undefined) return stale;
      }
      throw error;
    }
  }

  /** What the cache has to say of a key now, if anything. */
  #held(into: Category, key: string, keepsOld: boolean): { value: unknown } | undefined {
    const entry = into.index.get(key);
    if (entry === undefined || !into.isFresh(entry)) {
      // A read removes what is past its age, which is just what `allowStale` may have to fall back on.
      if (!keepsOld) into.get(key);
      return undefined;
    }
    // A failure shows in `stats().fills.failed`.
    if (into.isDue(entry)) this.#asked(into, key, undefined).catch(() => {});
    if ((entry.flags & ABSENT) === 0) {
      const value = into.get(key);
      return value === undefined ? undefined : { value };
    }
    into.count(entry);
    return { value: undefined };
  }

  #asked(into: Category, key: string, signal: AbortSignal | undefined): Promise<unknown> {
    return this.#flights.join(nameOf(into, key), signal, (signal) => this.#reader.fill(into, key, signal));
  }
}

/** A flight's name; a number and a space cannot begin a key. */
function nameOf(into: Category, key: string): string {
  return `${into.id} ${key}`;
}
