/** Pages of one origin that come and go: their database, their locks, and timers that only the test moves. */

import { type CacheOptions, type CacheStats, type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { IDBFactory, IDBKeyRange } from "fake-indexeddb";
import { vi } from "vitest";

import { FakeClock } from "./fake-clock.js";
import { FakeLocks } from "./fake-locks.js";
import { StubSocket } from "./stub-socket.js";

/** A row as it is stored. */
export interface StoredRow {
  category: string;
  key: string;
  json: string;
}

export class Pages {
  readonly clock = new FakeClock();
  readonly #open: ConsolidatedCacheManager[] = [];

  constructor() {
    StubSocket.all = [];
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    vi.stubGlobal("indexedDB", new IDBFactory());
    vi.stubGlobal("IDBKeyRange", IDBKeyRange);
    vi.stubGlobal("navigator", { locks: new FakeLocks() });
  }

  async visit(options: CacheOptions = {}): Promise<ConsolidatedCacheManager> {
    const cache = await createCache({
      categories: { props: { max: 100 }, odds: { max: 100 } },
      clock: this.clock,
      url: "https://edge.example",
      WebSocket: StubSocket,
      persist: true,
      ...options,
    });
    this.#open.push(cache);
    // It asks for the lock.
    await this.idle();
    return cache;
  }

  /** Lets so much time pass, and then what was begun end. */
  async pass(milliseconds: number): Promise<void> {
    await this.clock.advance(milliseconds);
    await vi.advanceTimersByTimeAsync(milliseconds);
  }

  /** What was set is settled, and then written. */
  async written(cache: ConsolidatedCacheManager): Promise<CacheStats["persist"]> {
    const { flushes } = cache.stats().persist;
    for (let i = 0; i < 100 && cache.stats().persist.flushes === flushes; i++) await this.pass(100);
    await this.idle();
    return cache.stats().persist;
  }

  /** What IndexedDB has begun is done. */
  async idle(): Promise<void> {
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** From now on a slice of writing ends after its first row. */
  slow(): void {
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => (now += 1_000));
  }

  /** The page is gone from one moment to the next: its timers with it, and its lock is free. */
  crash(): void {
    vi.clearAllTimers();
    this.unlock();
  }

  /** The next page finds the lock free. */
  unlock(): void {
    vi.stubGlobal("navigator", { locks: new FakeLocks() });
  }

  close(): void {
    for (const cache of this.#open) cache.close();
    vi.useRealTimers();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  }

  /** All that is stored: keys and texts. */
  async stored(name?: string): Promise<Record<string, string>> {
    const rows = await this.read("entries", (store) => store.getAll() as IDBRequest<StoredRow[]>, name);
    return Object.fromEntries(rows.map(({ key, json }) => [key, json]));
  }

  /** Where the scopes stand that are stored. */
  async positions(): Promise<Record<string, string>> {
    const state = await this.read("meta", (store) => store.get("visit"));
    const { scopes } = state as { scopes: [string, string, number][] };
    return Object.fromEntries(scopes.map(([scope, position]) => [scope, position]));
  }

  async read<T>(store: string, ask: (store: IDBObjectStore) => IDBRequest<T>, name = "https://edge.example"): Promise<T> {
    const database = await done(indexedDB.open(`cache-wasm/${name}`));
    try {
      return await done(ask(database.transaction(store).objectStore(store)));
    } finally {
      database.close();
    }
  }
}

export function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
