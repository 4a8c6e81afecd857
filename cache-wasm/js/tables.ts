/** The slot tables: typed arrays over the core's memory, and beside them what only JavaScript can hold. */

import type { Core } from "./core.js";

/** Stands for a value that is still JSON text in the core. */
export const UNDECODED: unique symbol = Symbol("undecoded");

/** The low bits of a use, which hold the frequency; `FREQUENCY_BITS` in `src/slots.rs`. */
const FREQUENCY_BITS = 5;

/** The most that a slot's frequency counts. */
export const FREQUENCY_MAX = 31;

export class Tables {
  expires!: Float64Array;
  uses!: Uint32Array;
  stream!: Uint16Array;
  lease!: Float64Array;
  /** The core's tick, in the place a use has it. Only the core's changes move it: copied after each. */
  tick = 0;
  #tick!: Uint32Array;
  /** The decoded value of a slot, or {@link UNDECODED}. */
  readonly values: unknown[];
  /** The key of a slot. */
  readonly keys: (string | undefined)[];
  /** The category of a slot. */
  readonly categories: number[];

  readonly #memory: WebAssembly.Memory;
  readonly #places: Uint32Array;

  constructor(core: Core, memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#places = core.tables();
    const capacity = this.#places[0]!;
    this.values = new Array(capacity).fill(UNDECODED);
    this.keys = new Array(capacity).fill(undefined);
    this.categories = new Array(capacity).fill(0);
    this.attach();
  }

  /** Makes the views anew. WebAssembly memory that has grown leaves the old ones with length 0; the tables stay put. */
  attach(): void {
    const [capacity, expires, uses, stream, lease, leases, tick] = this.#places as unknown as number[];
    const buffer = this.#memory.buffer;
    this.expires = new Float64Array(buffer, expires, capacity);
    this.uses = new Uint32Array(buffer, uses, capacity);
    this.stream = new Uint16Array(buffer, stream, capacity);
    this.lease = new Float64Array(buffer, lease, leases);
    this.#tick = new Uint32Array(buffer, tick, 1);
  }

  /** To be called after every change in the core. */
  catchUp(): void {
    if (this.expires.length === 0) this.attach();
    this.tick = this.#tick[0]! << FREQUENCY_BITS;
  }
}
