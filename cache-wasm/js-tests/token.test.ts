/** Who reads: the token that is shown to the server, and the next one when it has expired. */

import { type CacheOptions, CacheError, type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { entry, got, StubEdge } from "./stub-edge.js";
import { StubServer } from "./stub-server.js";
import { StubSocket } from "./stub-socket.js";

const SCOPE = "mlb:game:";

let cache: ConsolidatedCacheManager;
let edge: StubEdge;

async function create(token: CacheOptions["token"]): Promise<void> {
  const options = token === undefined ? {} : { token };
  cache = await createCache({
    url: "https://edge.example",
    categories: { props: { max: 10 } },
    WebSocket: StubSocket,
    fetch: edge.fetch,
    prefetch: false,
    ...options,
  });
}

const latest = () => StubSocket.all.at(-1)!;
/** What `hello` says, as text. */
const hello = () => new TextDecoder().decode(latest().sent[0]);
const shown = () => edge.requests.map(({ headers }) => headers.get("authorization"));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  StubSocket.all = [];
  edge = new StubEdge();
});

afterEach(() => {
  cache.close();
  vi.useRealTimers();
});

test("a token is shown with `hello` and with every request", async () => {
  await create("secret");
  edge.respond = ({ keys }) => (keys === undefined ? entry(1) : got([keys[0]!, 1], [keys[1]!, 2]));
  cache.subscribe(SCOPE, () => {});
  latest().open();
  expect(hello()).toContain("secret");
  await cache.fetch("props", "nba:1");
  await cache.fetchMany("props", ["nba:2", "nba:3"]);
  expect(shown()).toEqual(["Bearer secret", "Bearer secret"]);
});

test("without a token none is shown", async () => {
  await create(undefined);
  edge.respond = () => entry(1);
  await cache.fetch("props", "nba:1");
  expect(shown()).toEqual([null]);
});

test("a function is asked once, for the connection and for all requests", async () => {
  const token = vi.fn(() => Promise.resolve("one"));
  await create(token);
  edge.respond = () => entry(1);
  expect(token).not.toHaveBeenCalled();
  cache.subscribe(SCOPE, () => {});
  await cache.fetch("props", "nba:1");
  await cache.fetch("props", "nba:2");
  latest().open();
  expect([hello().includes("one"), shown()]).toEqual([true, ["Bearer one", "Bearer one"]]);
  expect(token).toHaveBeenCalledTimes(1);
});

test("when it expires, another is asked for, and the stream goes on at once without a reset", async () => {
  let number = 0;
  await create(() => `token-${++number}`);
  const purged: boolean[] = [];
  cache.subscribe(SCOPE, (change) => purged.push(change.purged), { category: "props" });
  await vi.advanceTimersByTimeAsync(0);
  const server = new StubServer();
  server.accept(SCOPE, "1:5");
  server.change(SCOPE, 5, 6, [[`${SCOPE}1`, 6, { value: "six" }]]);
  expect([hello().includes("token-1"), cache.get("props", `${SCOPE}1`)]).toEqual([true, "six"]);
  latest().lose(4001);
  expect(cache.get("props", `${SCOPE}1`)).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  expect(StubSocket.all).toHaveLength(2);
  const again = new StubServer();
  expect([hello().includes("token-2"), again.asked(SCOPE).since]).toEqual([true, "1:6"]);
  again.answer(SCOPE, "replayed", "1:6");
  again.beat(SCOPE, 6, 6);
  expect([cache.get("props", `${SCOPE}1`), purged]).toEqual(["six", [false]]);
});

test("any other loss shows the same token again", async () => {
  let number = 0;
  await create(() => `token-${++number}`);
  cache.subscribe(SCOPE, () => {});
  await vi.advanceTimersByTimeAsync(0);
  latest().open();
  latest().lose(1006);
  await vi.advanceTimersByTimeAsync(401);
  latest().open();
  expect([StubSocket.all.length, hello().includes("token-1")]).toEqual([2, true]);
});

test("a request that finds it expired is made again with another, once", async () => {
  let number = 0;
  await create(() => Promise.resolve(`token-${++number}`));
  edge.respond = ({ headers }) =>
    headers.get("authorization") === "Bearer token-2" ? entry("value") : Response.json({ detail: "expired" }, { status: 401 });
  expect(await cache.fetch("props", "nba:1")).toBe("value");
  expect(shown()).toEqual(["Bearer token-1", "Bearer token-2"]);
});

test("a server that takes no token is not asked for ever", async () => {
  const token = vi.fn(() => "never good");
  await create(token);
  edge.respond = () => Response.json({ detail: "the token is not signed by who may" }, { status: 401 });
  const refused = cache.fetch("props", "nba:1");
  await expect(refused).rejects.toThrow("401: the token is not signed by who may");
  await expect(refused).rejects.toMatchObject({ code: "unavailable", status: 401 });
  expect([edge.requests.length, token.mock.calls.length]).toEqual([2, 2]);
});

test("a token that cannot be had is a connection that failed: it is said, and tried again", async () => {
  const states: string[] = [];
  let fails = true;
  await create(() => (fails ? Promise.reject(new Error("the login is over")) : "good"));
  cache.on("stream", (state, detail) => states.push(`${state}: ${detail}`));
  cache.subscribe(SCOPE, () => {});
  await vi.advanceTimersByTimeAsync(0);
  expect([StubSocket.all.length, states]).toEqual([
    0,
    ["connecting: ", "waiting: no token could be had: Error: the login is over"],
  ]);
  fails = false;
  await vi.advanceTimersByTimeAsync(401);
  latest().open();
  expect(hello()).toContain("good");
});

test("a token that comes too late for its attempt opens nothing", async () => {
  const answers: ((token: string) => void)[] = [];
  await create(() => new Promise((resolve) => answers.push(resolve)));
  const leave = cache.subscribe(SCOPE, () => {});
  leave();
  answers[0]!("late");
  await vi.advanceTimersByTimeAsync(0);
  expect(StubSocket.all).toHaveLength(0);
  cache.subscribe(SCOPE, () => {});
  expect(StubSocket.all).toHaveLength(1);
  // What never comes is given up like a connection that does not open.
  cache.close();
  await create(() => new Promise(() => {}));
  const states: string[] = [];
  cache.on("stream", (state) => states.push(state));
  cache.subscribe(SCOPE, () => {});
  await vi.advanceTimersByTimeAsync(10_001);
  expect(states).toEqual(["connecting", "waiting"]);
});

test("what is no token is refused", async () => {
  await expect(createCache({ token: 7 as unknown as string })).rejects.toThrow(CacheError);
  await expect(createCache({ token: 7 as unknown as string })).rejects.toThrow("`token` must be a string, or a function");
  await create(() => 7 as unknown as string);
  await expect(cache.fetch("props", "nba:1")).rejects.toThrow("`token` must give a string, not number");
});
