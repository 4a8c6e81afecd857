/** When the cache connects, comes back and gives up. What the stream brings is tested against a real server. */

import { type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { StubSocket } from "./stub-socket.js";
import { uncaught } from "./uncaught.js";

let cache: ConsolidatedCacheManager;
let states: string[];

const sockets = () => StubSocket.all;
const latest = () => StubSocket.all.at(-1)!;
/** The longest wait before an attempt, in milliseconds; `src/backoff.rs`. */
const LONGEST_WAIT = 20_000;

beforeEach(async () => {
  vi.useFakeTimers();
  StubSocket.all = [];
  states = [];
  cache = await createCache({
    url: "https://edge.example/base/",
    categories: { props: { max: 10 } },
    WebSocket: StubSocket,
  });
  cache.on("stream", (state) => states.push(state));
});

afterEach(() => {
  cache.close();
  vi.useRealTimers();
});

test("nothing is connected until something is followed", async () => {
  cache.set("props", "mlb:1", 1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sockets()).toHaveLength(0);
  cache.subscribe("mlb:game:", () => {});
  expect(sockets().map(({ url, protocols, binaryType }) => [url, protocols, binaryType])).toEqual([
    ["wss://edge.example/base/v1/stream", "coherence.v1+postcard", "arraybuffer"],
  ]);
  expect(states).toEqual(["connecting"]);
});

test("all that is followed shares one connection", () => {
  cache.subscribe("mlb:game:", () => {});
  cache.subscribe("mlb:game:", () => {});
  cache.subscribe("nba:game:", () => {});
  expect(sockets()).toHaveLength(1);
});

test("what is set under a scope that is not live yet does not hit", () => {
  cache.subscribe("mlb:game:", () => {});
  cache.set("props", "mlb:game:1", 1);
  cache.set("props", "mlb:team:1", 2);
  expect([cache.get("props", "mlb:game:1"), cache.get("props", "mlb:team:1")]).toEqual([undefined, 2]);
  expect(cache.stats().stream.subscriptions).toEqual([{ scope: "mlb:game:", position: undefined, live: false }]);
});

test("an open connection is greeted, then asked for what is followed", () => {
  cache.subscribe("mlb:game:", () => {});
  cache.subscribe("nba:game:", () => {});
  expect(latest().sent).toHaveLength(0);
  latest().open();
  const [hello, ...asked] = latest().sent.map((bytes) => new TextDecoder().decode(bytes));
  expect(hello).not.toContain("game");
  expect(asked.join()).toContain("mlb:game:");
  expect(asked.join()).toContain("nba:game:");
});

test("a lost connection is made again, after a wait of 200 to 400 ms at first", async () => {
  cache.subscribe("mlb:game:", () => {});
  latest().lose();
  expect(states).toEqual(["connecting", "waiting"]);
  await vi.advanceTimersByTimeAsync(199);
  expect(sockets()).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(202);
  expect(sockets()).toHaveLength(2);
  expect(states).toEqual(["connecting", "waiting", "connecting"]);
});

test("waits grow while no connection is of use, up to 20 s, and it is never given up", async () => {
  cache.subscribe("mlb:game:", () => {});
  const waits: number[] = [];
  for (let attempt = 1; attempt <= 40; attempt++) {
    const lost = Date.now();
    latest().open();
    latest().lose();
    await vi.advanceTimersToNextTimerAsync();
    expect(sockets()).toHaveLength(attempt + 1);
    waits.push(Date.now() - lost);
  }
  expect(Math.max(...waits)).toBeLessThanOrEqual(LONGEST_WAIT + 1);
  expect(Math.max(...waits.slice(10))).toBeGreaterThan(5_000);
  expect(Math.max(...waits.slice(0, 2))).toBeLessThanOrEqual(801);
  expect(cache.stats().stream.connects).toBe(40);
});

test("a connection that opens never, or is never welcomed, is given up after 10 s and tried again", async () => {
  cache.subscribe("mlb:game:", () => {});
  await vi.advanceTimersByTimeAsync(10_001);
  expect(sockets()[0]!.closed).toBeDefined();
  await vi.advanceTimersByTimeAsync(LONGEST_WAIT);
  expect(sockets().length).toBeGreaterThanOrEqual(2);
  const greeted = latest();
  greeted.open();
  await vi.advanceTimersByTimeAsync(10_001);
  expect(greeted.closed).toBeDefined();
});

test.for([4003, 4009])("after a close with %i the cache does not come back", async (code) => {
  cache.subscribe("mlb:game:", () => {});
  latest().open();
  latest().lose(code);
  expect(states.at(-1)).toBe("refused");
  await vi.advanceTimersByTimeAsync(600_000);
  cache.subscribe("nba:game:", () => {});
  await vi.advanceTimersByTimeAsync(600_000);
  expect(sockets()).toHaveLength(1);
});

test.for([1000, 1001, 1006, 1011, 4000, 4001, 4008, 4010])("after a close with %i it does", async (code) => {
  cache.subscribe("mlb:game:", () => {});
  latest().open();
  latest().lose(code);
  await vi.advanceTimersByTimeAsync(401);
  expect(sockets()).toHaveLength(2);
});

test("the last follower's leaving closes the connection, and following again makes a new one", () => {
  const leave = [cache.subscribe("mlb:game:", () => {}), cache.subscribe("mlb:game:", () => {})];
  const first = latest();
  leave[0]!();
  leave[0]!();
  expect(first.closed).toBeUndefined();
  leave[1]!();
  expect(first.closed?.[0]).toBe(1000);
  expect(states.at(-1)).toBe("off");
  cache.subscribe("mlb:game:", () => {});
  expect(sockets()).toHaveLength(2);
});

test("a connection that was let go is heard no more", async () => {
  const leave = cache.subscribe("mlb:game:", () => {});
  const first = latest();
  leave();
  cache.subscribe("mlb:game:", () => {});
  first.open();
  first.onmessage?.({ data: new ArrayBuffer(3) });
  first.lose();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(sockets()).toHaveLength(2);
  expect(latest().closed).toBeUndefined();
  expect(states.at(-1)).toBe("connecting");
});

test("what no frame can be ends the connection as a fault, not in an exception", () => {
  cache.subscribe("mlb:game:", () => {});
  latest().open();
  latest().onmessage?.({ data: new Uint8Array([255, 255, 255, 255]).buffer });
  expect(latest().closed?.[0]).toBe(4009);
});

test("a text message is of no subprotocol of ours, and is refused in the same way", () => {
  cache.subscribe("mlb:game:", () => {});
  latest().open();
  latest().onmessage?.({ data: '{"hello":1}' });
  expect(latest().closed?.[0]).toBe(4009);
});

test("a listener may follow and leave while it is told of a state", () => {
  let leave = () => {};
  cache.on("stream", (state) => {
    if (state === "connecting") leave = cache.subscribe("nba:game:", () => {});
    if (state === "waiting") leave();
  });
  cache.subscribe("mlb:game:", () => {});
  expect(cache.stats().stream.subscriptions.map(({ scope }) => scope)).toEqual(["mlb:game:", "nba:game:"]);
  latest().lose();
  expect(cache.stats().stream.subscriptions.map(({ scope }) => scope)).toEqual(["mlb:game:"]);
});

test("a stream listener that throws does not keep the news from the others", async () => {
  const heard: string[] = [];
  const leave = cache.on("stream", () => {
    throw new Error("a listener's fault");
  });
  cache.on("stream", (state) => heard.push(state));
  vi.useRealTimers();
  expect(await uncaught(() => cache.subscribe("mlb:game:", () => {}))).toEqual([new Error("a listener's fault")]);
  expect(heard).toEqual(["connecting"]);
  leave();
});

test("closing the cache closes the connection, and nothing comes back", async () => {
  cache.subscribe("mlb:game:", () => {});
  latest().open();
  const socket = latest();
  cache.close();
  expect(socket.closed?.[0]).toBe(1000);
  socket.lose();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(sockets()).toHaveLength(1);
});

test("a listener may close the cache again while it is told of the closing", () => {
  cache.subscribe("mlb:game:", () => {});
  cache.on("stream", (state) => {
    if (state === "off") cache.close();
  });
  expect(() => cache.close()).not.toThrow();
  expect(states.at(-1)).toBe("off");
});
