/** Every cell of some columns. */

import { cells, run } from "./scenario.mjs";

/**
 * `null` where there can be no cell: who cannot be mounted.
 *
 * @param {import("./scenario.mjs").Column[]} columns
 * @param {() => Promise<void>} turn
 */
export async function table(columns, turn) {
  const filled = [];
  let number = 0;
  for (const column of columns) {
    const { name, from, canMount } = column;
    // Each cell is a cache of its own; that they run at a time saves time.
    const results = cells().map((cell) => (cell.isMounted && !canMount ? null : run(cell, column, number++, turn)));
    filled.push({ name, from, results: await Promise.all(results) });
  }
  return filled;
}
