/** Loading a scope: its answer is taken as it arrives. */

import { type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { type Found, got, StubEdge } from "./stub-edge.js";
import { StubServer } from "./stub-server.js";
import { StubSocket } from "./stub-socket.js";

let edge: StubEdge;
let cache: ConsolidatedCacheManager;

beforeEach(async () => {
  edge = new StubEdge();
  StubSocket.all = [];
  cache = await createCache({
    url: "https://edge.example",
    categories: { props: { max: 2_000 } },
    fetch: edge.fetch,
    WebSocket: StubSocket,
  });
});

afterEach(() => {
  cache.close();
  vi.useRealTimers();
});

const HEADERS = { "cache-as-of": "1:7" };

/** A body that the test sends piece by piece. */
function body() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let isCancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: () => void (isCancelled = true),
  });
  return {
    response: new Response(stream, { headers: HEADERS }),
    send: (bytes: Uint8Array) => controller.enqueue(bytes),
    end: () => controller.close(),
    fail: (error: unknown) => controller.error(error),
    isCancelled: () => isCancelled,
  };
}

/** So many values, of about a kilobyte each. */
const items = (count: number) =>
  Array.from({ length: count }, (_, i): Found => [`mlb:game:${i}`, { number: i, text: `${i} `.padEnd(1_000, `${i}`) }]);

test("a scope is loaded by one request, and its values are there", async () => {
  const loading = cache.fetchScope("props", "mlb:game:");
  const asked = await edge.request(1);
  expect([asked.path, asked.headers.get("accept"), asked.headers.get("cache-reader")]).toEqual([
    "/v1/entries?scope=mlb:game:",
    "application/vnd.coherence+postcard",
    null,
  ]);
  asked.answer(new Response(got(["mlb:game:1", 1], ["mlb:game:2", 2]), { headers: HEADERS }));
  expect(await loading).toEqual({ keys: ["mlb:game:1", "mlb:game:2"], late: [] });
  expect(cache.get("props", "mlb:game:2")).toBe(2);
});

test("what has arrived can be read before the rest has", async () => {
  const loading = cache.fetchScope("props", "mlb:game:");
  const { response, send, end } = body();
  const frame = got(...items(10));
  (await edge.request(1)).answer(response);
  send(frame.subarray(0, 4_000));
  await expect.poll(() => cache.has("props", "mlb:game:0"), { interval: 1 }).toBe(true);
  expect(cache.has("props", "mlb:game:9")).toBe(false);
  send(frame.subarray(4_000));
  end();
  expect((await loading).keys).toHaveLength(10);
});

test.for(["in one piece", "without a body stream"])("an answer of a megabyte %s leaves no megabyte in the module", async (how) => {
  const before = cache.stats().memoryBytes;
  const response = new Response(got(...items(1_500)), { headers: HEADERS });
  if (how === "without a body stream") Object.defineProperty(response, "body", { value: null });
  edge.respond = () => response;
  expect((await cache.fetchScope("props", "mlb:game:")).keys).toHaveLength(1_500);
  const { memoryBytes, payloads } = cache.stats();
  expect(payloads.rawBytes).toBeGreaterThan(1_000_000);
  // The entries themselves, and pieces of 64 KiB.
  expect(memoryBytes - before).toBeLessThan(1_000_000);
});

test("a change while the answer arrives makes its key late", async () => {
  cache.subscribe("mlb:game:", () => {});
  const server = new StubServer();
  server.accept("mlb:game:", "1:7");
  const loading = cache.fetchScope("props", "mlb:game:");
  const { response, send, end } = body();
  const frame = got(["mlb:game:1", "old"], ["mlb:game:2", 2]);
  (await edge.request(1)).answer(response);
  send(frame.subarray(0, 3));
  server.change("mlb:game:", 7, 8, [["mlb:game:1", 8, "changed"]]);
  send(frame.subarray(3));
  end();
  expect(await loading).toEqual({ keys: ["mlb:game:2"], late: ["mlb:game:1"] });
});

test("an answer that cannot be used any more is not downloaded further, and asked for again", async () => {
  cache.subscribe("mlb:game:", () => {});
  const server = new StubServer();
  server.accept("mlb:game:", "1:7");
  const loading = cache.fetchScope("props", "mlb:game:");
  const first = body();
  const frame = got(["mlb:game:1", "old"]);
  (await edge.request(1)).answer(first.response);
  first.send(frame.subarray(0, 3));
  await Promise.resolve();
  server.change("mlb:game:", 7, 8, [], ["mlb:game:"]);
  first.send(frame.subarray(3));
  const again = await edge.request(2);
  expect([again.headers.get("cache-min"), first.isCancelled()]).toEqual(["1:8", true]);
  again.answer(new Response(got(["mlb:game:1", "new", { asOf: "1:8" }]), { headers: { "cache-as-of": "1:8" } }));
  expect(await loading).toEqual({ keys: ["mlb:game:1"], late: [] });
});

test("a download that breaks off is begun anew, and leaves no fill behind", async () => {
  vi.useFakeTimers();
  const loading = cache.fetchScope("props", "mlb:game:");
  const first = body();
  const frame = got(...items(3));
  (await edge.request(1)).answer(first.response);
  first.send(frame.subarray(0, 2_000));
  first.fail(new TypeError("terminated"));
  await vi.advanceTimersByTimeAsync(100);
  (await edge.request(2)).answer(new Response(frame, { headers: HEADERS }));
  expect((await loading).keys).toHaveLength(3);
  expect(cache.stats().fills).toMatchObject({ started: 2, accepted: 1, failed: 1 });
});

test("an answer that ends before its end, or is none, is an error and not asked for again", async () => {
  edge.respond = () => new Response(got(...items(3)).subarray(0, 2_000), { headers: HEADERS });
  await expect(cache.fetchScope("props", "mlb:game:")).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("the answer for scope `mlb:game:` cannot be read: "),
  });
  expect(edge.requests).toHaveLength(1);
});

test("a download may take as long as it likes, as long as something arrives", async () => {
  vi.useFakeTimers();
  const loading = cache.fetchScope("props", "mlb:game:");
  const { response, send, end } = body();
  const frame = got(...items(8));
  (await edge.request(1)).answer(response);
  for (let at = 0; at < frame.length; at += 1_000) {
    await vi.advanceTimersByTimeAsync(9_000);
    send(frame.subarray(at, at + 1_000));
  }
  end();
  expect((await loading).keys).toHaveLength(8);
});

test("a download from which nothing arrives for 10 s is given up", async () => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(1);
  const loading = cache.fetchScope("props", "mlb:game:");
  const { response, send } = body();
  (await edge.request(1)).answer(response);
  send(got(...items(3)).subarray(0, 500));
  await vi.advanceTimersByTimeAsync(10_000 + 100);
  expect([edge.requests[0]!.signal.aborted, edge.requests.length]).toEqual([true, 2]);
  edge.requests[1]!.answer(new Response(got(), { headers: HEADERS }));
  expect(await loading).toEqual({ keys: [], late: [] });
  send(new Uint8Array(10));
  await vi.advanceTimersByTimeAsync(0);
  expect(vi.getTimerCount()).toBe(0);
  vi.restoreAllMocks();
});

test("who leaves ends the download, and nothing more is kept of it", async () => {
  const leaving = new AbortController();
  const left = cache.fetchScope("props", "mlb:game:", { signal: leaving.signal });
  const { response, send, isCancelled } = body();
  const frame = got(...items(3));
  (await edge.request(1)).answer(response);
  send(frame.subarray(0, 1_200));
  await expect.poll(() => cache.has("props", "mlb:game:0"), { interval: 1 }).toBe(true);
  leaving.abort("enough");
  await expect(left).rejects.toBe("enough");
  // Though nothing has come of the download yet.
  expect(cache.stats().fills).toMatchObject({ started: 1, failed: 1 });
  send(frame.subarray(1_200));
  await expect.poll(isCancelled, { interval: 1 }).toBe(true);
  expect(cache.has("props", "mlb:game:2")).toBe(false);
});

test("closing the cache ends a download", async () => {
  const left = cache.fetchScope("props", "mlb:game:").catch((error: unknown) => error);
  const { response, send, isCancelled } = body();
  (await edge.request(1)).answer(response);
  cache.close();
  send(got(...items(3)));
  expect(await left).toMatchObject({ code: "closed" });
  await expect.poll(isCancelled, { interval: 1 }).toBe(true);
});

test("a scope is not loaded without a server", async () => {
  const alone = await createCache({ fetcher: async () => ({ value: 1 }) });
  await expect(alone.fetchScope("props", "mlb:game:")).rejects.toMatchObject({
    code: "argument",
    message: "nothing to fetch from: give `createCache` a `url`",
  });
  alone.close();
});
