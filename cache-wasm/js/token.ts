/** What proves to the server who reads: asked of the application when it is needed, and again when it has expired. */

import { CacheError } from "./errors.js";
import type { CacheOptions } from "./types.js";

export class Tokens {
  readonly #ask: (() => string | Promise<string>) | undefined;
  #token: string | undefined;
  /** The application is being asked: one question for all who wait. */
  #asked: Promise<string> | undefined;

  constructor(given: CacheOptions["token"]) {
    if (typeof given === "function") this.#ask = given;
    else this.#token = given;
  }

  /** Whether another one can be had when this one has expired. */
  get canRenew(): boolean {
    return this.#ask !== undefined;
  }

  /** The one that is known, or the application's: `undefined` where there is none to show. */
  get(): string | undefined | Promise<string> {
    return this.#ask === undefined || this.#token !== undefined ? this.#token : (this.#asked ??= this.#renewed(this.#ask));
  }

  /** The server has said that this one has expired. One that came since is not given up with it. */
  expired(token: string | undefined): void {
    if (this.#ask !== undefined && this.#token === token) this.#token = undefined;
  }

  async #renewed(ask: () => string | Promise<string>): Promise<string> {
    try {
      const token: unknown = await ask();
      if (typeof token === "string") return (this.#token = token);
      throw new CacheError("argument", `\`token\` must give a string, not ${token === null ? "null" : typeof token}`);
    } finally {
      this.#asked = undefined;
    }
  }
}
