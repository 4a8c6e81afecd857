/** What an application passes in, checked: each refusal says what is wrong and how to mend it. */

import { CacheError } from "./errors.js";
import type { EntryAnswer } from "./source.js";
import type {
  CacheOptions,
  CategoryOptions,
  FetcherAnswer,
  FetchOptions,
  Invalidation,
  PersistOptions,
  SetOptions,
} from "./types.js";

/** Every option's name, and which of them are numbers above 0: a type that grows makes this fail to compile. */
const CACHE: Record<keyof CacheOptions, boolean> = {
  categories: false,
  maxBytes: true,
  maxDecodedBytes: true,
  url: false,
  token: false,
  fetcher: false,
  fetcherMany: false,
  fetch: false,
  retries: false,
  timeout: true,
  prefetch: false,
  WebSocket: false,
  share: false,
  clock: false,
  watchMemory: false,
  persist: false,
  marks: false,
};
const CATEGORY: Record<keyof CategoryOptions, boolean> = {
  max: false,
  maxBytes: true,
  minBytes: true,
  maxEntrySize: true,
  ttl: true,
  staleTime: true,
  staleIfError: true,
  absentTtl: true,
  jitter: true,
  policy: false,
  pack: false,
  structuralSharing: false,
};
const PERSIST: Record<keyof PersistOptions, boolean> = { name: false, maxBytes: true, interval: true, exclude: false };
const SET: Record<keyof SetOptions, boolean> = { ttl: true, tags: false, pack: false, size: true };
const FETCH: Record<keyof FetchOptions, boolean> = { signal: false, forceRefresh: false, allowStale: false };
const INVALIDATION: Record<keyof Invalidation, boolean> = {
  keys: false,
  version: false,
  scope: false,
  tags: false,
  category: false,
};

/** A cache's options, each checked. */
export function checkCacheOptions(options: CacheOptions): void {
  checkOptions("", options, CACHE);
  whole("retries", options.retries);
  const token: unknown = options.token;
  if (token !== undefined && typeof token !== "string" && typeof token !== "function") {
    throw new CacheError("argument", `\`token\` must be a string, or a function that gives one, not ${kindOf(token)}`);
  }
  if (![undefined, false, "auto", "worker", "leader"].includes(options.share)) {
    throw new CacheError("argument", `\`share\` must be \`auto\`, \`worker\`, \`leader\` or false, not ${String(options.share)}`);
  }
  for (const name of ["fetcher", "fetcherMany", "fetch"] as const) {
    const given: unknown = options[name];
    if (given === undefined || typeof given === "function") continue;
    throw new CacheError("argument", `\`${name}\` must be a function, not ${kindOf(given)}`);
  }
}

/** A category's options, each checked. */
export function checkCategoryOptions(name: string, options: CategoryOptions): void {
  const { max, minBytes = 0, maxBytes = Infinity, ttl = Infinity, staleTime = 0, jitter = 0, policy } = options;
  const refuse = (why: string) => {
    throw new CacheError("argument", `category \`${name}\`: ${why}`);
  };
  checkOptions(`category \`${name}\`: `, options, CATEGORY);
  if (!Number.isInteger(max) || max < 1) refuse(`\`max\` must be a whole number from 1 on, not ${max}`);
  if (minBytes > maxBytes) refuse(`minBytes, ${minBytes}, is over maxBytes, ${maxBytes}`);
  if (staleTime >= ttl) refuse(`staleTime, ${staleTime}, must be less than ttl, ${ttl}`);
  if (jitter > 1) refuse(`jitter is a share of \`ttl\`, at most 1, not ${jitter}`);
  if (policy !== undefined && policy !== "adaptive" && policy !== "lru") {
    refuse(`\`policy\` must be \`adaptive\` or \`lru\`, not \`${String(policy)}\``);
  }
}

/** What `persist` was set to, checked: its options, if it is on. */
export function checkPersist(persist: unknown, categories: readonly string[]): PersistOptions | undefined {
  if (persist === undefined || persist === false) return undefined;
  if (persist === true) return {};
  const refuse = (why: string) => {
    throw new CacheError("argument", `\`persist\`${why}`);
  };
  if (typeof persist !== "object" || persist === null) refuse(` must be \`true\` or its options, not ${String(persist)}`);
  const options = persist as PersistOptions;
  checkOptions("`persist`: ", options, PERSIST);
  if (options.name !== undefined) text("`name` of `persist`", options.name);
  const { exclude = [] } = options;
  if (!Array.isArray(exclude)) refuse(`: \`exclude\` must be a list of categories, not ${String(exclude)}`);
  const unknown = exclude.find((name) => !categories.includes(name));
  if (unknown !== undefined) refuse(`: there is no category \`${String(unknown)}\` to exclude; there are ${categories.join(", ")}`);
  return options;
}

/** The options of a `fetch`, each checked. */
export function checkFetchOptions(options: FetchOptions): void {
  checkOptions("", options, FETCH);
  const { signal } = options;
  if (signal !== undefined && typeof signal?.throwIfAborted !== "function") {
    throw new CacheError("argument", `\`signal\` must be an AbortSignal, not ${kindOf(signal)}`);
  }
}

/** What to invalidate, checked: a name that is none of these would invalidate nothing. */
export function checkInvalidation(what: Invalidation): void {
  checkOptions("invalidate: ", what, INVALIDATION);
  whole("version", what.version);
  if (what.version !== undefined && what.keys === undefined) {
    throw new CacheError("argument", "invalidate: a `version` is one of `keys`: name them");
  }
}

/** What comes with a value from outside, checked. A header that is not there is `null`. */
export function checkAnswer(given: Partial<FetcherAnswer>): Omit<EntryAnswer, "bytes"> {
  const asOf = given.asOf ?? undefined;
  if (asOf !== undefined) text("asOf", asOf);
  const version = whole("version", given.version ?? undefined);
  const tags = given.tags == null ? undefined : texts("tag", given.tags);
  const ttl = given.ttl ?? undefined;
  if (ttl === undefined) return { asOf, version, tags, ttl };
  if (typeof ttl !== "number" || Number.isNaN(ttl)) throw new CacheError("argument", `ttl must be a number, not ${String(ttl)}`);
  // What has no life left is for who asked alone.
  return { asOf, version, tags, ttl: Math.max(ttl, Number.MIN_VALUE) };
}

/** The options of a `set`, each checked. */
export function checkSetOptions(options: SetOptions): void {
  checkOptions("", options, SET);
  options.tags?.forEach((tag) => text("tag", tag));
}

function checkOptions<T extends object>(whose: string, options: T, known: Record<keyof T & string, boolean>): void {
  for (const name in options) {
    const value: unknown = options[name];
    if (value === undefined) continue;
    if (!Object.hasOwn(known, name)) {
      throw new CacheError("argument", `${whose}there is no option \`${name}\`; ${suggestion(name, Object.keys(known))}`);
    }
    if (known[name]) positive(whose + name, value);
  }
}

function suggestion(name: string, known: string[]): string {
  const near = known.find((each) => isNear(name.toLowerCase(), each.toLowerCase()));
  return near === undefined ? `there are ${known.join(", ")}` : `did you mean \`${near}\`?`;
}

/** Whether one is the other with a letter or two added, left out or changed, or its beginning. */
function isNear(a: string, b: string): boolean {
  if (a.length > 2 && (b.startsWith(a) || a.startsWith(b))) return true;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]! <= 2 && row[b.length]! < a.length;
}

/** What is no string would be read as an address beyond the module's memory. */
export function text(what: string, name: string): string {
  if (typeof name === "string") return name;
  throw new CacheError("argument", `the ${what} must be a string, not ${kindOf(name)}`);
}

function kindOf(given: unknown): string {
  return given === null ? "null" : typeof given;
}

/** A list of strings. One string alone is a list of its letters to JavaScript. */
export function texts(what: string, names: Iterable<string>): string[] {
  if (typeof names === "object" && typeof names?.[Symbol.iterator] === "function") {
    return Array.from(names, (name) => text(what, name));
  }
  throw new CacheError("argument", `the ${what}s must be a list of strings, not ${kindOf(names)}`);
}

/** A whole number from 0 on, if one is given. */
function whole(what: string, number: number | undefined): number | undefined {
  if (number === undefined || (Number.isSafeInteger(number) && number >= 0)) return number;
  throw new CacheError("argument", `${what} must be a whole number from 0 on, not ${String(number)}`);
}

/** A number above 0, which NaN is not. */
function positive(what: string, number: unknown): void {
  if (typeof number !== "number" || !(number > 0)) {
    throw new CacheError("argument", `${what} must be above 0, not ${String(number)}`);
  }
}

/** Where the server's paths begin. */
export function baseOf(url: string | URL): string {
  try {
    const { origin, pathname, protocol } = new URL(url);
    if (protocol === "http:" || protocol === "https:") return origin + pathname.replace(/\/$/, "");
  } catch {
    // Said below.
  }
  throw new CacheError("argument", `\`url\` must be one such as https://edge.example, not \`${String(url)}\``);
}
