/** User timing: what takes the cache time, as entries of the browser's performance timeline. */

import { stamp } from "./timers.js";

/** `call`, with a measure `cache-wasm:{name}` for each, until what it promises has settled. */
export function measured<A extends unknown[], R>(
  name: string,
  call: (...given: A) => R,
  categoryOf: (...given: A) => string | undefined = () => undefined,
): (...given: A) => R {
  return (...given) => {
    const start = stamp();
    const done = () => void performance.measure(`cache-wasm:${name}`, { start, detail: categoryOf(...given) });
    let isPromised = false;
    try {
      const result = call(...given);
      if (result instanceof Promise) {
        isPromised = true;
        // Who waits hears of a failure; this branch only measures.
        result.then(done, done);
      }
      return result;
    } finally {
      if (!isPromised) done();
    }
  };
}
