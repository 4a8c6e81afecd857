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

/** Makes a core, whose refusals are plain messages. Calls of it go through `Mirror.call`. */
export function checked<T>(create: () => T): T {
  try {
    return create();
  } catch (error) {
    if (typeof error === "string") throw new CacheError("argument", error);
    throw new CacheError("broken", `the cache could not be created: ${String(error)}`, { cause: error });
  }
}
