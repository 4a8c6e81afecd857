/** Following and leaving inside the callback of a change: nobody hears what is not theirs, and nothing is missed. */

import { type ChangeEvent, type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterEach, beforeEach, expect, test } from "vitest";

import { StubServer } from "./stub-server.js";
import { StubSocket } from "./stub-socket.js";

const [MLB, NBA] = ["mlb:game:", "nba:game:"];

let cache: ConsolidatedCacheManager;

beforeEach(async () => {
  StubSocket.all = [];
  cache = await createCache({
    url: "https://edge.example",
    categories: { props: { max: 10 } },
    WebSocket: StubSocket,
    prefetch: false,
  });
});

afterEach(() => cache.close());

/** The value of a change of one key. */
const change = (server: StubServer, scope: string, from: number, value: unknown) =>
  server.change(scope, from, from + 1, [[`${scope}1`, from + 1, { value }]]);

test("who leaves while it is told of a change is told no more, and its entries leave", () => {
  const heard: string[] = [];
  const leave = cache.subscribe(
    MLB,
    () => {
      heard.push(String(cache.get("props", `${MLB}1`)));
      leave();
      heard.push(String(cache.get("props", `${MLB}1`)));
    },
    { category: "props" },
  );
  cache.subscribe(NBA, () => heard.push("of another scope"));
  const server = new StubServer();
  server.accept(MLB, "1:5");
  server.accept(NBA, "1:5");
  change(server, MLB, 5, "six");
  change(server, MLB, 6, "seven");
  expect(heard).toEqual(["six", "undefined"]);
  expect(cache.stats().stream.subscriptions.map(({ scope }) => scope)).toEqual([NBA]);
  expect(StubSocket.all[0]!.closed).toBeUndefined();
});

test("who leaves and follows again inside the callback begins a flow of its own", () => {
  const heard: ChangeEvent[] = [];
  let leave = () => {};
  const follow = () => cache.subscribe(MLB, again, { category: "props" });
  const again = (event: ChangeEvent) => {
    heard.push(event);
    leave();
    leave = follow();
  };
  leave = follow();
  const server = new StubServer();
  server.accept(MLB, "1:5");
  const first = server.asked(MLB);
  // The last follower's leaving closes the connection; the following makes another one.
  change(server, MLB, 5, "six");
  expect([heard.length, StubSocket.all.length]).toEqual([1, 2]);
  expect(cache.get("props", `${MLB}1`)).toBeUndefined();
  // What the old connection still brings is of nobody.
  change(server, MLB, 6, "seven");
  expect(heard).toHaveLength(1);
  const next = new StubServer();
  expect(next.asked(MLB).id).toBeGreaterThan(first.id);
  next.accept(MLB, "1:7");
  change(next, MLB, 7, "eight");
  expect(heard.map(({ values }) => values)).toEqual([[`${MLB}1`], [`${MLB}1`]]);
});

test("who leaves and follows again on a connection that stays hears nothing of the flow before", () => {
  const heard: string[] = [];
  let leave = () => {};
  const again = () => {
    heard.push(String(cache.get("props", `${MLB}1`)));
    leave();
    leave = cache.subscribe(MLB, again, { category: "props" });
  };
  leave = cache.subscribe(MLB, again, { category: "props" });
  cache.subscribe(NBA, () => {});
  const server = new StubServer();
  server.accept(MLB, "1:5");
  server.accept(NBA, "1:5");
  change(server, MLB, 5, "six");
  // Sent before the server heard of it: the number is of the flow that is over.
  change(server, MLB, 6, "seven");
  expect([heard, StubSocket.all.length]).toEqual([["six"], 1]);
  expect(server.asked(MLB).since, "it begins anew: nobody vouched meanwhile").toBeUndefined();
  server.accept(MLB, "1:7");
  change(server, MLB, 7, "eight");
  expect(heard).toEqual(["six", "eight"]);
});

test("who begins to follow inside the callback is not told of that change, and is of the next", () => {
  const heard: string[] = [];
  let late: (() => void) | undefined;
  cache.subscribe(
    MLB,
    () => {
      heard.push("first");
      late ??= cache.subscribe(MLB, () => heard.push("late"));
    },
    { category: "props" },
  );
  const server = new StubServer();
  server.accept(MLB, "1:5");
  change(server, MLB, 5, "six");
  expect(heard).toEqual(["first"]);
  change(server, MLB, 6, "seven");
  expect(heard).toEqual(["first", "first", "late"]);
});

test("another scope that is followed inside the callback is asked for at once", () => {
  let followed = false;
  cache.subscribe(MLB, () => {
    if (followed) return;
    followed = true;
    cache.subscribe(NBA, () => {}, { category: "props" });
  });
  const server = new StubServer();
  server.accept(MLB, "1:5");
  change(server, MLB, 5, "six");
  expect(server.asked(NBA).since).toBeUndefined();
  server.accept(NBA, "1:6");
  change(server, NBA, 6, "seven");
  expect(cache.get("props", `${NBA}1`)).toBe("seven");
});

test("what one listener ends of another's is not told to it, though the change was for both", () => {
  const heard: string[] = [];
  let leaveSecond = () => {};
  cache.subscribe(MLB, () => {
    heard.push("first");
    leaveSecond();
  });
  leaveSecond = cache.subscribe(MLB, () => heard.push("second"));
  const server = new StubServer();
  server.accept(MLB, "1:5");
  change(server, MLB, 5, "six");
  expect(heard).toEqual(["first"]);
});
