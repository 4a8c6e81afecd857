/**
 * ConsolidatedCacheManager: the cache as an application uses it. It puts the parts together and keeps no policy of its own.
 */

import { Ahead, drawReader } from "./ahead.js";
import {
  baseOf,
  checkCacheOptions,
  checkCategoryOptions,
  checkFetchOptions,
  checkPersist,
  text,
  texts,
} from "./arguments.js";
import { Category, type CategoryHost } from "./category.js";
import { Decoder } from "./decode.js";
import { ABSENT, UNDECODED } from "./entry.js";
import { CacheError } from "./errors.js";
import { Fetches } from "./fetches.js";
import { EdgeClient } from "./http.js";
import { watchLifecycle } from "./lifecycle.js";
import type { Module } from "./load.js";
import { measured } from "./marks.js";
import { Mirror } from "./mirror.js";
import { News } from "./news.js";
import { isSmallMachine, PressureWatch } from "./pressure.js";
import { Reader } from "./reader.js";
import type { Shared } from "./shared.js";
import { FetcherSource } from "./source.js";
import { Storage } from "./storage.js";
import { Stream } from "./stream.js";
import { Clock } from "./timers.js";
import { Tokens } from "./token.js";
import { apply, invalidate } from "./told.js";
import type {
  AppliedItems,
  CacheEvents,
  CacheOptions,
  CacheStats,
  CategoryOptions,
  ChangeListener,
  Dump,
  FetchOptions,
  Invalidation,
  PressureLevel,
  ScopeAnswer,
  SetOptions,
  SubscribeOptions,
  ToldItem,
} from "./types.js";
import { Upkeep } from "./upkeep.js";
import { Visits } from "./visits.js";
import { type Fences, Writes } from "./writes.js";

/** The categories of a cache that names none. */
export const DEFAULT_CATEGORIES: Record<string, CategoryOptions> = {
  analysis: { max: 500 },
  predictions: { max: 1000 },
  props: { max: 200 },
  metadata: { max: 100 },
};

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
/** Of `maxBytes`, for decoded copies. */
const DECODED_SHARE = 1 / 8;

/** Tries after the first, and how long one may take in milliseconds. */
const RETRIES = 2;
const TIMEOUT_MS = 10_000;

/** By the number that the core has for it. */
const LEVELS: readonly PressureLevel[] = ["normal", "elevated", "critical"];

export class ConsolidatedCacheManager {
  readonly #memory: WebAssembly.Memory;
  readonly #clock: Clock;
  readonly #news = new News();
  readonly #mirror: Mirror;
  readonly #writes: Writes;
  readonly #upkeep: Upkeep;
  readonly #byName = new Map<string, Category>();
  readonly #reader: Reader;
  readonly #fetches: Fetches;
  readonly #ahead: Ahead | undefined;
  readonly #stream: Stream;
  readonly #hasServer: boolean;
  readonly #watch: PressureWatch;
  readonly #unwatch: () => void;
  readonly #pressure: CacheStats["pressure"] = { level: "normal", since: undefined, responses: 0 };
  readonly #wall: () => number;
  readonly #visits: Visits;
  readonly #storage: Storage;
  /** Where the server is, or nowhere. */
  readonly #base: string;
  #isClosing = false;

  /** @internal Use `createCache`. */
  constructor(module: Module, options: CacheOptions, shared?: Shared) {
    checkCacheOptions(options);
    const named = Object.entries(options.categories ?? DEFAULT_CATEGORIES);
    for (const [name, limits] of named) checkCategoryOptions(name, limits);
    this.#storage = new Storage(checkPersist(options.persist, named.map(([name]) => name)));
    const base = options.url === undefined ? undefined : baseOf(options.url);
    this.#base = base ?? "";
    const maxBytes = options.maxBytes ?? (isSmallMachine() ? DEFAULT_MAX_BYTES / 2 : DEFAULT_MAX_BYTES);
    const core = module.createCore({
      categories: named.map(([name, limits]) => ({ ...limits, name })),
      maxBytes,
      seed: Math.random(),
    });
    this.#memory = module.memory;
    this.#clock = new Clock(options.clock);
    this.#wall = options.clock === undefined ? Date.now : () => options.clock!.wall();
    this.#mirror = new Mirror(core, module.memory, this.#clock, this.#news, {
      prepare: () => this.#writes.prepare(),
      wanted: () => this.#upkeep.requestForCore(),
      broken: (error) => this.#shut(error),
    });
    this.#visits = new Visits(this.#mirror, this.#wall, () => this.#upkeep.settle());
    const fences: Fences = { fills: 0, scopes: [] };
    this.#writes = new Writes(this.#mirror, fences, () => this.#upkeep.request());
    this.#upkeep = new Upkeep(this.#mirror, this.#writes, options.maxDecodedBytes ?? maxBytes * DECODED_SHARE);
    const host = this.#host(maxBytes);
    for (const [id, [name, limits]] of named.entries()) {
      const category = new Category(name, id, limits, host);
      this.#mirror.categories.push(category);
      this.#byName.set(name, category);
    }
    const request = options.fetch ?? globalThis.fetch;
    const reader = options.prefetch === false ? undefined : drawReader();
    const tokens = new Tokens(options.token);
    const send: typeof request = (input, init) => request(input, init);
    const edge = base === undefined ? undefined : new EdgeClient(base, tokens, send, reader);
    this.#hasServer = edge !== undefined;
    const { fetcher, fetcherMany, retries = RETRIES, timeout = TIMEOUT_MS } = options;
    const keys = fetcher === undefined && fetcherMany === undefined ? edge : new FetcherSource(fetcher, fetcherMany);
    this.#reader = new Reader(this.#mirror, fences, { keys, edge, patience: { retries, timeout } });
    this.#fetches = new Fetches(this.#mirror, this.#reader);
    if (keys !== undefined && options.prefetch !== false) {
      this.#ahead = new Ahead(this.#mirror, edge, (into, keys) => void this.#fetches.prefetch(into, keys));
    }
    const followed = (scopes: readonly string[]) => (fences.scopes = scopes);
    const heard = { followed, spoke: () => this.#reader.recheck() };
    this.#stream = new Stream(this.#mirror, base, tokens, options.WebSocket, heard, shared);
    this.#watch = new PressureWatch(this.#clock, options.watchMemory !== false, (level) => {
      this.#mirror.quietly(() => this.pressure(level));
    });
    this.#unwatch = watchLifecycle({
      woke: () => this.#stream.wake(),
      online: () => this.#stream.input((now) => core.online(now)),
      sleeps: () => this.#mirror.quietly(() => this.#stream.sleep()),
    });
    if (options.marks === true) this.#mark();
  }

  /** @internal Takes up what an earlier visit left, where that is stored. */
  open(): Promise<void> {
    return this.#storage.open(this.#mirror, this.#visits, this.#base);
  }

  /** A category by name, for reads without naming it each time: `props.get(key)`. */
  category(name: string): Category {
    const category = this.#byName.get(name);
    if (category !== undefined) return category;
    const known = [...this.#byName.keys()].map((known) => `\`${known}\``).join(", ");
    throw new CacheError("argument", `there is no category \`${name}\`; the cache has ${known}`);
  }

  /** The value, or `undefined` when there is none that may be read now. The same version is the same object. */
  get<T = unknown>(category: string, key: string): T | undefined {
    return (this.#byName.get(category) ?? this.category(category)).get<T>(key);
  }

  /** Like `get`, without counting as a use. */
  peek<T = unknown>(category: string, key: string): T | undefined {
    return this.category(category).peek<T>(key);
  }

  /** Whether `get` would hit. */
  has(category: string, key: string): boolean {
    return this.category(category).has(key);
  }

  /** The values of keys that `get` would hit. */
  getMany<T = unknown>(category: string, keys: Iterable<string>): Map<string, T> {
    const from = this.category(category);
    const found = new Map<string, T>();
    for (const key of keys) {
      const value = from.get<T>(key);
      if (value !== undefined) found.set(key, value);
    }
    return found;
  }

  /** The keys that `get` would hit. */
  keys(category: string): string[] {
    return this.category(category).keys();
  }

  /** Keys and values that `get` would hit. */
  entries<T = unknown>(category: string): [string, T][] {
    return this.category(category).entries<T>();
  }

  /** Entries over all categories, readable or not. */
  get size(): number {
    return this.#mirror.categories.reduce((sum, category) => sum + category.size, 0);
  }

  /**
   * Stores a value, which must be what JSON can carry; it is kept by reference, and belongs to the cache from then on. Under
   * a followed scope it holds until the next change.
   *
   * @throws {CacheError} `argument` for what is no key, no option or no JSON, and for a value that does not fit; `full`;
   * `closed`; `broken`.
   */
  set(category: string, key: string, value: unknown, options?: SetOptions): void {
    this.#mirror.checkOpen();
    this.#writes.set(this.#byName.get(category) ?? this.category(category), key, value, options);
  }

  setMany(category: string, values: Iterable<[string, unknown]>, options?: SetOptions): void {
    for (const [key, value] of values) this.set(category, key, value, options);
  }

  /** Removes a key from a category; whether it was there. */
  delete(category: string, key: string): boolean {
    this.#mirror.checkOpen();
    const { id } = this.category(category);
    text("key", key);
    const was = this.#mirror.change(() => this.#mirror.core.delete(id, key));
    this.#news.tell();
    return was;
  }

  /** Empties a category, or all of them. */
  clear(category?: string): void {
    this.#mirror.checkOpen();
    const which = category === undefined ? this.#mirror.categories : [this.category(category)];
    this.#mirror.change(() => which.forEach(({ id }) => this.#mirror.core.clear(id)));
    this.#news.tell();
  }

  /** Whether the value that is held for a key may be out of date: past `staleTime`, its age or its stream's lease. */
  isStale(category: string, key: string): boolean {
    const from = this.category(category);
    const entry = from.index.get(key);
    if (entry === undefined || (entry.flags & ABSENT) !== 0) return false;
    return !from.isFresh(entry) || from.isDue(entry);
  }

  /**
   * Takes values that the application heard of by itself, as over a socket of its own: each takes the place of what is older,
   * and voids the answers in flight that are. An item that is wrong is named in the result, and the others are taken.
   *
   * @throws {CacheError} `closed`; `broken`; `argument` for what is no category or no list.
   */
  apply(category: string, items: Iterable<ToldItem>): AppliedItems {
    this.#mirror.checkOpen();
    return apply(this.#mirror, this.category(category), items);
  }

  /**
   * Invalidates by hand: what is named is gone, and what is in flight for it is fetched again. With a `version`, of the keys
   * only what is older.
   *
   * @throws {CacheError} `argument` for what is no name; `closed`; `broken`.
   */
  invalidate(what: Invalidation): void {
    this.#mirror.checkOpen();
    invalidate(this.#mirror, what, (name) => this.category(name));
  }

  /**
   * The value: from the cache, else from the server, one request for all who ask. `undefined` when the key has no value.
   * An answer older than a change already known is dropped and asked for again. Keys that are asked for in one turn are
   * asked for in one request.
   *
   * @throws {CacheError} `unavailable`, `unsettled`, `unfenced`; `argument`; `closed`; `broken`. The signal's reason.
   */
  async fetch<T = unknown>(category: string, key: string, options: FetchOptions = {}): Promise<T | undefined> {
    this.#mirror.checkOpen();
    checkFetchOptions(options);
    return this.#fetches.one(this.category(category), key, options, this.#ahead) as Promise<T | undefined>;
  }

  /**
   * Many values, as `fetch` gives each; keys without a value are not in the map.
   *
   * @throws {CacheError} `unavailable` when one could not be had: `partial` is the map of the others, `cause` an
   * `AggregateError` of what was wrong; otherwise as `fetch`.
   */
  async fetchMany<T = unknown>(
    category: string,
    keys: Iterable<string>,
    options: FetchOptions = {},
  ): Promise<Map<string, T>> {
    this.#mirror.checkOpen();
    checkFetchOptions(options);
    return this.#fetches.many<T>(this.category(category), keys, options, this.#ahead);
  }

  /**
   * Fetches, for later, what is neither there nor on its way, as far as there is room: nothing leaves for it. How many it
   * stored: none while the user saves data. It does not reject, not even when the cache is closed.
   *
   * @throws {CacheError} `argument`, at once, for what is no category or no list of keys.
   */
  prefetch(category: string, keys: Iterable<string>): Promise<number> {
    return this.#fetches.prefetch(this.category(category), texts("key", keys));
  }

  /**
   * Loads everything the server has under a scope, in one request. Follow the scope first, to keep it true.
   *
   * @throws {CacheError} as `fetch`.
   */
  async fetchScope(category: string, scope: string, options: { signal?: AbortSignal } = {}): Promise<ScopeAnswer> {
    this.#mirror.checkOpen();
    checkFetchOptions(options);
    return this.#fetches.scope(this.category(category), text("scope", scope), options.signal);
  }

  /**
   * Follows a scope: its changes reach the cache as they happen, and then the listener. The returned function ends it;
   * with the last follower the scope's entries leave the cache, because nobody vouches for them any more.
   */
  subscribe(scope: string, listener: ChangeListener, options: SubscribeOptions = {}): () => void {
    this.#mirror.checkOpen();
    if (!this.#hasServer) {
      throw new CacheError("argument", "nothing can be followed without a server: give `createCache` its `url`");
    }
    return this.#stream.follow(scope, listener, options.category === undefined ? undefined : this.category(options.category).id);
  }

  /** Listens; the returned function ends it. */
  on<E extends keyof CacheEvents>(event: E, listener: CacheEvents[E]): () => void {
    return this.#news.on(event, listener);
  }

  /**
   * What the cache holds, as plain JSON: to be sent with a page, or kept, and given to `load`. Values kept by reference are
   * left out, and so is what no read could return any more.
   */
  dump(): Dump {
    this.#mirror.checkOpen();
    const dump = this.#visits.dump();
    this.#news.tell();
    return dump;
  }

  /**
   * Takes up what `dump` gave, as old as it is by now; what is here already is newer, and stays. A value that a stream covered
   * is unread until its scope is followed and the server has told what changed since: load first, then follow. Of several
   * dumps the first alone brings such values. What does not fit, is too old or is no entry is dropped and counted, and so is
   * all of a dump of another format.
   *
   * @throws {CacheError} `argument` for what is no dump; `closed`; `broken`.
   */
  load(dump: Dump): { restored: number; dropped: number } {
    this.#mirror.checkOpen();
    return this.#visits.load(dump);
  }

  /**
   * Deletes what `persist` has stored, in this page and for all others of the origin, and stores nothing more in this visit:
   * for a user who logs out. What is in memory stays until `clear`. It works on a closed cache too.
   *
   * @throws {CacheError} `unavailable`, when the browser cannot delete it.
   */
  forget(): Promise<void> {
    return this.#storage.forget();
  }

  /**
   * Says how short of memory the page is; the cache finds out by itself where the browser tells. From `elevated` on, decoded
   * copies that no handle holds are dropped and everything is packed; `critical` gives back what can be given back.
   */
  pressure(level: PressureLevel): void {
    this.#mirror.checkOpen();
    const number = LEVELS.indexOf(level);
    if (number < 0) throw new CacheError("argument", `the level must be one of ${LEVELS.join(", ")}, not ${String(level)}`);
    if (level !== this.#pressure.level) Object.assign(this.#pressure, { level, since: this.#wall() });
    if (number > 0) {
      this.#pressure.responses++;
      this.#upkeep.drain();
      this.#upkeep.shed();
    }
    // By and by: who is short of memory has none for a long list of what left.
    while (this.#mirror.change((now) => this.#mirror.core.pressure(number, now)));
    this.#news.announce(this.#news.pressure, (listener) => listener(level));
    this.#news.tell();
  }

  /** Everything there is to count. */
  stats(): CacheStats {
    const { core, categories, tables } = this.#mirror;
    const stats = this.#mirror.change((now) => core.stats(now)) as CacheStats;
    this.#news.tell();
    for (const [id, category] of stats.categories.entries()) {
      category.hits = categories[id]!.hits;
      category.misses = categories[id]!.misses;
    }
    const sum = (of: (category: CacheStats["categories"][number]) => number) =>
      stats.categories.reduce((total, category) => total + of(category), 0);
    const decoded = tables.entries.filter((entry) => entry !== undefined && entry.value !== UNDECODED);
    stats.stream.sharing = this.#stream.sharing;
    return Object.assign(stats, {
      entries: sum((category) => category.entries),
      bytes: sum((category) => category.bytes),
      hits: sum((category) => category.hits),
      misses: sum((category) => category.misses),
      decodedBytes: decoded.reduce((total, entry) => total + entry!.size, 0),
      memoryBytes: this.#memory.buffer.byteLength,
      persist: this.#storage.stats,
      pressure: { ...this.#pressure },
    });
  }

  /** Closes the connection and frees the memory. Reads then miss; everything else throws with code `closed`. */
  close(): void {
    if (this.#mirror.closed !== undefined || this.#isClosing) return;
    this.#isClosing = true;
    this.#storage.close();
    const { core } = this.#mirror;
    this.#mirror.quietly(() => {
      this.#mirror.call(() => core.stop());
      this.#stream.settle();
    });
    // Unless it broke just now, which has shut it.
    if (this.#mirror.closed !== undefined) return;
    const closed = new CacheError("closed", "the cache was closed; create another one");
    this.#mirror.shut(closed);
    this.#shut(closed);
    try {
      core.free();
    } catch {
      // What cannot be freed is lost to the page; the cache is closed all the same.
    }
  }

  /** No more comes in from outside, and who waits is let go. */
  #shut(why: CacheError): void {
    this.#stream.shut();
    this.#storage.stop();
    this.#watch.stop();
    this.#unwatch();
    this.#ahead?.stop();
    this.#fetches.abort(why);
  }

  #host(maxBytes: number): CategoryHost {
    const mirror = this.#mirror;
    const failed = () => this.#watch.failed();
    const decoder = new Decoder(mirror, (bytes) => this.#upkeep.decoded(bytes), failed);
    return {
      tables: mirror.tables,
      clock: mirror.clock,
      maxBytes,
      set: (category, key, value, options) => this.#writes.set(category, key, value, options),
      flush: (category) => mirror.quietly(() => this.#writes.flush(category)),
      decode: (entry) => decoder.decode(entry),
      expire: (entry) => mirror.expire(entry),
      hold: (entry) => mirror.hold(entry),
      release: (entry) => mirror.release(entry),
    };
  }

  /** Puts what takes time on the performance timeline. */
  #mark(): void {
    const [writes, stream, upkeep] = [this.#writes, this.#stream, this.#upkeep];
    writes.set = measured("set", writes.set.bind(writes), ({ name }) => name);
    this.fetch = measured("fetch", this.fetch.bind(this), (category) => category) as typeof this.fetch;
    stream.message = measured("frame", stream.message);
    upkeep.slice = measured("upkeep", upkeep.slice);
  }
}
