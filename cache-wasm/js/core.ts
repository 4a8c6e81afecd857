/** The shapes that cross between JavaScript and the core; `src/bindings.rs` makes them. */

import type { CategoryOptions } from "./types.js";

export type Output =
  | ["connect"]
  | ["send", Uint8Array]
  | ["disconnect", number, string]
  | ["state", string, string]
  | ["changed", number, string[], string[], string[], boolean, number | undefined];

export type Filled =
  | ["stored", number]
  | ["absent"]
  | ["delivered"]
  | ["retry", string | undefined]
  | ["unfenced"]
  | ["ended"]
  | ["tooLarge"];

export type Loaded = ["more"] | ["kept", string[], string[]] | ["retry", string | undefined] | ["malformed", string];

export interface CoreOptions {
  /** Of the options the core takes what is its own. */
  categories: (CategoryOptions & { name: string })[];
  maxBytes: number;
  seed: number;
}

/** The first cell of an effect. */
export const REMOVED = 0;
export const STORED = 1;
export const CHANGED = 2;
export const TOUCHED = 3;
export const LEASE = 4;

/** The most slots that `name` takes, and `enroll`, at a time: the mail has 192 cells. */
export const NAMES_MAX = 192;
export const PENDING_MAX = 64;

/** The core's methods, as TypeScript sees them; see `src/bindings.rs` for what each does. */
export interface Core {
  /** `[capacity, usesAt, mailAt, mailLength, stateAt]`, byte addresses. */
  tables(): Uint32Array;
  /** The keys of the STORED effects, joined by newlines. */
  effectKeys(): string;
  effectsTaken(): void;
  poll(): Output | undefined;
  pollTimeout(): number | undefined;
  opened(now: number): void;
  message(bytes: Uint8Array, now: number): void;
  closed(code: number | undefined, now: number): void;
  woke(now: number): void;
  online(now: number): void;
  /** What proves, from the next connection on, who follows. */
  setToken(token: string | undefined): void;
  follow(scope: string, category: number | undefined, now: number): number;
  unfollow(stream: number): void;
  stop(): void;
  /** Takes `[slot, size, until]` each from the mail, and leaves reserved slots there: how many. */
  enroll(category: number, count: number, reserve: number, now: number): number;
  /** Names the slots in the mail; the keys are joined by newlines. */
  name(category: number, count: number, keys: string): void;
  keyError(key: string): string | undefined;
  put(
    category: number,
    key: string,
    size: number,
    ttl: number | undefined,
    tags: string[] | undefined,
    now: number,
  ): number;
  settle(slot: number, json: string, now: number): void;
  payload(slot: number): string | undefined;
  hold(slot: number): void;
  release(slot: number): void;
  delete(category: number, key: string): boolean;
  clear(category: number): void;
  expire(slot: number, now: number): void;
  invalidateKey(key: string): void;
  invalidateVersion(key: string, version: number): boolean;
  invalidateScope(scope: string): void;
  invalidateTag(tag: string): void;
  /** Does a piece of what can wait; whether there is more. */
  upkeep(now: number): boolean;
  /** Whether it is to be said again, so that more leaves. */
  pressure(level: number, now: number): boolean;
  beginFill(category: number, key: string): [number, string | undefined];
  /** Its answer displaces nothing. */
  beginPrefetch(category: number, key: string): [number, string | undefined];
  beginLoad(category: number, scope: string): [number, string | undefined];
  abandonFill(ticket: number): void;
  endFill(
    ticket: number,
    asOf: string | undefined,
    version: number | undefined,
    bytes: Uint8Array | undefined,
    tags: string[] | undefined,
    ttl: number | undefined,
    now: number,
  ): Filled;
  /** Ends those that the frame names. The JSON text is there where it is for who asked alone. */
  endFills(tickets: Uint32Array, frame: Uint8Array, now: number): [ticket: number, json: string | undefined, ...Filled][];
  /** Takes the next bytes of a scope's answer. */
  feedLoad(ticket: number, asOf: string | undefined, bytes: Uint8Array, now: number): Loaded;
  endLoad(ticket: number, asOf: string | undefined): Loaded;
  /** What is written of an entry: nothing of what has no text here, or was not vouched for. */
  record(slot: number): [json: string, seen: string | undefined, version: number | undefined, tags: string[]] | undefined;
  positions(): [scope: string, position: string][];
  restore(
    category: number,
    key: string,
    json: string,
    seen: string | undefined,
    version: number | undefined,
    ttl: number | undefined,
    tags: string[] | undefined,
    now: number,
  ): boolean;
  remember(scope: string, position: string): void;
  /** Takes a value that the application heard of: its slot, or `undefined` when a newer version is known. */
  apply(
    category: number,
    key: string,
    json: string | undefined,
    version: number | undefined,
    ttl: number | undefined,
    tags: string[] | undefined,
    now: number,
  ): number | undefined;
  /** A key was read: what is worth fetching now. */
  readAhead(category: number, key: string): string[] | undefined;
  teach(context: string, total: number, keys: string[], counts: Uint32Array): void;
  isPending(key: string): boolean;
  isScopePending(scope: string): boolean;
  stats(now: number): unknown;
  free(): void;
}
