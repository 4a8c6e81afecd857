/**
 * P1 in a real browser: while a fill is held back in flight its key changes, and the old answer arrives last. No read
 * made after the change was told may return the old value, and who waits for the fill gets the new one.
 */

import type { Browser, Page, Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launch, until } from "../../e2e/browser.mjs";
import { type Running, startEdge, stopAll } from "./servers.js";

const SCOPE = "sport:test:values:";

/** Longer than what travels with an announcement: such a change says that the value changed, not what it is. */
const LONG = "x".repeat(2_000);

let browser: Browser;
let edge: Running;

beforeAll(async () => {
  [browser, edge] = await Promise.all([launch(), startEdge({ "stream.hb_ms": "200", "stream.lease_ms": "2000" })]);
});

afterAll(async () => {
  await browser?.close();
  await stopAll();
});

async function write(method: string, path: string, body?: unknown, tag?: string): Promise<void> {
  const headers = tag === undefined ? {} : { "cache-tag": tag };
  const answer = await fetch(`${edge.url}${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(answer.ok, await answer.text()).toBe(true);
}

const put = (key: string, value: unknown, tag?: string) => write("PUT", `/v1/entries/${key}`, value, tag);

/** A page whose cache follows the scope, and notes what each read returned after each change it was told of. */
async function follower(): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(edge.url);
  await until("the page runs", () => page.evaluate(() => "__cache" in window), Boolean);
  await page.evaluate((scope) => {
    const cache = (window as any).__cache;
    const seen = { told: 0, events: [] as any[], reads: [] as { told: number; n: number }[] };
    (window as any).__seen = seen;
    cache.subscribe(scope, (change: any) => {
      seen.told++;
      seen.events.push(change);
    });
    (window as any).__watch = (key: string) => {
      const read = () => {
        const value = cache.get("games", key);
        if (value !== undefined) seen.reads.push({ told: seen.told, n: value.n });
      };
      read();
      setInterval(read, 1);
      cache.subscribe(scope, read);
    };
  }, SCOPE);
  const isFollowed = (scope: string) =>
    (window as any).__cache.stats().stream.subscriptions.some((each: any) => each.scope === scope && each.live);
  await until("the scope is followed", () => page.evaluate(isFollowed, SCOPE), Boolean);
  return page;
}

/** Waits until the page has been told of a change of the key. */
async function told(page: Page, key: string): Promise<void> {
  const isTold = (key: string) =>
    (window as any).__seen.events.some((event: any) => [...event.values, ...event.changed, ...event.gone].includes(key));
  await until("the page is told", () => page.evaluate(isTold, key), Boolean);
}

/** Holds the answers to a key's reads back, from the first one on, until they are let go. */
async function hold(page: Page, key: string): Promise<{ held: Promise<unknown>; letGo: () => void }> {
  let arrived!: (answer: unknown) => void;
  let letGo!: () => void;
  const held = new Promise((resolve) => (arrived = resolve));
  const gone = new Promise<void>((resolve) => (letGo = resolve));
  let first = true;
  await page.route(`**/v1/entries/${encodeURIComponent(key)}`, async (route: Route) => {
    const response = await route.fetch();
    if (first) {
      first = false;
      arrived(await response.json());
      await gone;
    }
    await route.fulfill({ response });
  });
  return { held, letGo };
}

const cases: { name: string; key: string; cached?: boolean; change: (key: string) => Promise<void>; after: number }[] = [
  { name: "its value changes", key: `${SCOPE}changed`, change: (key) => put(key, { n: 2, LONG }), after: 2 },
  { name: "a newer value is pushed", key: `${SCOPE}pushed`, change: (key) => put(key, { n: 2 }), after: 2 },
  {
    name: "it changes twice",
    key: `${SCOPE}twice`,
    change: async (key) => {
      await put(key, { n: 2, LONG });
      await put(key, { n: 3, LONG });
    },
    after: 3,
  },
  {
    name: "the old value is cached and its value changes",
    key: `${SCOPE}cached`,
    cached: true,
    change: (key) => put(key, { n: 2, LONG }),
    after: 2,
  },
];

describe("a fill that is in flight while", () => {
  it.each(cases)("$name never brings the old value back", async ({ key, cached, change, after }) => {
    await put(key, { n: 1, LONG });
    const page = await follower();
    if (cached) await page.evaluate((key) => (window as any).__cache.fetch("games", key), key);
    await page.evaluate((key) => (window as any).__watch(key), key);
    const { held, letGo } = await hold(page, key);

    const waiter = page.evaluate(
      (key) => (window as any).__cache.fetch("games", key, { forceRefresh: true }),
      key,
    ) as Promise<{ n: number }>;
    expect(await held).toMatchObject({ n: 1 });
    await change(key);
    await told(page, key);
    letGo();

    expect((await waiter).n, "who waits gets the newest value").toBe(after);
    const read = (key: string) => (window as any).__cache.get("games", key)?.n;
    await until("the value is read", () => page.evaluate(read, key), (n) => n === after);
    const { reads, stats } = await page.evaluate(() => ({
      reads: (window as any).__seen.reads,
      stats: (window as any).__cache.stats(),
    }));
    const old = reads.filter((read: { told: number; n: number }) => read.told > 0 && read.n < after);
    expect(old, "reads of an old value").toEqual([]);
    expect(reads.length, "reads").toBeGreaterThan(0);
    expect(stats.fills.discarded, "the old answer was dropped").toBeGreaterThan(0);
    await page.close();
  });

  it.each([
    { name: "its scope is invalidated", body: { scopes: [SCOPE] } },
    { name: "its tag is invalidated", body: { tags: ["injuries"] } },
    { name: "it is invalidated", body: { keys: [`${SCOPE}invalidated`] } },
  ])("$name is asked for again", async ({ body }) => {
    const key = `${SCOPE}invalidated`;
    await put(key, { n: 1, LONG }, "injuries");
    const page = await follower();
    const { held, letGo } = await hold(page, key);
    const waiter = page.evaluate((key) => (window as any).__cache.fetch("games", key), key) as Promise<{ n: number }>;
    await held;
    await write("POST", "/v1/invalidate", body);
    await until("the page is told", () => page.evaluate(() => (window as any).__seen.told), (told) => told > 0);
    letGo();
    expect((await waiter).n).toBe(1);
    const stats = await page.evaluate(() => (window as any).__cache.stats());
    expect(stats.fills.discarded, "the answer of before was dropped").toBeGreaterThan(0);
    expect(stats.fills.accepted).toBeGreaterThan(0);
    await page.close();
  });

  it("its value is deleted ends without one", async () => {
    const key = `${SCOPE}deleted`;
    await put(key, { n: 1, LONG });
    const page = await follower();
    const { held, letGo } = await hold(page, key);
    const waiter = page.evaluate(async (key) => String(await (window as any).__cache.fetch("games", key)), key);
    await held;
    await write("DELETE", `/v1/entries/${key}`);
    await told(page, key);
    letGo();
    expect(await waiter).toBe("undefined");
    expect(await page.evaluate((key) => (window as any).__cache.has("games", key), key)).toBe(false);
    await page.close();
  });
});
