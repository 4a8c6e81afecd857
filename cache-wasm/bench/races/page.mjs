/** The columns of all that runs in a page. */

import apolloClient from "./apollo-client.mjs";
import cacheWasm from "./cache-wasm.mjs";
import lruCache from "./lru-cache.mjs";
import rtkQuery from "./rtk-query.mjs";
import swr from "./swr.mjs";
import { table } from "./table.mjs";
import tanstackQuery from "./tanstack-query.mjs";

const COLUMNS = [...cacheWasm, ...tanstackQuery, ...swr, ...rtkQuery, ...apolloClient, ...lruCache];

/** Frames are drawn and timers are due between two steps. */
async function turn() {
  await new Promise((resolve) => requestAnimationFrame(resolve));
  await new Promise((resolve) => setTimeout(resolve, 5));
}

export const measure = () => table(COLUMNS, turn);
