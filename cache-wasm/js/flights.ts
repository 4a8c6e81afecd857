/** One flight per name, however many wait for it. A waiter may leave; with the last one the flight ends. */

interface Flight {
  result: Promise<unknown>;
  controller: AbortController;
  waiters: number;
}

export class Flights {
  readonly #open = new Map<string, Flight>();
  /** Who is to leave with a signal. One listener a signal, however many wait: Node warns of more than ten. */
  readonly #leaving = new WeakMap<AbortSignal, Set<() => void>>();

  /** Joins the flight of this name, or starts it. */
  async join<T>(name: string, signal: AbortSignal | undefined, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    let flight = this.#open.get(name);
    if (flight === undefined) {
      const controller = new AbortController();
      const result = ended(start(controller.signal), controller.signal).finally(() => {
        if (this.#open.get(name)?.controller === controller) this.#open.delete(name);
      });
      flight = { result, controller, waiters: 0 };
      this.#open.set(name, flight);
    }
    return this.#wait(name, flight, signal) as Promise<T>;
  }

  async #wait(name: string, flight: Flight, signal: AbortSignal | undefined): Promise<unknown> {
    flight.waiters++;
    const leave = () => {
      if (--flight.waiters > 0) return;
      if (this.#open.get(name) === flight) this.#open.delete(name);
      flight.controller.abort(signal?.reason);
    };
    if (signal === undefined) return flight.result;
    return new Promise((resolve, reject) => {
      const aborted = () => {
        reject(signal.reason);
        leave();
      };
      const leaving = this.#leavingWith(signal);
      leaving.add(aborted);
      flight.result.then(resolve, reject).finally(() => leaving.delete(aborted));
    });
  }

  #leavingWith(signal: AbortSignal): Set<() => void> {
    const known = this.#leaving.get(signal);
    if (known !== undefined) return known;
    const leaving = new Set<() => void>();
    this.#leaving.set(signal, leaving);
    signal.addEventListener("abort", () => leaving.forEach((leave) => leave()), { once: true });
    return leaving;
  }

  /** Whether a flight of this name is under way. */
  has(name: string): boolean {
    return this.#open.has(name);
  }

  /** Ends every flight. */
  abort(reason: unknown): void {
    for (const flight of this.#open.values()) flight.controller.abort(reason);
    this.#open.clear();
  }
}

/** Who starts a flight may not heed its signal: those who wait are let go all the same. */
export function ended<T>(started: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    started.then(resolve, reject);
  });
}
