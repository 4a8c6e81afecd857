/**
 * The keys on the board, and what this page has seen of each: which line it had, when it changed.
 *
 * Invariant: `facts` is what the last read gave and is replaced by every read; `current` is false from the read that
 * missed until the next that hits. Nothing here outlives a `gone`.
 */
import type { Prop } from "../live/values";
import { type Facts, factsOf } from "./facts";

/** Lines remembered of one row, for its sparkline. */
const REMEMBERED = 16;

export interface Row {
  readonly key: string;
  facts: Facts;
  current: boolean;
  /** Counts content changes; names a flash. */
  version: number;
  /** By the page's monotonic clock; 0 as long as the page has seen no change. */
  changedAt: number;
  /** How the line moved in the last change; 0 when something else changed. */
  delta: number;
  /** Whether the row came to the board after the initial load, and has not changed since. */
  fresh: boolean;
  /** The lines seen, oldest first; one as long as it has not moved. */
  lines: number[];
}

export type Effect = "added" | "changed" | "same" | "missed";

export interface Counts {
  added: number;
  gone: number;
  changed: number;
}

export class Rows {
  readonly #rows = new Map<string, Row>();
  readonly #read: (key: string) => Prop | undefined;
  /** Events since the initial load, after which `begin` was called. */
  readonly counts: Counts = { added: 0, gone: 0, changed: 0 };
  #counting = false;
  /** Counts rows that left the board. */
  departures = 0;
  /** Counts arrivals and changes: what moves a row to another place. */
  moves = 0;

  constructor(read: (key: string) => Prop | undefined) {
    this.#read = read;
  }

  get size(): number {
    return this.#rows.size;
  }

  all(): IterableIterator<Row> {
    return this.#rows.values();
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  /** From here on, changes are counted. */
  begin(): void {
    this.#counting = true;
  }

  /** Reads the key's value from the cache. */
  read(key: string, now: number): Effect {
    const value = this.#read(key);
    const row = this.#rows.get(key);
    if (value === undefined) {
      if (row) row.current = false;
      return "missed";
    }
    const facts = factsOf(key, value);
    if (row === undefined) return this.#add(key, facts, now);
    row.current = true;
    if (facts === row.facts) return "same";
    const before = row.facts;
    row.facts = facts;
    if (facts.print === before.print) return "same";
    this.moves += 1;
    row.version += 1;
    row.changedAt = now;
    row.fresh = false;
    row.delta = facts.line - before.line;
    if (row.delta !== 0) {
      row.lines.push(facts.line);
      if (row.lines.length > REMEMBERED) row.lines.shift();
    }
    if (this.#counting) this.counts.changed += 1;
    return "changed";
  }

  drop(key: string): void {
    if (!this.#rows.delete(key)) return;
    this.departures += 1;
    if (this.#counting) this.counts.gone += 1;
  }

  /** Of the rows whose key begins with `scope`, only those in `keys`, or that the cache still has, remain. */
  keepOnly(scope: string, keys: ReadonlySet<string>, has: (key: string) => boolean): void {
    for (const key of this.#rows.keys()) {
      if (key.startsWith(scope) && !keys.has(key) && !has(key)) this.drop(key);
    }
  }

  #add(key: string, facts: Facts, now: number): Effect {
    this.#rows.set(key, {
      key,
      facts,
      current: true,
      version: 0,
      changedAt: this.#counting ? now : 0,
      delta: 0,
      fresh: this.#counting,
      lines: [facts.line],
    });
    this.moves += 1;
    if (this.#counting) this.counts.added += 1;
    return "added";
  }
}
