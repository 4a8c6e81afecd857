/**
 * Follows scopes: subscribes, loads each whole in one request, and keeps telling the page which keys to read.
 *
 * Invariant: it carries keys, never values. Who hears `read(key)` reads the cache at once, in the same task, so what it
 * sees agrees with every change announced so far. It does not draw and does not count.
 */
import type { ChangeEvent, ScopeAnswer } from "cache-wasm";
import { backoff } from "./backoff";
import type { Category, Followed } from "./scopes";

/** The part of the cache that following needs. */
export interface FollowedCache {
  has(category: string, key: string): boolean;
  fetch(category: string, key: string, options?: { signal?: AbortSignal }): Promise<unknown>;
  fetchScope(category: string, scope: string, options?: { signal?: AbortSignal }): Promise<ScopeAnswer>;
  subscribe(scope: string, listener: (change: ChangeEvent) => void, options?: { category?: string }): () => void;
}

export interface FollowEvents {
  /** The key's value changed, or may have: read it from the cache. */
  read(category: Category, key: string): void;
  /** The key has no value any more. */
  gone(category: Category, key: string): void;
  /** A scope was loaded whole: these keys have a value, and no others do. Each was or will be given to `read`. */
  only(followed: Followed, keys: ReadonlySet<string>): void;
  /** So many keys were announced as changed or gone; the oldest of the values that came was observed then. */
  announced(category: Category, keys: number, observedAt: number | undefined): void;
  /** A scope's load began, ended or failed. */
  load(followed: Followed, state: LoadState): void;
}

export type LoadState =
  | { phase: "loading"; attempt: number; error?: string }
  | { phase: "loaded" }
  | { phase: "retrying"; attempt: number; error: string; retryAt: number };

/** Keys fetched singly at one time. */
const FLIGHTS = 16;

interface ScopeFlow {
  followed: Followed;
  state: LoadState;
  /** It was purged while a load was under way: that answer is not the last word. */
  again: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class Follower {
  readonly #cache: FollowedCache;
  readonly #events: FollowEvents;
  readonly #flows: ScopeFlow[];
  readonly #abort = new AbortController();
  readonly #unsubscribe: (() => void)[] = [];
  readonly #random: () => number;
  /** Keys to fetch singly, in order, and the attempt that is next. */
  readonly #wanted = new Map<string, { category: Category; attempt: number }>();
  readonly #flying = new Set<string>();
  readonly #pauses = new Map<string, ReturnType<typeof setTimeout>>();
  /** Late keys of first loads, not yet settled; the first load ends with them. */
  readonly #firstLate = new Set<string>();
  readonly #unloaded: Set<ScopeFlow>;
  #begun: () => void = () => {};

  constructor(cache: FollowedCache, followed: readonly Followed[], events: FollowEvents, random = Math.random) {
    this.#cache = cache;
    this.#events = events;
    this.#random = random;
    this.#flows = followed.map((f) => ({
      followed: f,
      state: { phase: "loading", attempt: 1 },
      again: false,
      timer: undefined,
    }));
    this.#unloaded = new Set(this.#flows);
  }

  /** Resolves once every scope was loaded once, late keys included. It never rejects: a failed load is tried again. */
  start(): Promise<void> {
    const begun = new Promise<void>((resolve) => (this.#begun = resolve));
    for (const flow of this.#flows) {
      const { scope, category } = flow.followed;
      this.#unsubscribe.push(this.#cache.subscribe(scope, (change) => this.#change(flow, change), { category }));
    }
    for (const flow of this.#flows) void this.#load(flow, 1);
    return begun;
  }

  /** Loads that wait for their next attempt are made now: the stream has come back. */
  hurry(): void {
    for (const flow of this.#flows) {
      const { state } = flow;
      if (state.phase === "retrying") void this.#load(flow, state.attempt + 1, state.error);
    }
    for (const [key, timer] of this.#pauses) {
      clearTimeout(timer);
      this.#pauses.delete(key);
    }
    this.#fly();
  }

  /** A read missed while the stream was live (the entry was evicted, or a change told no value): fetch it. */
  missed(category: Category, key: string): void {
    const flow = this.#flows.find((f) => key.startsWith(f.followed.scope));
    if (flow?.state.phase === "loaded") this.#want(category, key);
  }

  close(): void {
    this.#abort.abort();
    for (const end of this.#unsubscribe) end();
    for (const flow of this.#flows) clearTimeout(flow.timer);
    for (const timer of this.#pauses.values()) clearTimeout(timer);
    this.#wanted.clear();
  }

  #change(flow: ScopeFlow, change: ChangeEvent): void {
    const { category } = flow.followed;
    const keys = change.values.length + change.changed.length + change.gone.length;
    this.#events.announced(category, keys, change.observedAt);
    for (const key of change.values) {
      this.#settle(key);
      this.#events.read(category, key);
    }
    for (const key of change.changed) {
      if (this.#cache.has(category, key)) {
        this.#settle(key);
        this.#events.read(category, key);
      } else {
        this.#want(category, key);
      }
    }
    for (const key of change.gone) {
      this.#settle(key);
      this.#events.gone(category, key);
    }
    if (!change.purged) return;
    if (flow.state.phase === "loading") flow.again = true;
    else void this.#load(flow, 1);
  }

  /** `failure` is what the attempt before came to. */
  async #load(flow: ScopeFlow, attempt: number, failure?: string): Promise<void> {
    const { scope, category } = flow.followed;
    clearTimeout(flow.timer);
    flow.again = false;
    this.#enter(flow, { phase: "loading", attempt, ...(failure && { error: failure }) });
    try {
      const answer = await this.#cache.fetchScope(category, scope, { signal: this.#abort.signal });
      if (this.#abort.signal.aborted) return;
      if (flow.again) return void this.#load(flow, 1);
      this.#loaded(flow, answer);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      const wait = backoff(attempt, this.#random);
      const text = error instanceof Error ? error.message : String(error);
      flow.timer = setTimeout(() => void this.#load(flow, attempt + 1, text), wait);
      this.#enter(flow, { phase: "retrying", attempt, error: text, retryAt: Date.now() + wait });
    }
  }

  #loaded(flow: ScopeFlow, answer: ScopeAnswer): void {
    const { category } = flow.followed;
    this.#enter(flow, { phase: "loaded" });
    this.#events.only(flow.followed, new Set([...answer.keys, ...answer.late]));
    for (const key of answer.keys) this.#events.read(category, key);
    for (const key of answer.late) {
      if (this.#cache.has(category, key)) {
        this.#events.read(category, key);
        continue;
      }
      if (this.#unloaded.has(flow)) this.#firstLate.add(key);
      this.#want(category, key);
    }
    this.#unloaded.delete(flow);
    this.#beginIfLoaded();
  }

  #enter(flow: ScopeFlow, state: LoadState): void {
    flow.state = state;
    this.#events.load(flow.followed, state);
  }

  #want(category: Category, key: string): void {
    if (this.#wanted.has(key)) return;
    this.#wanted.set(key, { category, attempt: 1 });
    this.#fly();
  }

  /** The key needs no fetch any more. */
  #settle(key: string): void {
    this.#wanted.delete(key);
    clearTimeout(this.#pauses.get(key));
    this.#pauses.delete(key);
    if (this.#firstLate.delete(key)) this.#beginIfLoaded();
  }

  #beginIfLoaded(): void {
    if (this.#unloaded.size === 0 && this.#firstLate.size === 0) this.#begun();
  }

  #fly(): void {
    for (const [key, { category }] of this.#wanted) {
      if (this.#flying.size >= FLIGHTS) return;
      if (this.#flying.has(key) || this.#pauses.has(key)) continue;
      this.#flying.add(key);
      void this.#fetch(category, key).finally(() => {
        this.#flying.delete(key);
        this.#fly();
      });
    }
  }

  async #fetch(category: Category, key: string): Promise<void> {
    try {
      const value = await this.#cache.fetch(category, key, { signal: this.#abort.signal });
      if (!this.#wanted.has(key)) return;
      // A value that the cache did not keep (its stream is not live, say) cannot be read: as good as no answer.
      if (value !== undefined && !this.#cache.has(category, key)) return this.#later(key);
      this.#settle(key);
      if (value === undefined) this.#events.gone(category, key);
      else this.#events.read(category, key);
    } catch {
      this.#later(key);
    }
  }

  #later(key: string): void {
    const want = this.#wanted.get(key);
    if (want === undefined || this.#abort.signal.aborted) return;
    const wait = backoff(want.attempt, this.#random);
    want.attempt += 1;
    this.#pauses.set(key, setTimeout(() => (this.#pauses.delete(key), this.#fly()), wait));
  }
}
