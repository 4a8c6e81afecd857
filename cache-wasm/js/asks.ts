/**
 * What is asked for in one turn leaves in as few requests as can be, and the core rules on the answers (R3). Who asked may
 * leave; with the last of a request's the request ends. What is to be asked for again, is by who asked.
 */

import type { Category } from "./category.js";
import type { Filled } from "./core.js";
import { parseJson } from "./decode.js";
import { CacheError } from "./errors.js";
import type { Mirror } from "./mirror.js";
import { type Answers, type EntryAnswer, type Source, TOO_EARLY, type Wish } from "./source.js";
import { type Patience, tried } from "./tries.js";

/** One key's question. Its signal is the flight's. */
export interface Ask extends Wish {
  into: Category;
  key: string;
  ticket: number;
}

/** What became of it. `early`: the server has not come far enough. */
export interface Ruled {
  kind: Filled[0] | "early";
  /** Of what is stored or for who asked alone; `undefined` when that is not JSON. */
  value?: unknown;
}

interface Open extends Ask {
  resolve(ruled: Ruled): void;
  reject(error: unknown): void;
  /** Who asked has left. */
  left(): void;
}

const isWanted = ({ signal }: Open) => !signal.aborted;

export class Asks {
  readonly #mirror: Mirror;
  readonly #source: Source;
  readonly #patience: Patience;
  #waiting: Open[] = [];

  constructor(mirror: Mirror, source: Source, patience: Patience) {
    this.#mirror = mirror;
    this.#source = source;
    this.#patience = patience;
  }

  /** Rejects with what the source failed with, or with the signal's reason. */
  ask(ask: Ask): Promise<Ruled> {
    return new Promise((resolve, reject) => {
      const open: Open = { ...ask, resolve, reject, left() {} };
      ask.signal.addEventListener("abort", () => {
        reject(ask.signal.reason);
        open.left();
      });
      if (this.#waiting.push(open) === 1) queueMicrotask(() => this.#leave());
    });
  }

  /** What need not have reached the same position is asked for apart: a server would wait for the farthest. */
  #leave(): void {
    const groups = new Map<string, Open[]>();
    for (const open of this.#waiting.filter(isWanted)) {
      const name = `${open.min} ${open.isAhead}`;
      groups.set(name, [...(groups.get(name) ?? []), open]);
    }
    this.#waiting = [];
    const { most } = this.#source;
    for (const group of groups.values()) {
      for (let at = 0; at < group.length; at += most) void this.#send(group.slice(at, at + most));
    }
  }

  /** Asks for these in one request. Does not throw. */
  async #send(asks: Open[]): Promise<void> {
    const controller = new AbortController();
    for (const ask of asks) {
      ask.left = () => {
        if (!asks.some(isWanted)) controller.abort();
      };
    }
    const { min, isAhead } = asks[0]!;
    const patience = isAhead ? { ...this.#patience, retries: 0 } : this.#patience;
    let keys: string[] = [];
    try {
      const answers = await tried(patience, controller.signal, (signal) => {
        keys = [...new Set(asks.filter(isWanted).map(({ key }) => key))];
        return this.#source.ask(keys, { min, isAhead, signal });
      });
      const unanswered = this.#rule(asks.filter(isWanted), answers);
      for (const ask of unanswered) {
        if (keys.length > 1) void this.#send([ask]);
        else ask.reject(new CacheError("unavailable", `the answer does not name \`${ask.key}\``));
      }
    } catch (error) {
      for (const { reject } of asks) reject(error);
    }
  }

  /** Lets the core rule on the answers: those that were not answered. */
  #rule(asks: Open[], answers: Answers): Open[] {
    let unanswered: Open[] = [];
    if (answers === TOO_EARLY) for (const { resolve } of asks) resolve({ kind: "early" });
    else if (answers instanceof Uint8Array) unanswered = this.#ruleFrame(asks, answers);
    else unanswered = asks.filter((ask) => !this.#ruleOne(ask, answers));
    // The values were read before: a listener may throw them out again.
    this.#mirror.news.tell();
    return unanswered;
  }

  #ruleFrame(asks: Open[], frame: Uint8Array): Open[] {
    if (asks.length === 0) return asks;
    const { core } = this.#mirror;
    const left = new Map(asks.map((ask) => [ask.ticket, ask]));
    let parts: ReturnType<typeof core.endFills>;
    try {
      parts = this.#mirror.change((now) => core.endFills(Uint32Array.from(left.keys()), frame, now));
    } catch (error) {
      if (!(error instanceof CacheError) || error.code !== "argument") throw error;
      throw new CacheError("unavailable", `the answer for ${asks.length} keys cannot be read: ${error.message}`);
    }
    for (const [ticket, json, kind] of parts) {
      const ask = left.get(ticket)!;
      left.delete(ticket);
      ask.resolve(ruled(ask, kind, json));
    }
    return [...left.values()];
  }

  /** Whether there was an answer. */
  #ruleOne(ask: Open, answerOf: (key: string) => EntryAnswer | undefined): boolean {
    const { core } = this.#mirror;
    const { ticket, key } = ask;
    try {
      const answer = answerOf(key);
      if (answer === undefined) return false;
      const { asOf, version, bytes, tags, ttl } = answer;
      const [kind] = this.#mirror.change((now) => core.endFill(ticket, asOf, version, bytes, tags, ttl, now));
      ask.resolve(ruled(ask, kind, bytes));
    } catch (error) {
      ask.reject(error);
    }
    return true;
  }
}

/** The ruling with its value, which is not decoded for nobody. */
function ruled({ into, key, isAhead }: Ask, kind: Filled[0], answer: string | Uint8Array | undefined): Ruled {
  if (isAhead) return { kind };
  if (kind === "stored") return { kind, value: into.stale(key) };
  if (kind !== "delivered" && kind !== "tooLarge") return { kind };
  if (answer === undefined) return { kind: "absent" };
  return { kind, value: parseJson(typeof answer === "string" ? answer : new TextDecoder().decode(answer)) };
}
