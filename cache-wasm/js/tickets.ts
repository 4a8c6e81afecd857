/** The fills under way. Each has a ticket in the core; while one is out, a `set` goes through the core, which voids it. */

import type { Mirror } from "./mirror.js";
import type { Fences } from "./writes.js";

export class Tickets {
  readonly #mirror: Mirror;
  readonly #fences: Fences;
  readonly #open = new Set<number>();

  constructor(mirror: Mirror, fences: Fences) {
    this.#mirror = mirror;
    this.#fences = fences;
  }

  /** A ticket, and the position that its answer must have reached. */
  begin(begin: () => [number, string | undefined]): [number, string | undefined] {
    const begun = this.#mirror.change(begin);
    this.#open.add(begun[0]);
    this.#fences.fills = this.#open.size;
    return begun;
  }

  /** A fill is over. To the core it is one without an answer, unless it has had one. */
  end(ticket: number): void {
    if (!this.#open.delete(ticket)) return;
    this.#fences.fills = this.#open.size;
    this.#mirror.quietly(() => this.#mirror.call(() => this.#mirror.core.abandonFill(ticket)));
  }
}
