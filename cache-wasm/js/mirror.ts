/**
 * The core's side of the cache as JavaScript sees it: every call into the core goes through here, and its effects are
 * repeated on the entries before anything else can read them. Once a call has trapped, the core is not called again.
 */

import type { Category } from "./category.js";
import { CHANGED, type Core, LEASE, REMOVED, STORED, TOUCHED } from "./core.js";
import { CONTENT_FLAGS, Entry, FORM_FLAGS, KEPT, NAMED, SAME_VERSION, UNDECODED, wholeTime } from "./entry.js";
import { CacheError } from "./errors.js";
import type { News } from "./news.js";
import { Tables } from "./tables.js";
import type { Clock } from "./timers.js";
import type { RemovalReason } from "./types.js";

/** In the order of `Reason` in `src/store.rs`. */
const REASONS: readonly RemovalReason[] = [
  "expired",
  "evicted",
  "replaced",
  "deleted",
  "cleared",
  "invalidated",
  "gone",
  "reset",
  "unfollowed",
  "pressure",
];

const NO_KEYS: readonly string[] = [];

/** What a mirror needs of its cache. */
export interface MirrorHost {
  /** The core is to hear of every `set` so far, and of the names. */
  prepare(): void;
  /** There is upkeep to do. */
  wanted(): void;
  /** The core is lost: why. */
  broken(error: CacheError): void;
}

/** Who writes down what happens to entries. */
export interface Watcher {
  /** It came, changed or left. */
  changed(entry: Entry): void;
  /** The same value is about to be vouched for otherwise, or for longer. */
  touched(entry: Entry): void;
}

export class Mirror {
  readonly core: Core;
  readonly clock: Clock;
  readonly news: News;
  readonly tables: Tables;
  readonly categories: Category[] = [];
  /** Why the cache takes no more calls. */
  closed: CacheError | undefined;
  watcher: Watcher | undefined;
  /** Written so that what is touched is really read. */
  private touchedLength = 0;
  readonly #host: MirrorHost;

  constructor(core: Core, memory: WebAssembly.Memory, clock: Clock, news: News, host: MirrorHost) {
    this.core = core;
    this.clock = clock;
    this.news = news;
    this.tables = new Tables(core, memory);
    this.#host = host;
  }

  /** @throws {CacheError} `closed` or `broken`, when the cache takes no more calls. */
  checkOpen(): void {
    // A new one each time, for its stack.
    if (this.closed !== undefined) throw new CacheError(this.closed.code, this.closed.message, { cause: this.closed.cause });
  }

  /** A call into the core, which knows of every `set` before it. */
  change<T>(call: (now: number) => T): T {
    this.#host.prepare();
    return this.call(call);
  }

  /**
   * A call into the core that needs no names. `call` does nothing else: what it throws is the core's.
   *
   * @throws {CacheError} `argument` for what the core refuses, `broken` when it trapped.
   */
  call<T>(call: (now: number) => T): T {
    this.checkOpen();
    let refusal: CacheError | undefined;
    let result: T;
    try {
      try {
        result = call(this.clock.now());
      } catch (error) {
        if (typeof error !== "string") throw error;
        refusal = new CacheError("argument", error);
      }
      this.#repeat();
    } catch (error) {
      throw this.#breakDown(error);
    }
    if (refusal === undefined) return result!;
    // A refusal may have had effects: a value that is too large displaces the one before it.
    this.news.tell();
    throw refusal;
  }

  /** A call that may not throw: a read makes it, or the browser does. It is `undefined` when the core is lost. */
  quietly<T>(call: () => T): T | undefined {
    if (this.closed !== undefined) return undefined;
    try {
      return call();
    } catch (error) {
      if (error instanceof CacheError) return undefined;
      throw error;
    }
  }

  /** Every entry ends, and no call is made from now on. */
  shut(why: CacheError): void {
    this.closed = why;
    for (const category of this.categories) {
      for (const entry of category.index.values()) entry.end();
      category.index.clear();
      category.pending.length = category.reserved.length = category.pendingCount = 0;
    }
    const { tables } = this;
    tables.entries.length = tables.unnamed.length = tables.unsettled.length = 0;
  }

  #breakDown(cause: unknown): CacheError {
    if (this.closed === undefined) {
      const message = `the cache failed and closed itself (${String(cause)}); reads miss, and another one can be created`;
      this.shut(new CacheError("broken", message, { cause }));
      this.#host.broken(this.closed!);
    }
    return this.closed!;
  }

  #repeat(): void {
    const { tables } = this;
    tables.catchUp();
    if (tables.effectsLength > 0) {
      const keys = tables.hasKeys ? this.core.effectKeys().split("\n") : NO_KEYS;
      // The text may have made the memory grow.
      tables.attach();
      this.#repeatEffects(keys);
      this.core.effectsTaken();
    }
    if (tables.hasUpkeep) this.#host.wanted();
  }

  #repeatEffects(keys: readonly string[]): void {
    const { cells, entries, effects } = this.tables;
    const end = effects + this.tables.effectsLength;
    let key = 0;
    // Victims of a sample lie anywhere in memory: touched in one go first, they are waited for together.
    for (let at = effects; at < end && cells[at] === REMOVED; at += 3) this.touchedLength = entries[cells[at + 1]!]!.key.length;
    for (let at = effects; at < end; ) {
      const slot = cells[at + 1]! | 0;
      switch (cells[at]) {
        case REMOVED:
          this.#removed(slot, cells[at + 2]!);
          at += 3;
          break;
        case STORED: {
          const category = this.categories[cells[at + 2]!]!;
          const entry = new Entry(category, keys[key++]!, slot, this.tables.lease(cells[at + 3]!));
          entry.flags = NAMED | FORM_FLAGS[cells[at + 6]!]!;
          this.#touched(entry, cells[at + 3]!, cells[at + 4]!);
          entry.size = cells[at + 5]! | 0;
          entries[slot] = entry;
          category.index.set(entry.key, entry);
          this.watcher?.changed(entry);
          at += 7;
          break;
        }
        case CHANGED: {
          const entry = entries[slot]!;
          remember(entry);
          entry.flags = (entry.flags & ~CONTENT_FLAGS) | FORM_FLAGS[cells[at + 5]!]!;
          this.#touched(entry, cells[at + 2]!, cells[at + 3]!);
          entry.size = cells[at + 4]! | 0;
          this.replaced(entry);
          this.watcher?.changed(entry);
          at += 6;
          break;
        }
        case TOUCHED:
          this.watcher?.touched(entries[slot]!);
          this.#touched(entries[slot]!, cells[at + 2]!, cells[at + 3]!);
          at += 4;
          break;
        case LEASE:
          this.tables.lease(slot).until = wholeTime(cells[at + 2]!);
          at += 3;
          break;
        default:
          throw new Error(`unknown effect ${cells[at]}`);
      }
    }
  }

  #touched(entry: Entry, stream: number, until: number): void {
    entry.lease = this.tables.lease(stream);
    entry.ends = wholeTime(until);
    if (entry.value !== UNDECODED) entry.until = entry.ends;
    entry.since = this.clock.now();
  }

  #removed(slot: number, reason: number): void {
    const entry = this.tables.entries[slot]!;
    this.tables.entries[slot] = undefined;
    this.tables.unlist(entry);
    entry.category.index.delete(entry.key);
    entry.end();
    this.watcher?.changed(entry);
    this.#left(entry, REASONS[reason]!);
  }

  /** Another value took the place of an entry's. */
  replaced(entry: Entry): void {
    this.#left(entry, "replaced");
  }

  #left({ category, key }: Entry, reason: RemovalReason): void {
    const { evict } = this.news;
    if (evict.size === 0) return;
    const event = { category: category.name, key, reason };
    this.news.announce(evict, (listener) => listener(event));
  }

  /** Removes an entry whose age has ended. */
  expire(entry: Entry): void {
    this.quietly(() => {
      this.#host.prepare();
      if (entry.slot >= 0) this.call((now) => this.core.expire(entry.slot, now));
      this.news.tell();
    });
  }

  /** Pins an entry for one handle more. It may have left afterwards: the core hears of every `set` first. */
  hold(entry: Entry): void {
    this.quietly(() => {
      this.#host.prepare();
      if (entry.slot >= 0 && entry.held++ === 0) this.call(() => this.core.hold(entry.slot));
      this.news.tell();
    });
  }

  /** A handle gives up its pin. */
  release(entry: Entry): void {
    if (entry.slot < 0 || --entry.held > 0) return;
    this.quietly(() => this.call(() => this.core.release(entry.slot)));
  }
}

/** An older version's object may still be with the page: what is equal in the next one is to be the same object. */
function remember(entry: Entry): void {
  const { value, flags } = entry;
  entry.drop();
  entry.flags &= ~SAME_VERSION;
  if (!entry.category.shares || (flags & KEPT) !== 0) entry.past = undefined;
  else if (typeof value === "object" && value !== null) entry.past = new WeakRef(value);
}
