import type { CacheErrorCode } from "./types.js";

/** What the cache throws and rejects with: `code` is for programs, `message` says what is wrong and how to mend it. */
export class CacheError extends Error {
  override readonly name = "CacheError";

  constructor(
    readonly code: CacheErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Runs a call into the core, whose refusals are plain messages. */
export function checked<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw typeof error === "string" ? new CacheError("argument", error) : error;
  }
}
