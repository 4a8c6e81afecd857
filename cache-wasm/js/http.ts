/** Reads through to the edge server: one value, or everything under a scope. */

import { CacheError } from "./errors.js";

/** The media type of many values in one answer: a `got` frame in postcard. */
const FRAME_TYPE = "application/vnd.coherence+postcard";

/** One value's answer, still as bytes. */
export interface EntryAnswer {
  bytes: Uint8Array | undefined;
  asOf: string | undefined;
  /** The application's own number of the value. */
  version: number | undefined;
  tags: string[] | undefined;
  ttl: number | undefined;
}

/** A whole scope's answer: the frame's bytes. */
export interface ScopeBody {
  bytes: Uint8Array;
  asOf: string | undefined;
}

/** The edge has not reached the position asked for: ask again in a moment. */
export const TOO_EARLY: unique symbol = Symbol("too early");

export class EdgeClient {
  readonly #base: string;
  readonly #fetch: typeof globalThis.fetch;

  constructor(base: string, fetch: typeof globalThis.fetch) {
    this.#base = base;
    this.#fetch = fetch;
  }

  async entry(key: string, min: string | undefined, signal: AbortSignal): Promise<EntryAnswer | typeof TOO_EARLY> {
    const response = await this.#get(`/v1/entries/${encodeURIComponent(key)}`, min, "application/json", signal);
    if (response.status === 425) return TOO_EARLY;
    const asOf = response.headers.get("cache-as-of") ?? undefined;
    // Without a position a 404 is some other server's.
    if (response.status === 404 && asOf !== undefined) return { bytes: undefined, asOf, version: undefined, tags: undefined, ttl: undefined };
    if (!response.ok) throw await refusal(response);
    const tags = response.headers.get("cache-tag")?.split(",").map((tag) => tag.trim());
    const ttl = response.headers.get("cache-ttl");
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { bytes, asOf, version: undefined, tags, ttl: ttl === null ? undefined : Number(ttl) };
  }

  async scope(scope: string, min: string | undefined, signal: AbortSignal): Promise<ScopeBody | typeof TOO_EARLY> {
    const response = await this.#get(`/v1/entries?scope=${encodeURIComponent(scope)}`, min, FRAME_TYPE, signal);
    if (response.status === 425) return TOO_EARLY;
    if (!response.ok) throw await refusal(response);
    const asOf = response.headers.get("cache-as-of") ?? undefined;
    return { bytes: new Uint8Array(await response.arrayBuffer()), asOf };
  }

  async #get(path: string, min: string | undefined, accept: string, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { accept };
    if (min !== undefined) headers["cache-min"] = min;
    // The browser's own cache would answer without asking.
    return this.#fetch(this.#base + path, { headers, signal, cache: "no-store" });
  }
}

/** The server's own sentence where it gives one (`application/problem+json`). */
async function refusal(response: Response): Promise<CacheError> {
  let detail = response.statusText;
  try {
    const problem = (await response.json()) as { detail?: string; title?: string };
    detail = problem.detail ?? problem.title ?? detail;
  } catch {
    // Not a problem document: the status line has to do.
  }
  return new CacheError("unavailable", `the edge server answered ${response.status}: ${detail}`);
}
