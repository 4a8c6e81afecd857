/** Two visits in a real browser, with the bundle of a production build and, where it was built, the real edge server. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import type { CacheOptions, ConsolidatedCacheManager } from "cache-wasm";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

import { openChromium } from "../bench/chromium.mjs";
import { serveBundle } from "../bench/serve-bundle.mjs";

const SERVER = process.env["EDGE_SERVER_BIN"] ?? fileURLToPath(new URL("../../target/debug/edge-server", import.meta.url));
const SCOPE = "sport:test:values:";

// What the page has.
declare global {
  var createCache: typeof import("cache-wasm").createCache;
  var cache: ConsolidatedCacheManager;
}
const PAGE = `<!doctype html><link rel="icon" href="data:," /><script type="module">
  import { createCache } from "/entry.js";
  globalThis.createCache = createCache;
</script>`;
const files = { "index.html": PAGE, "next.html": '<!doctype html><link rel="icon" href="data:," />' };

let browser: Browser;
let bundle: Awaited<ReturnType<typeof serveBundle>>;
let context: BrowserContext;
let faults: string[];
/** Paths of what was asked for over HTTP. */
let asked: string[];

beforeAll(async () => {
  [browser, bundle] = await Promise.all([openChromium(), serveBundle(new URL("../dist/index.js", import.meta.url), files)]);
}, 60_000);

afterAll(async () => {
  await browser?.close();
  await bundle?.close();
});

beforeEach(async () => {
  faults = [];
  asked = [];
  // Its storage is its own.
  context = await browser.newContext();
});

afterEach(async () => {
  await context.close();
  expect(faults).toEqual([]);
});

/** A page with a cache. */
async function visit(options: CacheOptions = {}): Promise<Page> {
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(bundle.url);
  await page.evaluate(async (options) => {
    globalThis.cache = await createCache({ categories: { values: { max: 1_000 } }, persist: true, ...options });
  }, options);
  return page;
}

/** A page that may write. */
async function writer(options: CacheOptions = {}): Promise<Page> {
  const page = await visit(options);
  await page.waitForFunction(() => cache.stats().persist.state === "writing");
  return page;
}

/** The page is left for another one of the site. */
async function leave(page: Page): Promise<void> {
  await page.goto(`${bundle.url}/next.html`);
  await page.close();
}

test("what was set just before a page is left is there on the next visit", async () => {
  const first = await writer();
  await first.evaluate(() => {
    for (let i = 0; i < 20; i++) cache.set("values", `test:${i}`, { n: i, text: "äöü".repeat(i % 7) });
  });
  await leave(first);
  const second = await visit();
  expect(await second.evaluate(() => [cache.size, cache.get("values", "test:0"), cache.get("values", "test:19")])).toEqual([
    20,
    { n: 0, text: "" },
    { n: 19, text: "äöü".repeat(5) },
  ]);
});

test("one tab writes, and another takes over", async () => {
  const [first, second] = [await writer(), await visit()];
  const states = [first, second].map((page) => page.evaluate(() => cache.stats().persist.state));
  expect(await Promise.all(states)).toEqual(["writing", "waiting"]);
  await leave(first);
  await second.waitForFunction(() => cache.stats().persist.state === "writing");
});

test("the last write of a page whose place another one has taken does nothing, though nobody is there to see it fail", async () => {
  const first = await writer();
  await first.evaluate(async () => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await done(indexedDB.open("cache-wasm/"));
    const transaction = database.transaction(["meta", "ended"], "readwrite");
    const { owner } = (await done(transaction.objectStore("meta").get("visit"))) as { owner: string };
    await done(transaction.objectStore("ended").put(0, owner));
    database.close();
    cache.set("values", "test:1", 1);
  });
  await leave(first);
  const second = await visit();
  expect(await second.evaluate(() => cache.size)).toBe(0);
});

test("after forgetting, the next visit starts with nothing", async () => {
  const first = await writer();
  await first.evaluate(() => cache.set("values", "test:1", 1));
  await leave(first);
  const second = await visit();
  expect(await second.evaluate(async () => [cache.size, await cache.forget(), (await indexedDB.databases()).length])).toEqual([
    1,
    undefined,
    0,
  ]);
  await leave(second);
  const third = await visit();
  expect(await third.evaluate(() => cache.size)).toBe(0);
});

test("a browser without room throws nothing into the page", async () => {
  const page = await writer({ persist: { interval: 1 } });
  await page.evaluate(() => {
    IDBObjectStore.prototype.put = () => {
      throw new DOMException("no room", "QuotaExceededError");
    };
    cache.set("values", "test:1", 1);
  });
  await page.waitForFunction(() => cache.stats().persist.state === "failed");
  expect(await page.evaluate(() => cache.get("values", "test:1"))).toBe(1);
});

test("who does not persist does not load what it takes", async () => {
  const chunks = () => asked.filter((path) => /persist/.test(path)).length;
  await visit({ persist: false });
  expect(chunks()).toBe(0);
  await visit();
  expect(chunks()).toBe(1);
});

/** An edge server that any page may read from. */
async function startServer(): Promise<{ url: string; child: ChildProcess }> {
  const settings = ["cors_origins=*", "stream.hb_ms=200", "stream.lease_ms=2000"].flatMap((set) => ["--set", set]);
  const child = spawn(SERVER, ["--listen", "127.0.0.1:0", ...settings], { stdio: ["ignore", "pipe", "ignore"] });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => reject(new Error(`the edge server ended with ${code}`)));
    child.stdout!.on("data", (text: Buffer) => {
      const url = / listening on (http:\S+)/.exec(text.toString())?.[1];
      if (url !== undefined) resolve({ url, child });
    });
  });
}

test.skipIf(!existsSync(SERVER))(
  "a value that changed between two visits is never read again, and the others are read without a request",
  { timeout: 30_000 },
  async () => {
    const { url, child } = await startServer();
    try {
      const put = async (name: string, value: unknown) => {
        const headers = { "content-type": "application/json" };
        const answer = await fetch(`${url}/v1/entries/${SCOPE}${name}`, { method: "PUT", headers, body: JSON.stringify(value) });
        expect(answer.ok, await answer.text()).toBe(true);
      };
      for (let i = 0; i < 20; i++) await put(`${i}`, { n: i });
      const follow = async () => {
        const page = await writer({ url });
        await page.evaluate((scope) => void cache.subscribe(scope, () => {}), SCOPE);
        return page;
      };

      const first = await follow();
      await first.evaluate((scope) => cache.fetchScope("values", scope), SCOPE);
      await first.waitForFunction(() => cache.keys("values").length === 20);
      await leave(first);
      // One value travels with its announcement; the other is too long for that, and is only said to have changed.
      await put("1", { n: 101 });
      await put("2", { n: 102, long: "x".repeat(2_000) });

      asked = [];
      const page = await visit({ url });
      expect(await page.evaluate(() => [cache.size, cache.keys("values").length])).toEqual([20, 0]);
      const read = page.evaluate(
        ([scope]) =>
          new Promise<unknown[][]>((resolve) => {
            const reads: unknown[][] = [];
            cache.subscribe(scope, () => {}, { category: "values" });
            const look = () => {
              reads.push([0, 1, 2, 19].map((i) => cache.get<{ n: number }>("values", `${scope}${i}`)?.n));
              if (reads.at(-1)![0] === undefined) setTimeout(look, 1);
              else resolve(reads);
            };
            look();
          }),
        [SCOPE] as const,
      );
      const reads = await read;
      expect(reads[0]).toEqual([undefined, undefined, undefined, undefined]);
      expect(reads.at(-1)).toEqual([0, 101, undefined, 19]);
      expect(reads.slice(0, -1).flat().filter((n) => n !== undefined)).toEqual([]);
      expect(asked.filter((path) => path.startsWith("/v1/entries"))).toEqual([]);
      const { stream } = await page.evaluate(() => cache.stats());
      expect([stream.resets, stream.applied]).toEqual([0, 1]);
    } finally {
      child.removeAllListeners("close");
      child.kill();
    }
  },
);
