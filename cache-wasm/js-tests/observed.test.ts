/** A change says when its values were observed, so that a page can tell how late they are. */

import { type ChangeEvent, createCache } from "cache-wasm";
import { expect, test } from "vitest";

import { StubServer } from "./stub-server.js";
import { StubSocket } from "./stub-socket.js";

test("a change says when the oldest of its values was observed, and nothing when it brought none", async () => {
  StubSocket.all = [];
  const cache = await createCache({
    url: "https://edge.example",
    categories: { props: { max: 9 } },
    WebSocket: StubSocket,
  });
  const heard: ChangeEvent[] = [];
  cache.subscribe("mlb:game:", (change) => heard.push(change), { category: "props" });
  const server = new StubServer();
  server.accept("mlb:game:", "1:7");
  const now = 1_780_000_000_123;
  server.change("mlb:game:", 7, 9, [
    ["mlb:game:1", 8, { value: 1, observedAt: now + 5 }],
    ["mlb:game:2", 9, { value: 2, observedAt: now }],
    ["mlb:game:3", 9, "gone"],
  ]);
  server.change("mlb:game:", 9, 10, [["mlb:game:1", 10, "changed"]]);
  expect(heard.map(({ observedAt }) => observedAt)).toEqual([now, undefined]);
  cache.close();
});
