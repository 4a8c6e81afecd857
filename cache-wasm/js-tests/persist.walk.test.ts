/**
 * Random walks over many visits: pages that follow scopes which overlap, hear of changes late or never, write slowly or at
 * once, two of them at a time, and end at any moment. Whatever they read is no older than what their streams have told.
 */

import type { ConsolidatedCacheManager } from "cache-wasm";
import { afterEach, expect, test, vi } from "vitest";

import { Pages } from "./pages.js";
import { type Item, StubServer } from "./stub-server.js";

const SEEDS = Number(process.env["WALKS"] ?? 100);
const SCOPES = ["m:g:", "m:g:7:", "m:g:7:x:", "m:t:"];
const KEYS = ["m:g:a", "m:g:7:b", "m:g:7:c", "m:g:7:x:d", "m:t:e"];

let pages: Pages;
afterEach(() => pages.close());

/** Numbers below `n`, the same for the same seed. */
function randomly(seed: number): (n: number) => number {
  let state = seed * 2_654_435_761 + 1;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** The server's store: a key's value is the offset of the commit that wrote it. */
class World {
  head = 0;
  readonly #log: { key: string; isGone: boolean }[] = [];

  commit(key: string, isGone: boolean): void {
    this.head = this.#log.push({ key, isGone });
  }

  /** The last commit of a key in `(from, to]`: 0 when there is none. */
  last(key: string, from: number, to: number): { offset: number; isGone: boolean } {
    for (let offset = to; offset > from; offset--) {
      const commit = this.#log[offset - 1]!;
      if (commit.key === key) return { offset, isGone: commit.isGone };
    }
    return { offset: 0, isGone: true };
  }

  /** What happened under a scope in `(from, to]`, as it is told. */
  items(scope: string, from: number, to: number, isPushed: boolean): Item[] {
    return KEYS.filter((key) => key.startsWith(scope)).flatMap((key): Item[] => {
      const { offset, isGone } = this.last(key, from, to);
      if (offset === 0) return [];
      return [[key, offset, isGone ? "gone" : isPushed ? { value: offset } : "changed"]];
    });
  }
}

/** One page, and how far the server has told it of each scope. */
class Page {
  #server: StubServer | undefined;
  readonly #told = new Map<string, { begin: number; at: number; leave: () => void }>();

  constructor(
    readonly cache: ConsolidatedCacheManager,
    readonly world: World,
  ) {}

  follow(scope: string, isReplayed: boolean): void {
    if (this.#told.has(scope)) return;
    const leave = this.cache.subscribe(scope, () => {}, { category: "props" });
    this.#server ??= new StubServer();
    const { since } = this.#server.asked(scope);
    const begin = since !== undefined && isReplayed ? Number(since.split(":")[1]) : this.world.head;
    this.#server.answer(scope, since === undefined ? "fresh" : isReplayed ? "replayed" : "reset", `1:${begin}`);
    this.#told.set(scope, { begin, at: begin, leave });
  }

  unfollow(scope: string): void {
    this.#told.get(scope)?.leave();
    if (this.#told.delete(scope) && this.#told.size === 0) this.#server = undefined;
  }

  /** Tells of a scope up to an offset, and vouches if that is the head. */
  tell(scope: string, to: number, isPushed: boolean): void {
    const told = this.#told.get(scope);
    if (told === undefined || to < told.at) return;
    if (to > told.at) this.#server!.change(scope, told.at, to, this.world.items(scope, told.at, to, isPushed));
    told.at = to;
    if (to === this.world.head) this.#server!.beat(scope, to, to);
  }

  /** Follows scopes, and is told all there is. */
  catchUp(scopes: string[]): void {
    for (const scope of scopes) this.follow(scope, true);
    for (const scope of scopes) this.tell(scope, this.world.head, true);
  }

  live(): void {
    this.#server?.live();
  }

  async fetch(key: string): Promise<void> {
    await this.cache.fetch("props", key);
  }

  check(): void {
    for (const key of KEYS) {
      const read = this.cache.get<number>("props", key);
      const streams = [...this.#told].filter(([scope]) => key.startsWith(scope)).map(([, told]) => told);
      if (read === undefined || streams.length === 0) continue;
      const { world } = this;
      const known = Math.max(
        // Some stream vouches for it.
        world.last(key, 0, Math.min(...streams.map(({ at }) => at))).offset,
        ...streams.map(({ begin, at }) => world.last(key, begin, at).offset),
      );
      expect(read, `${key} while its streams are at ${JSON.stringify(streams)}`).toBeGreaterThanOrEqual(known);
    }
  }
}

let kept = 0;

async function walk(seed: number): Promise<void> {
  const random = randomly(seed);
  const world = new World();
  const fetcher = async (key: string) => {
    const { offset, isGone } = world.last(key, 0, world.head);
    return { value: isGone ? undefined : offset, asOf: `1:${world.head}` };
  };
  const one = <T>(of: T[]): T => of[random(of.length)]!;
  const some = <T>(of: T[]): T[] => of.filter(() => random(2) === 0);
  if (random(2) === 0) pages.slow();
  for (let visit = 0; visit < 5; visit++) {
    const open: Page[] = [];
    for (let i = 1 + random(2); i > 0; i--) {
      // Fewer than there are: some are evicted, and of what an earlier visit left some cannot be taken up.
      const cache = await pages.visit({ fetcher, categories: { props: { max: one([2, 5]) } } });
      kept += cache.size;
      open.push(new Page(cache, world));
      // Now and then, two pages hold the lock.
      if (random(2) === 0) pages.unlock();
    }
    if (random(2) === 0) one(open).catchUp(some(SCOPES));
    for (let step = random(40); step > 0; step--) {
      const page = one(open);
      open.forEach((page) => page.live());
      const [scope, key] = [one(SCOPES), one(KEYS)];
      const act = random(16);
      if (act < 4) world.commit(key, random(8) === 0);
      else if (act < 7) page.follow(scope, random(8) > 0);
      else if (act < 11) page.tell(scope, world.head - (random(3) === 0 ? random(3) : 0), random(4) > 0);
      else if (act < 12) await page.fetch(key);
      else if (act < 13) page.unfollow(random(4) === 0 ? scope : "");
      else await pages.pass(random(2) === 0 ? 2_001 : 100);
      open.forEach((page) => page.check());
    }
    if (random(2) === 0) {
      some(KEYS).forEach((key) => world.commit(key, false));
      one(open).catchUp(some(SCOPES));
      await pages.pass(2_001);
      open.forEach((page) => page.check());
    }
    if (random(4) === 0) open.forEach(({ cache }) => cache.close());
    else pages.crash();
    await pages.idle();
  }
}

test("no page reads what is older than its streams have told, over visits that end anyhow", { timeout: 120_000 }, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    pages = new Pages();
    try {
      await walk(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    } finally {
      if (seed < SEEDS) pages.close();
    }
  }
  vi.useRealTimers();
  expect(kept, "entries that a visit began with").toBeGreaterThan(SEEDS);
});
