/**
 * From one visit to the next: what the cache holds as plain rows, and rows taken up again.
 *
 * Rows and positions go together: a position says that every row under its scope was current there. Two followed scopes
 * may overlap, and which of them vouches for an entry is not written down; a scope's position is therefore written as the
 * earliest of those that it overlaps. To resume too early only repeats news; to resume too late would lose it (P1).
 */

import { brokenKey } from "./check.js";
import { type Entry, NEVER } from "./entry.js";
import { CacheError } from "./errors.js";
import type { Mirror } from "./mirror.js";
import type { Dump, DumpEntry } from "./types.js";

/** The form of rows and positions. What is of another form is not read. */
export const FORMAT = 1;

export class Visits {
  readonly #mirror: Mirror;
  /** The wall clock, in milliseconds. */
  readonly wall: () => number;
  /** Values that only JavaScript holds get their text. */
  readonly settle: () => void;
  #hasPositions = false;

  constructor(mirror: Mirror, wall: () => number, settle: () => void) {
    this.#mirror = mirror;
    this.wall = wall;
    this.settle = settle;
  }

  dump(): Dump {
    const mirror = this.#mirror;
    this.settle();
    const positions = Object.fromEntries(this.positions());
    const now = mirror.clock.now();
    const all = mirror.categories.flatMap(({ index }) => [...index.values()]);
    const entries = mirror.call(() => all.map((entry) => this.row(entry, now))).filter((row) => row !== undefined);
    return { format: FORMAT, at: this.wall(), positions, entries };
  }

  /** @throws {CacheError} `argument` for what is no dump at all. */
  load(dump: Dump): { restored: number; dropped: number } {
    const { format, at, positions, entries } = (dump ?? {}) as Partial<Dump>;
    if (typeof at !== "number" || typeof positions !== "object" || positions === null || !Array.isArray(entries)) {
      throw new CacheError("argument", "this is no dump: pass what `dump()` gave, or what `JSON.parse` makes of its text");
    }
    if (format !== FORMAT) return { restored: 0, dropped: entries.length };
    const passed = Math.max(0, this.wall() - at);
    const rows = entries.map((row: unknown) => checkRow(row, passed)).filter((row) => row !== undefined && isJson(row.json));
    const restored = this.takeUp(Object.entries(positions), rows).filter((entry) => entry !== undefined).length;
    return { restored, dropped: entries.length - restored };
  }

  /** Where the followed scopes stand. */
  positions(): Map<string, string> {
    const standing = this.#mirror.change(() => this.#mirror.core.positions());
    const earliest = ([scope, at]: [string, string]): [string, string] => {
      const overlapping = standing.filter(([other]) => other.startsWith(scope) || scope.startsWith(other));
      return [scope, overlapping.reduce((least, [, other]) => earlier(least, other), at)];
    };
    return new Map(standing.map(earliest));
  }

  /** What is written of an entry, if anything may be. It belongs into a call of the core's. */
  row({ category, key, slot, ends, since }: Entry, now: number): DumpEntry | undefined {
    const record = ends === NEVER || now < ends ? this.#mirror.core.record(slot) : undefined;
    if (record === undefined) return undefined;
    const [json, seen, version, tags] = record;
    return {
      category: category.name,
      key,
      json,
      ...(seen !== undefined && { seen }),
      ...(version !== undefined && { version }),
      ...(tags.length > 0 && { tags }),
      ...(ends !== NEVER && { ttl: ends - now }),
      age: now - since,
    };
  }

  /**
   * Takes rows up, and remembers where their scopes stood: the entry of each, where it was taken. Only the first that
   * bring positions have them remembered: rows of two visits were not current at the same ones.
   */
  takeUp(positions: Iterable<[string, string]>, rows: readonly (DumpEntry | undefined)[]): (Entry | undefined)[] {
    const { core, categories, clock, news } = this.#mirror;
    const byName = new Map(categories.map((category) => [category.name, { category, room: category.options.max - category.size }]));
    const epochs = new Map<string, string>();
    const takeUp = (row: DumpEntry | undefined, now: number): boolean => {
      const into = row && byName.get(row.category);
      if (into === undefined || into.room <= 0 || !isCovered(row!, epochs)) return false;
      const { key, json, seen, version, tags, ttl } = row!;
      const isTaken = attempt(() => core.restore(into.category.id, key, json, seen, version, ttl, tags, now));
      if (isTaken === true) into.room--;
      return isTaken === true;
    };
    const taken = this.#mirror.change((now) => {
      for (const [scope, at] of this.#hasPositions ? [] : positions) {
        if (epochOf(at) === undefined) continue;
        attempt(() => {
          core.remember(scope, at);
          epochs.set(scope, epochOf(at)!);
        });
      }
      return rows.map((row) => takeUp(row, now));
    });
    this.#hasPositions ||= epochs.size > 0;
    const entries = rows.map((row, i) => (taken[i] === true ? byName.get(row!.category)!.category.index.get(row!.key) : undefined));
    // `staleTime` counts from when it was stored, over all visits.
    for (const [i, entry] of entries.entries()) if (entry !== undefined) entry.since = Math.floor(clock.now() - rows[i]!.age!);
    news.tell();
    return entries;
  }
}

/** A row as it is now, `passed` milliseconds after it was written: `undefined` for what is none, or is too old. */
export function checkRow(given: unknown, passed: number): DumpEntry | undefined {
  if (typeof given !== "object" || given === null) return undefined;
  const { category, key, json, seen, version, tags, ttl = Infinity, age = 0 } = given as Partial<DumpEntry>;
  const isRow =
    [category, key, json].every(isText) &&
    brokenKey(key!) === undefined &&
    (seen === undefined || epochOf(seen) !== undefined) &&
    (version === undefined || typeof version === "number") &&
    (tags === undefined || (Array.isArray(tags) && tags.every(isText))) &&
    typeof age === "number" &&
    typeof ttl === "number" &&
    ttl > passed;
  return isRow ? { category: category!, key: key!, json: json!, seen, version, tags, ttl: ttl - passed, age: age + passed } : undefined;
}

const POSITION = /^([1-9]\d*):(\d+)$/;

/** A position's epoch; `undefined` for what the core would not read as a position. */
function epochOf(at: unknown): string | undefined {
  const [, epoch, offset] = (isText(at) && POSITION.exec(at)) || [];
  return Number.isSafeInteger(Number(epoch)) && Number.isSafeInteger(Number(offset)) ? epoch : undefined;
}

/** The earlier of two positions; of two epochs, which cannot be compared, the first. */
export function earlier(a: string, b: string): string {
  const [epoch, offset] = a.split(":");
  const [other, before] = b.split(":");
  return epoch === other && Number(before) < Number(offset) ? b : a;
}

/** Whether a stream can vouch for the row: one that goes on, in its epoch, from where a scope stood that contains its key. */
function isCovered({ key, seen }: DumpEntry, epochs: ReadonlyMap<string, string>): boolean {
  if (seen === undefined) return true;
  const epoch = epochOf(seen);
  for (let at = key.indexOf(":"); at >= 0; at = key.indexOf(":", at + 1)) {
    if (epochs.get(key.slice(0, at + 1)) === epoch) return true;
  }
  return false;
}

/** What the core refuses is `undefined`. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (typeof error !== "string") throw error;
    return undefined;
  }
}

function isText(given: unknown): given is string {
  return typeof given === "string";
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
