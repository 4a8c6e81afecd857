/**
 * ConsolidatedCacheManager: the cache as an application uses it. It repeats the core's effects on the index, carries out
 * what the core asks for, and keeps no policy of its own.
 */

import { baseOf, limitsOf, positive, text, toJson } from "./arguments.js";
import { Category } from "./category.js";
import type { Core } from "./core.js";
import { CacheError, checked } from "./errors.js";
import { Flights } from "./flights.js";
import { EdgeClient } from "./http.js";
import { watchLifecycle } from "./lifecycle.js";
import type { Module } from "./load.js";
import { Reader, type ReaderHost } from "./reader.js";
import { Socket } from "./socket.js";
import { Tables, UNDECODED } from "./tables.js";
import { Alarm, Clock } from "./timers.js";
import type {
  CacheEvents,
  CacheOptions,
  CacheStats,
  CategoryOptions,
  ChangeListener,
  FetchOptions,
  RemovalReason,
  ScopeAnswer,
  SetOptions,
  StreamState,
  SubscribeOptions,
} from "./types.js";

/** The categories of a cache that names none. */
export const DEFAULT_CATEGORIES: Record<string, CategoryOptions> = {
  analysis: { max: 500 },
  predictions: { max: 1000 },
  props: { max: 200 },
  metadata: { max: 100 },
};

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;

/** In the order of `Reason` in `src/store.rs`. */
const REASONS: RemovalReason[] = [
  "expired",
  "evicted",
  "replaced",
  "deleted",
  "cleared",
  "invalidated",
  "gone",
  "reset",
  "unfollowed",
];
const REPLACED = REASONS.indexOf("replaced");

interface Subscription {
  stream: number;
  scope: string;
  listener: ChangeListener;
}

export class ConsolidatedCacheManager {
  readonly #core: Core;
  readonly #memory: WebAssembly.Memory;
  readonly #clock: Clock;
  readonly #tables: Tables;
  readonly #categories: Category[] = [];
  readonly #byName = new Map<string, Category>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #listeners: { [E in keyof CacheEvents]: Set<CacheEvents[E]> } = { evict: new Set(), stream: new Set() };
  readonly #flights = new Flights();
  readonly #edge: EdgeClient | undefined;
  readonly #reader: Reader;
  readonly #socket: Socket | undefined;
  readonly #alarm: Alarm;
  readonly #unwatch: () => void;
  /** What listeners are still to be told, in order. */
  readonly #news: (() => void)[] = [];
  #telling = false;
  #closed = false;

  /** @internal Use `createCache`. */
  constructor(module: Module, options: CacheOptions) {
    const named = Object.entries(options.categories ?? DEFAULT_CATEGORIES);
    const categories = named.map(([name, limits]) => ({ name, ...limitsOf(name, limits) }));
    const maxBytes = positive("maxBytes", options.maxBytes ?? DEFAULT_MAX_BYTES);
    const seed = Math.random();
    const token = options.token;
    this.#core = module.createCore({ categories, maxBytes, seed, ...(token === undefined ? {} : { token }) });
    this.#memory = module.memory;
    this.#clock = new Clock(options.clock);
    this.#tables = new Tables(this.#core, module.memory);
    for (const [id, [name]] of named.entries()) {
      const category = new Category(name, id, this.#tables, this.#clock, this.#core, (slot) => this.#expired(slot));
      this.#categories.push(category);
      this.#byName.set(name, category);
    }
    this.#alarm = new Alarm(this.#clock, () => this.#input((now) => this.#core.woke(now)));
    if (options.url !== undefined) {
      const base = baseOf(options.url);
      const request = options.fetch ?? globalThis.fetch;
      this.#edge = new EdgeClient(base, (input, init) => request(input, init));
      this.#socket = this.#makeSocket(base, options.WebSocket);
    }
    this.#reader = new Reader(this.#host(), this.#edge, options.fetcher);
    this.#unwatch = watchLifecycle({
      woke: () => this.#input((now) => this.#core.woke(now)),
      online: () => this.#input((now) => this.#core.online(now)),
    });
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
    return this.#categories.reduce((sum, category) => sum + category.size, 0);
  }

  /** Stores a value, which must be what JSON can carry. Under a followed scope it holds until the next change. */
  set(category: string, key: string, value: unknown, options: SetOptions = {}): void {
    this.#checkOpen();
    const into = this.category(category);
    const ttl = options.ttl === undefined ? undefined : positive("ttl", options.ttl);
    const json = toJson(text("key", key), value);
    options.tags?.forEach((tag) => text("tag", tag));
    const slot = this.#change((now) => this.#core.set(into.id, key, json, ttl, options.tags, now));
    this.#tables.values[slot] = value;
    this.#tell();
  }

  setMany(category: string, values: Iterable<[string, unknown]>, options: SetOptions = {}): void {
    for (const [key, value] of values) this.set(category, key, value, options);
  }

  /** Removes a key from a category; whether it was there. */
  delete(category: string, key: string): boolean {
    this.#checkOpen();
    const from = this.category(category);
    const was = this.#change(() => this.#core.delete(from.id, text("key", key)));
    this.#tell();
    return was;
  }

  /** Empties a category, or all of them. */
  clear(category?: string): void {
    this.#checkOpen();
    const which = category === undefined ? this.#categories : [this.category(category)];
    this.#change(() => which.forEach((each) => this.#core.clear(each.id)));
    this.#tell();
  }

  /** Invalidates by hand. What is in flight for these keys is fetched again. */
  invalidate(what: { keys?: Iterable<string>; scope?: string; tags?: Iterable<string>; category?: string }): void {
    this.#checkOpen();
    this.#change(() => {
      for (const key of what.keys ?? []) this.#core.invalidateKey(text("key", key));
      if (what.scope !== undefined) this.#core.invalidateScope(text("scope", what.scope));
      for (const tag of what.tags ?? []) this.#core.invalidateTag(text("tag", tag));
      if (what.category !== undefined) this.#core.clear(this.category(what.category).id);
    });
    this.#tell();
  }

  /**
   * The value: from the cache, else from the server, one request for all who ask. `undefined` when the key has no value.
   * An answer older than a change already known is dropped and asked for again.
   */
  async fetch<T = unknown>(category: string, key: string, options: FetchOptions = {}): Promise<T | undefined> {
    this.#checkOpen();
    const into = this.category(category);
    if (options.forceRefresh !== true) {
      // A read removes what is past its age, which is just what `allowStale` may have to fall back on.
      const value = options.allowStale === true && !into.has(key) ? undefined : into.get<T>(key);
      if (value !== undefined) return value;
    }
    const name = `${into.id} ${text("key", key)}`;
    try {
      return (await this.#flights.join(name, options.signal, (signal) => this.#reader.fill(into, key, signal))) as T | undefined;
    } catch (error) {
      const stale = options.allowStale === true && !options.signal?.aborted ? into.stale(key) : undefined;
      if (stale !== undefined) return stale as T;
      throw error;
    }
  }

  /** Loads everything the server has under a scope, in one request. Follow the scope first, to keep it true. */
  async fetchScope(category: string, scope: string, options: { signal?: AbortSignal } = {}): Promise<ScopeAnswer> {
    this.#checkOpen();
    const into = this.category(category);
    const name = `${into.id} ${text("scope", scope)}`;
    return this.#flights.join(name, options.signal, (signal) => this.#reader.load(into, scope, signal));
  }

  /**
   * Follows a scope: its changes reach the cache as they happen, and then the listener. The returned function ends it;
   * with the last follower the scope's entries leave the cache, because nobody vouches for them any more.
   */
  subscribe(scope: string, listener: ChangeListener, options: SubscribeOptions = {}): () => void {
    this.#checkOpen();
    if (this.#edge === undefined) {
      throw new CacheError("argument", "nothing can be followed without a server: give `createCache` its `url`");
    }
    if (this.#socket === undefined) {
      throw new CacheError("argument", "this platform has no WebSocket: pass one, as `WebSocket` of the package `ws`");
    }
    const category = options.category === undefined ? undefined : this.category(options.category).id;
    const stream = this.#change((now) => this.#core.follow(text("scope", scope), category, now));
    const subscription = { stream, scope, listener };
    this.#subscriptions.add(subscription);
    this.#settle();
    return () => {
      if (!this.#subscriptions.delete(subscription) || this.#closed) return;
      this.#change(() => this.#core.unfollow(stream));
      this.#settle();
    };
  }

  /** Listens; the returned function ends it. */
  on<E extends keyof CacheEvents>(event: E, listener: CacheEvents[E]): () => void {
    this.#listeners[event].add(listener);
    return () => this.#listeners[event].delete(listener);
  }

  /** Everything there is to count. */
  stats(): CacheStats {
    this.#checkOpen();
    const stats = this.#core.stats(this.#clock.now()) as CacheStats;
    for (const [id, category] of stats.categories.entries()) {
      category.hits = this.#categories[id]!.hits;
      category.misses = this.#categories[id]!.misses;
    }
    const sum = (of: (category: CacheStats["categories"][number]) => number) =>
      stats.categories.reduce((total, category) => total + of(category), 0);
    return Object.assign(stats, {
      entries: sum((category) => category.entries),
      bytes: sum((category) => category.bytes),
      hits: sum((category) => category.hits),
      misses: sum((category) => category.misses),
      memoryBytes: this.#memory.buffer.byteLength,
    });
  }

  /** Closes the connection and frees the memory. Reads then miss; everything else throws with code `closed`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#core.stop();
    this.#settle();
    this.#unwatch();
    this.#alarm.set(undefined);
    this.#flights.abort(new CacheError("closed", "the cache was closed"));
    this.#subscriptions.clear();
    for (const category of this.#categories) category.index.clear();
    this.#core.free();
  }

  #checkOpen(): void {
    if (this.#closed) throw new CacheError("closed", "the cache was closed; create another one");
  }

  #host(): ReaderHost {
    return {
      core: this.#core,
      isClosed: () => this.#closed,
      checkOpen: () => this.#checkOpen(),
      change: (call) => this.#change(call),
      tell: () => this.#tell(),
    };
  }

  /** `undefined` where there is no WebSocket: such a cache reads, and follows nothing. */
  #makeSocket(base: string, given: CacheOptions["WebSocket"]): Socket | undefined {
    const platform = (globalThis as { WebSocket?: CacheOptions["WebSocket"] }).WebSocket;
    const constructor = given ?? platform;
    if (constructor === undefined) return undefined;
    return new Socket(`${base.replace(/^http/, "ws")}/v1/stream`, constructor, {
      opened: () => this.#input((now) => this.#core.opened(now)),
      message: (bytes) => this.#input((now) => this.#core.message(bytes, now)),
      closed: (code) => this.#input((now) => this.#core.closed(code, now)),
    });
  }

  /** A call into the core that may change the tables; they are repeated before anything else can read them. */
  #change<T>(call: (now: number) => T): T {
    let result: T;
    try {
      result = checked(() => call(this.#clock.now()));
    } catch (error) {
      // A refusal may have had effects: a value that is too large displaces the one before it.
      this.#repeatEffects();
      this.#tell();
      throw error;
    }
    this.#repeatEffects();
    return result;
  }

  /** Something happened outside. */
  #input(call: (now: number) => void): void {
    if (this.#closed) return;
    this.#change(call);
    this.#settle();
  }

  #repeatEffects(): void {
    const flat = this.#core.effects();
    this.#tables.catchUp();
    const { values, keys, categories } = this.#tables;
    for (let at = 0; at < flat.length; ) {
      const slot = flat[at + 1] as number;
      if (flat[at] === 0) {
        this.#removed(slot, flat[at + 2] as number);
        at += 3;
      } else {
        const key = flat[at + 3] as string;
        const id = flat[at + 2] as number;
        values[slot] = UNDECODED;
        keys[slot] = key;
        categories[slot] = id;
        this.#categories[id]!.index.set(key, slot);
        at += 4;
      }
    }
  }

  #removed(slot: number, code: number): void {
    const { values, keys, categories } = this.#tables;
    const category = this.#categories[categories[slot]!]!;
    const key = keys[slot]!;
    values[slot] = UNDECODED;
    if (code !== REPLACED) {
      category.index.delete(key);
      keys[slot] = undefined;
    }
    const event = { category: category.name, key, reason: REASONS[code]! };
    for (const listener of this.#listeners.evict) this.#announce(this.#listeners.evict, listener, () => listener(event));
  }

  /** Carries out what the core asks for, then tells the application (R2: apply, move the cursor, call back). */
  #settle(): void {
    for (let output = this.#core.poll(); output !== undefined; output = this.#core.poll()) {
      switch (output[0]) {
        case "connect":
          this.#socket?.open();
          break;
        case "send":
          this.#socket?.send(output[1]);
          break;
        case "disconnect":
          this.#socket?.close(output[1], output[2]);
          break;
        case "state": {
          const [, state, detail] = output;
          const listeners = this.#listeners.stream;
          for (const listener of listeners) this.#announce(listeners, listener, () => listener(state as StreamState, detail));
          break;
        }
        case "changed": {
          const [, stream, values, changed, gone, purged] = output;
          for (const subscription of this.#subscriptions) {
            if (subscription.stream !== stream) continue;
            const { scope, listener } = subscription;
            this.#announce(this.#subscriptions, subscription, () => listener({ scope, values, changed, gone, purged }));
          }
          break;
        }
      }
    }
    this.#alarm.set(this.#core.pollTimeout());
    this.#reader.recheck();
    this.#tell();
  }

  /** One listener's news. Those told before it may end its listening. */
  #announce<T>(listeners: Set<T>, listener: T, tell: () => void): void {
    this.#news.push(() => {
      if (listeners.has(listener)) tell();
    });
  }

  /** Listeners may use the cache: what that brings about is told after what came before it. */
  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let news = this.#news.shift(); news !== undefined; news = this.#news.shift()) {
        try {
          news();
        } catch (error) {
          // A listener's fault is its own: it reaches the console, and the others are still told.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    } finally {
      this.#telling = false;
    }
  }

  #expired(slot: number): void {
    if (this.#closed) return;
    this.#change((now) => this.#core.expire(slot, now));
    this.#tell();
  }
}
