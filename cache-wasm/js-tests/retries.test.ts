/** What is tried again, when, and how often; and how long a try may take. */

import { type CacheError, type CacheOptions, type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { entry, type EdgeRequest, got, StubEdge } from "./stub-edge.js";
import { StubSocket } from "./stub-socket.js";

let edge: StubEdge;
let cache: ConsolidatedCacheManager;

const open = async (options: CacheOptions = {}) => {
  cache = await createCache({
    url: "https://edge.example",
    categories: { props: { max: 10 } },
    fetch: edge.fetch,
    prefetch: false,
    ...options,
  });
};

const refuse = (status: number, headers: Record<string, string> = {}) => new Response(null, { status, headers });
const failed = (value: Promise<unknown>) => value.then(() => expect.unreachable(), (error: CacheError) => error);

beforeEach(async () => {
  vi.useFakeTimers();
  // The longest that chance allows.
  vi.spyOn(Math, "random").mockReturnValue(1);
  edge = new StubEdge();
  await open();
});

afterEach(() => {
  cache.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets what is under way go on, up to a pause. */
const turn = () => vi.advanceTimersByTimeAsync(0);

/** The nth request, after exactly so many milliseconds. */
async function after(milliseconds: number, n: number): Promise<EdgeRequest> {
  await vi.advanceTimersByTimeAsync(milliseconds - 1);
  expect(edge.requests.length, `requests ${milliseconds - 1} ms after`).toBe(n - 1);
  await vi.advanceTimersByTimeAsync(1);
  expect(edge.requests.length, `requests ${milliseconds} ms after`).toBe(n);
  return edge.requests[n - 1]!;
}

const PASSING: [what: string, fail: (request: EdgeRequest) => void][] = [
  ["no answer", (request) => request.fail(new TypeError("fetch failed"))],
  ["408", (request) => request.answer(refuse(408))],
  ["429", (request) => request.answer(refuse(429))],
  ["500", (request) => request.answer(refuse(500))],
  ["503", (request) => request.answer(refuse(503))],
];

test.for(PASSING)("after %s a request is made again, twice, after longer pauses", async ([, fail]) => {
  const value = cache.fetch("props", "mlb:1");
  await turn();
  fail(edge.requests[0]!);
  await turn();
  fail(await after(100, 2));
  await turn();
  (await after(200, 3)).answer(entry(1));
  expect(await value).toBe(1);
  expect(cache.stats().fills).toMatchObject({ started: 1, accepted: 1, failed: 0 });
});

test("the third failure is the fetch's", async () => {
  const error = failed(cache.fetch("props", "mlb:1"));
  edge.respond = () => refuse(500 + edge.requests.length);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await error).toMatchObject({ code: "unavailable", status: 503 });
  expect(edge.requests).toHaveLength(3);
});

test("pauses are drawn evenly, from none to the longest", async () => {
  vi.mocked(Math.random).mockReturnValue(0.25);
  edge.respond = () => (edge.requests.length < 3 ? refuse(503) : entry(1));
  const value = cache.fetch("props", "mlb:1");
  await turn();
  await after(25, 2);
  await after(50, 3);
  expect(await value).toBe(1);
});

test("pauses do not grow beyond 5 s", async () => {
  cache.close();
  await open({ retries: 8 });
  edge.respond = () => refuse(503);
  const error = failed(cache.fetch("props", "mlb:1"));
  await turn();
  for (const [n, pause] of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].entries()) await after(pause, n + 2);
  expect(await error).toMatchObject({ status: 503 });
});

test.for([400, 401, 403, 404, 410, 413, 422])("after %d a request is not made again", async (status) => {
  edge.respond = () => refuse(status);
  const error = failed(cache.fetch("props", "mlb:1"));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await error).toMatchObject({ code: "unavailable", status });
  expect(edge.requests).toHaveLength(1);
});

test("with `retries: 0` nothing is tried again", async () => {
  cache.close();
  await open({ retries: 0 });
  edge.respond = () => refuse(503);
  const error = failed(cache.fetch("props", "mlb:1"));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await error).toMatchObject({ status: 503 });
  expect(edge.requests).toHaveLength(1);
});

test.for<[form: string, header: () => string]>([
  ["seconds", () => "30"],
  ["a date", () => new Date(Date.now() + 30_000).toUTCString()],
])("a server that says in %s when to come back is left alone until then", async ([, header]) => {
  vi.setSystemTime(1_700_000_000_000);
  vi.mocked(Math.random).mockReturnValue(0);
  const value = cache.fetch("props", "mlb:1");
  await turn();
  edge.requests[0]!.answer(refuse(429, { "retry-after": header() }));
  await turn();
  (await after(30_000, 2)).answer(entry(1));
  expect(await value).toBe(1);
});

test("a server that wants to be left alone for over 30 s is not waited for", async () => {
  edge.respond = () => refuse(503, { "retry-after": "31" });
  const error = failed(cache.fetch("props", "mlb:1"));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await error).toMatchObject({ code: "unavailable", status: 503, retryAfter: 31_000 });
  expect(edge.requests).toHaveLength(1);
});

test("a `Retry-After` that says nothing is none", async () => {
  edge.respond = () => (edge.requests.length < 2 ? refuse(503, { "retry-after": "soon" }) : entry(1));
  const value = cache.fetch("props", "mlb:1");
  await turn();
  await after(100, 2);
  expect(await value).toBe(1);
});

test("who leaves during a pause is let go at once, and nothing more is asked", async () => {
  const leaving = new AbortController();
  const left = failed(cache.fetch("props", "mlb:1", { signal: leaving.signal }));
  await turn();
  edge.requests[0]!.answer(refuse(503));
  await turn();
  leaving.abort("enough");
  expect(await left).toBe("enough");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(edge.requests).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("closing during a pause ends it", async () => {
  const error = failed(cache.fetch("props", "mlb:1"));
  await turn();
  edge.requests[0]!.answer(refuse(503));
  await turn();
  cache.close();
  expect(await error).toMatchObject({ code: "closed" });
  expect(vi.getTimerCount()).toBe(0);
});

test("a batch is tried again for those who still wait", async () => {
  const leaving = new AbortController();
  const left = failed(cache.fetch("props", "mlb:1", { signal: leaving.signal }));
  const stay = Promise.all([cache.fetch("props", "mlb:2"), cache.fetch("props", "mlb:3")]);
  await turn();
  edge.requests[0]!.answer(refuse(503));
  await turn();
  leaving.abort("enough");
  expect(await left).toBe("enough");
  const again = await after(100, 2);
  expect(again.keys).toEqual(["mlb:2", "mlb:3"]);
  again.answer(got(["mlb:2", 2], ["mlb:3", 3]));
  expect(await stay).toEqual([2, 3]);
});

test("a try that gets no answer within 10 s is given up, and its request ends", async () => {
  const error = failed(cache.fetch("props", "mlb:1"));
  await turn();
  await vi.advanceTimersByTimeAsync(9_999);
  expect(edge.requests[0]!.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(edge.requests[0]!.signal.aborted).toBe(true);
  await after(100, 2);
  await after(10_200, 3);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await error).toMatchObject({ code: "unavailable", message: "no answer came within 10000 ms" });
});

test("`timeout` says how long a try may take, and a fetcher that does not heed its signal is left behind", async () => {
  cache.close();
  const signals: AbortSignal[] = [];
  cache = await createCache({
    categories: { props: { max: 10 } },
    timeout: 500,
    retries: 1,
    fetcher: (_key, { signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    },
  });
  const error = failed(cache.fetch("props", "mlb:1"));
  await vi.advanceTimersByTimeAsync(500);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  await vi.advanceTimersByTimeAsync(600);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  expect(await error).toMatchObject({ code: "unavailable", message: "no answer came within 500 ms" });
  expect(cache.stats().fills).toMatchObject({ started: 1, failed: 1 });
});

test("a timeout without end is none", async () => {
  cache.close();
  await open({ timeout: Infinity });
  const value = cache.fetch("props", "mlb:1");
  await vi.advanceTimersByTimeAsync(3_600_000);
  edge.requests[0]!.answer(entry(1));
  expect(await value).toBe(1);
  expect(edge.requests).toHaveLength(1);
});

const FAULTS: [what: string, error: unknown, calls: number][] = [
  ["no answer", new TypeError("fetch failed"), 3],
  ["status 503", Object.assign(new Error("busy"), { status: 503 }), 3],
  ["status 400", Object.assign(new Error("wrong"), { status: 400 }), 1],
  ["an abort of its own", new DOMException("enough", "AbortError"), 1],
  ["undefined", undefined, 3],
];

test.for(FAULTS)("a fetcher that throws %s is called so often as it may help", async ([, error, calls]) => {
  cache.close();
  const fetcher = vi.fn(() => Promise.reject(error));
  cache = await createCache({ categories: { props: { max: 10 } }, fetcher });
  const caught = failed(cache.fetch("props", "mlb:1"));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await caught).toMatchObject({ code: "unavailable", cause: error });
  expect(fetcher).toHaveBeenCalledTimes(calls);
});

test("a key that changes while its request is tried again is asked for anew", async () => {
  const value = cache.fetch("props", "mlb:1");
  await turn();
  edge.requests[0]!.answer(refuse(503));
  await turn();
  cache.invalidate({ keys: ["mlb:1"] });
  (await after(100, 2)).answer(entry("old"));
  await turn();
  edge.requests[2]!.answer(entry("new"));
  expect(await value).toBe("new");
});

test("a server that has not come far enough is asked again at once, then after 40, 80... ms, and so is the next", async () => {
  for (const before of [0, 4]) {
    const value = cache.fetch("props", `mlb:${before}`);
    await turn();
    edge.requests[before]!.answer(refuse(425));
    await turn();
    edge.requests[before + 1]!.answer(refuse(425));
    await turn();
    (await after(40, before + 3)).answer(refuse(425));
    await turn();
    (await after(80, before + 4)).answer(entry(before));
    expect(await value).toBe(before);
  }
});

test("while a stream has not said where it stands, a key is asked for after 3 s, and may have no value", async () => {
  cache.close();
  StubSocket.all = [];
  await open({ WebSocket: StubSocket });
  cache.subscribe("mlb:game:", () => {});
  const alone = cache.fetch("props", "mlb:game:1");
  await turn();
  (await after(3_000, 1)).answer(new Response(null, { status: 404, headers: { "cache-as-of": "1:7" } }));
  expect(await alone).toBeUndefined();
  const many = Promise.all([cache.fetch("props", "mlb:game:1"), cache.fetch("props", "mlb:game:2")]);
  await turn();
  (await after(3_000, 2)).answer(got(["mlb:game:1", undefined], ["mlb:game:2", 2]));
  expect(await many).toEqual([undefined, 2]);
  expect(cache.size).toBe(0);
});

const WRONG: [options: object, message: string][] = [
  [{ retries: -1 }, "retries must be a whole number from 0 on, not -1"],
  [{ retries: 1.5 }, "retries must be a whole number from 0 on, not 1.5"],
  [{ timeout: 0 }, "timeout must be above 0, not 0"],
  [{ fetcher: "https://edge.example" }, "`fetcher` must be a function, not string"],
  [{ fetcherMany: null }, "`fetcherMany` must be a function, not null"],
  [{ fetch: {} }, "`fetch` must be a function, not object"],
];

test.for(WRONG)("the options %o are refused", async ([options, message]) => {
  await expect(open(options)).rejects.toMatchObject({ name: "CacheError", code: "argument", message });
});
