/** The package as npm delivers it: packed, installed in a small project, and used from there. */

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import type { Browser } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";

import { openChromium } from "../bench/chromium.mjs";
import { serveFolder } from "../bench/static-server.mjs";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);
let project: string;
let browser: Browser;

/** Sets a value, gets it, and says what `get` gave: what every consumer here does. */
const SET_AND_GET = `
  import { createCache } from "cache-wasm";
  const cache = await createCache({ categories: { props: { max: 10 } } });
  cache.set("props", "mlb:1", { line: 1.5 });
  const got = JSON.stringify([cache.get("props", "mlb:1"), cache.stats().entries]);
`;
const GOT = '[{"line":1.5},1]';

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "cache-wasm-consumer-"));
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], {
    cwd: PACKAGE,
  });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await writeFile(join(project, "package.json"), '{ "name": "consumer", "private": true, "type": "module" }');
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", join(project, filename)], {
    cwd: project,
  });
  browser = await openChromium();
}, 60_000);

afterAll(async () => {
  await browser?.close();
  await rm(project, { recursive: true, force: true });
});

/** What the page at `folder` shows once it is done; any error in it fails the test. */
async function shown(folder: string, path = "/"): Promise<string> {
  const server = await serveFolder(folder);
  const page = await browser.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  try {
    await page.goto(server.url + path);
    await page.waitForFunction(() => document.title !== "wait", undefined, { timeout: 5_000 }).catch(() => {});
    expect(faults).toEqual([]);
    return await page.title();
  } finally {
    await page.close();
    server.close();
  }
}

const page = (script: string) =>
  `<!doctype html><html><head><title>wait</title><link rel="icon" href="data:," /></head><body>${script}</body></html>`;

test("it holds the compiled code, its types and the module, and nothing else", async () => {
  const installed = join(project, "node_modules/cache-wasm");
  const files = (await readdir(installed, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(installed.length + 1))
    .sort();
  const modules = (await readdir(join(PACKAGE, "js"))).map((name) => name.replace(/\.ts$/, ""));
  const expected = [
    "package.json",
    ...modules.flatMap((name) => [`dist/${name}.js`, `dist/${name}.d.ts`]),
    ...["core", "relay"].flatMap((name) =>
      [".js", ".d.ts", "_bg.wasm", "_bg.wasm.d.ts"].map((end) => `dist/${name}/${name}${end}`),
    ),
  ];
  expect(files.filter((file) => !/^(README|LICENSE)/.test(file))).toEqual(expected.sort());
  const manifest = JSON.parse(await readFile(join(installed, "package.json"), "utf8")) as Record<string, unknown>;
  expect(manifest["dependencies"] ?? {}).toEqual({});
});

test("it works in Node, by import alone", async () => {
  await writeFile(join(project, "node.js"), `${SET_AND_GET} console.log(got);`);
  const { stdout, stderr } = await run(process.execPath, ["node.js"], { cwd: project });
  expect([stdout.trim(), stderr]).toEqual([GOT, ""]);
});

test("an open cache does not keep Node alive", async () => {
  await writeFile(join(project, "open.js"), `${SET_AND_GET} cache.on("evict", () => {});`);
  await run(process.execPath, ["open.js"], { cwd: project, timeout: 5_000 });
});

test("it works in a page without a bundler", async () => {
  const imports = '{ "imports": { "cache-wasm": "/node_modules/cache-wasm/dist/index.js" } }';
  await writeFile(
    join(project, "plain.html"),
    page(
      `<script type="importmap">${imports}</script><script type="module">${SET_AND_GET} document.title = got;</script>`,
    ),
  );
  expect(await shown(project, "/plain.html")).toBe(GOT);
});

test("it works in a production build by Vite, which finds the modules by itself", { timeout: 30_000 }, async () => {
  const app = join(project, "app");
  await mkdir(app);
  await writeFile(join(app, "index.html"), page('<script type="module" src="./main.js"></script>'));
  await writeFile(join(app, "main.js"), `${SET_AND_GET} document.title = got;`);
  await build({ root: app, configFile: false, logLevel: "silent", build: { outDir: "out" } });
  const built = await readdir(join(app, "out/assets"));
  const modules = built.filter((name) => name.endsWith(".wasm")).map((name) => name.replace(/-.*/, ""));
  expect(modules.toSorted(), "the relay's once, for the worker and for a tab that leads").toEqual(["core_bg", "relay_bg"]);
  expect(built.filter((name) => name.startsWith("relay-worker"))).toHaveLength(1);
  expect(await shown(join(app, "out"))).toBe(GOT);
});

const TYPED = `
  import { CacheError, type CacheOptions, type Category, type ChangeEvent, createCache, DEFAULT_CATEGORIES } from "cache-wasm";
  interface Prop { line: number }
  const options: CacheOptions = { url: new URL("https://edge.example"), categories: { props: { max: 10, ttl: 1_000 } } };
  const cache = await createCache(options);
  const props: Category = cache.category("props");
  const one: Prop | undefined = props.get<Prop>("mlb:1");
  const many: Map<string, Prop> = cache.getMany<Prop>("props", new Set(["mlb:1"]));
  const fetched: Promise<Prop | undefined> = cache.fetch<Prop>("props", "mlb:1", { signal: AbortSignal.timeout(5) });
  const leave: () => void = cache.subscribe("mlb:game:", (change: ChangeEvent) => change.values.length, { category: "props" });
  cache.on("evict", ({ category, key, reason }) => { if (reason === "expired") cache.delete(category, key); });
  cache.on("stream", (state, detail) => state === "live" && detail.length);
  cache.setMany("props", many, { ttl: 5, tags: ["today"] });
  const entries: number = cache.stats().categories[0]!.entries + DEFAULT_CATEGORIES["props"]!.max;
  const isClosed = (error: unknown) => error instanceof CacheError && error.code === "closed";
  // @ts-expect-error: a value that is not known to be one may be undefined
  const line: number = cache.get<Prop>("props", "mlb:1").line;
  // @ts-expect-error: an unbounded category
  await createCache({ categories: { props: {} } });
  // @ts-expect-error: a reason that does not exist
  cache.on("evict", ({ reason }) => reason === "lost");
  export { one, fetched, leave, entries, isClosed, line };
`;

const MODULES: [module: string, resolution: string][] = [
  ["nodenext", "nodenext"],
  ["esnext", "bundler"],
];

test.for(MODULES)(
  "its types check in a strict project, as module %s with resolution %s",
  { timeout: 30_000 },
  async ([module, moduleResolution]) => {
    const strict = {
      noEmit: true,
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
    };
    const lib = { target: "es2022", lib: ["es2023", "dom", "dom.iterable"], types: [] };
    const config = { compilerOptions: { ...strict, ...lib, module, moduleResolution }, files: ["typed.ts"] };
    await writeFile(join(project, "tsconfig.json"), JSON.stringify(config));
    await writeFile(join(project, "typed.ts"), TYPED);
    const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript")), "tsc.js");
    const { stdout } = await run(process.execPath, [tsc, "--project", project]).catch(
      (failed: { stdout: string }) => failed,
    );
    expect(stdout).toBe("");
  },
);
