/**
 * What a read gives after a race between an old answer and the news that it is old: this cache against its peers, in
 * Chromium. Run it by `cargo xtask bench races`. races/scenario.mjs is the race, races/judge.mjs the one judge of all.
 *
 *   node cache-wasm/bench/races.mjs --json target/bench/races.json
 */

import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { openChromium } from "./chromium.mjs";
import cacheable from "./races/cacheable.mjs";
import { MARKS, VERDICTS } from "./races/judge.mjs";
import { cells, EVENTS } from "./races/scenario.mjs";
import { table } from "./races/table.mjs";
import { serveBundle } from "./serve-bundle.mjs";

const { values } = parseArgs({ options: { json: { type: "string" } } });

const site = await serveBundle(new URL("./races/page.mjs", import.meta.url));
const browser = await openChromium();
const version = browser.version();
let columns;
try {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.goto(site.url);
  columns = await page.evaluate(async (module) => (await import(module)).measure(), site.module);
} finally {
  await browser.close();
  await site.close();
}

for (const column of columns) column.place = `Chromium ${version}`;
// It is for Node alone.
const inNode = await table(cacheable, () => new Promise((resolve) => setTimeout(resolve, 5)));
for (const column of inNode) columns.push({ ...column, place: `Node ${process.versions.node}` });
for (const column of columns) column.version = await versionOf(column.from);
const [events, verdicts, marks] = [EVENTS, VERDICTS, MARKS].map(Object.entries);
const report = { events, verdicts, marks, cells: cells(), columns };
const text = JSON.stringify(report, null, 2);
if (values.json === undefined) console.log(text);
else await writeFile(values.json, text);

/** Of the package that was run, as it is installed. */
async function versionOf(name) {
  const own = name === "cache-wasm";
  const manifest = new URL(own ? "../package.json" : `../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(await readFile(manifest, "utf8")).version;
}
