import { type CacheOptions, ConsolidatedCacheManager } from "cache-wasm";

import { loadModule } from "../dist/load.js";
import type { Core } from "../js/core.js";

const Manager = ConsolidatedCacheManager as unknown as new (
  module: { memory: WebAssembly.Memory; createCore(options: unknown): Core },
  options: CacheOptions,
) => ConsolidatedCacheManager;

/** A cache whose core the test can watch, or make fail: `wrap` sees each call by name and may throw in its place. */
export async function openWrapped(
  options: CacheOptions,
  wrap: (name: keyof Core, given: unknown[]) => void,
): Promise<ConsolidatedCacheManager> {
  const module = await loadModule();
  const createCore = (options: unknown): Core => {
    const core = (module as unknown as { createCore(options: unknown): Core }).createCore(options);
    return new Proxy(core, {
      get(target, name: keyof Core) {
        return (...given: unknown[]) => {
          wrap(name, given);
          return (target[name] as (...given: unknown[]) => unknown).apply(target, given);
        };
      },
    });
  };
  return new Manager({ memory: module.memory, createCore }, options);
}
