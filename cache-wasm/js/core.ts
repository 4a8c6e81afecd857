/** The shapes that cross between JavaScript and the core; `src/bindings.rs` makes them. */

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

export type Loaded = ["kept", string[], string[]] | ["retry", string | undefined] | ["malformed", string];

export interface CoreOptions {
  categories: { name: string; max: number; maxBytes?: number; ttl?: number }[];
  maxBytes: number;
  token?: string;
  seed: number;
}

/** The core's methods, as TypeScript sees them; see `src/bindings.rs` for what each does. */
export interface Core {
  tables(): Uint32Array;
  effects(): (number | string)[];
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
  set(category: number, key: string, json: string, ttl: number | undefined, tags: string[] | undefined, now: number): number;
  payload(slot: number): string | undefined;
  delete(category: number, key: string): boolean;
  clear(category: number): void;
  expire(slot: number, now: number): void;
  invalidateKey(key: string): void;
  invalidateScope(scope: string): void;
  invalidateTag(tag: string): void;
  beginFill(category: number, key: string): [number, string | undefined];
  beginLoad(category: number, scope: string): [number, string | undefined];
  abandonFill(ticket: number): void;
  endFill(
    ticket: number,
    asOf: string | undefined,
    bytes: Uint8Array | undefined,
    tags: string[] | undefined,
    ttl: number | undefined,
    now: number,
  ): Filled;
  endLoad(ticket: number, asOf: string | undefined, body: Uint8Array, now: number): Loaded;
  isPending(key: string): boolean;
  isScopePending(scope: string): boolean;
  stats(now: number): unknown;
  free(): void;
}
