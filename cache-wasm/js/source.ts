/** Where values come from: the seam between the edge server (`http.ts`) and fetchers of the application's own. */

import { checkAnswer } from "./arguments.js";
import { unfit } from "./check.js";
import { CacheError } from "./errors.js";
import type { Fetcher, FetcherAnswer, FetcherContext, FetcherMany } from "./types.js";

/** One value's answer, still as bytes. */
export interface EntryAnswer {
  bytes: Uint8Array | undefined;
  asOf: string | undefined;
  /** The application's own number of the value. */
  version: number | undefined;
  tags: string[] | undefined;
  ttl: number | undefined;
}

/** The server has not reached the position asked for: ask again in a moment. */
export const TOO_EARLY: unique symbol = Symbol("too early");

/**
 * What answers a request: the bytes of a frame for the core, or a function that gives a key's answer, `undefined` for a key
 * that was left out. It throws what is wrong with the one answer.
 */
export type Answers = typeof TOO_EARLY | Uint8Array | ((key: string) => EntryAnswer | undefined);

/** How a request is made. */
export interface Wish {
  /** The position the answer must have reached. */
  min: string | undefined;
  /** Nobody waits for it. */
  isAhead: boolean;
  signal: AbortSignal;
}

export interface Source {
  /** The most keys of one request. */
  readonly most: number;
  /** Asks once. */
  ask(keys: readonly string[], wish: Wish): Promise<Answers>;
}

/** The most keys of one request, by whoever answers it: few enough for a short answer. */
export const KEYS_MAX = 200;

/** The application's own functions. */
export class FetcherSource implements Source {
  readonly most: number;
  readonly #one: Fetcher | undefined;
  readonly #many: FetcherMany | undefined;

  constructor(one: Fetcher | undefined, many: FetcherMany | undefined) {
    this.#one = one;
    this.#many = many;
    this.most = many === undefined ? 1 : KEYS_MAX;
  }

  async ask(keys: readonly string[], { min, isAhead, signal }: Wish): Promise<Answers> {
    const context: FetcherContext = { signal, min, priority: isAhead ? "low" : "auto" };
    const [first] = keys;
    if (this.#one !== undefined && (keys.length === 1 || this.#many === undefined)) {
      const answer = await this.#one(first!, context);
      return (key) => entryOf(key, answer);
    }
    const answers: unknown = await this.#many!([...keys], context);
    if (typeof answers !== "object" || answers === null) {
      throw new CacheError("argument", `\`fetcherMany\` must give a Map or an object by key, not ${String(answers)}`);
    }
    const named = answers instanceof Map ? (answers as Map<string, unknown>) : new Map(Object.entries(answers));
    return (key) => (named.has(key) ? entryOf(key, named.get(key)) : undefined);
  }
}

/** @throws {CacheError} `argument`, for what is no answer. */
function entryOf(key: string, given: unknown): EntryAnswer {
  // Who returns the bare value would otherwise be told, without an error, that there is none.
  if (typeof given !== "object" || given === null || !("value" in given)) {
    const advice = "return `{ value }`, with `undefined` for a key that has none";
    throw new CacheError("argument", `the fetcher's answer for \`${key}\` has no \`value\`: ${advice}`);
  }
  const { value, ...rest } = given as FetcherAnswer;
  return { bytes: value === undefined ? undefined : new TextEncoder().encode(toJson(key, value)), ...checkAnswer(rest) };
}

/** The JSON text of a value from outside. */
export function toJson(key: string, value: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw unfit(key, String(error), error);
  }
  if (json === undefined) throw unfit(key, `it is a ${typeof value}`);
  return json;
}
