/**
 * The hit path. A hit never enters WebAssembly: a Map lookup, three comparisons, and the use's count in the shared table.
 */

import { CacheError } from "./errors.js";
import { ABSENT, type Entry, NEVER, UNDECODED } from "./entry.js";
import { Handle } from "./handle.js";
import type { Tables } from "./tables.js";
import type { Clock } from "./timers.js";
import type { CategoryOptions, SetOptions } from "./types.js";

/** What a category cannot do from JavaScript's side alone. */
export interface CategoryHost {
  readonly tables: Tables;
  readonly clock: Clock;
  /** The bytes that no single value may exceed, whatever the category. */
  readonly maxBytes: number;
  set(category: Category, key: string, value: unknown, options: SetOptions | undefined): void;
  /** Makes the core know of every `set` so far, which brings the entries down to `max`. */
  flush(category: Category): void;
  /** The value of an entry that is not decoded, or `undefined`. Does not throw. */
  decode(entry: Entry): unknown;
  /** An entry's age has ended. Does not throw. */
  expire(entry: Entry): void;
  hold(entry: Entry): void;
  release(entry: Entry): void;
}

/** One category as the application uses it. Its reads never throw. */
export class Category {
  readonly name: string;
  /** @internal The category's number in the core. */
  readonly id: number;
  /** @internal */
  readonly options: CategoryOptions;
  // What a hit touches is not `#private`, which costs a hit some 3 ns.
  /** @internal Kept by the mirror, which repeats the core's effects, and by the write path. */
  readonly index = new Map<string, Entry>();
  /** @internal */
  hits = 0;
  /** @internal */
  misses = 0;
  /** @internal */
  readonly tables: Tables;
  /** @internal */
  readonly clock: Clock;
  /** @internal Whether each hit makes a tick of its own. */
  readonly isLru: boolean;
  /** @internal */
  readonly host: CategoryHost;
  /** @internal Set, and not known to the core: the first so many. */
  readonly pending: Entry[] = [];
  /** @internal How many. */
  pendingCount = 0;
  /** @internal Slots that new entries may take. */
  readonly reserved: number[] = [];
  /** @internal How many slots to reserve at a time. */
  readonly batch: number;
  /** @internal Values over so many bytes are for the core to refuse. */
  readonly maxEntrySize: number;
  /** @internal Infinity where entries have no age. */
  readonly ttl: number;
  /** @internal Whether values stay by reference for good. */
  readonly keeps: boolean;
  /** @internal Whether versions share what is equal in them. */
  readonly shares: boolean;

  /** @internal */
  constructor(name: string, id: number, options: CategoryOptions, host: CategoryHost) {
    this.name = name;
    this.id = id;
    this.options = options;
    this.host = host;
    this.tables = host.tables;
    this.clock = host.clock;
    this.isLru = options.policy === "lru";
    this.batch = this.isLru ? 1 : Math.max(1, Math.min(32, options.max >> 7));
    this.maxEntrySize = Math.min(options.maxEntrySize ?? Infinity, options.maxBytes ?? Infinity, host.maxBytes);
    this.ttl = options.ttl ?? Infinity;
    this.keeps = options.pack === false;
    this.shares = options.structuralSharing === true && !this.keeps;
  }

  /** How many entries, readable or not. */
  get size(): number {
    this.host.flush(this);
    return this.index.size;
  }

  /** The value, or `undefined` when there is none that may be read now. The same version is the same object. */
  get<T = unknown>(key: string): T | undefined {
    const entry = this.index.get(key);
    if (entry !== undefined) {
      const now = this.clock.moment;
      if (now < entry.until && now < entry.lease.until) {
        this.count(entry);
        return entry.value as T;
      }
    }
    return this.read(entry) as T | undefined;
  }

  /**
   * A handle that stays bound to a key: `handle.value` reads as `get` does, at a fraction of its price, and the entry is
   * not evicted for want of room meanwhile. Release it when it is not needed any more.
   */
  handle<T = unknown>(key: string): Handle<T> {
    return new Handle<T>(this, key);
  }

  /** Like `get`, without counting as a use. */
  peek<T = unknown>(key: string): T | undefined {
    const entry = this.index.get(key);
    return entry !== undefined && this.isFresh(entry) ? (this.value(entry) as T | undefined) : undefined;
  }

  /** Whether `get` would hit. */
  has(key: string): boolean {
    const entry = this.index.get(key);
    return entry !== undefined && (entry.flags & ABSENT) === 0 && this.isFresh(entry);
  }

  /** The keys that `get` would hit. */
  keys(): string[] {
    this.host.flush(this);
    return [...this.index.keys()].filter((key) => this.has(key));
  }

  /** Keys and values that `get` would hit. */
  entries<T = unknown>(): [string, T][] {
    return this.keys().map((key) => [key, this.peek<T>(key) as T]);
  }

  /** Stores a value: see `ConsolidatedCacheManager.set`. */
  set(key: string, value: unknown, options?: SetOptions): void {
    this.host.set(this, key, value, options);
  }

  /** @internal The value whether or not it may be read: only for who asked for stale values. */
  stale(key: string): unknown {
    const entry = this.index.get(key);
    return entry === undefined ? undefined : this.value(entry);
  }

  /** @internal What may answer for a request that failed, because its age has not ended for long. */
  staleIfError(key: string, error: unknown): unknown {
    const entry = this.index.get(key);
    const { staleIfError } = this.options;
    const isServers = error instanceof CacheError && error.code === "unavailable";
    if (!isServers || staleIfError === undefined || entry === undefined || this.isFollowed(entry)) return undefined;
    return this.isPast(entry) ? undefined : this.value(entry);
  }

  /** @internal Whether handles hold every entry. */
  isHeld(): boolean {
    if (this.index.size < this.options.max) return false;
    for (const { held } of this.index.values()) if (held === 0) return false;
    return true;
  }

  /** @internal Whether the entry is to be asked for anew, though it may still be read. */
  isDue(entry: Entry): boolean {
    return !this.isFollowed(entry) && this.clock.now() - entry.since >= (this.options.staleTime ?? Infinity);
  }

  /** Whether a stream vouches for the entry, or did. */
  private isFollowed({ lease }: Entry): boolean {
    return lease !== this.tables.leases[0];
  }

  /** @internal Counts a hit. */
  count(entry: Entry): void {
    this.hits++;
    if (entry.use !== this.tables.full) this.countUse(entry);
  }

  private countUse(entry: Entry): void {
    if (this.isLru) this.tables.advance();
    this.tables.use(entry);
  }

  /** @internal A read that the quick comparisons did not answer: the first of a synchronous run is one. */
  read(entry: Entry | undefined): unknown {
    if (entry !== undefined) {
      if (this.isFresh(entry)) {
        const value = this.value(entry);
        if (value !== undefined) {
          this.count(entry);
          return value;
        }
      } else if (this.isPast(entry)) {
        this.host.expire(entry);
      }
    }
    this.misses++;
    return undefined;
  }

  /** @internal Whether the entry may be read now: within its age and its stream's lease. */
  isFresh(entry: Entry): boolean {
    const now = this.clock.now();
    this.tables.attach();
    const { ends, lease } = entry;
    return (now < ends || ends === NEVER) && (now < lease.until || lease.until === NEVER);
  }

  /** Whether its age has ended so long ago that it is of no use, not even if the server fails. */
  private isPast({ ends }: Entry): boolean {
    return ends !== NEVER && this.clock.now() >= ends + (this.options.staleIfError ?? 0);
  }

  private value(entry: Entry): unknown {
    return entry.value === UNDECODED ? this.host.decode(entry) : entry.value;
  }
}
