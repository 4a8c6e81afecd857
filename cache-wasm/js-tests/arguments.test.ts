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
  await check(set(undefined), "the value of `mlb:1` cannot be JSON: it is undefined; delete the key instead");
  await check(
    set(() => 1),
    "the value of `mlb:1` cannot be JSON: it is function; delete the key instead",
  );
  await check(set(Symbol("s")), "the value of `mlb:1` cannot be JSON: it is symbol; delete the key instead");
  await check(set(10n), "the value of `mlb:1` cannot be JSON: TypeError: Do not know how to serialize a BigInt");
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  expect(await refusal(set(cycle))).toMatchObject({
    code: "argument",
    message: expect.stringContaining("the value of `mlb:1` cannot be JSON: TypeError: Converting circular structure"),
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

test.for([0, -1, NaN])("`maxBytes` of %s is refused", async (maxBytes) => {
  await check(() => createCache({ maxBytes }), `maxBytes must be above 0, not ${maxBytes}`);
  await check(
    () => createCache({ categories: { props: { max: 1, maxBytes } } }),
    `category \`props\`: maxBytes must be above 0, not ${maxBytes}`,
  );
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
