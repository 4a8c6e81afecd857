/** What an application passes in, checked: each refusal says what is wrong and how to mend it. */

import { CacheError } from "./errors.js";
import type { CacheOptions, CategoryOptions, SetOptions } from "./types.js";

/** Every option's name, and which of them are numbers above 0: a type that grows makes this fail to compile. */
const CACHE: Record<keyof CacheOptions, boolean> = {
  categories: false,
  maxBytes: true,
  maxDecodedBytes: true,
  url: false,
  token: false,
  fetcher: false,
  fetch: false,
  WebSocket: false,
  clock: false,
  watchMemory: false,
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
const SET: Record<keyof SetOptions, boolean> = { ttl: true, tags: false, pack: false, size: true };

/** A cache's options, each checked. */
export function checkCacheOptions(options: CacheOptions): void {
  checkOptions("", options, CACHE);
}

/** A category's options, each checked. */
export function checkCategoryOptions(name: string, options: CategoryOptions): void {
  const { max, minBytes = 0, maxBytes = Infinity, jitter = 0, policy } = options;
  const refuse = (why: string) => {
    throw new CacheError("argument", `category \`${name}\`: ${why}`);
  };
  checkOptions(`category \`${name}\`: `, options, CATEGORY);
  if (!Number.isInteger(max) || max < 1) refuse(`\`max\` must be a whole number from 1 on, not ${max}`);
  if (minBytes > maxBytes) refuse(`minBytes, ${minBytes}, is over maxBytes, ${maxBytes}`);
  if (jitter > 1) refuse(`jitter is a share of \`ttl\`, at most 1, not ${jitter}`);
  if (policy !== undefined && policy !== "adaptive" && policy !== "lru") {
    refuse(`\`policy\` must be \`adaptive\` or \`lru\`, not \`${String(policy)}\``);
  }
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
  throw new CacheError("argument", `the ${what} must be a string, not ${name === null ? "null" : typeof name}`);
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
