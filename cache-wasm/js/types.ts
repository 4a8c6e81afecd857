/** What an application says to the cache and hears from it. Times are milliseconds, sizes are bytes. */

/** Who leaves when room is needed. */
export type Policy =
  /** By frequency, age and size. The default. */
  | "adaptive"
  /** Strictly the one used longest ago. Under about 100 entries the better choice. */
  | "lru";

/** One category's limits and ways. `max` is required: an unbounded cache is a leak. */
export interface CategoryOptions {
  /** The most entries. A full category makes room for a few at a time: up to `max / 128`, at most 32. */
  max: number;
  /** The most bytes; without it the cache's own `maxBytes` alone bounds the category. */
  maxBytes?: number;
  /** Bytes that other categories' needs do not take from this one. */
  minBytes?: number;
  /** The most bytes of one value: a larger one is refused. */
  maxEntrySize?: number;
  /** How long an entry lives, unless `set` or the server says otherwise. Without it, entries do not expire by age. */
  ttl?: number;
  /** An entry that no stream vouches for is asked for anew, behind a `fetch` that it still answers, when it is so old. */
  staleTime?: number;
  /** For so long after its age has ended, an entry still answers a `fetch` whose request failed. */
  staleIfError?: number;
  /** How long it is known that a key has no value, where no stream vouches for it. Without it, it is asked for again. */
  absentTtl?: number;
  /** Up to this share of `ttl`, 0 to 1, is taken off by chance from what the server sends: a batch does not end at once. */
  jitter?: number;
  /** Default `adaptive`. */
  policy?: Policy;
  /**
   * With `false`, what is `set` is kept by reference as it is: class instances, Maps, functions. It is not checked, not
   * packed, and charged with `size` of {@link SetOptions}. What `fetch` brings is JSON all the same.
   */
  pack?: boolean;
  /** What is equal in two versions of a value is the same object in both. */
  structuralSharing?: boolean;
}

export interface CacheOptions {
  /** Categories by name. Default: {@link DEFAULT_CATEGORIES}. */
  categories?: Record<string, CategoryOptions>;
  /** The most bytes over all categories. Default 16 MiB; 8 on a machine of up to 2 GiB, where the browser says so. */
  maxBytes?: number;
  /** The most bytes of text whose decoded copies are kept beside it. Default: an eighth of `maxBytes`. */
  maxDecodedBytes?: number;
  /**
   * The edge server, as `https://edge.example`. Without it the cache is a plain one: no stream is followed, and
   * `fetch` needs a `fetcher`.
   */
  url?: string | URL;
  /** Sent with `hello`, so that the server knows who follows. */
  token?: string;
  /** Reads one value, in place of `GET {url}/v1/entries/{key}`. */
  fetcher?: Fetcher;
  /** Keys of one `POST /v1/entries:get` and the like are not affected by `fetcher`. A `fetch` to use (tests, Node). */
  fetch?: typeof globalThis.fetch;
  /** A `WebSocket` constructor, where the platform has none (Node 20). */
  WebSocket?: WebSocketConstructor;
  /** The clocks, for tests. */
  clock?: ClockSource;
  /** With `false` the page's memory is not measured every 30 s. Freezes and failed allocations are still answered. */
  watchMemory?: boolean;
  /** Puts measures `cache-wasm:set`, `fetch`, `frame` and `upkeep` on the performance timeline. */
  marks?: boolean;
}

/** The two clocks that leases are measured by, in milliseconds. */
export interface ClockSource {
  /** Never goes back; may stand still while the machine sleeps: `performance.now`. */
  monotonic(): number;
  /** Goes on in sleep; may jump: `Date.now`. */
  wall(): number;
}

export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

/** The part of `WebSocket` that the cache uses. */
export interface WebSocketLike {
  binaryType: string;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: Uint8Array): void;
  close(code?: number, reason?: string): void;
}

export interface FetcherContext {
  signal: AbortSignal;
  /** The position the answer must have reached, as `epoch:offset`: pass it on as the `Cache-Min` header. */
  min: string | undefined;
}

export interface FetcherAnswer {
  /** The value, or `undefined` when the key has none. */
  value: unknown;
  /** The position the value was read at, as the `Cache-As-Of` header has it. Required for keys of a followed scope. */
  asOf?: string;
  /** The application's own number of the value, greater for a newer one: an older answer than is known is dropped. */
  version?: number;
  tags?: string[];
  ttl?: number;
}

export type Fetcher = (key: string, context: FetcherContext) => Promise<FetcherAnswer>;

export interface SetOptions {
  /** How long the entry lives; Infinity for as long as there is room. */
  ttl?: number;
  /** Labels to invalidate it by. */
  tags?: string[];
  /** With `false` the value is kept by reference: see {@link CategoryOptions.pack}. */
  pack?: boolean;
  /** Bytes that a value kept by reference is charged with. Default 64. */
  size?: number;
}

export interface FetchOptions {
  signal?: AbortSignal;
  /** Ask the server even when the cache could answer. */
  forceRefresh?: boolean;
  /**
   * When nothing fresh can be had (no answer, or the key changes faster than it can be read), take what there is.
   * Without it such a fetch rejects with code `unsettled` or `unavailable`.
   */
  allowStale?: boolean;
}

export interface SubscribeOptions {
  /** Keep pushed values in this category. Without it a pushed value only refreshes entries that exist. */
  category?: string;
}

/** One applied change of a followed scope. Every read made in the callback already agrees with it. */
export interface ChangeEvent {
  scope: string;
  /** Keys whose new value is in the cache now. */
  values: string[];
  /** Keys whose value changed and is not in the cache: `fetch` them if they are wanted. */
  changed: string[];
  /** Keys that have no value any more. */
  gone: string[];
  /** All of the scope, or a part of it that no list here names, is void (a reset, or a purge): load it again. */
  purged: boolean;
}

export type ChangeListener = (change: ChangeEvent) => void;

export interface ScopeAnswer {
  /** Keys of the scope that have a value now and are in the cache. */
  keys: string[];
  /** Keys that changed while the answer was on its way, or do not fit: they arrive by the stream, or `fetch` them. */
  late: string[];
}

/** Why an entry left the cache. */
export type RemovalReason =
  | "expired"
  | "evicted"
  | "replaced"
  | "deleted"
  | "cleared"
  | "invalidated"
  | "gone"
  | "reset"
  | "unfollowed"
  | "pressure";

/** How short of memory the page is. */
export type PressureLevel = "normal" | "elevated" | "critical";

/** Where the change stream stands. Reads of followed scopes hit only while it is `live`. */
export type StreamState = "off" | "connecting" | "live" | "waiting" | "refused";

export interface CategoryStats {
  name: string;
  entries: number;
  max: number;
  bytes: number;
  hits: number;
  misses: number;
}

export interface SubscriptionStats {
  scope: string;
  /** `epoch:offset`, or undefined before the first answer. */
  position: string | undefined;
  /** Whether reads of the scope may hit now. */
  live: boolean;
}

export interface CacheStats {
  categories: CategoryStats[];
  entries: number;
  /** Bytes of payload the entries stand for. */
  bytes: number;
  maxBytes: number;
  /** Bytes not stored because an equal payload was there already. */
  sharedBytes: number;
  /** Bytes of text whose decoded copies are in memory. */
  decodedBytes: number;
  /** Bytes of WebAssembly memory. */
  memoryBytes: number;
  hits: number;
  misses: number;
  removals: Record<RemovalReason, number>;
  pressure: {
    level: PressureLevel;
    /** The wall clock's milliseconds when the level began; undefined before the first. */
    since: number | undefined;
    /** How often memory was given back for it. */
    responses: number;
  };
  stream: {
    state: StreamState;
    /** Connections made since the cache was created. */
    connects: number;
    /** Frames applied, ignored as duplicates, and refused for a gap. */
    applied: number;
    duplicates: number;
    gaps: number;
    resets: number;
    heartbeats: number;
    bytesReceived: number;
    /** Milliseconds since the server last vouched, by the client's own stamp; undefined before the first time. */
    vouchedAgo: number | undefined;
    subscriptions: SubscriptionStats[];
  };
  fills: {
    started: number;
    accepted: number;
    /** Answers dropped because they were older than a change already known: what other caches would have shown. */
    discarded: number;
    failed: number;
  };
}

export type CacheErrorCode =
  /** An argument is wrong; the message says which and how to mend it. */
  | "argument"
  /** The cache was closed. */
  | "closed"
  /** No answer could be had. Trying again may help. */
  | "unavailable"
  /** The key changed faster than it could be read. Trying again may help. */
  | "unsettled"
  /** The fetcher's answer lacks what a followed scope requires. */
  | "unfenced"
  /** Handles hold every entry of the category. */
  | "full"
  /** The cache failed and closed itself. */
  | "broken";

export interface CacheEvents {
  /** An entry left the cache. */
  evict: (event: { category: string; key: string; reason: RemovalReason }) => void;
  /** The stream's state changed. */
  stream: (state: StreamState, detail: string) => void;
  /** The page's memory became short, or is not any more. */
  pressure: (level: PressureLevel) => void;
}
