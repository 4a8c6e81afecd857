import { expect } from "vitest";

import { StubSocket } from "./stub-socket.js";

/** How long a heartbeat vouches, in milliseconds. */
export const LEASE_MS = 10_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function number(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...number(Math.floor(value / 128))];
}

export function text(value: string): number[] {
  const bytes = [...encoder.encode(value)];
  return [...number(bytes.length), ...bytes];
}

export function list<T>(values: readonly T[], write: (value: T) => number[]): number[] {
  return [...number(values.length), ...values.flatMap(write)];
}

/** Of a key: its new value and when that was observed, that it changed, or that it is gone. */
export type Item = [
  key: string,
  version: number,
  body: { value: unknown; tags?: string[]; observedAt?: number } | "changed" | "gone",
];

function item([key, version, body]: Item): number[] {
  const head = [...text(key), ...number(version)];
  if (body === "changed") return [...head, 0];
  if (body === "gone") return [...head, 2];
  const observed = number(2 * (body.observedAt ?? 0));
  return [...head, 1, ...observed, ...list(body.tags ?? [], text), ...text(JSON.stringify(body.value))];
}

export interface Asked {
  id: number;
  scope: string;
  /** `epoch:offset` */
  since: string | undefined;
  stamp: number;
}

/** What a client's frame says that the tests look at: a `sub` says all of it, a `pong` its stamp, the others nothing. */
function said(frame: Uint8Array): Partial<Asked> {
  let at = 0;
  const next = (): number => {
    const byte = frame[at++]!;
    return byte < 128 ? byte : byte - 128 + 128 * next();
  };
  const kind = next();
  if (kind === 4) return { stamp: next() };
  if (kind !== 1) return {};
  const id = next();
  const length = next();
  const scope = decoder.decode(frame.subarray(at, (at += length)));
  const since = next() === 1 ? `${next()}:${next()}` : undefined;
  return { id, scope, since, stamp: next() };
}

const MODES = { fresh: 0, replayed: 1, reset: 2 };

/** The server's end of the latest stub socket: what it was asked, and frames in postcard (`wire/README.md`). */
export class StubServer {
  readonly #socket = StubSocket.all.at(-1)!;
  readonly #sids = new Map<string, number>();
  #lastSid = 0;

  /** Opens the connection and greets. */
  constructor() {
    this.#socket.open();
    this.#send([0, 1, ...number(2_000), ...number(LEASE_MS), ...number(65_536), ...number(256), ...number(1_000)]);
  }

  /** The last request to follow a scope. */
  asked(scope: string): Asked {
    const all = this.#socket.sent.map(said).filter((sub) => sub.scope === scope);
    expect(all.length, `requests to follow ${scope}`).toBeGreaterThan(0);
    return all.at(-1) as Asked;
  }

  /** Answers the last request for a scope, and vouches for nothing yet. */
  answer(scope: string, mode: keyof typeof MODES, position: string): void {
    const sid = ++this.#lastSid;
    this.#sids.set(scope, sid);
    const [epoch, offset] = position.split(":").map(Number);
    this.#send([1, ...number(this.asked(scope).id), ...number(sid), ...number(epoch!), ...number(offset!), MODES[mode]]);
  }

  change(scope: string, from: number, to: number, items: Item[], purged: string[] = []): void {
    const span = [...number(from), ...number(to)];
    this.#send([2, this.#sids.get(scope)!, ...span, ...list(items, item), ...list(purged, text), 0]);
  }

  /** Vouches, from the client's newest stamp on. */
  beat(scope: string, from: number, to: number): void {
    const stamps = this.#socket.sent.map((frame) => said(frame).stamp ?? 0);
    this.#send([5, 1, ...number(Math.max(...stamps)), 1, this.#sids.get(scope)!, ...number(from), ...number(to)]);
  }

  /** Is there, and vouches for nothing. */
  live(): void {
    this.#send([5, 0, 0]);
  }

  /** Answers a first request, and vouches. */
  accept(scope: string, position: string): void {
    this.answer(scope, "fresh", position);
    const offset = Number(position.split(":")[1]);
    this.beat(scope, offset, offset);
  }

  #send(bytes: number[]): void {
    this.#socket.onmessage?.({ data: new Uint8Array(bytes).buffer });
  }
}
