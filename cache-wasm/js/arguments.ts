/** What an application passes in, checked: each refusal says what is wrong and how to mend it. */

import { CacheError } from "./errors.js";
import type { CategoryOptions } from "./types.js";

/** A category's limits, each checked. */
export function limitsOf(name: string, limits: CategoryOptions): CategoryOptions {
  const { max, maxBytes, ttl } = limits;
  if (!Number.isInteger(max) || max < 1) {
    throw new CacheError("argument", `category \`${name}\`: \`max\` must be a whole number from 1 on, not ${max}`);
  }
  return {
    max,
    ...(maxBytes === undefined ? {} : { maxBytes: positive(`category \`${name}\`: maxBytes`, maxBytes) }),
    ...(ttl === undefined ? {} : { ttl: positive(`category \`${name}\`: ttl`, ttl) }),
  };
}

/** What is no string would be read as an address beyond the module's memory. */
export function text(what: string, name: string): string {
  if (typeof name === "string") return name;
  throw new CacheError("argument", `the ${what} must be a string, not ${name === null ? "null" : typeof name}`);
}

/** A number above 0, which NaN is not. */
export function positive(what: string, number: number): number {
  if (number > 0) return number;
  throw new CacheError("argument", `${what} must be above 0, not ${number}`);
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

/** The JSON text of a value. */
export function toJson(key: string, value: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new CacheError("argument", `the value of \`${key}\` cannot be JSON: ${String(error)}`, { cause: error });
  }
  if (json !== undefined) return json;
  throw new CacheError("argument", `the value of \`${key}\` cannot be JSON: it is ${typeof value}; delete the key instead`);
}
