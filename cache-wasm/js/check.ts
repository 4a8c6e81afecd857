/**
 * Whether a value is what JSON carries unchanged, and how long its text is about: in one walk, without making the text.
 * What JSON would quietly turn into something else is refused, with its place in the value.
 */

import { CacheError } from "./errors.js";

/** Nested deeper than this is taken for a value that holds itself. */
const DEEPEST = 500;
/** A number's length is not looked at. */
const NUMBER_SIZE = 8;

/** What was refused, and where: written from the inside out. */
let what = "";
let where = "";

/**
 * The bytes of a value's JSON text, roughly.
 *
 * @throws {CacheError} `argument`, with the path of what JSON cannot carry.
 */
export function jsonSize(key: string, value: unknown): number {
  const size = sizeOf(value, 0);
  if (size >= 0) return size;
  throw unfit(key, where === "" ? `it is ${what}` : `\`$${where}\` is ${what}`);
}

/** Why a value is refused. */
export function unfit(key: string, why: string, cause?: unknown): CacheError {
  const advice = why === "it is undefined" ? "delete the key instead" : "keep it by reference with `{ pack: false }`";
  return new CacheError("argument", `the value of \`${key}\` cannot be JSON: ${why}; ${advice}`, { cause });
}

function refuse(why: string): number {
  what = why;
  where = "";
  return -1;
}

/** Below 0 for what is refused. */
function sizeOf(value: unknown, depth: number): number {
  switch (typeof value) {
    case "string":
      return value.length + 2;
    case "number":
      return value - value === 0 ? NUMBER_SIZE : refuse(String(value));
    case "boolean":
      return 5;
    case "object":
      if (value === null) return 4;
      if (depth >= DEEPEST) return refuse(`nested over ${DEEPEST} deep, or holds itself`);
      return Array.isArray(value) ? arraySize(value, depth) : objectSize(value as Record<string, unknown>, depth);
    case "undefined":
      return refuse("undefined");
    default:
      return refuse(`a ${typeof value}`);
  }
}

function arraySize(array: readonly unknown[], depth: number): number {
  let size = 2 + array.length;
  for (let i = 0; i < array.length; i++) {
    const inner = sizeOf(array[i], depth + 1);
    if (inner < 0) {
      where = `[${i}]${where}`;
      return -1;
    }
    size += inner;
  }
  return size;
}

function objectSize(object: Record<string, unknown>, depth: number): number {
  const prototype: unknown = Object.getPrototypeOf(object);
  // Another page's objects have another prototype, which has none itself.
  if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    return refuse(`of class ${object.constructor?.name ?? "?"}`);
  }
  let size = 2;
  for (const name in object) {
    const member = object[name];
    // JSON leaves it out.
    if (member === undefined) continue;
    const inner = sizeOf(member, depth + 1);
    if (inner < 0) {
      // Inherited, which JSON leaves out too.
      if (!Object.hasOwn(object, name)) continue;
      where = (/^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`) + where;
      return -1;
    }
    size += name.length + 4 + inner;
  }
  return size;
}

/** Printable ASCII, two to sixteen segments of it: a key that the core need not be asked about. */
const PLAIN_KEY = /^[!-)+-9;-z|~]+(?::[!-)+-9;-z|~]+){1,15}$/;
const KEY_MAX = 256;

export function isPlainKey(key: string): boolean {
  return key.length <= KEY_MAX && PLAIN_KEY.test(key);
}

/** Half a character, which bytes cannot carry: two keys would become one. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** What is wrong with a key that is not plain, if the core would not see it. */
export function brokenKey(key: string): string | undefined {
  return LONE_SURROGATE.test(key) ? "the key has half a character: a surrogate without its other half" : undefined;
}
