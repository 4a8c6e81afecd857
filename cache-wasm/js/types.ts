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
  /**
   * An entry that no stream vouches for is asked for anew, behind a `fetch` that it still answers, when it is so old. Less
   * than `ttl`.
   */
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
  /**
   * Proves who reads: sent with `hello`, and as `Authorization: Bearer` with every request to the server. A function is asked
   * for one when it is first needed, and for another when the server says that it has expired (4001, or 401).
   */
  token?: string | (() => string | Promise<string>);
  /**
   * Reads one value, in place of the edge server. Scopes are read from the server all the same. What it throws is asked for
   * again, as `retries` says, unless it has a `status` from 400 on that is neither 408, 429 nor 5xx.
   */
  fetcher?: Fetcher;
  /**
   * Reads up to 200 values that are asked for at a time, in place of the edge server; a single one it reads where there is no
   * `fetcher`. A key that it leaves out is asked for once more alone.
   */
  fetcherMany?: FetcherMany;
  /** A `fetch` to use instead of the platform's: for tests, or to send more with it. */
  fetch?: typeof globalThis.fetch;
  /**
   * How often a request is made again that got no answer, or 408, 429 or 5xx, after pauses of up to 100, 200, 400... ms,
   * at most 5 s, or as long as `Retry-After` asks, if that is not over 30 s. Default 2.
   */
  retries?: number;
  /** How long one try may take to answer, and a scope's answer from one piece to the next. Default 10 s. */
  timeout?: number;
  /**
   * With `false` nothing is fetched ahead of the application, and the server learns nothing from what it fetches. Otherwise
   * each `fetch` may be followed by a few others of what readers read next, as long as that proves right: not while the
   * user saves data, and never in place of what was asked for.
   */
  prefetch?: boolean;
  /** A `WebSocket` constructor, where the platform has none (Node 20). */
  WebSocket?: WebSocketConstructor;
  /**
   * Whose connection follows the scopes. With `auto`, the default in a page, all tabs of the origin with the same `url` and
   * `token` share one: in a SharedWorker, else in one tab that leads, else each has its own. With `worker` or `leader` only
   * that is tried. With `false`, in Node, with a `WebSocket` of the application's and with a function for `token`, whose
   * answers differ from tab to tab, the cache has its own.
   */
  share?: "auto" | "worker" | "leader" | false;
  /** The clocks, for tests. */
  clock?: ClockSource;
  /** With `false` the page's memory is not measured every 30 s. Freezes and failed allocations are still answered. */
  watchMemory?: boolean;
  /**
   * Keeps what the cache holds in IndexedDB, so that the next visit starts warm. What a stream vouched for comes back
   * unread: it can be read once its scope is followed again and the server has told, from where this visit ended, what
   * changed. What no stream vouched for comes back for the rest of its life.
   *
   * `createCache` waits for the database, for 500 ms at most; after that the cache starts cold. Of several pages of an
   * origin one writes, and another takes over when it closes. It needs IndexedDB and Web Locks (so `https:`); without them,
   * in private windows and when there is no room, the cache works as if this were not set: see {@link PersistStats}.
   *
   * Call {@link ConsolidatedCacheManager.forget} when a user logs out.
   */
  persist?: boolean | PersistOptions;
  /** Puts measures `cache-wasm:set`, `fetch`, `frame` and `upkeep` on the performance timeline. */
  marks?: boolean;
}

export interface PersistOptions {
  /** Which database. Caches of other servers, users or contents take other names. Default: the `url`. */
  name?: string;
  /** The most bytes that are stored, about. What was used longest ago is left out. Default 8 MiB. */
  maxBytes?: number;
  /** Changes are written so many milliseconds after the first of them, and when the page is hidden. Default 2000. */
  interval?: number;
  /** Categories that are not stored. */
  exclude?: readonly string[];
}

/** What `dump` gives and `load` takes: plain JSON. */
export interface Dump {
  /** The form of all this; what is of another form is not loaded. */
  format: number;
  /** When it was written: the wall clock's milliseconds since 1970. */
  at: number;
  /** Where the followed scopes stood, as `epoch:offset` by scope. */
  positions: Record<string, string>;
  entries: DumpEntry[];
}

export interface DumpEntry {
  category: string;
  key: string;
  /** The value's JSON text. */
  json: string;
  /** Where a stream covers it: a position that it was known to be current at, as `epoch:offset`. */
  seen?: string;
  /** The application's own number of it. */
  version?: number;
  tags?: string[];
  /** What was left of its life, in milliseconds. Without it, it has no end. */
  ttl?: number;
  /** How many milliseconds before it was stored, or found current. */
  age?: number;
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
  /** Ends when nobody waits any more, and when `timeout` is over: pass it on to `fetch`. */
  signal: AbortSignal;
  /** The position the answer must have reached, as `epoch:offset`: pass it on as the `Cache-Min` header. */
  min: string | undefined;
  /** `low` for what is fetched ahead: pass it on to `fetch`. */
  priority: "low" | "auto";
}

export interface FetcherAnswer {
  /** The value, or `undefined` when the key has none. */
  value: unknown;
  /** The position the value was read at, as the `Cache-As-Of` header has it. Required for keys of a followed scope. */
  asOf?: string;
  /** The application's own number of the value, greater for a newer one: an older answer than is known is dropped. */
  version?: number;
  tags?: string[];
  /** How long it lives. With 0 it is for who asked alone. */
  ttl?: number;
}

export type Fetcher = (key: string, context: FetcherContext) => Promise<FetcherAnswer>;

export type FetcherMany = (
  keys: string[],
  context: FetcherContext,
) => Promise<Record<string, FetcherAnswer> | Map<string, FetcherAnswer>>;

/** A value that the application heard of by itself. */
export interface ToldItem {
  key: string;
  /** `undefined`: the key has none. */
  value: unknown;
  /** The application's own number of the value, greater for a newer one. Without it, what comes last is the newest. */
  version?: number;
  tags?: string[];
  ttl?: number;
}

/** What became of the items of an `apply`. */
export interface AppliedItems {
  applied: number;
  /** Keys of which a newer version is known. */
  older: string[];
  /** Items that are wrong, or do not fit. */
  refused: { key: string; message: string }[];
}

/** What to invalidate: all that any member names. */
export interface Invalidation {
  keys?: Iterable<string>;
  /** What is current at this version of the `keys` stays; answers in flight are kept if theirs is as new. */
  version?: number;
  /** Everything under it. */
  scope?: string;
  /** Everything that carries one of these. */
  tags?: Iterable<string>;
  /** All of it. */
  category?: string;
}

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
  /**
   * When the source observed the oldest of the values that came with this change: milliseconds since 1970 UTC, by the
   * server's clock. `undefined` when none came.
   */
  observedAt: number | undefined;
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

export interface PersistStats {
  /**
   * `writing`; `waiting`, while another page writes; `opening`, before the database has answered; `unsupported`, without
   * IndexedDB or Web Locks; `failed`, after a write or the opening failed; `stopped`, after `forget` here or in another page.
   * From the last three on nothing is stored in this visit.
   */
  state: "off" | "opening" | "waiting" | "writing" | "unsupported" | "failed" | "stopped";
  /** Rows that are stored, or about to be. */
  entries: number;
  bytes: number;
  /** Writes, each of what changed since the last. */
  flushes: number;
  failures: number;
}

/** Where the change stream stands. Reads of followed scopes hit only while it is `live`. */
export type StreamState = "off" | "connecting" | "live" | "waiting" | "refused";

export interface CategoryStats {
  name: string;
  policy: "adaptive" | "lru";
  entries: number;
  max: number;
  /** Bytes its entries are charged with: as stored, packed or not. */
  bytes: number;
  /** Bytes of its values before packing. */
  liveBytes: number;
  /** The part of them that is not stored because an equal payload is. */
  sharedBytes: number;
  /** Entries that handles hold. */
  held: number;
  /** Dictionaries made for its payloads so far. */
  dictionaries: number;
  /** Its part of the budget, in bytes, and why it is what it is. */
  share: {
    bytes: number;
    /** Gained from other categories, by keys that came back soon after they had to leave, and given to others. */
    gained: number;
    given: number;
    /** The last move: a key of `to` came back when only `distance` bytes had been evicted from there since it was. */
    last: { to: string; from: string; bytes: number; distance: number } | undefined;
  };
  hits: number;
  misses: number;
  removals: Record<RemovalReason, number>;
}

/** How the connection is shared with other tabs. */
export interface SharingStats {
  /** Whose it is: this cache's `own`, a SharedWorker's (`worker`), this tab's that leads (`leader`), or another's (`follower`). */
  by: "own" | "worker" | "leader" | "follower";
  /** Tabs that share it now, this one included. */
  tabs: number;
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
  /** Bytes the entries are charged with, over all categories. */
  bytes: number;
  maxBytes: number;
  /** What shortness of memory leaves of `maxBytes`. */
  budgetBytes: number;
  /** What is held against it: payloads as stored, each once, and values that the core has no text of. */
  totalBytes: number;
  payloads: {
    /** Payloads, each once, and the entries that refer to them. */
    count: number;
    references: number;
    /** Bytes before packing, as stored, of the segments they lie in, and of the dictionaries. */
    rawBytes: number;
    storedBytes: number;
    segmentBytes: number;
    dictionaryBytes: number;
    /** Bytes before packing that equal payloads did not cost. */
    sharedBytes: number;
  };
  prefetch: {
    /** Guesses fetched, read before they left, and left unread. */
    issued: number;
    used: number;
    wasted: number;
    /** What the bucket pays for. */
    credit: number;
    /** Keys whose successors are known. */
    contexts: number;
  };
  /** Bytes of text whose decoded copies are in memory. */
  decodedBytes: number;
  /** Bytes of WebAssembly memory. */
  memoryBytes: number;
  hits: number;
  misses: number;
  removals: Record<RemovalReason, number>;
  persist: PersistStats;
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
    sharing: SharingStats;
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
