/**
 * cacheable with `getOrSet`: https://cacheable.org/docs/cacheable/, "GetOrSet" and "Tag Based Invalidation".
 *
 * What `getOrSet` stores cannot carry tags, so that the application deletes the keys it knows under a tag, as it does under a
 * prefix; nothing can observe a key. `getOrSet` asks only where nothing is held: a refresh is a `set` of what was read.
 */

import { Cacheable } from "cacheable";

/** @import { Column } from "./scenario.mjs" */

/** @type {Column} */
const column = {
  name: "cacheable, getOrSet",
  from: "cacheable",
  canMount: false,
  open(origin, { key, scope }) {
    const cache = new Cacheable();
    const known = new Set([key]);
    const read = async () => (await origin.read()).version;
    const refresh = async () => {
      const version = await read();
      await cache.set(key, version);
      return version;
    };
    return {
      ask: ({ given, failed }) => void cache.getOrSet(key, read, { throwErrors: true }).then(given, failed),
      refresh: ({ given, failed }) => void refresh().then(given, failed),
      isMarked: () => false,
      tell: {
        invalidation: async () => void (await cache.delete(key)),
        tag: async () => void (await cache.deleteMany([...known])),
        scope: async () => void (await cache.deleteMany([...known].filter((each) => each.startsWith(scope)))),
        push: async (version) => void (await cache.set(key, version)),
        reset: () => cache.clear(),
      },
      close: () => void cache.disconnect(),
    };
  },
};

export default [column];
