/**
 * One entry as JavaScript holds it, of one fixed shape. It lives as long as its key is in the cache; once it has left, it
 * is never readable again, so that whoever still holds it reads nothing old.
 */

import type { Category } from "./category.js";

/** Stands for a value that JavaScript does not hold: its JSON text is in the core, or the key is known to have none. */
export const UNDECODED: unique symbol = Symbol("undecoded");

/** A time that is always past. */
export const PAST = -1;

/**
 * Stands for infinity among times: the greatest small integer of every engine. A real time may lie beyond (12 days of an
 * open page): comparisons that fail are therefore made again with care, in `Category.isFresh`.
 */
export const NEVER = 0x3fff_ffff;

/** Until when a stream vouches, in whole milliseconds: one object for all its entries. */
export interface Lease {
  until: number;
}

/** The core knows its name. */
export const NAMED = 1;
/** It waits in its category's `pending`. */
export const PENDING = 2;
/** The value stays with JavaScript for good: `{ pack: false }`. */
export const KEPT = 4;
/** The value is with JavaScript alone until its JSON text is settled. */
export const UNSETTLED = 8;
/** The key is known to have no value. */
export const ABSENT = 16;
/** `past` is what this version was decoded to, not an older one. */
export const SAME_VERSION = 32;

/** The flags that say what it holds. */
export const CONTENT_FLAGS = KEPT | UNSETTLED | ABSENT | SAME_VERSION;

/** By `form`, as effects and `put` have it. */
export const FORM_FLAGS: readonly number[] = [0, ABSENT, UNSETTLED, KEPT];

export class Entry {
  // Declared, not defined: a field that is first `undefined` is no small integer to the engine any more. In this order a
  // hit reads one cache line.
  declare value: unknown;
  /** Until when `value` may be read without another look: `ends` while there is one, else {@link PAST}. */
  declare until: number;
  declare lease: Lease;
  /** The use that was last counted, as `uses` has it; 0 when there was none since the housekeeper's last round. */
  declare use: number;
  /** -1 once it has left. */
  declare slot: number;
  /** End of its age, in whole milliseconds rounded down; {@link NEVER}. */
  declare ends: number;
  declare flags: number;
  /** Handles that are bound to it. */
  declare held: number;
  /** Bytes of its JSON text, at first by estimate. */
  declare size: number;
  /** When it was stored or found current, in whole milliseconds. */
  declare since: number;
  /** Its place among the unnamed or the unsettled of `Tables`, or -1. */
  declare place: number;
  declare readonly key: string;
  declare readonly category: Category;
  /** An object decoded before, of this version or an older one, for as long as the page holds it. */
  declare past: WeakRef<object> | undefined;

  constructor(category: Category, key: string, slot: number, lease: Lease) {
    this.value = UNDECODED;
    this.until = PAST;
    this.lease = lease;
    this.use = 0;
    this.slot = slot;
    this.ends = PAST;
    this.flags = 0;
    this.held = 0;
    this.size = 0;
    this.since = 0;
    this.place = -1;
    this.key = key;
    this.category = category;
    this.past = undefined;
  }

  /** It holds a value that can be read. */
  hold(value: unknown): void {
    this.value = value;
    this.until = this.ends;
  }

  /** Its value is not at hand. */
  drop(): void {
    this.value = UNDECODED;
    this.until = PAST;
  }

  /** It leaves. */
  end(): void {
    this.drop();
    this.ends = PAST;
    this.slot = -1;
    this.past = undefined;
  }
}

/** Stands for no entry where there must be one: it is never readable. */
export const NOBODY = new Entry(undefined as unknown as Category, "", -1, { until: PAST });

/** A time as entries have it: rounded down, infinity as {@link NEVER}. */
export function wholeTime(until: number): number {
  if (until < NEVER) return until > 0 ? until | 0 : PAST;
  const whole = Math.floor(until);
  if (whole === NEVER) return NEVER - 1;
  return whole > Number.MAX_SAFE_INTEGER ? NEVER : whole;
}
