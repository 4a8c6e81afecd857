/**
 * ConsolidatedCacheManager: the cache as an application uses it. It puts the parts together and keeps no policy of its own.
 */

import { baseOf, checkCacheOptions, checkCategoryOptions, text } from "./arguments.js";
import { Category, type CategoryHost } from "./category.js";
import { Decoder } from "./decode.js";
import { ABSENT, UNDECODED } from "./entry.js";
import { CacheError } from "./errors.js";
import { Flights } from "./flights.js";
import { EdgeClient } from "./http.js";
import { watchLifecycle } from "./lifecycle.js";
import type { Module } from "./load.js";
import { measured } from "./marks.js";
import { Mirror } from "./mirror.js";
import { News } from "./news.js";
import { isSmallMachine, PressureWatch } from "./pressure.js";
import { Reader } from "./reader.js";
import { Stream } from "./stream.js";
import { Clock } from "./timers.js";
import type {
  CacheEvents,
  CacheOptions,
  CacheStats,
  CategoryOptions,
  ChangeListener,
  FetchOptions,
  PressureLevel,
  ScopeAnswer,
  SetOptions,
  SubscribeOptions,
} from "./types.js";
import { Upkeep } from "./upkeep.js";
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
  readonly #flights = new Flights();
  readonly #reader: Reader;
  readonly #stream: Stream;
  readonly #hasServer: boolean;
  readonly #watch: PressureWatch;
  readonly #unwatch: () => void;
  readonly #pressure: CacheStats["pressure"] = { level: "normal", since: undefined, responses: 0 };
  readonly #wall: () => number;
  #isClosing = false;

  /** @internal Use `createCache`. */
  constructor(module: Module, options: CacheOptions) {
    checkCacheOptions(options);
    const named = Object.entries(options.categories ?? DEFAULT_CATEGORIES);
    for (const [name, limits] of named) checkCategoryOptions(name, limits);
    const base = options.url === undefined ? undefined : baseOf(options.url);
    const maxBytes = options.maxBytes ?? (isSmallMachine() ? DEFAULT_MAX_BYTES / 2 : DEFAULT_MAX_BYTES);
    const core = module.createCore({
      categories: named.map(([name, limits]) => ({ ...limits, name })),
      maxBytes,
      seed: Math.random(),
      ...(options.token === undefined ? {} : { token: options.token }),
    });
    this.#memory = module.memory;
    this.#clock = new Clock(options.clock);
    this.#wall = options.clock === undefined ? Date.now : () => options.clock!.wall();
    this.#mirror = new Mirror(core, module.memory, this.#clock, this.#news, {
      prepare: () => this.#writes.prepare(),
      wanted: () => this.#upkeep.requestForCore(),
      broken: (error) => this.#shut(error),
    });
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
    const edge = base === undefined ? undefined : new EdgeClient(base, (input, init) => request(input, init));
    this.#hasServer = edge !== undefined;
    this.#reader = new Reader(this.#mirror, fences, edge, options.fetcher);
    this.#stream = new Stream(this.#mirror, base, options.WebSocket, {
      followed: (scopes) => (fences.scopes = scopes),
      spoke: () => this.#reader.recheck(),
    });
    this.#watch = new PressureWatch(this.#clock, options.watchMemory !== false, (level) => {
      this.#mirror.quietly(() => this.pressure(level));
    });
    this.#unwatch = watchLifecycle({
      woke: () => this.#stream.input((now) => core.woke(now)),
      online: () => this.#stream.input((now) => core.online(now)),
    });
    if (options.marks === true) this.#mark();
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

  /** Invalidates by hand. What is in flight for these keys is fetched again. */
  invalidate(what: { keys?: Iterable<string>; scope?: string; tags?: Iterable<string>; category?: string }): void {
    this.#mirror.checkOpen();
    const { core } = this.#mirror;
    const keys = [...(what.keys ?? [])].map((key) => text("key", key));
    const tags = [...(what.tags ?? [])].map((tag) => text("tag", tag));
    const scope = what.scope === undefined ? undefined : text("scope", what.scope);
    const category = what.category === undefined ? undefined : this.category(what.category);
    this.#mirror.change(() => {
      for (const key of keys) core.invalidateKey(key);
      if (scope !== undefined) core.invalidateScope(scope);
      for (const tag of tags) core.invalidateTag(tag);
      if (category !== undefined) core.clear(category.id);
    });
    this.#news.tell();
  }

  /**
   * The value: from the cache, else from the server, one request for all who ask. `undefined` when the key has no value.
   * An answer older than a change already known is dropped and asked for again.
   */
  async fetch<T = unknown>(category: string, key: string, options: FetchOptions = {}): Promise<T | undefined> {
    this.#mirror.checkOpen();
    const into = this.category(category);
    const name = `${into.id} ${text("key", key)}`;
    const ask = (signal?: AbortSignal) => this.#flights.join(name, signal, (signal) => this.#reader.fill(into, key, signal));
    if (options.forceRefresh !== true) {
      const entry = into.index.get(key);
      const isFresh = entry !== undefined && into.isFresh(entry);
      const isDue = isFresh && into.isDue(entry);
      // A read removes what is past its age, which is just what `allowStale` may have to fall back on.
      const value = isFresh || options.allowStale !== true ? into.get<T>(key) : undefined;
      if (isDue) ask().catch(() => {});
      if (value !== undefined || (isFresh && (entry.flags & ABSENT) !== 0)) return value;
    }
    try {
      return (await ask(options.signal)) as T | undefined;
    } catch (error) {
      if (options.signal?.aborted !== true) {
        const stale = options.allowStale === true ? into.stale(key) : into.staleIfError(key, error);
        if (stale !== undefined) return stale as T;
      }
      throw error;
    }
  }

  /** Loads everything the server has under a scope, in one request. Follow the scope first, to keep it true. */
  async fetchScope(category: string, scope: string, options: { signal?: AbortSignal } = {}): Promise<ScopeAnswer> {
    this.#mirror.checkOpen();
    const into = this.category(category);
    const name = `${into.id} ${text("scope", scope)}`;
    return this.#flights.join(name, options.signal, (signal) => this.#reader.load(into, scope, signal));
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
    this.#mirror.change((now) => this.#mirror.core.pressure(number, now));
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
    return Object.assign(stats, {
      entries: sum((category) => category.entries),
      bytes: sum((category) => category.bytes),
      hits: sum((category) => category.hits),
      misses: sum((category) => category.misses),
      decodedBytes: decoded.reduce((total, entry) => total + entry!.size, 0),
      memoryBytes: this.#memory.buffer.byteLength,
      pressure: { ...this.#pressure },
    });
  }

  /** Closes the connection and frees the memory. Reads then miss; everything else throws with code `closed`. */
  close(): void {
    if (this.#mirror.closed !== undefined || this.#isClosing) return;
    this.#isClosing = true;
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
    core.free();
  }

  /** No more comes in from outside, and who waits is let go. */
  #shut(why: CacheError): void {
    this.#stream.shut();
    this.#watch.stop();
    this.#unwatch();
    this.#flights.abort(why);
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
