/**
 * lru-cache with `fetchMethod`: https://github.com/isaacs/node-lru-cache#readme, "fetchMethod" and `fetch`.
 *
 * It knows neither tags nor prefixes, and nothing can observe a key: the application deletes what it knows under a tag or a
 * prefix, and it knows the keys it has asked for. (Not by `keys()`, which leaves out what is only on its way.)
 */

import { LRUCache } from "lru-cache";

/** @import { Column } from "./scenario.mjs" */

/** @type {Column} */
const column = {
  name: "lru-cache, fetch",
  from: "lru-cache",
  canMount: false,
  open(origin, { key, scope }) {
    /** @type {LRUCache<string, number>} */
    const cache = new LRUCache({
      max: 100,
      fetchMethod: async (_key, _held, { signal }) => (await origin.read(signal)).version,
    });
    const known = new Set([key]);
    const deleteAll = () => known.forEach((each) => cache.delete(each));
    return {
      ask: ({ given, failed }) => void cache.fetch(key).then(given, failed),
      refresh: ({ given, failed }) => void cache.fetch(key, { forceRefresh: true }).then(given, failed),
      isMarked: () => false,
      tell: {
        invalidation: () => void cache.delete(key),
        tag: deleteAll,
        scope: () => [...known].filter((each) => each.startsWith(scope)).forEach((each) => cache.delete(each)),
        push: (version) => void cache.set(key, version),
        reset: () => cache.clear(),
      },
      close: () => cache.clear(),
    };
  },
};

export default [column];
