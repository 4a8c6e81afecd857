/** Who shares a connection with other tabs: who shows the same token as they do. */

import { type CacheOptions, createCache } from "cache-wasm";
import { afterEach, expect, test, vi } from "vitest";

afterEach(() => vi.unstubAllGlobals());

/** How many SharedWorkers a page starts for a cache with these options. */
async function workersOf(options: CacheOptions): Promise<number> {
  // The module is read from its file once; in a page it would come by URL.
  (await createCache({})).close();
  let workers = 0;
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  vi.stubGlobal(
    "SharedWorker",
    class {
      readonly port = { postMessage() {}, close() {} };
      constructor() {
        workers++;
      }
    },
  );
  const cache = await createCache({ url: "https://edge.example", ...options });
  cache.close();
  return workers;
}

test.each<[what: string, options: CacheOptions, workers: number]>([
  ["no token", {}, 1],
  ["a token", { token: "secret" }, 1],
  ["a function for a token, whose answers differ from tab to tab", { token: () => "secret" }, 0],
  ["sharing turned off", { share: false }, 0],
])("with %s", async (_, options, workers) => {
  expect(await workersOf(options)).toBe(workers);
});
