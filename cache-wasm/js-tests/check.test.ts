import { expect, test } from "vitest";

import { isPlainKey, jsonSize } from "../js/check.js";
import { NEVER, PAST, wholeTime } from "../js/entry.js";

const VALUES: unknown[] = [
  null,
  true,
  "",
  "text",
  [],
  {},
  [1, "two", [null, { three: 3 }]],
  { id: 66135, name: "A. Judge", line: 1.5, odds: { over: -110, under: -120 }, tags: ["mlb", "hits"], live: false },
  { left: undefined, kept: 1 },
  Object.assign(Object.create(null) as object, { line: 1 }),
];

test.for(VALUES.map((value): [unknown] => [value]))("the size of %j is about that of its text", ([value]) => {
  const text = JSON.stringify(value).length;
  expect(Math.abs(jsonSize("mlb:1", value) - text)).toBeLessThanOrEqual(8 + text / 2);
});

class Player {
  constructor(readonly name: string) {}
}

const REFUSED: [value: unknown, why: string][] = [
  [Infinity, "it is Infinity"],
  [[1, undefined], "`$[1]` is undefined"],
  [new Array(2), "`$[0]` is undefined"],
  [{ a: { b: [0, { c: 10n }] } }, "`$.a.b[1].c` is a bigint"],
  [{ player: new Player("A. Judge") }, "`$.player` is of class Player"],
  [{ toJSON: () => 1 }, "`$.toJSON` is a function"],
  [new Float64Array(2), "it is of class Float64Array"],
  [Object.create({ line: 1 }), "it is of class Object"],
];

test.for(REFUSED)("%o is refused: %s", ([value, why]) => {
  expect(() => jsonSize("mlb:1", value)).toThrow(`the value of \`mlb:1\` cannot be JSON: ${why}; keep it`);
});

test("500 levels are deep enough, more are taken for a value that holds itself", () => {
  const nested = (levels: number) => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i++) value = [value];
    return value;
  };
  expect(jsonSize("mlb:1", nested(500))).toBeGreaterThan(1_000);
  expect(() => jsonSize("mlb:1", nested(501))).toThrow("is nested over 500 deep");
});

test("what a page has put on every object's prototype is none of the value's", () => {
  const prototype = Object.prototype as { polluted?: unknown };
  prototype.polluted = () => {};
  try {
    expect(jsonSize("mlb:1", { line: 1 })).toBeGreaterThan(0);
  } finally {
    delete prototype.polluted;
  }
});

test("a plain key is two to sixteen segments of printable ASCII, without the characters that keys do not have", () => {
  const plain = ["a:b", "sport:mlb:game:776000:props:player:66000:hits", "!:~", "a:b:c:d:e:f:g:h:i:j:k:l:m:n:o:p"];
  const others = ["", "a", "a:", ":a", "a::b", "a:b c", "a:*", "a:{b}", "a:\n", "a:é", `a:${"b".repeat(255)}`];
  expect(plain.filter((key) => !isPlainKey(key))).toEqual([]);
  expect([...others, `${plain[3]!}:q`].filter(isPlainKey)).toEqual([]);
});

test("a time is rounded down, and only what has no end is never", () => {
  expect([0, -1, -Infinity].map(wholeTime)).toEqual([PAST, PAST, PAST]);
  expect([0.5, 1.9, NEVER - 0.5].map(wholeTime)).toEqual([0, 1, NEVER - 1]);
  expect([NEVER, NEVER + 0.5].map(wholeTime)).toEqual([NEVER - 1, NEVER - 1]);
  expect([NEVER + 1, 2 ** 40 + 0.5].map(wholeTime)).toEqual([NEVER + 1, 2 ** 40]);
  expect([Infinity, Number.MAX_VALUE].map(wholeTime)).toEqual([NEVER, NEVER]);
});
