/**
 * The housekeeper: what `set` left undone is done off the critical path, in slices of at most 2 ms. It names entries,
 * settles values (their JSON text goes to the core), lets the core pack and sweep, and drops decoded copies that were not
 * used since its last round while there are more than allowed. It never drops what a handle holds, nor what the core has no
 * text of.
 */

import { ABSENT, type Entry, KEPT, SAME_VERSION, UNDECODED, UNSETTLED } from "./entry.js";
import type { Mirror } from "./mirror.js";
import { background, stamp } from "./timers.js";
import type { Writes } from "./writes.js";

/** How long a slice may take. */
const SLICE_MS = 2;
/** How long work may pile up before the first slice: much of what was set is replaced by then. */
const DELAY_MS = 100;
/** From one round over the decoded copies to the next, while they are too many. */
const ROUND_MS = 1000;
/** Slots that one step looks at. */
const STEP = 256;

export class Upkeep {
  /** Bytes of text whose decoded copies are in memory; those of entries that have left count until the next round. */
  decodedBytes = 0;
  /** For marks: one slice. */
  slice = () => this.#slice();
  readonly #mirror: Mirror;
  readonly #writes: Writes;
  readonly #maxDecodedBytes: number;
  #isDue = false;
  /** The core has said that it has more to do. */
  #coreWants = false;
  /** The next slot of the round over decoded copies, -1 between rounds. */
  #hand = -1;
  /** Bytes seen so far in this round. */
  #seen = 0;

  constructor(mirror: Mirror, writes: Writes, maxDecodedBytes: number) {
    this.#mirror = mirror;
    this.#writes = writes;
    this.#maxDecodedBytes = maxDecodedBytes;
  }

  /** There is something to do. */
  request(delay = DELAY_MS): void {
    if (this.#isDue || this.#mirror.closed !== undefined) return;
    this.#isDue = true;
    background(() => this.slice(), delay);
  }

  /** The core has upkeep of its own. */
  requestForCore(): void {
    this.#coreWants = true;
    this.request();
  }

  /** An entry was decoded. */
  decoded(bytes: number): void {
    this.decodedBytes += bytes;
    if (this.#isOver) this.request();
  }

  /** Gives the core the text of all that was set, now. */
  settle(): void {
    const { unsettled } = this.#mirror.tables;
    this.#writes.prepare();
    while (unsettled.length > 0) this.#settle(unsettled.at(-1)!);
  }

  /** Does all there is to do, now. */
  drain(): void {
    while (this.#step());
  }

  /** Drops every decoded copy that can be made again and that no handle holds. */
  shed(): void {
    this.#hand = this.#seen = 0;
    while (this.#sweep(true));
  }

  get #isOver(): boolean {
    return this.decodedBytes > this.#maxDecodedBytes;
  }

  #slice(): void {
    const end = stamp() + SLICE_MS;
    if (this.#isOver && this.#hand < 0) this.#hand = 0;
    const more = this.#mirror.quietly(() => {
      while (this.#step()) if (stamp() >= end) return true;
      return false;
    });
    // Not before: what the slice itself brings about is for the next one, at once.
    this.#isDue = false;
    if (more === true) this.request(0);
    // What was used in this round may not be in the next.
    else if (this.#isOver) this.request(ROUND_MS);
    this.#mirror.news.tell();
  }

  /** A small piece of work: whether there may be more. */
  #step(): boolean {
    const { core, tables } = this.#mirror;
    this.#writes.flushAll();
    if (tables.unnamed.length > 0) {
      this.#writes.name();
      return true;
    }
    if (tables.unsettled.length > 0) {
      this.#settle(tables.unsettled.at(-1)!);
      return true;
    }
    if (this.#coreWants) {
      this.#coreWants = this.#mirror.call((now) => core.upkeep(now));
      return true;
    }
    return this.#hand >= 0 && this.#sweep(false);
  }

  /** Gives the core the text of a value that is with JavaScript alone. */
  #settle(entry: Entry): void {
    this.#mirror.tables.unlist(entry);
    if ((entry.flags & UNSETTLED) === 0) return;
    this.#mirror.watcher?.changed(entry);
    let json: string | undefined;
    try {
      json = JSON.stringify(entry.value);
    } catch {
      // It was changed since it was set, or there is no memory: it stays as it is.
    }
    if (json === undefined) return;
    const { core } = this.#mirror;
    const isSettled = this.#mirror.quietly(() => {
      this.#mirror.call((now) => core.settle(entry.slot, json, now));
      return true;
    });
    if (isSettled !== true) return;
    entry.flags &= ~UNSETTLED;
    entry.size = json.length;
    this.decodedBytes += json.length;
  }

  /** Looks at the next slots: whether the round goes on. */
  #sweep(all: boolean): boolean {
    const { entries } = this.#mirror.tables;
    const end = Math.min(this.#hand + STEP, entries.length);
    for (let slot = this.#hand; slot < end; slot++) {
      const entry = entries[slot];
      if (entry === undefined || entry.value === UNDECODED || (entry.flags & (KEPT | UNSETTLED | ABSENT)) !== 0) continue;
      if (entry.held === 0 && (all || (this.#isOver && entry.use === 0))) {
        drop(entry);
        this.decodedBytes -= entry.size;
      } else {
        this.#seen += entry.size;
        entry.use = 0;
      }
    }
    this.#hand = end;
    if (end < entries.length) return true;
    this.decodedBytes = this.#seen;
    this.#seen = 0;
    this.#hand = -1;
    return false;
  }
}

/** Only the text in the core is left; the object stays the same for as long as the page holds it. */
function drop(entry: Entry): void {
  const { value } = entry;
  entry.drop();
  if (typeof value !== "object" || value === null) return;
  entry.past = new WeakRef(value);
  entry.flags |= SAME_VERSION;
}
