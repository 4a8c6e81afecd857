/** Brings the WebAssembly module up: by URL in browsers and bundlers, from the file in Node. */

import type { Core, CoreOptions } from "./core.js";
import { CacheError, checked } from "./errors.js";

interface Glue {
  default(input?: { module_or_path: unknown }): Promise<{ memory: WebAssembly.Memory }>;
  Core: new (options: CoreOptions) => Core;
}

/** The module, and how to make a core of it. All caches of a page share one instance and its memory. */
export interface Module {
  memory: WebAssembly.Memory;
  createCore(options: CoreOptions): Core;
}

let loading: Promise<Module> | undefined;

export function loadModule(): Promise<Module> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw new CacheError("unavailable", `the WebAssembly module could not be loaded: ${String(error)}`, { cause: error });
  });
  return loading;
}

async function load(): Promise<Module> {
  // @ts-ignore: written by the build beside this file's output
  const glue = (await import("./core/core.js")) as Glue;
  const { memory } = await glue.default(await nodeBytes());
  return { memory, createCore: (options) => checked(() => new glue.Core(options)) };
}

/** Node's `fetch` reads no files: there the bytes are handed over. */
async function nodeBytes(): Promise<{ module_or_path: unknown } | undefined> {
  const node = (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node;
  if (node === undefined || "document" in globalThis) return undefined;
  // A variable, so that bundlers for the browser do not look for it.
  const files = "node:fs/promises";
  const { readFile } = (await import(/* @vite-ignore */ files)) as { readFile(path: URL): Promise<Uint8Array> };
  return { module_or_path: await readFile(new URL("./core/core_bg.wasm", import.meta.url)) };
}
