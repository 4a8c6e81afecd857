/** Every wrong argument is refused with a sentence that says what is wrong and what would be right. */

import { CacheError, type CacheOptions, type ConsolidatedCacheManager, createCache } from "cache-wasm";
import { afterAll, beforeAll, expect, test } from "vitest";

let cache: ConsolidatedCacheManager;

beforeAll(async () => {
  cache = await createCache({ categories: { props: { max: 10 }, odds: { max: 10 } } });
});

afterAll(() => cache.close());

/** What the call throws or rejects with. */
async function refusal(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return "nothing was thrown";
}

async function check(call: () => unknown, message: string): Promise<void> {
  const error = await refusal(call);
  expect(error).toBeInstanceOf(CacheError);
  expect(error).toMatchObject({ name: "CacheError", code: "argument", message });
}

test("a category must be one of the cache's", async () => {
  const message = "there is no category `prop`; the cache has `props`, `odds`";
  await check(() => cache.get("prop", "mlb:1"), message);
  await check(() => cache.set("prop", "mlb:1", 1), message);
  await check(() => cache.category("prop"), message);
  await check(() => cache.has("prop", "mlb:1"), message);
  await check(() => cache.getMany("prop", []), message);
  await check(() => cache.clear("prop"), message);
  await check(() => cache.invalidate({ category: "prop" }), message);
  await check(() => cache.fetch("prop", "mlb:1"), message);
  await check(() => cache.fetchScope("prop", "mlb:1:"), message);
});

const BAD_KEYS: [key: string, message: string][] = [
  ["", "the key is empty; write one such as `sport:mlb:props:player:123:hits`"],
  ["mlb", "the key has 1 segments; 2 to 16 are allowed, as in `sport:mlb:props:player:123:hits`"],
  [
    "a:b:c:d:e:f:g:h:i:j:k:l:m:n:o:p:q",
    "the key has 17 segments; 2 to 16 are allowed, as in `sport:mlb:props:player:123:hits`",
  ],
  ["mlb::1", "the key has an empty segment at byte 4; segments are joined by single colons"],
  ["mlb:1:", "the key has an empty segment at byte 6; segments are joined by single colons"],
  ["mlb:a b", "the key has ' ' at byte 5; whitespace, control characters, `*`, `{` and `}` are not allowed"],
  ["mlb:*", "the key has '*' at byte 4; whitespace, control characters, `*`, `{` and `}` are not allowed"],
  [`mlb:${"ä".repeat(127)}`, "the key has 258 bytes; at most 256 are allowed"],
];

test.for(BAD_KEYS)("%j is no key", async ([key, message]) => {
  await check(() => cache.set("props", key, 1), message);
  await check(() => cache.delete("props", key), message);
  await check(() => cache.invalidate({ keys: [key] }), message);
  await check(() => cache.fetch("props", key), message);
});

test.for<[unknown, string]>([
  [42, "number"],
  [undefined, "undefined"],
  [null, "null"],
  [["mlb:1"], "object"],
])("a name that is %o, which TypeScript would not allow, is refused and does no harm", async ([given, what]) => {
  const name = given as string;
  await check(() => cache.set("props", name, 1), `the key must be a string, not ${what}`);
  await check(() => cache.set("props", "mlb:1", 1, { tags: [name] }), `the tag must be a string, not ${what}`);
  await check(() => cache.delete("props", name), `the key must be a string, not ${what}`);
  await check(() => cache.fetch("props", name), `the key must be a string, not ${what}`);
  await check(() => cache.fetchScope("props", name), `the scope must be a string, not ${what}`);
  await check(() => cache.invalidate({ keys: [name] }), `the key must be a string, not ${what}`);
  await check(() => cache.invalidate({ tags: [name] }), `the tag must be a string, not ${what}`);
  expect(cache.get("props", name)).toBeUndefined();
  cache.set("props", "mlb:1", 1);
  expect(cache.get("props", "mlb:1")).toBe(1);
  cache.clear();
});

test("a read of what is no key misses: no value can be there", () => {
  for (const [key] of BAD_KEYS) expect([cache.get("props", key), cache.has("props", key)]).toEqual([undefined, false]);
});

test("a scope is a prefix of whole segments", async () => {
  const check_scope = (scope: string, message: string) => check(() => cache.invalidate({ scope }), message);
  await check_scope(
    "mlb:game",
    "the scope does not end with `:`; a scope is a prefix of whole segments, as in `sport:mlb:`",
  );
  await check_scope("", "the scope is empty; write one such as `sport:mlb:`");
  await check_scope("mlb:", "the scope has 1 segments; 2 to 16 are allowed, as in `sport:mlb:`");
});

test("a tag is a short word", async () => {
  await check(
    () => cache.set("props", "mlb:1", 1, { tags: ["to day"] }),
    "the tag has ' ' at byte 2; whitespace, control characters, `*`, `{` and `}` are not allowed",
  );
  await check(() => cache.invalidate({ tags: ["x".repeat(65)] }), "the tag has 65 bytes; at most 64 are allowed");
});

test("a value must be what JSON can carry", async () => {
  const set = (value: unknown) => () => cache.set("props", "mlb:1", value);
  const refused = (why: string) => `the value of \`mlb:1\` cannot be JSON: ${why}; keep it by reference with \`{ pack: false }\``;
  await check(set(undefined), "the value of `mlb:1` cannot be JSON: it is undefined; delete the key instead");
  await check(
    set(() => 1),
    refused("it is a function"),
  );
  await check(set(Symbol("s")), refused("it is a symbol"));
  await check(set(10n), refused("it is a bigint"));
  await check(set({ line: NaN }), refused("`$.line` is NaN"));
  await check(set({ lines: [1, 2, 3, { update() {} }] }), refused("`$.lines[3].update` is a function"));
  await check(set({ "a line": [new Map()] }), refused('`$["a line"][0]` is of class Map'));
  await check(set([new Date(0)]), refused("`$[0]` is of class Date"));
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  expect(await refusal(set(cycle))).toMatchObject({
    code: "argument",
    message: expect.stringContaining(".self` is nested over 500 deep, or holds itself; keep it"),
  });
  expect(cache.size).toBe(0);
});

test("a value of setMany that is refused leaves those before it stored", async () => {
  const values: [string, unknown][] = [
    ["mlb:1", 1],
    ["mlb:2", undefined],
    ["mlb:3", 3],
  ];
  await check(
    () => cache.setMany("props", values),
    "the value of `mlb:2` cannot be JSON: it is undefined; delete the key instead",
  );
  expect(cache.keys("props")).toEqual(["mlb:1"]);
  cache.clear();
});

test.for([0, -1, NaN, -Infinity])("a ttl of %s is refused", async (ttl) => {
  await check(() => cache.set("props", "mlb:1", 1, { ttl }), `ttl must be above 0, not ${ttl}`);
  await check(
    () => createCache({ categories: { props: { max: 1, ttl } } }),
    `category \`props\`: ttl must be above 0, not ${ttl}`,
  );
});

test.for([0, -1, 1.5, NaN, Infinity])("a `max` of %s is refused", async (max) => {
  await check(
    () => createCache({ categories: { props: { max } } }),
    `category \`props\`: \`max\` must be a whole number from 1 on, not ${max}`,
  );
});

test("a `max` that is missing is refused: an unbounded cache is a leak", async () => {
  await check(
    () => createCache({ categories: { props: {} } } as unknown as CacheOptions),
    "category `props`: `max` must be a whole number from 1 on, not undefined",
  );
});

test("more entries than the tables may have are refused", async () => {
  await check(
    () => createCache({ categories: { props: { max: 4_000_000 }, odds: { max: 4_000_000 } } }),
    "the categories' `max` add up to 8000000; at most 4194304 entries are allowed in all",
  );
});

test.for([0, -1, NaN])("an option of %s, where a number above 0 belongs, is refused", async (number) => {
  for (const name of ["maxBytes", "maxDecodedBytes"]) {
    await check(() => createCache({ [name]: number }), `${name} must be above 0, not ${number}`);
  }
  const names = ["maxBytes", "minBytes", "maxEntrySize", "staleTime", "staleIfError", "absentTtl", "jitter"];
  for (const name of names) {
    await check(
      () => createCache({ categories: { props: { max: 1, [name]: number } } }),
      `category \`props\`: ${name} must be above 0, not ${number}`,
    );
  }
  await check(() => cache.set("props", "mlb:1", 1, { size: number }), `size must be above 0, not ${number}`);
});

test("a number in quotes is no number", async () => {
  const ttl = "5" as unknown as number;
  await check(() => cache.set("props", "mlb:1", 1, { ttl }), "ttl must be above 0, not 5");
});

const MISSPELT: [options: object, message: string][] = [
  [{ maxByte: 1 }, "there is no option `maxByte`; did you mean `maxBytes`?"],
  [{ shared: true }, "there is no option `shared`; did you mean `share`?"],
  [{ websocket: 1 }, "there is no option `websocket`; did you mean `WebSocket`?"],
  [{ categories: { props: { max: 1, tll: 5 } } }, "category `props`: there is no option `tll`; did you mean `ttl`?"],
  [
    { categories: { props: { max: 1, structural: true } } },
    "category `props`: there is no option `structural`; did you mean `structuralSharing`?",
  ],
];

test.for(MISSPELT)("an option that does not exist is refused: %j", async ([options, message]) => {
  await check(() => createCache(options), message);
});

test("an option that is like no other is refused with those there are; one that is undefined is none", async () => {
  const set = (options: object) => () => cache.set("props", "mlb:1", 1, options);
  await check(set({ colour: "red" }), "there is no option `colour`; there are ttl, tags, pack, size");
  expect(set({ colour: undefined, ttl: undefined })).not.toThrow();
  cache.clear();
});

test("options that contradict each other, or are of no such kind, are refused", async () => {
  const open = (limits: object) => () => createCache({ categories: { props: { max: 1, ...limits } } });
  await check(open({ minBytes: 2, maxBytes: 1 }), "category `props`: minBytes, 2, is over maxBytes, 1");
  await check(open({ jitter: 1.5 }), "category `props`: jitter is a share of `ttl`, at most 1, not 1.5");
  await check(open({ policy: "fifo" }), "category `props`: `policy` must be `adaptive` or `lru`, not `fifo`");
  await check(
    () => createCache({ share: true as unknown as "auto" }),
    "`share` must be `auto`, `worker`, `leader` or false, not true",
  );
  await check(
    () => cache.pressure("high" as "normal"),
    "the level must be one of normal, elevated, critical, not high",
  );
});

test("half a character is part of no key: bytes cannot carry it", async () => {
  for (const key of ["mlb:\ud83d", "mlb:\udf4e:1"]) {
    await check(() => cache.set("props", key, 1), "the key has half a character: a surrogate without its other half");
  }
});

test.for(["edge.example", "/v1", "", "ws://edge.example", "wss://edge.example", "file:///edge"])(
  "%j is no server's url",
  async (url) => {
    await check(() => createCache({ url }), `\`url\` must be one such as https://edge.example, not \`${url}\``);
  },
);

test("following needs a WebSocket, which Node 20 lacks", async () => {
  if ("WebSocket" in globalThis) return;
  const reader = await createCache({ url: "https://edge.example" });
  await check(
    () => reader.subscribe("mlb:game:", () => {}),
    "this platform has no WebSocket: pass one, as `WebSocket` of the package `ws`",
  );
  reader.close();
});

test("without a server nothing can be followed or fetched", async () => {
  await check(
    () => cache.subscribe("mlb:game:", () => {}),
    "nothing can be followed without a server: give `createCache` its `url`",
  );
  await check(() => cache.fetch("props", "mlb:1"), "nothing to fetch from: give `createCache` a `url` or a `fetcher`");
  await check(() => cache.fetchScope("props", "mlb:game:"), "nothing to fetch from: give `createCache` a `url`");
});
