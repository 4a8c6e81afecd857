/** A browser cache that never returns a value older than a change it was told of. */

import { loadModule } from "./load.js";
import { ConsolidatedCacheManager } from "./manager.js";
import type { CacheOptions } from "./types.js";

export type { Category } from "./category.js";
export { CacheError } from "./errors.js";
export type { Handle } from "./handle.js";
export { ConsolidatedCacheManager, DEFAULT_CATEGORIES } from "./manager.js";
export type * from "./types.js";

/**
 * Whether a connection may be one of many tabs: in a page, where it is the platform's own, and where all tabs show the same
 * token. Those of a function differ.
 */
function isSharing({ url, share, token, WebSocket }: CacheOptions): boolean {
  const isOwn = share === false || typeof token === "function" || WebSocket !== undefined;
  return url !== undefined && !isOwn && typeof document !== "undefined";
}

/**
 * Loads the WebAssembly module, once a page, and creates a cache.
 *
 * @throws {CacheError} `argument` when an option is wrong, `unavailable` when the module cannot be loaded.
 */
export async function createCache(options: CacheOptions = {}): Promise<ConsolidatedCacheManager> {
  // What takes up an earlier visit comes while the module does.
  if (options.persist) import("./persist.js").catch(() => {});
  // And so does what tabs share: it takes as long to be there.
  const sharing = isSharing(options) ? import("./shared.js").then(({ Shared }) => new Shared(options)) : undefined;
  const [module, shared] = await Promise.all([loadModule(), sharing?.catch(() => undefined)]);
  try {
    const cache = new ConsolidatedCacheManager(module, options, shared);
    await cache.open();
    return cache;
  } catch (error) {
    shared?.rest();
    throw error;
  }
}
