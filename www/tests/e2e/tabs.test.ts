/**
 * R8 in a real browser: an origin's tabs share one socket, in a SharedWorker or in a tab that leads; and what becomes of
 * a page that is frozen, left and come back to, or without a network.
 */

import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { launch, until } from "../../e2e/browser.mjs";
import { rawContext } from "../../e2e/raw.mjs";
import { proxy, type Running, startEdge, stopAll } from "./servers.js";

const SCOPE = "sport:test:values:";
const LEASE_MS = 1_500;

let browser: Browser;
let edge: Running;
let context: BrowserContext;
/** For pages that are to be frozen. */
let raw: Awaited<ReturnType<typeof rawContext>>;
/** What there is to share by that pages are without. */
let missing: string[];
let faults: string[];
let written = 0;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const settings = { "stream.hb_ms": "200", "stream.lease_ms": String(LEASE_MS) };
  [browser, edge] = await Promise.all([launch({ keepsPages: true }), startEdge(settings)]);
});

afterAll(async () => {
  await browser?.close();
  await stopAll();
});

beforeEach(async () => {
  faults = [];
  missing = [];
  // Its workers, locks and channels are its own.
  [context, raw] = await Promise.all([browser.newContext(), rawContext(browser)]);
});

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
  await Promise.all([context.close(), raw.close()]);
  await until("the sockets are closed", sockets, (count) => count === 0);
  expect(faults).toEqual([]);
});

/** The sockets at the server. */
async function sockets(): Promise<number> {
  const metrics = await (await fetch(`${edge.url}/metrics`)).text();
  return Number(/^edge_connections (\d+)/m.exec(metrics)?.[1] ?? 0);
}

/** Writes the next number; whoever reads a smaller one from then on reads an old value. */
async function write(key = "n"): Promise<number> {
  const body = JSON.stringify({ n: ++written });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${edge.url}/v1/entries/${SCOPE}${key}`, { method: "PUT", headers, body });
  expect(answer.ok, await answer.text()).toBe(true);
  return written;
}

/** Writes until it is stopped, or the test is over. */
function writing(): () => Promise<void> {
  let going = true;
  const run = (async () => {
    while (going) {
      await write();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const stop = async () => {
    going = false;
    await run;
  };
  stops.push(stop);
  return stop;
}

interface Seen {
  /** What was read, each millisecond and after each change: the number, or nothing. */
  reads: (number | null)[];
  /** Where the page woke. */
  woke: number | undefined;
  purged: number;
}

/** What a test asks of a page, whoever attends to it. */
interface Tab {
  evaluate<T>(run: () => T): Promise<T>;
  evaluate<A, T>(run: (given: A) => T, given: A): Promise<T>;
}

/** A tab that follows the scope, and notes what it reads. */
async function open(url = edge.url): Promise<Page> {
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(String(error)));
  await page.addInitScript(`for (const name of ${JSON.stringify(missing)}) delete globalThis[name]`);
  await page.goto(url);
  await follow(page as Tab);
  return page;
}

/** One that can be frozen. */
async function openRaw() {
  const page = await raw.open(edge.url, `for (const name of ${JSON.stringify(missing)}) delete globalThis[name]`);
  await follow(page);
  return page;
}

async function follow(page: Tab): Promise<void> {
  await until("the page runs", () => page.evaluate(() => "__cache" in window), Boolean);
  await page.evaluate((scope) => {
    const cache = (window as any).__cache;
    const seen: Seen = { reads: [], woke: undefined, purged: 0 };
    const read = () => {
      const n = cache.get("games", `${scope}n`)?.n ?? null;
      if (seen.reads.at(-1) !== n || seen.reads.length === seen.woke) seen.reads.push(n);
    };
    (window as any).__seen = seen;
    (window as any).__waits = 0;
    cache.on("stream", (state: string) => ((window as any).__waits += state === "waiting" ? 1 : 0));
    cache.subscribe(
      scope,
      (change: any) => {
        if (change.purged) seen.purged++;
        read();
      },
      { category: "games" },
    );
    setInterval(read, 1);
    const woke = () => {
      seen.woke = seen.reads.length;
      read();
    };
    document.addEventListener("resume", woke);
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted) woke();
      (window as any).__persisted = persisted;
    });
  }, SCOPE);
  await live(page);
}

const seen = (page: Tab): Promise<Seen> => page.evaluate(() => (window as any).__seen);
const stream = (page: Tab): Promise<any> => page.evaluate(() => (window as any).__cache.stats().stream);
const state = (page: Tab) => page.evaluate(() => ({ waits: (window as any).__waits as number }));
const sharing = async (page: Tab) => (await stream(page)).sharing;

/** Waits until reads of the scope may hit. */
async function live(page: Tab): Promise<void> {
  const isLive = ({ subscriptions }: any) => subscriptions.some((each: any) => each.scope === SCOPE && each.live);
  await until("the scope is followed", () => stream(page), isLive);
}

/** Waits until the page reads the number, and looks that nothing went back, and nothing was void. */
async function reads(page: Tab, n: number): Promise<void> {
  await until(`the page reads ${n}`, () => seen(page), ({ reads }) => reads.at(-1) === n);
  const { reads: all, purged } = await seen(page);
  const numbers = all.filter((read) => read !== null);
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  const { resets, gaps } = await stream(page);
  expect({ purged, resets, gaps }).toEqual({ purged: 0, resets: 0, gaps: 0 });
}

it("two tabs have one socket, and both are told every change", async () => {
  const [first, second] = [await open(), await open()];
  expect(await sockets()).toBe(1);
  await until("both count", () => sharing(first), ({ tabs }) => tabs === 2);
  expect(await sharing(second)).toEqual({ by: "worker", tabs: 2 });
  await until("the panel says so", () => second.textContent("[data-testid=sharing]"), (text) => text === "Connection: shared, 2 tabs");
  for (let i = 0; i < 30; i++) await write();
  await Promise.all([first, second].map((page) => reads(page, written)));
  // One goes, and the other does not notice.
  await first.close();
  await until("one counts", () => sharing(second), ({ tabs }) => tabs === 1);
  await reads(second, await write());
  expect((await stream(second)).connects).toBe(1);
  expect(await sockets()).toBe(1);
});

it("a new tab is live by the socket that is there, and is told what the other one was", async () => {
  const first = await open();
  await write();
  const second = await open();
  expect(await sockets()).toBe(1);
  const position = async (page: Page) => (await stream(page)).subscriptions.find((each: any) => each.scope === SCOPE).position;
  expect(await position(second)).toBe(await position(first));
});

it("a tab that hangs costs the others nothing and holds no more than its bound; then it ends with what is true", async () => {
  const [hung, other] = [await openRaw(), await openRaw()];
  await until("both count", () => sharing(other), ({ tabs }) => tabs === 2);
  await hung.pause();
  // More than may wait for a tab, in pieces that the server does not merge.
  for (let piece = 0; piece < 8; piece++) {
    const keys = Array.from({ length: 180 }, (_, i) => `${SCOPE}${piece}:${i}`);
    const body = keys.map((key) => JSON.stringify({ key, value: "x".repeat(900) })).join("\n");
    const answer = await fetch(`${edge.url}/v1/ingest`, { method: "POST", body });
    expect(answer.ok, await answer.text()).toBe(true);
    const has = () => other.evaluate((key) => (window as any).__cache.has("games", key), keys.at(-1)!);
    await until("the other one is told", has, Boolean);
  }
  // Long before it is silent for too long.
  await until("it is ended", () => sharing(other), ({ tabs }) => tabs === 1, 2_000);
  await write();
  await until(`the other reads ${written}`, () => seen(other), ({ reads }) => reads.at(-1) === written);
  await hung.proceed();
  await until("it shares again", () => sharing(other), ({ tabs }) => tabs === 2);
  await live(hung);
  // What it missed is more than is replayed one by one.
  await hung.evaluate((scope) => void (window as any).__cache.fetch("games", `${scope}n`), SCOPE);
  await until(`it reads ${written}`, () => seen(hung), ({ reads }) => reads.at(-1) === written);
});

it("without any way to share each tab has a socket of its own", async () => {
  missing = ["SharedWorker", "BroadcastChannel"];
  const [first, second] = [await open(), await open()];
  expect(await sockets()).toBe(2);
  expect(await sharing(second)).toEqual({ by: "own", tabs: 1 });
  await write();
  await Promise.all([first, second].map((page) => reads(page, written)));
});

describe("without SharedWorker a tab leads, and when it", () => {
  it.each(["closes", "crashes", "freezes", "hangs"])("%s the others go on without a missed change", async (how) => {
    missing = ["SharedWorker"];
    const isRaw = how === "freezes" || how === "hangs";
    const leader = isRaw ? await openRaw() : await open();
    const others: Tab[] = isRaw ? [await openRaw(), await openRaw()] : [(await open()) as Tab, (await open()) as Tab];
    expect([await sharing(leader), await sharing(others[0]!)]).toEqual([
      { by: "leader", tabs: 3 },
      { by: "follower", tabs: 3 },
    ]);
    expect(await sockets()).toBe(1);
    const stop = writing();
    await until("changes arrive", () => seen(others[0]!), ({ reads }) => reads.length > 5);
    if ("freeze" in leader) await (how === "hangs" ? leader.pause() : leader.freeze());
    else if (how === "closes") await leader.close();
    else await leader.goto("chrome://crash").catch(() => {});
    const leads = async () => (await Promise.all(others.map(sharing))).map(({ by }) => by).toSorted();
    await until("another one leads", leads, (by) => by.join() === "follower,leader");
    await Promise.all(others.map(live));
    await stop();
    if ("proceed" in leader && how === "hangs") {
      // The lock was taken from it: it finds that out, and follows.
      await leader.proceed();
      await until("it follows", () => sharing(leader), ({ by, tabs }) => by === "follower" && tabs === 3);
      others.push(leader);
    }
    await Promise.all(others.map((page) => reads(page, written)));
    expect(await sockets()).toBe(1);
  });
});

describe.each(["worker", "leader", "own"])("with a connection by %s", (by) => {
  beforeEach(() => {
    missing = { worker: [], leader: ["SharedWorker"], own: ["SharedWorker", "BroadcastChannel"] }[by] as string[];
  });

  it("a page that was frozen for longer than the lease reads nothing at first, and then what is true", async () => {
    const page = await openRaw();
    await reads(page, await write());
    await page.freeze();
    await until("its socket is closed", sockets, (count) => count === 0);
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS + 100));
    await write();
    await page.resume();
    await reads(page, written);
    const { reads: all, woke } = await seen(page);
    expect(all.slice(woke)).toEqual([null, written]);
  });

  it("a page that comes back from the back/forward cache never shows the old value", async () => {
    const page = await open();
    await reads(page, await write());
    await page.goto(`${edge.url}/health/live`);
    await until("its socket is closed", sockets, (count) => count === 0);
    await write();
    await page.evaluate(() => history.back());
    const isBack = () => page.evaluate(() => (window as any).__persisted).catch(() => undefined);
    await until("it comes out of the back/forward cache", isBack, (persisted) => persisted === true);
    await reads(page, written);
    const { reads: all, woke } = await seen(page);
    expect(all.slice(woke)).toEqual([null, written]);
    expect((await stream(page)).sharing.by).toBe(by);
  });

  it("a page that is online again does not wait to come back", async () => {
    const line = await proxy(edge.url);
    try {
      const page = await open(line.url);
      await reads(page, await write());
      line.block(true);
      await until("it has tried several times", () => state(page), ({ waits }) => waits >= 4);
      expect((await seen(page)).reads.at(-1)).toBe(null);
      await write();
      line.block(false);
      await context.setOffline(true);
      await context.setOffline(false);
      const started = Date.now();
      await reads(page, written);
      // By itself it would have waited for 0.2 to 6.4 s.
      expect(Date.now() - started).toBeLessThan(1_000);
    } finally {
      line.close();
    }
  });
});
