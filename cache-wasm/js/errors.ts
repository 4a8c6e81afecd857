import type { CacheErrorCode } from "./types.js";

/** What is known of a failure, beside its words. */
interface Details {
  cause?: unknown;
  status?: number;
  retryAfter?: number;
  partial?: Map<string, unknown>;
}

/** What the cache throws and rejects with: `code` is for programs, `message` says what is wrong and how to mend it. */
export class CacheError extends Error {
  override readonly name = "CacheError";
  /** The HTTP status that the server answered with, where it did. */
  readonly status: number | undefined;
  /** In how many milliseconds the server wants to be asked again, where it says so. */
  readonly retryAfter: number | undefined;
  /** What a `fetchMany` got that failed for other keys; `cause` is an `AggregateError` of these failures. */
  readonly partial: Map<string, unknown> | undefined;

  constructor(
    readonly code: CacheErrorCode,
    message: string,
    details: Details = {},
  ) {
    super(message, details);
    this.status = details.status;
    this.retryAfter = details.retryAfter;
    this.partial = details.partial;
  }
}

/** Makes a core, whose refusals are plain messages. Calls of it go through `Mirror.call`. */
export function checked<T>(create: () => T): T {
  try {
    return create();
  } catch (error) {
    if (typeof error === "string") throw new CacheError("argument", error);
    throw new CacheError("broken", `the cache could not be created: ${String(error)}`, { cause: error });
  }
}
