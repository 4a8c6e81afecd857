/**
 * The write path. A common `set` stays in JavaScript: its entry takes a slot that the core has reserved beforehand, and
 * the core hears of it in bulk, before anything can observe the difference and at the latest when the microtask ends.
 * Where tags, fills or streams have a word in it, a `set` goes through the core at once.
 */

import { checkSetOptions, text } from "./arguments.js";
import type { Category } from "./category.js";
import { brokenKey, isPlainKey, jsonSize, unfit } from "./check.js";
import { NAMES_MAX, PENDING_MAX } from "./core.js";
import { CONTENT_FLAGS, Entry, KEPT, NAMED, NEVER, NOBODY, PENDING, UNDECODED, UNSETTLED, wholeTime } from "./entry.js";
import { CacheError } from "./errors.js";
import type { Mirror } from "./mirror.js";
import { shareEqual } from "./structural.js";
import type { SetOptions } from "./types.js";

/** Bytes that a value kept by reference is charged with, unless `size` says otherwise. */
const KEPT_SIZE = 64;

/** What may have a word in a `set`, beside its own key and age. */
export interface Fences {
  /** Fills under way. */
  fills: number;
  /** Followed scopes. */
  scopes: readonly string[];
}

export class Writes {
  readonly #mirror: Mirror;
  readonly #fences: Fences;
  /** There is work for the housekeeper. */
  readonly #wanted: () => void;
  #isFlushDue = false;
  readonly #flushDue = () => {
    this.#isFlushDue = false;
    this.#mirror.quietly(() => this.flushAll());
    this.#mirror.news.tell();
  };

  constructor(mirror: Mirror, fences: Fences, wanted: () => void) {
    this.#mirror = mirror;
    this.#fences = fences;
    this.#wanted = wanted;
  }

  /** @throws {CacheError} see `ConsolidatedCacheManager.set`. */
  set(category: Category, key: string, value: unknown, options: SetOptions | undefined): void {
    const mirror = this.#mirror;
    if (mirror.closed !== undefined) mirror.checkOpen();
    let entry = category.index.get(key);
    if (entry === undefined) this.#checkKey(key);
    let ttl: number | undefined;
    let isKept = category.keeps;
    let size = KEPT_SIZE;
    if (options !== undefined) {
      checkSetOptions(options);
      ttl = options.ttl;
      if (options.pack !== undefined) isKept = !options.pack;
      size = options.size ?? size;
    }
    if (!isKept) size = jsonSize(key, value);
    else if (value === undefined) throw unfit(key, "it is undefined");
    if (entry !== undefined && category.shares && !isKept) value = shareEqual(valueBefore(entry), value);
    const fences = this.#fences;
    if (
      fences.fills > 0 ||
      size > category.maxEntrySize ||
      (fences.scopes.length > 0 && this.#isFollowed(key)) ||
      (options?.tags !== undefined && options.tags.length > 0) ||
      (entry !== undefined && entry.lease !== mirror.tables.leases[0])
    ) {
      return this.#put(category, key, value, size, ttl, options?.tags, isKept);
    }
    if (entry === undefined) entry = this.#enter(category, key);
    else mirror.replaced(entry);
    const now = mirror.clock.now();
    entry.ends = wholeTime(now + (ttl ?? category.ttl));
    entry.hold(value);
    entry.lease = mirror.tables.leases[0]!;
    entry.size = size;
    entry.since = now;
    const { flags } = entry;
    entry.flags = (flags & ~CONTENT_FLAGS) | (isKept ? KEPT | PENDING : UNSETTLED | PENDING);
    if ((flags & PENDING) === 0) this.#await(category, entry);
    mirror.news.tell();
  }

  /** The core decides, and the value stays here. */
  #put(
    category: Category,
    key: string,
    value: unknown,
    size: number,
    ttl: number | undefined,
    tags: string[] | undefined,
    isKept: boolean,
  ): void {
    const mirror = this.#mirror;
    const isNew = !category.index.has(key);
    let slot: number;
    try {
      slot = mirror.change((now) => mirror.core.put(category.id, key, size, ttl, tags, now));
    } catch (error) {
      throw isNew && category.isHeld() ? full(category) : error;
    }
    const entry = mirror.tables.entries[slot]!;
    entry.hold(value);
    if (isKept) entry.flags = (entry.flags & ~UNSETTLED) | KEPT;
    else mirror.tables.list(entry);
    this.#wanted();
    mirror.news.tell();
  }

  /** A new entry, in a slot of the category's. */
  #enter(category: Category, key: string): Entry {
    const { reserved } = category;
    if (reserved.length === 0) {
      const room = category.options.max - category.index.size;
      // Nothing is evicted for slots that may never be used.
      this.flush(category, room > 0 ? Math.min(room, category.batch) : category.batch);
      if (reserved.length === 0) {
        this.#mirror.news.tell();
        throw full(category);
      }
    }
    const { entries, leases } = this.#mirror.tables;
    const slot = reserved.pop()!;
    const entry = new Entry(category, key, slot, leases[0]!);
    entries[slot] = entry;
    category.index.set(key, entry);
    return entry;
  }

  #await(category: Category, entry: Entry): void {
    category.pending[category.pendingCount++] = entry;
    // A small category is to know the exact order of uses, and so is an `lru` one.
    if (category.batch === 1 || category.pendingCount >= PENDING_MAX) this.flush(category);
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      queueMicrotask(this.#flushDue);
    }
  }

  /** Makes the core know of a category's `set`s, and takes so many slots for the next. */
  flush(category: Category, reserve = 0): void {
    const { pending, reserved, pendingCount } = category;
    if (pendingCount === 0 && reserve === 0) return;
    const { core, tables } = this.#mirror;
    tables.attach();
    const { mail } = tables;
    let cell = 0;
    category.pendingCount = 0;
    for (let i = 0; i < pendingCount; i++) {
      const entry = pending[i]!;
      pending[i] = NOBODY;
      entry.flags &= ~PENDING;
      // Another category's need may have evicted it.
      if (entry.slot < 0) continue;
      mail[cell++] = entry.slot;
      mail[cell++] = entry.size;
      mail[cell++] = entry.ends === NEVER ? Infinity : entry.ends;
      tables.list(entry);
    }
    this.#mirror.call((now) => {
      const count = core.enroll(category.id, cell / 3, reserve, now);
      tables.attach();
      for (let i = 0; i < count; i++) reserved.push(tables.mail[i]! | 0);
    });
    this.#wanted();
  }

  flushAll(): void {
    for (const category of this.#mirror.categories) this.flush(category);
  }

  /** Tells the core some of the names that it does not know. */
  name(): void {
    const { core, tables } = this.#mirror;
    const named = new Map<Category, Entry[]>();
    for (let i = 0; i < NAMES_MAX && tables.unnamed.length > 0; i++) {
      const entry = tables.unnamed.at(-1)!;
      tables.unlist(entry);
      entry.flags |= NAMED;
      if ((entry.flags & UNSETTLED) !== 0) tables.list(entry);
      const others = named.get(entry.category);
      if (others === undefined) named.set(entry.category, [entry]);
      else others.push(entry);
    }
    for (const [category, entries] of named) {
      tables.attach();
      for (const [i, { slot }] of entries.entries()) tables.mail[i] = slot;
      const keys = entries.map(({ key }) => key).join("\n");
      this.#mirror.call(() => core.name(category.id, entries.length, keys));
    }
  }

  /** Makes the core know of all that was set, by name. */
  prepare(): void {
    this.flushAll();
    while (this.#mirror.tables.unnamed.length > 0) this.name();
  }

  #checkKey(key: string): void {
    if (isPlainKey(text("key", key))) return;
    const refusal = brokenKey(key) ?? this.#mirror.call(() => this.#mirror.core.keyError(key));
    if (refusal !== undefined) throw new CacheError("argument", refusal);
  }

  #isFollowed(key: string): boolean {
    for (const scope of this.#fences.scopes) if (key.startsWith(scope)) return true;
    return false;
  }
}

function full({ name, options }: Category): CacheError {
  return new CacheError("full", `category \`${name}\` is full: handles hold all its ${options.max} entries; release some`);
}

/** The JSON that an entry held last, where it can still be had without decoding. */
function valueBefore(entry: Entry): unknown {
  if ((entry.flags & KEPT) !== 0) return undefined;
  return entry.value === UNDECODED ? entry.past?.deref() : entry.value;
}
