/**
 * This cache, in its two ways. Told by hand: without a server, `fetch` reads by the application's own `fetcher`, and the
 * application tells what it heard of over a socket of its own by `invalidate` and `apply`. Following: it reads from an edge
 * server, and that server's stream tells it.
 */

import { createCache } from "../../dist/index.js";
import { Edge } from "./edge.mjs";

/** @import { Column } from "./scenario.mjs" */

/** @type {Column} */
const byHand = {
  name: "this cache, told by hand",
  from: "cache-wasm",
  canMount: true,
  async open(origin, { key, scope, tag }) {
    const cache = await createCache({
      categories: { props: { max: 100 } },
      watchMemory: false,
      fetcher: async (_key, { signal }) => {
        const { version } = await origin.read(signal);
        return { value: version, tags: [tag] };
      },
    });
    return {
      ...reading(cache, key),
      tell: {
        invalidation: () => cache.invalidate({ keys: [key] }),
        tag: () => cache.invalidate({ tags: [tag] }),
        scope: () => cache.invalidate({ scope }),
        push: (version) => void cache.apply("props", [{ key, value: version }]),
        reset: () => cache.invalidate({ category: "props" }),
      },
    };
  },
};

/** @type {Column} */
const following = {
  name: "this cache, following",
  from: "cache-wasm",
  canMount: true,
  async open(origin, { key, scope, tag }) {
    const edge = new Edge(origin.position);
    const cache = await createCache({
      url: "https://edge.example",
      WebSocket: edge.WebSocket,
      categories: { props: { max: 100 } },
      watchMemory: false,
      prefetch: false,
      async fetch(_path, { signal } = {}) {
        const { version, asOf } = await origin.read(signal ?? undefined);
        return new Response(String(version), { headers: { "cache-as-of": asOf, "cache-tag": tag } });
      },
    });
    // Follows the scope, whether or not anything shows the key.
    cache.subscribe(scope, () => {}, { category: "props" });
    return {
      ...reading(cache, key),
      tell: {
        invalidation: (to) => edge.change(to, { key }),
        tag: (to) => edge.change(to, { tags: [tag] }),
        scope: (to) => edge.change(to, { scopes: [scope] }),
        push: (to) => edge.change(to, { key, value: to }),
        reset: () => edge.reset(),
      },
    };
  },
};

export default [byHand, following];

/**
 * How an application reads. What shows the key does so by a handle, and asks again for what left the cache.
 *
 * @param {import("../../dist/index.js").ConsolidatedCacheManager} cache
 * @param {string} key
 * @returns {Omit<import("./scenario.mjs").Subject, "tell">}
 */
function reading(cache, key) {
  const isMarked = () => cache.isStale("props", key);
  const fetch = (options = {}) =>
    /** @type {Promise<number | undefined>} */ (cache.fetch("props", key, options));
  return {
    ask: ({ given, failed }) => void fetch().then(given, failed),
    refresh: ({ given, failed }) => void fetch({ forceRefresh: true }).then(given, failed),
    mount({ given, failed }) {
      const handle = cache.category("props").handle(key);
      const draw = () => given(/** @type {number | undefined} */ (handle.value));
      const load = () => void fetch().then(draw, failed);
      cache.on("evict", (entry) => {
        if (entry.key !== key) return;
        draw();
        if (entry.reason !== "replaced") load();
      });
      load();
      return { current: () => /** @type {number | undefined} */ (handle.value), isMarked };
    },
    isMarked,
    close: () => cache.close(),
  };
}
