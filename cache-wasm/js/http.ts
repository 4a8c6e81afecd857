/** Reads from the edge server: one value, many, everything under a scope, and what all readers read next. */

import { CacheError } from "./errors.js";
import { type Answers, type EntryAnswer, KEYS_MAX, type Source, TOO_EARLY, type Wish } from "./source.js";
import { untilDate } from "./timers.js";
import type { Tokens } from "./token.js";

/** The media type of many values in one answer: a `got` frame in postcard. */
const FRAME_TYPE = "application/vnd.coherence+postcard";
/** The most bytes that are handed on at a time: megabytes are not to lie in WebAssembly's memory, which never shrinks. */
const CHUNK_BYTES = 64 * 1024;

/** A whole scope's answer, as it arrives. */
export interface ScopeBody {
  asOf: string | undefined;
  chunks: AsyncIterable<Uint8Array>;
}

/** The prefetch model as the server tells it; what is in it is not checked. */
export interface ModelBody {
  etag: string | undefined;
  contexts: unknown;
}

export class EdgeClient implements Source {
  readonly most = KEYS_MAX;
  readonly #base: string;
  readonly #fetch: typeof globalThis.fetch;
  /** A random id of this cache, for the server to learn from what is read one after another. */
  readonly #reader: string | undefined;
  readonly #tokens: Tokens;

  constructor(base: string, tokens: Tokens, fetch: typeof globalThis.fetch, reader: string | undefined) {
    this.#base = base;
    this.#tokens = tokens;
    this.#fetch = fetch;
    this.#reader = reader;
  }

  async ask(keys: readonly string[], wish: Wish): Promise<Answers> {
    if (keys.length === 1) {
      const answer = await this.#entry(keys[0]!, wish);
      return answer === TOO_EARLY ? answer : () => answer;
    }
    const body = JSON.stringify({ keys });
    const headers = { accept: FRAME_TYPE, "content-type": "application/json", ...this.#readBy(wish) };
    const response = await this.#request("/v1/entries:get", wish, headers, { method: "POST", body });
    if (response.status === 425) return TOO_EARLY;
    if (!response.ok) throw await refusal(response);
    return new Uint8Array(await response.arrayBuffer());
  }

  async #entry(key: string, wish: Wish): Promise<EntryAnswer | typeof TOO_EARLY> {
    const accept = { accept: "application/json", ...this.#readBy(wish) };
    const response = await this.#request(`/v1/entries/${encodeURIComponent(key)}`, wish, accept);
    if (response.status === 425) return TOO_EARLY;
    const { headers } = response;
    const asOf = headers.get("cache-as-of") ?? undefined;
    const answer: EntryAnswer = { bytes: undefined, asOf, version: undefined, tags: undefined, ttl: undefined };
    // Without a position a 404 is some other server's.
    if (response.status === 404 && asOf !== undefined) return answer;
    if (!response.ok) throw await refusal(response);
    answer.tags = headers.get("cache-tag")?.split(",").map((tag) => tag.trim());
    const ttl = headers.get("cache-ttl");
    // What is no time is not to live on unseen.
    if (ttl !== null) answer.ttl = Math.max(Number(ttl) || 0, Number.MIN_VALUE);
    answer.bytes = new Uint8Array(await response.arrayBuffer());
    return answer;
  }

  async scope(scope: string, min: string | undefined, signal: AbortSignal): Promise<ScopeBody | typeof TOO_EARLY> {
    const path = `/v1/entries?scope=${encodeURIComponent(scope)}`;
    const response = await this.#request(path, { min, signal, isAhead: false }, { accept: FRAME_TYPE });
    if (response.status === 425) return TOO_EARLY;
    if (!response.ok) throw await refusal(response);
    return { asOf: response.headers.get("cache-as-of") ?? undefined, chunks: chunksOf(response) };
  }

  /** The prefetch model, `null` where the server has none, or `undefined` when it gives none now: it may be that of the tag. */
  async model(etag: string | undefined, signal: AbortSignal): Promise<ModelBody | undefined | null> {
    const headers: Record<string, string> = etag === undefined ? {} : { "if-none-match": etag };
    const response = await this.#shown("/v1/prefetch-model", headers, { signal, priority: "low" });
    if (!response.ok) return response.status === 404 ? null : undefined;
    const { contexts } = Object(await response.json()) as { contexts?: unknown };
    return { etag: response.headers.get("etag") ?? undefined, contexts };
  }

  /** Who reads: a guess is not told, for it would prove itself right. */
  #readBy({ isAhead }: Wish): Record<string, string> {
    return isAhead || this.#reader === undefined ? {} : { "cache-reader": this.#reader };
  }

  async #request(
    path: string,
    { min, isAhead, signal }: Wish,
    headers: Record<string, string>,
    init: RequestInit = {},
  ): Promise<Response> {
    if (min !== undefined) headers["cache-min"] = min;
    const priority = isAhead ? "low" : "auto";
    // The browser's own cache would answer without asking.
    return this.#shown(path, headers, { ...init, signal, priority, cache: "no-store" });
  }

  /** A request that shows the token, and once more with another one where that has expired. */
  async #shown(path: string, headers: Record<string, string>, init: RequestInit): Promise<Response> {
    const tokens = this.#tokens;
    for (let tries = 0; ; tries++) {
      const asked = tokens.get();
      const token = typeof asked === "object" ? await asked : asked;
      if (token !== undefined) headers.authorization = `Bearer ${token}`;
      const response = await this.#fetch(this.#base + path, { ...init, headers });
      if (response.status !== 401 || !tokens.canRenew || tries > 0) return response;
      tokens.expired(token);
      response.body?.cancel().catch(() => {});
    }
  }
}

/** A body in pieces, as it comes where the platform streams it. */
async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return yield* slices(new Uint8Array(await response.arrayBuffer()));
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* slices(value);
    }
  } finally {
    // Who wants no more ends the download.
    reader.cancel().catch(() => {});
  }
}

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

/** The server's own sentence where it gives one (`application/problem+json`). */
async function refusal(response: Response): Promise<CacheError> {
  const { status, statusText } = response;
  let detail = statusText;
  try {
    const problem = (await response.json()) as { detail?: string; title?: string };
    detail = problem.detail ?? problem.title ?? detail;
  } catch {
    // Not a problem document: the status line has to do.
  }
  const retryAfter = waitOf(response.headers.get("retry-after"));
  return new CacheError("unavailable", `the edge server answered ${status}: ${detail}`, { status, retryAfter });
}

/** A `Retry-After`, seconds or a date, in milliseconds. */
function waitOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const seconds = Number(text);
  const wait = Number.isNaN(seconds) ? untilDate(text) : seconds * 1000;
  return wait > 0 ? wait : undefined;
}
