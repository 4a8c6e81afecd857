/** From a payload in the core to the value that the page sees: the same object as before, where the page still has it. */

import { ABSENT, type Entry, SAME_VERSION } from "./entry.js";
import type { Mirror } from "./mirror.js";
import { shareEqual } from "./structural.js";

/** The value of a JSON text, or `undefined` for what is not one. `failed` hears of a lack of memory. */
export function parseJson(text: string | undefined, failed?: () => void): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof RangeError) failed?.();
    return undefined;
  }
}

export class Decoder {
  readonly #mirror: Mirror;
  readonly #decoded: (bytes: number) => void;
  readonly #failed: () => void;

  /** `decoded` hears how many bytes were decoded, `failed` that there was no memory for it. */
  constructor(mirror: Mirror, decoded: (bytes: number) => void, failed: () => void) {
    this.#mirror = mirror;
    this.#decoded = decoded;
    this.#failed = failed;
  }

  /** A payload that is not JSON reads as no value; `fetch`, which brought it, says so. Does not throw. */
  decode(entry: Entry): unknown {
    if ((entry.flags & ABSENT) !== 0 || entry.slot < 0) return undefined;
    const past = entry.past?.deref();
    let value: unknown = past;
    if (past === undefined || (entry.flags & SAME_VERSION) === 0) {
      value = parseJson(this.#payload(entry.slot), this.#failed);
      // The core may have been lost just now.
      if (entry.slot < 0) return undefined;
      if (past !== undefined) value = shareEqual(past, value);
    }
    entry.past = undefined;
    entry.hold(value);
    this.#decoded(entry.size);
    return value;
  }

  #payload(slot: number): string | undefined {
    const { core } = this.#mirror;
    const read = () => {
      try {
        return core.payload(slot);
      } catch (error) {
        // A text for which there is no memory: the core itself has come through.
        if (!(error instanceof RangeError)) throw error;
        this.#failed();
        return undefined;
      }
    };
    return this.#mirror.quietly(() => this.#mirror.call(read));
  }
}
