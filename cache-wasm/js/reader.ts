/**
 * Reads through: asks, lets the core rule on the answer, and asks again when something newer is known (R3). Its host
 * owns the core and repeats its effects.
 */

import { toJson } from "./arguments.js";
import { type Category, parseJson } from "./category.js";
import type { Core, Filled, Loaded } from "./core.js";
import { CacheError, checked } from "./errors.js";
import { type EdgeClient, type EntryAnswer, TOO_EARLY } from "./http.js";
import { pause } from "./timers.js";
import type { Fetcher, ScopeAnswer } from "./types.js";

/** How often a read is repeated whose answers keep being older than what is known. */
const ATTEMPTS = 6;
/** How long a read waits for its stream's first word, in milliseconds. */
const PENDING_MS = 3000;

/** What a reader needs of its cache. */
export interface ReaderHost {
  readonly core: Core;
  isClosed(): boolean;
  /** Throws when it is. */
  checkOpen(): void;
  /** A call into the core whose effects are repeated. */
  change<T>(call: (now: number) => T): T;
  /** Tells listeners what happened. */
  tell(): void;
}

export class Reader {
  readonly #host: ReaderHost;
  readonly #edge: EdgeClient | undefined;
  readonly #fetcher: Fetcher | undefined;
  /** Reads that wait for their stream's first word. */
  readonly #pending = new Set<() => void>();

  constructor(host: ReaderHost, edge: EdgeClient | undefined, fetcher: Fetcher | undefined) {
    this.#host = host;
    this.#edge = edge;
    this.#fetcher = fetcher;
  }

  /** The stream may have spoken: who waited for it goes on. */
  recheck(): void {
    for (const check of this.#pending) check();
  }

  /** One value, asked for until an answer can be kept. */
  async fill(into: Category, key: string, signal: AbortSignal): Promise<unknown> {
    await this.#standing(() => this.#host.core.isPending(key), signal);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 1) await pause(10 * 2 ** attempt, signal);
      signal.throwIfAborted();
      this.#host.checkOpen();
      const [ticket, min] = checked(() => this.#host.core.beginFill(into.id, key));
      let answer: EntryAnswer | typeof TOO_EARLY;
      try {
        answer = await this.#ask(key, min, signal);
        this.#host.checkOpen();
      } catch (error) {
        if (!this.#host.isClosed()) this.#host.core.abandonFill(ticket);
        throw unavailable(error, signal);
      }
      if (answer === TOO_EARLY) {
        this.#host.core.abandonFill(ticket);
        continue;
      }
      const { asOf, bytes, tags, ttl } = answer;
      const filled = this.#host.change((now) => this.#host.core.endFill(ticket, asOf, bytes, tags, ttl, now)) as Filled;
      // Read before a listener can take it away again.
      const stored = filled[0] === "stored" ? into.stale(key) : undefined;
      this.#host.tell();
      switch (filled[0]) {
        case "stored":
          return valueOf(key, stored);
        case "absent":
          return undefined;
        case "delivered":
        case "tooLarge":
          return bytes === undefined ? undefined : valueOf(key, parseJson(new TextDecoder().decode(bytes)));
        case "unfenced":
          throw new CacheError(
            "unfenced",
            `the answer for \`${key}\` carries no position: a key of a followed scope needs \`asOf\` (the header Cache-As-Of)`,
          );
        case "retry":
        case "ended": {
          // The stream may have brought the value meanwhile.
          const pushed = into.peek(key);
          if (pushed !== undefined) return pushed;
        }
      }
    }
    throw new CacheError("unsettled", `\`${key}\` changed faster than it could be read; try again, or allow stale values`);
  }

  /** Everything under a scope. */
  async load(into: Category, scope: string, signal: AbortSignal): Promise<ScopeAnswer> {
    if (this.#edge === undefined) {
      throw new CacheError("argument", "nothing to fetch from: give `createCache` a `url`");
    }
    await this.#standing(() => this.#host.core.isScopePending(scope), signal);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 1) await pause(10 * 2 ** attempt, signal);
      signal.throwIfAborted();
      this.#host.checkOpen();
      const [ticket, min] = checked(() => this.#host.core.beginLoad(into.id, scope));
      try {
        const answer = await this.#edge.scope(scope, min, signal);
        this.#host.checkOpen();
        if (answer !== TOO_EARLY) {
          const loaded = this.#host.change((now) => this.#host.core.endLoad(ticket, answer.asOf, answer.bytes, now)) as Loaded;
          this.#host.tell();
          if (loaded[0] === "kept") return { keys: loaded[1], late: loaded[2] };
          if (loaded[0] === "malformed") {
            throw new CacheError("unavailable", `the answer for scope \`${scope}\` cannot be read: ${loaded[1]}`);
          }
        }
      } catch (error) {
        throw unavailable(error, signal);
      } finally {
        if (!this.#host.isClosed()) this.#host.core.abandonFill(ticket);
      }
    }
    throw new CacheError("unsettled", `scope \`${scope}\` was reset faster than it could be read; try again`);
  }

  async #ask(key: string, min: string | undefined, signal: AbortSignal): Promise<EntryAnswer | typeof TOO_EARLY> {
    if (this.#fetcher !== undefined) {
      const { value, asOf, tags, ttl } = await this.#fetcher(key, { signal, min });
      const bytes = value === undefined ? undefined : new TextEncoder().encode(toJson(key, value));
      return { bytes, asOf, tags, ttl };
    }
    if (this.#edge === undefined) {
      throw new CacheError("argument", "nothing to fetch from: give `createCache` a `url` or a `fetcher`");
    }
    return this.#edge.entry(key, min, signal);
  }

  /** Waits while a stream that covers the name has not said where it stands: an answer could not be kept before. */
  async #standing(isPending: () => boolean, signal: AbortSignal): Promise<void> {
    if (!checked(isPending)) return;
    const stop = new AbortController();
    const check = () => {
      if (this.#host.isClosed() || !isPending()) stop.abort();
    };
    const aborted = () => stop.abort();
    this.#pending.add(check);
    signal.addEventListener("abort", aborted);
    await pause(PENDING_MS, stop.signal);
    this.#pending.delete(check);
    signal.removeEventListener("abort", aborted);
  }
}

function valueOf(key: string, value: unknown): unknown {
  if (value !== undefined) return value;
  throw new CacheError("unavailable", `the answer for \`${key}\` is not JSON`);
}

/** An abort stays what it is; what the network throws becomes an error of the cache's. */
function unavailable(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof CacheError) return error;
  return new CacheError("unavailable", `no answer could be had: ${String(error)}`, { cause: error });
}
