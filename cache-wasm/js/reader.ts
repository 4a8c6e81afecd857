/**
 * Reads through: asks, lets the core rule on the answer, and asks again when something newer is known (R3). It keeps no
 * value and calls no listener itself.
 */

import { text } from "./arguments.js";
import type { Category } from "./category.js";
import { unfit } from "./check.js";
import { parseJson } from "./decode.js";
import { CacheError } from "./errors.js";
import { type EdgeClient, type EntryAnswer, TOO_EARLY } from "./http.js";
import type { Mirror } from "./mirror.js";
import { pause } from "./timers.js";
import type { Fetcher, ScopeAnswer } from "./types.js";
import type { Fences } from "./writes.js";

/** How often a read is repeated whose answers keep being older than what is known. */
const ATTEMPTS = 6;
/** How long a read waits for its stream's first word, in milliseconds. */
const PENDING_MS = 3000;

export class Reader {
  readonly #mirror: Mirror;
  /** Counts the fills under way. */
  readonly #fences: Fences;
  readonly #edge: EdgeClient | undefined;
  readonly #fetcher: Fetcher | undefined;
  /** Of the fills under way. */
  readonly #tickets = new Set<number>();
  /** Reads that wait for their stream's first word. */
  readonly #pending = new Set<() => void>();

  constructor(mirror: Mirror, fences: Fences, edge: EdgeClient | undefined, fetcher: Fetcher | undefined) {
    this.#mirror = mirror;
    this.#fences = fences;
    this.#edge = edge;
    this.#fetcher = fetcher;
  }

  /** The stream may have spoken: who waited for it goes on. */
  recheck(): void {
    for (const check of this.#pending) check();
  }

  /** One value, asked for until an answer can be kept. */
  async fill(into: Category, key: string, signal: AbortSignal): Promise<unknown> {
    const mirror = this.#mirror;
    const { core } = mirror;
    await this.#standing(() => core.isPending(key), signal);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 1) await pause(10 * 2 ** attempt, signal);
      signal.throwIfAborted();
      const [ticket, min] = this.#begin(() => core.beginFill(into.id, key));
      let answer: EntryAnswer | typeof TOO_EARLY;
      try {
        answer = await this.#ask(key, min, signal);
        mirror.checkOpen();
      } catch (error) {
        this.#abandon(ticket);
        throw unavailable(error, signal);
      }
      if (answer === TOO_EARLY) {
        this.#abandon(ticket);
        continue;
      }
      const { asOf, version, bytes, tags, ttl } = answer;
      const filled = this.#end(ticket, (now) => core.endFill(ticket, asOf, version, bytes, tags, ttl, now));
      // Read before a listener can take it away again.
      const stored = filled[0] === "stored" ? into.stale(key) : undefined;
      mirror.news.tell();
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
    const { core } = this.#mirror;
    await this.#standing(() => core.isScopePending(scope), signal);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 1) await pause(10 * 2 ** attempt, signal);
      signal.throwIfAborted();
      const [ticket, min] = this.#begin(() => core.beginLoad(into.id, scope));
      try {
        const answer = await this.#edge.scope(scope, min, signal);
        this.#mirror.checkOpen();
        if (answer === TOO_EARLY) continue;
        const loaded = this.#end(ticket, (now) => {
          const fed = core.feedLoad(ticket, answer.asOf, answer.bytes, now);
          return fed[0] === "more" ? core.endLoad(ticket, answer.asOf) : fed;
        });
        this.#mirror.news.tell();
        if (loaded[0] === "kept") return { keys: loaded[1], late: loaded[2] };
        if (loaded[0] === "malformed") {
          throw new CacheError("unavailable", `the answer for scope \`${scope}\` cannot be read: ${loaded[1]}`);
        }
      } catch (error) {
        throw unavailable(error, signal);
      } finally {
        this.#abandon(ticket);
      }
    }
    throw new CacheError("unsettled", `scope \`${scope}\` was reset faster than it could be read; try again`);
  }

  /** A ticket; while it is out, every `set` goes through the core, which voids what was asked before it. */
  #begin(begin: () => [number, string | undefined]): [number, string | undefined] {
    const begun = this.#mirror.change(begin);
    this.#tickets.add(begun[0]);
    this.#fences.fills = this.#tickets.size;
    return begun;
  }

  #end<T>(ticket: number, end: (now: number) => T): T {
    this.#hasEnded(ticket);
    return this.#mirror.change(end);
  }

  /** Ends a fill without an answer, if it has not ended. */
  #abandon(ticket: number): void {
    if (this.#hasEnded(ticket)) this.#mirror.quietly(() => this.#mirror.call(() => this.#mirror.core.abandonFill(ticket)));
  }

  #hasEnded(ticket: number): boolean {
    const was = this.#tickets.delete(ticket);
    this.#fences.fills = this.#tickets.size;
    return was;
  }

  async #ask(key: string, min: string | undefined, signal: AbortSignal): Promise<EntryAnswer | typeof TOO_EARLY> {
    if (this.#fetcher !== undefined) {
      const { value, asOf, version, tags, ttl } = await this.#fetcher(key, { signal, min });
      const bytes = value === undefined ? undefined : new TextEncoder().encode(toJson(key, value));
      // A header that is not there is `null`.
      if (asOf != null) text("asOf", asOf);
      tags?.forEach((tag) => text("tag", tag));
      return { bytes, asOf: asOf ?? undefined, version: numberOf(version), tags: tags ?? undefined, ttl: numberOf(ttl) };
    }
    if (this.#edge === undefined) {
      throw new CacheError("argument", "nothing to fetch from: give `createCache` a `url` or a `fetcher`");
    }
    return this.#edge.entry(key, min, signal);
  }

  /** Waits while a stream that covers the name has not said where it stands: an answer could not be kept before. */
  async #standing(isPending: () => boolean, signal: AbortSignal): Promise<void> {
    if (!this.#mirror.call(isPending)) return;
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

function numberOf(given: unknown): number | undefined {
  return typeof given === "number" ? given : undefined;
}

/** The JSON text of a fetcher's answer. */
function toJson(key: string, value: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw unfit(key, String(error), error);
  }
  if (json === undefined) throw unfit(key, `it is a ${typeof value}`);
  return json;
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
