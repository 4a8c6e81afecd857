/** Reading from an edge server, over a real socket, before anything is followed. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { type ConsolidatedCacheManager, createCache, type WebSocketConstructor } from "cache-wasm";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";

let server: Server;
let url: string;
let cache: ConsolidatedCacheManager;
let respond: (request: IncomingMessage, response: ServerResponse) => void;
let asked: IncomingMessage[];

const open = (options: { token?: string } = {}) =>
  createCache({
    url,
    categories: { props: { max: 10 } },
    WebSocket: WebSocket as unknown as WebSocketConstructor,
    ...options,
  });

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    asked.push(request);
    respond(request, response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  cache = await open();
});

afterEach(() => {
  cache.close();
  server.closeAllConnections();
  server.close();
});

test("a value is read by its key, with its tags and its age", async () => {
  respond = (_request, response) =>
    response
      .setHeader("cache-as-of", "1:7")
      .setHeader("cache-tag", "today, home")
      .setHeader("cache-ttl", "60000")
      .end('{"line":1}');
  expect(await cache.fetch("props", "mlb:é:1")).toEqual({ line: 1 });
  expect(asked[0]!.url).toBe("/v1/entries/mlb%3A%C3%A9%3A1");
  expect(asked[0]!.headers).toMatchObject({ accept: "application/json" });
  expect(asked[0]!.headers).not.toHaveProperty("cache-min");
  expect(cache.has("props", "mlb:é:1")).toBe(true);
  cache.invalidate({ tags: ["home"] });
  expect(cache.has("props", "mlb:é:1")).toBe(false);
});

test("a value of which it cannot be read how long it lives is for who asked alone", async () => {
  respond = (_request, response) => response.setHeader("cache-as-of", "1:7").setHeader("cache-ttl", "soon").end("1");
  expect(await cache.fetch("props", "mlb:1")).toBe(1);
  expect(cache.has("props", "mlb:1")).toBe(false);
});

test("a 404 with a position means that the key has no value", async () => {
  respond = (_request, response) => response.writeHead(404, { "cache-as-of": "1:7" }).end();
  expect(await cache.fetch("props", "mlb:1")).toBeUndefined();
});

test("a 404 without a position is some other server's", async () => {
  respond = (_request, response) => response.writeHead(404).end("<h1>no such page</h1>");
  await expect(cache.fetch("props", "mlb:1")).rejects.toMatchObject({
    code: "unavailable",
    message: "the edge server answered 404: Not Found",
  });
});

test("a problem's own sentence is passed on", async () => {
  respond = (_request, response) =>
    response
      .writeHead(503, { "content-type": "application/problem+json" })
      .end('{"title":"Busy","detail":"try in 5 s"}');
  await expect(cache.fetch("props", "mlb:1")).rejects.toMatchObject({
    code: "unavailable",
    message: "the edge server answered 503: try in 5 s",
  });
});

test("a server that has not come far enough is asked again", async () => {
  respond = (_request, response) =>
    asked.length < 2 ? response.writeHead(425).end() : response.setHeader("cache-as-of", "1:7").end("1");
  expect(await cache.fetch("props", "mlb:1")).toBe(1);
  expect(asked).toHaveLength(2);
});

test("an answer that is not JSON is an error and no value", async () => {
  respond = (_request, response) => response.setHeader("cache-as-of", "1:7").end("{oops");
  await expect(cache.fetch("props", "mlb:1")).rejects.toMatchObject({
    code: "unavailable",
    message: "the answer for `mlb:1` is not JSON",
  });
  expect(cache.get("props", "mlb:1")).toBeUndefined();
});

test("a server that is gone is `unavailable`, and its value stays for who allows it", async () => {
  respond = (_request, response) => response.setHeader("cache-as-of", "1:7").end('"kept"');
  await cache.fetch("props", "mlb:1");
  respond = (request) => request.socket.destroy();
  await expect(cache.fetch("props", "mlb:1", { forceRefresh: true })).rejects.toMatchObject({ code: "unavailable" });
  expect(await cache.fetch("props", "mlb:1", { forceRefresh: true, allowStale: true })).toBe("kept");
});

test("an abort ends the request itself", async () => {
  const leaving = new AbortController();
  const cut = new Promise((resolve) => {
    respond = (request) => {
      request.on("close", resolve);
      leaving.abort();
    };
  });
  await expect(cache.fetch("props", "mlb:1", { signal: leaving.signal })).rejects.toMatchObject({ name: "AbortError" });
  await cut;
});

test("the stream is greeted in its own subprotocol, and a final close code ends it", async () => {
  const sockets = new WebSocketServer({ server });
  const connected = once(sockets, "connection") as Promise<[WebSocket, IncomingMessage]>;
  const states: string[] = [];
  cache.on("stream", (state) => states.push(state));
  cache.subscribe("mlb:game:", () => {});
  const [socket, request] = await connected;
  expect([request.url, request.headers["sec-websocket-protocol"]]).toEqual(["/v1/stream", "coherence.v1+postcard"]);
  const [hello, isBinary] = (await once(socket, "message")) as [Buffer, boolean];
  expect([hello.length > 0, isBinary]).toEqual([true, true]);
  socket.close(4009, "a frame broke the protocol");
  await expect.poll(() => states.at(-1)).toBe("refused");
  sockets.close();
});
