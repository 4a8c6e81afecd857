/** What listeners are to be told, in order. They may use the cache: what that brings about is told after what came first. */

import type { CacheEvents } from "./types.js";

export class News {
  readonly evict = new Set<CacheEvents["evict"]>();
  readonly stream = new Set<CacheEvents["stream"]>();
  readonly pressure = new Set<CacheEvents["pressure"]>();
  readonly #waiting: (() => void)[] = [];
  #telling = false;

  /** Listens; the returned function ends it. */
  on<E extends keyof CacheEvents>(event: E, listener: CacheEvents[E]): () => void {
    const listeners = this[event] as Set<CacheEvents[E]>;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** News for all who listen now, except those who have left by the time it is told. */
  announce<L>(listeners: Set<L>, tell: (listener: L) => void): void {
    for (const listener of listeners) {
      this.#waiting.push(() => {
        if (listeners.has(listener)) tell(listener);
      });
    }
  }

  tell(): void {
    if (this.#telling || this.#waiting.length === 0) return;
    this.#telling = true;
    // Not by `shift`: what a large `clear` has to tell would be moved once for each piece of news.
    for (let next = 0; next < this.#waiting.length; next++) {
      try {
        this.#waiting[next]!();
      } catch (error) {
        // A listener's fault is its own: it reaches the console, and the others are still told.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    this.#waiting.length = 0;
    this.#telling = false;
  }
}
