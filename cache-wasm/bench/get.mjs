/**
 * `get` that hits and `set` that evicts, against other caches, in Node and in Chromium. Run it by `cargo xtask bench get`.
 *
 *   node cache-wasm/bench/get.mjs --runs 7 --json target/bench/get.json
 */

import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { openChromium } from "./chromium.mjs";
import { measure } from "./get-rounds.mjs";
import { serveBundle } from "./serve-bundle.mjs";

const { values } = parseArgs({ options: { runs: { type: "string", default: "7" }, json: { type: "string" } } });
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs is a whole number from 1 on, not ${values.runs}`);

const environments = {
  ...named("node", process.version, await measure(runs)),
  ...(await inChromium()),
};
const report = { name: "get", unit: "ns", subject: "this cache", environments };
const text = JSON.stringify(report, null, 2);
if (values.json === undefined) console.log(text);
else await writeFile(values.json, text);

async function inChromium() {
  const site = await serveBundle(new URL("./get-rounds.mjs", import.meta.url));
  const browser = await openChromium();
  try {
    const page = await browser.newPage();
    await page.goto(site.url);
    const measured = await page.evaluate(
      async ([module, runs]) => (await import(module)).measure(runs),
      [site.module, runs],
    );
    return named("chromium", browser.version(), measured);
  } finally {
    await browser.close();
    await site.close();
  }
}

/** One environment a part, as in `node, 1,000 entries`. */
function named(where, version, parts) {
  return Object.fromEntries(Object.entries(parts).map(([part, measured]) => [`${where}, ${part}`, { version, ...measured }]));
}
