/**
 * Reads through: asks, and asks again when something newer is known than what was answered (R3). It keeps no value and
 * calls no listener itself.
 */

import { Asks } from "./asks.js";
import type { Category } from "./category.js";
import type { Loaded } from "./core.js";
import { CacheError } from "./errors.js";
import type { EdgeClient } from "./http.js";
import type { Mirror } from "./mirror.js";
import { type Source, TOO_EARLY } from "./source.js";
import { Tickets } from "./tickets.js";
import { pause } from "./timers.js";
import { type Patience, tried } from "./tries.js";
import type { ScopeAnswer } from "./types.js";
import type { Fences } from "./writes.js";

/** How often a read is repeated whose answers keep being older than what is known. */
const ATTEMPTS = 6;
/** How long a read waits for its stream's first word, in milliseconds. */
const PENDING_MS = 3000;

/** Whom to ask, and how insistently. */
export interface Sources {
  /** For single keys. */
  keys: Source | undefined;
  /** For scopes. */
  edge: EdgeClient | undefined;
  patience: Patience;
}

export class Reader {
  readonly #mirror: Mirror;
  readonly #sources: Sources;
  readonly #tickets: Tickets;
  readonly #asks: Asks | undefined;
  /** Reads that wait for their stream's first word. */
  readonly #pending = new Set<() => void>();

  constructor(mirror: Mirror, fences: Fences, sources: Sources) {
    this.#mirror = mirror;
    this.#sources = sources;
    this.#tickets = new Tickets(mirror, fences);
    const { keys, patience } = sources;
    this.#asks = keys === undefined ? undefined : new Asks(mirror, keys, patience);
  }

  /** The stream may have spoken: who waited for it goes on. */
  recheck(): void {
    for (const check of this.#pending) check();
  }

  /** One value, asked for until an answer can be kept. */
  async fill(into: Category, key: string, signal: AbortSignal): Promise<unknown> {
    return this.#fill(into, key, signal, false);
  }

  /** The same for a key that nobody waits for: it displaces nothing, and its value is not decoded. */
  async fillAhead(into: Category, key: string, signal: AbortSignal): Promise<void> {
    await this.#fill(into, key, signal, true);
  }

  async #fill(into: Category, key: string, signal: AbortSignal, isAhead: boolean): Promise<unknown> {
    const { core } = this.#mirror;
    const isPending = () => core.isPending(key);
    // Refuses what is no key, too.
    const mustWait = this.#mirror.call(isPending);
    if (this.#asks === undefined) {
      throw new CacheError("argument", "nothing to fetch from: give `createCache` a `url` or a `fetcher`");
    }
    if (mustWait) await this.#standing(isPending, signal);
    const begin = () => (isAhead ? core.beginPrefetch(into.id, key) : core.beginFill(into.id, key));
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 1) await pause(10 * 2 ** attempt, signal);
      signal.throwIfAborted();
      const [ticket, min] = this.#tickets.begin(begin);
      try {
        const { kind, value } = await this.#asks.ask({ into, key, ticket, min, isAhead, signal });
        switch (kind) {
          case "stored":
          case "delivered":
          case "tooLarge":
            if (value !== undefined || isAhead) return value;
            throw new CacheError("unavailable", `the answer for \`${key}\` is not JSON`);
          case "absent":
            return undefined;
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
      } catch (error) {
        throw unavailable(error, signal);
      } finally {
        this.#tickets.end(ticket);
      }
    }
    throw new CacheError("unsettled", `\`${key}\` changed faster than it could be read; try again, or allow stale values`);
  }

  /** Everything under a scope. */
  async load(into: Category, scope: string, signal: AbortSignal): Promise<ScopeAnswer> {
    const { edge, patience } = this.#sources;
    if (edge === undefined) throw new CacheError("argument", "nothing to fetch from: give `createCache` a `url`");
    const isPending = () => this.#mirror.core.isScopePending(scope);
    if (this.#mirror.call(isPending)) await this.#standing(isPending, signal);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 1) await pause(10 * 2 ** attempt, signal);
      signal.throwIfAborted();
      try {
        const loaded = await tried(patience, signal, (signal, heard) => this.#loadOnce(edge, into, scope, signal, heard));
        if (loaded?.[0] === "kept") return { keys: loaded[1], late: loaded[2] };
      } catch (error) {
        throw unavailable(error, signal);
      }
    }
    throw new CacheError("unsettled", `scope \`${scope}\` was reset faster than it could be read; try again`);
  }

  /** One request for a scope, whose answer is handed to the core as it arrives. */
  async #loadOnce(
    edge: EdgeClient,
    into: Category,
    scope: string,
    signal: AbortSignal,
    heard: () => void,
  ): Promise<Loaded | undefined> {
    const { core } = this.#mirror;
    const [ticket, min] = this.#tickets.begin(() => core.beginLoad(into.id, scope));
    const end = () => this.#tickets.end(ticket);
    // A request that does not heed its signal is not waited for.
    signal.addEventListener("abort", end);
    try {
      const answer = await edge.scope(scope, min, signal);
      if (answer === TOO_EARLY) return undefined;
      const { asOf, chunks } = answer;
      let loaded: Loaded = ["more"];
      for await (const bytes of chunks) {
        signal.throwIfAborted();
        heard();
        loaded = this.#mirror.change((now) => core.feedLoad(ticket, asOf, bytes, now));
        this.#mirror.news.tell();
        if (loaded[0] !== "more") break;
      }
      signal.throwIfAborted();
      if (loaded[0] === "more") loaded = this.#mirror.change(() => core.endLoad(ticket, asOf));
      if (loaded[0] !== "malformed") return loaded;
      // It was an answer: another one will be no better.
      const message = `the answer for scope \`${scope}\` cannot be read: ${loaded[1]}`;
      throw new CacheError("unavailable", message, { status: 200 });
    } finally {
      end();
    }
  }

  /** Waits while a stream that covers the name has not said where it stands: an answer could not be kept before. */
  async #standing(isPending: () => boolean, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const check = () => {
      if (this.#mirror.quietly(() => this.#mirror.call(isPending)) !== true) stop.abort();
    };
    const aborted = () => stop.abort();
    this.#pending.add(check);
    signal.addEventListener("abort", aborted);
    await pause(PENDING_MS, stop.signal);
    this.#pending.delete(check);
    signal.removeEventListener("abort", aborted);
  }
}

/** An abort stays what it is; what the network throws becomes an error of the cache's. */
function unavailable(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof CacheError) return error;
  return new CacheError("unavailable", `no answer could be had: ${String(error)}`, { cause: error });
}
