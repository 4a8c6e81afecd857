/** What the core and JavaScript share: typed arrays over its memory, and the entries by slot. */

import type { Core } from "./core.js";
import { type Entry, type Lease, NAMED, NEVER, PAST } from "./entry.js";

/** The low bits of a use hold the frequency; `FREQUENCY_BITS` in `src/slots.rs`. */
const FREQUENCY = 31;
/** One tick, in the place a use has it. */
const TICK = 32;

export class Tables {
  /** A slot's tick of last use and frequency: written here on a hit, and by the core. */
  uses!: Int32Array;
  /** Arguments and results of bulk calls. */
  mail!: Float64Array;
  /** All of the memory, as cells. */
  cells!: Float64Array;
  /** The core's tick as `state` has it, as a signed number. */
  tick = 0;
  /** A use of now, of the highest frequency: an entry that was used so already has nothing new to count. */
  full = FREQUENCY;
  /** By slot. */
  readonly entries: (Entry | undefined)[] = [];
  /** Entries that the core does not know by name, in any order. */
  readonly unnamed: Entry[] = [];
  /** Named entries that the core may have no text of, in any order. */
  readonly unsettled: Entry[] = [];
  /** By stream. Stream 0 stands for no stream. */
  readonly leases: Lease[] = [{ until: NEVER }];
  readonly #memory: WebAssembly.Memory;
  readonly #places: Uint32Array;
  /** Where `state` begins, in cells. */
  readonly #state: number;

  constructor(core: Core, memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#places = core.tables();
    this.#state = this.#places[4]! / 8;
    this.attach();
  }

  /** Views are made anew once the memory has grown, which leaves the old ones with length 0; the tables stay put. */
  attach(): void {
    if (this.cells?.length > 0) return;
    const [capacity, uses, mail, mailLength] = this.#places as unknown as [number, number, number, number];
    const buffer = this.#memory.buffer;
    this.uses = new Int32Array(buffer, uses, capacity);
    this.mail = new Float64Array(buffer, mail, mailLength);
    this.cells = new Float64Array(buffer, 0, buffer.byteLength >>> 3);
  }

  /** To be called after every call into the core. */
  catchUp(): void {
    this.attach();
    this.tick = this.cells[this.#state]! | 0;
    this.full = this.tick | FREQUENCY;
  }

  /** Where the effects begin, in cells. */
  get effects(): number {
    return this.cells[this.#state + 1]! / 8;
  }

  /** How many cells the effects take. */
  get effectsLength(): number {
    return this.cells[this.#state + 2]!;
  }

  /** Whether keys stand among the effects. */
  get hasKeys(): boolean {
    return this.cells[this.#state + 3]! > 0;
  }

  /** Whether the core has upkeep to do. */
  get hasUpkeep(): boolean {
    return this.cells[this.#state + 4] === 1;
  }

  /** Counts a use of an entry. Detached views take no note of it, and that is all. */
  use(entry: Entry): void {
    const { uses } = this;
    const { slot } = entry;
    const frequency = uses[slot]! & FREQUENCY;
    uses[slot] = entry.use = this.tick | (frequency < FREQUENCY ? frequency + 1 : frequency);
  }

  /** A tick for each hit: `lru` wants their exact order. */
  advance(): void {
    this.tick = (this.tick + TICK) | 0;
    this.full = this.tick | FREQUENCY;
    this.cells[this.#state] = this.tick >>> 0;
  }

  /** The entry waits until it is named, or settled. */
  list(entry: Entry): void {
    if (entry.place < 0) entry.place = this.#listOf(entry).push(entry) - 1;
  }

  /** The entry waits no more. */
  unlist(entry: Entry): void {
    if (entry.place < 0) return;
    const list = this.#listOf(entry);
    const last = list.pop()!;
    if (last !== entry) {
      list[entry.place] = last;
      last.place = entry.place;
    }
    entry.place = -1;
  }

  #listOf({ flags }: Entry): Entry[] {
    return (flags & NAMED) === 0 ? this.unnamed : this.unsettled;
  }

  /** The lease of a stream. */
  lease(stream: number): Lease {
    return (this.leases[stream] ??= { until: PAST });
  }
}
