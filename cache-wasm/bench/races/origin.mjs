/**
 * The server that the caches read from, under the scenario's control: what a request finds is settled when it is made, and
 * when its answer lands is the scenario's to say.
 */

/** What the server had when it was asked. */
class Request {
  isHeld = true;
  /** @type {((answer: { version: number, asOf: string }) => void) | undefined} */
  #settle;

  /**
   * @param {number} version
   * @param {string} asOf
   * @param {AbortSignal | undefined} signal
   */
  constructor(version, asOf, signal) {
    this.version = version;
    this.asOf = asOf;
    this.isAborted = false;
    this.promise = new Promise((resolve, reject) => {
      this.#settle = resolve;
      const abort = () => {
        if (!this.isHeld) return;
        this.isHeld = false;
        this.isAborted = true;
        reject(signal?.reason ?? new DOMException("The request was aborted.", "AbortError"));
      };
      if (signal?.aborted) abort();
      else signal?.addEventListener("abort", abort);
    });
  }

  land() {
    this.isHeld = false;
    this.#settle?.({ version: this.version, asOf: this.asOf });
  }
}

export class Origin {
  /** What the one value is now; a greater one is newer. */
  version = 1;
  /** Where the server's history stands, for caches that ask: `epoch:offset`. */
  position = "1:1";
  /** @type {Request[]} */
  requests = [];

  /**
   * One request. It heeds its signal as `fetch` does.
   *
   * @param {AbortSignal} [signal]
   * @returns {Promise<{ version: number, asOf: string }>}
   */
  read(signal) {
    const request = new Request(this.version, this.position, signal);
    this.requests.push(request);
    return request.promise;
  }

  /** Requests whose answer is still to land. */
  get held() {
    return this.requests.filter(({ isHeld }) => isHeld);
  }
}
