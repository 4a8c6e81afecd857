/**
 * What a page's memory costs: the projections of a recorded board held by four services that know nothing of each other,
 * against this cache after the same reads. Run it by `cargo xtask bench memory`.
 *
 *   node cache-wasm/bench/memory.mjs --runs 3 --json target/bench/memory.json
 *
 * Measured by the browser itself (`performance.measureUserAgentSpecificMemory`, which collects garbage first and counts
 * the heap and array buffers), each time in a page of its own; what a page costs that has only loaded the script is taken
 * off. The browser leaves WebAssembly memory out: all of the module's is added. The code of the cache and its module count
 * against the cache.
 */

import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";

import { openChromium } from "./chromium.mjs";
import { serveBundle } from "./serve-bundle.mjs";

const BOARD = new URL("../../../shared/fixtures/prizepicks/all_leagues_2171_2024-06-10.json.gz", import.meta.url);
/** Which part of the board each of the four services holds. */
const OVERLAPS = { "each service holds the whole board": 1, "each service holds a half at random": 0.5 };

const { values } = parseArgs({ options: { runs: { type: "string", default: "3" }, json: { type: "string" } } });
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs is a whole number from 1 on, not ${values.runs}`);

let board;
try {
  board = gunzipSync(await readFile(BOARD)).toString();
} catch (error) {
  throw new Error(`the recorded board is needed, and cannot be read: ${error.message}`);
}

const site = await serveBundle(new URL("./memory-page.mjs", import.meta.url), { "board.json": board });
const browser = await openChromium(["--enable-blink-features=ForceEagerMeasureMemory"]);
const environments = {};
try {
  const empty = await samples("empty", 0);
  const base = median(empty);
  const row = (name, bytes) => ({ name, samples: bytes.map((each) => (each - base) / 1024) });
  for (const [name, part] of Object.entries(OVERLAPS)) {
    const services = await samples("services", part);
    const ours = await samples("cache", part);
    environments[`chromium, ${name}`] = {
      version: browser.version(),
      projections: ours[0].projections,
      rows: [
        row("this cache", ours.map(({ bytes }) => bytes)),
        row("four services' Maps of objects", services.map(({ bytes }) => bytes)),
      ],
      stats: ours[0].stats,
    };
  }
  const critical = await samples("critical", 1);
  environments["chromium, after pressure('critical')"] = {
    version: browser.version(),
    rows: [
      row("this cache", critical.map(({ bytes }) => bytes)),
      row("an empty cache, and the budget that is left", critical.map(({ allowed }) => allowed)),
      row("this cache before", critical.map(({ before }) => before)),
    ],
    stats: critical[0].stats,
  };
} finally {
  await browser.close();
  await site.close();
}
const text = JSON.stringify({ name: "memory", unit: "KiB", subject: "this cache", environments }, null, 2);
if (values.json === undefined) console.log(text);
else await writeFile(values.json, text);

/** One page a sample. */
async function samples(what, part) {
  const taken = [];
  for (let run = 0; run < runs; run++) {
    const page = await browser.newPage();
    try {
      await page.goto(site.url);
      const measured = await page.evaluate(
        async ([module, what, part]) => (await import(module)).measure(what, part),
        [site.module, what, part],
      );
      taken.push(what === "empty" ? measured.bytes : measured);
    } finally {
      await page.close();
    }
  }
  return taken;
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
