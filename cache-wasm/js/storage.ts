/** Whether what the cache holds is stored for the next visit. The code that does it is loaded only where it is. */

import type { Mirror } from "./mirror.js";
import type { Persist } from "./persist.js";
import { pause } from "./timers.js";
import type { PersistOptions, PersistStats } from "./types.js";
import type { Visits } from "./visits.js";

/** How long a visit waits for what an earlier one left, in milliseconds. */
const OPEN_MS = 500;

export class Storage {
  readonly #options: PersistOptions | undefined;
  #persist: Persist | undefined;
  #opening: Promise<void> | undefined;
  #state: PersistStats["state"];

  constructor(options: PersistOptions | undefined) {
    this.#options = options;
    this.#state = options === undefined ? "off" : "opening";
  }

  get stats(): PersistStats {
    return this.#persist?.stats ?? { state: this.#state, entries: 0, bytes: 0, flushes: 0, failures: 0 };
  }

  /** Takes up what an earlier visit left, as far as it is there in time. `name` is the database's, without one of its own. */
  async open(mirror: Mirror, visits: Visits, name: string): Promise<void> {
    const options = this.#options;
    if (options === undefined) return;
    const late = new AbortController();
    const open = async () => {
      const { Persist } = await import("./persist.js");
      this.#persist = new Persist(mirror, visits, options.name ?? name, options);
      await this.#persist.open(late.signal);
    };
    this.#opening = open().catch(() => {
      this.#state = "failed";
    });
    await Promise.race([this.#opening, pause(OPEN_MS, late.signal)]);
    late.abort();
  }

  /** The last write. */
  close(): void {
    this.#persist?.close();
  }

  /** The core is lost. */
  stop(): void {
    this.#persist?.stop();
  }

  async forget(): Promise<void> {
    await this.#opening;
    await this.#persist?.forget();
  }
}
