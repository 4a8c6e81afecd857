/** What memory.mjs measures in a page: see there. Everything that is held is reachable while it is measured. */

const CATEGORY = "props";
const MAX_BYTES = 2 * 1024 * 1024;
const SERVICES = 4;
/** How often each service reads what it holds. */
const READS = 3;

/** What the page holds; module scope, so that nothing of it is garbage. */
const held = [];

/** @param {"empty" | "services" | "cache" | "critical"} what @param {number} part */
export async function measure(what, part) {
  switch (what) {
    case "empty":
      return { bytes: await memory() };
    case "services":
      return services(part);
    case "cache":
      return cache(part);
    case "critical":
      return critical();
  }
}

/** Of the page, and of a cache in it: Chromium's own measure leaves WebAssembly memory out. */
async function memory(cache) {
  const { bytes } = await performance.measureUserAgentSpecificMemory();
  return bytes + (cache?.stats().memoryBytes ?? 0);
}

const text = async () => (await fetch("/board.json")).text();
const keyOf = (row) => `sport:${row.attributes.league ?? "all"}:props:projection:${row.id}`.toLowerCase().replaceAll(" ", "_");

/** The part that a service holds: the same for both sides. */
function partOf(rows, service, part) {
  if (part === 1) return rows;
  let state = 7919 * (service + 1);
  const draw = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  return rows.filter(() => draw() < part);
}

/** Each fetches for itself, and keeps what it parsed in a Map of its own. */
async function services(part) {
  for (let service = 0; service < SERVICES; service++) {
    const rows = partOf(JSON.parse(await text()).data, service, part);
    held.push(new Map(rows.map((row) => [keyOf(row), row])));
  }
  let read = 0;
  for (let round = 0; round < READS; round++) {
    for (const map of held) for (const key of [...map.keys()]) if (map.get(key) !== undefined) read++;
  }
  return { bytes: await memory(), read };
}

async function filled(part) {
  const { createCache } = await import("../dist/index.js");
  const cache = await createCache({ categories: { [CATEGORY]: { max: 5_000 } }, maxBytes: MAX_BYTES });
  const empty = await memory(cache);
  const keys = [];
  await (async () => {
    const rows = JSON.parse(await text()).data;
    for (let service = 0; service < SERVICES; service++) {
      const own = partOf(rows, service, part);
      for (const row of own) cache.set(CATEGORY, keyOf(row), row);
      keys.push(own.map(keyOf));
    }
  })();
  await settled(cache);
  for (let round = 0; round < READS; round++) {
    for (const own of keys) {
      for (const key of own) if (cache.get(CATEGORY, key) === undefined) throw new Error(`${key} is not there`);
      await settled(cache);
    }
  }
  held.push(cache);
  return { cache, empty, projections: new Set(keys.flat()).size };
}

async function cache(part) {
  const { cache, projections } = await filled(part);
  return { bytes: await memory(cache), projections, stats: cache.stats() };
}

async function critical() {
  const { cache, empty } = await filled(1);
  const before = await memory(cache);
  cache.pressure("critical");
  const stats = cache.stats();
  return { bytes: await memory(cache), before, allowed: empty + stats.budgetBytes, stats };
}

/** As long as a page that is looked at leaves its cache alone: what is due off the critical path is done by then. */
async function settled(cache) {
  const deadline = performance.now() + 10_000;
  let { storedBytes } = cache.stats().payloads;
  for (let quiet = 0; quiet < 4; ) {
    if (performance.now() > deadline) throw new Error("the cache does not come to rest");
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { payloads, decodedBytes } = cache.stats();
    const isAtRest = payloads.storedBytes === storedBytes && decodedBytes <= MAX_BYTES / 8;
    quiet = isAtRest ? quiet + 1 : 0;
    storedBytes = payloads.storedBytes;
  }
}
