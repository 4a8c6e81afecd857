/** The rows that are stored, by entry, and how many bytes they are. It stores nothing itself. */

import type { Entry } from "./entry.js";
import type { Tables } from "./tables.js";

/** What a row takes beside its texts, about. */
const ROW_BYTES = 64;
/** Of the bytes allowed, what is freed at a time. */
const FREED_SHARE = 1 / 32;

export class Rows {
  bytes = 0;
  readonly #tables: Tables;
  readonly #maxBytes: number;
  readonly #rows = new Map<Entry, number>();

  constructor(tables: Tables, maxBytes: number) {
    this.#tables = tables;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#rows.size;
  }

  has(entry: Entry): boolean {
    return this.#rows.has(entry);
  }

  /** Whether it fits at all. The entry has no row before. */
  add(entry: Entry, json: string): boolean {
    const bytes = bytesOf(entry, json.length);
    if (bytes > this.#maxBytes) return false;
    this.#rows.set(entry, bytes);
    this.bytes += bytes;
    return true;
  }

  /** Whether there was one. */
  delete(entry: Entry): boolean {
    this.bytes -= this.#rows.get(entry) ?? 0;
    return this.#rows.delete(entry);
  }

  clear(): void {
    this.#rows.clear();
    this.bytes = 0;
  }

  /** Over the bytes allowed, rows leave that were used longest ago: these. */
  makeRoom(): Entry[] {
    if (this.bytes <= this.#maxBytes) return [];
    const all = this.#byUse([...this.#rows.keys()]);
    const left: Entry[] = [];
    while (this.bytes > this.#maxBytes * (1 - FREED_SHARE)) {
      const entry = all.pop()!;
      this.delete(entry);
      left.push(entry);
    }
    return left;
  }

  /** Of these entries as many as fit, about, the last used first. */
  fitting(entries: Entry[]): Entry[] {
    let bytes = 0;
    const beyond = this.#byUse(entries).findIndex((entry) => (bytes += bytesOf(entry, entry.size)) > this.#maxBytes);
    return beyond < 0 ? entries : entries.slice(0, beyond);
  }

  /** The last used first. */
  #byUse(entries: Entry[]): Entry[] {
    const { uses } = this.#tables;
    return entries.sort((a, b) => (uses[b.slot]! >>> 0) - (uses[a.slot]! >>> 0));
  }
}

function bytesOf({ key }: Entry, json: number): number {
  return json + key.length + ROW_BYTES;
}
