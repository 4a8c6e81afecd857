/** The shapes that cross between JavaScript and the core; `src/bindings.rs` makes them. */

import type { CategoryOptions } from "./types.js";

export type Output =
  | ["connect"]
  | ["send", Uint8Array]
  | ["disconnect", number, string]
  | ["state", string, string]
  | ["changed", number, string[], string[], string[], boolean];

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
  token?: string;
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
  invalidateScope(scope: string): void;
  invalidateTag(tag: string): void;
  /** Does a piece of what can wait; whether there is more. */
  upkeep(now: number): boolean;
  pressure(level: number, now: number): void;
  beginFill(category: number, key: string): [number, string | undefined];
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
  /** Takes the next bytes of a scope's answer. */
  feedLoad(ticket: number, asOf: string | undefined, bytes: Uint8Array, now: number): Loaded;
  endLoad(ticket: number, asOf: string | undefined): Loaded;
  isPending(key: string): boolean;
  isScopePending(scope: string): boolean;
  stats(now: number): unknown;
  free(): void;
}
