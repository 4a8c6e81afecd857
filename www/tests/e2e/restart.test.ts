/** P3 and P4 in a real browser: the server dies, or only the connection; the page ends equal to the server. */

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { BOARD_SCOPES, board, differences, launch, until } from "../../e2e/browser.mjs";
import { freePort, polling, proxy, type Running, start, startEdge, stopAll } from "./servers.js";

let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await stopAll();
});

/** Lets the upstream's world go on until it is stopped. */
function stepping(upstream: Running): () => Promise<void> {
  let going = true;
  const run = (async () => {
    while (going) {
      await fetch(`${upstream.url}/control/step`, { method: "POST" });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  return async () => {
    going = false;
    await run;
  };
}

it.each(["SIGKILL", "SIGTERM"] as const)("after %s with changes under way the page ends equal to the server", async (signal) => {
  const upstream = await start("upstream", ["--tick-ms", "0", "--seed", "7"]);
  const port = await freePort();
  const settings = { ...polling(upstream), "stream.hb_ms": "300", "stream.lease_ms": "1500" };
  let edge = await startEdge(settings, port);
  const page = await browser.newPage();
  const misread: string[] = [];
  page.on("pageerror", (error) => misread.push(String(error)));
  await page.goto(edge.url);
  await until("the board is ready", () => board(page), (seen) => seen.ready && seen.stream === "live" && seen.props > 100);

  const stop = stepping(upstream);
  await until("changes arrive", () => board(page), (seen) => seen.changed > 10);
  await edge.stop(signal);
  const down = await until("the page knows", () => board(page), (seen) => seen.stream !== "live");
  expect(down.props, "what was drawn stays to be seen").toBeGreaterThan(0);
  // A followed key is not readable while nobody vouches for it (R6).
  expect(await page.evaluate(() => (window as any).__cache.keys("props").length)).toBe(0);
  edge = await startEdge(settings, port);
  await until("the page is live again", () => board(page), (seen) => seen.stream === "live", 40_000);
  await stop();
  // The new server reads its sources anew: equal means that the page has everything it has, and shows it.
  const look = async () => ({
    ...(await differences(page, BOARD_SCOPES)),
    shown: (await board(page)).props,
    cached: await page.evaluate(() => (window as any).__cache.keys("props").length as number),
  });
  await until(
    "the page equals the server",
    look,
    ({ compared, differing, shown, cached }) => cached > 300 && compared >= cached && differing.length === 0 && shown === cached,
  );
  const stats = await page.evaluate(() => (window as any).__cache.stats().stream);
  expect(stats.connects).toBe(2);
  expect(stats.resets, "the embedded store begins a new epoch").toBeGreaterThan(0);
  expect(misread).toEqual([]);
  await page.close();
  await Promise.all([edge.stop(), upstream.stop()]);
});

it("after a cut connection the page resumes where it was, without a reset", async () => {
  const upstream = await start("upstream", ["--tick-ms", "0", "--seed", "9"]);
  const edge = await startEdge({ ...polling(upstream), "stream.hb_ms": "300", "stream.lease_ms": "1500" });
  const line = await proxy(edge.url);
  const page = await browser.newPage();
  await page.goto(line.url);
  await until("the board is ready", () => board(page), (seen) => seen.ready && seen.stream === "live" && seen.props > 100);

  const stop = stepping(upstream);
  for (let cuts = 1; cuts <= 3; cuts++) {
    line.cut();
    const connects = () => page.evaluate(() => (window as any).__cache.stats().stream.connects as number);
    await until("the page is back", connects, (connects) => connects === cuts + 1);
    const isLive = () => page.evaluate(() => (window as any).__cache.stats().stream.subscriptions.every((s: any) => s.live));
    await until("it is vouched for", isLive, Boolean);
  }
  await stop();
  await until(
    "the page equals the server",
    () => differences(page, BOARD_SCOPES),
    ({ compared, differing }) => compared > 100 && differing.length === 0,
  );
  const { resets, removals } = await page.evaluate(() => {
    const stats = (window as any).__cache.stats();
    return { resets: stats.stream.resets, removals: stats.removals };
  });
  expect(resets).toBe(0);
  expect(removals.reset, "what was cached before the cuts is cached still").toBe(0);
  await page.close();
  line.close();
  await Promise.all([edge.stop(), upstream.stop()]);
});
