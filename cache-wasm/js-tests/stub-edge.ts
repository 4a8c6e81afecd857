import { expect } from "vitest";

import { list, number, text } from "./stub-server.js";

/** A value of an answer for many keys, or that the key has none. */
export type Found = [key: string, value: unknown, details?: { asOf?: string; tags?: string[]; ttl?: number }];

/** A `got` frame in postcard (`wire/README.md`). */
export function got(...items: Found[]): Uint8Array<ArrayBuffer> {
  const found = ([key, value, { asOf = "1:7", tags = [], ttl } = {}]: Found) => {
    const position = asOf.split(":").flatMap((part) => number(Number(part)));
    const body = value === undefined ? [0] : [1, 1, 1, 0, ...list(tags, text), ...text(JSON.stringify(value))];
    return [...text(key), ...position, ...body, ...(ttl === undefined ? [0] : [1, ...number(ttl)])];
  };
  return Uint8Array.from([3, 0, ...list(items, found)]);
}

/** The answer for one key. */
export function entry(value: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), { headers: { "cache-as-of": "1:7", ...headers } });
}

export interface EdgeRequest {
  method: string;
  path: string;
  headers: Headers;
  priority: string | undefined;
  /** Of a request for many. */
  keys: string[] | undefined;
  signal: AbortSignal;
  answer(response: Response | Uint8Array<ArrayBuffer>): void;
  fail(error: unknown): void;
}

/** An edge server behind a `fetch`, which does what the test says. */
export class StubEdge {
  readonly requests: EdgeRequest[] = [];
  /** Answers at once, where it is set. */
  respond: ((request: EdgeRequest) => Response | Uint8Array<ArrayBuffer>) | undefined;

  readonly fetch: typeof globalThis.fetch = (input, init = {}) =>
    new Promise((resolve, reject) => {
      const signal = init.signal!;
      signal.addEventListener("abort", () => reject(signal.reason));
      const request: EdgeRequest = {
        method: init.method ?? "GET",
        path: decodeURIComponent(String(input).replace("https://edge.example", "")),
        headers: new Headers(init.headers),
        priority: init.priority,
        keys: typeof init.body === "string" ? (JSON.parse(init.body) as { keys: string[] }).keys : undefined,
        signal,
        answer: (response) => resolve(response instanceof Response ? response : new Response(response)),
        fail: reject,
      };
      this.requests.push(request);
      if (this.respond !== undefined) request.answer(this.respond(request));
    });

  /** The nth request, which is on its way by now or will be in a moment. */
  async request(n: number): Promise<EdgeRequest> {
    await expect.poll(() => this.requests.length, { interval: 1 }).toBeGreaterThanOrEqual(n);
    return this.requests[n - 1]!;
  }

  /** Of each request for values the keys. */
  get asked(): string[][] {
    return this.requests.map(({ path, keys }) => keys ?? [path.replace("/v1/entries/", "")]);
  }
}
