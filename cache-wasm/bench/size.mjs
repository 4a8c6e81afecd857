/** What an application ships of this package: bundled and minified by Vite as for production, then compressed. */

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "vite";

const { json } = parseArgs({ options: { json: { type: "string" } } }).values;
const folder = await mkdtemp(join(tmpdir(), "cache-wasm-size-"));
try {
  await build({
    root: fileURLToPath(new URL(".", import.meta.url)),
    configFile: false,
    logLevel: "warn",
    build: {
      outDir: folder,
      emptyOutDir: true,
      rolldownOptions: {
        input: fileURLToPath(new URL("../dist/index.js", import.meta.url)),
        // An application may use all of it.
        preserveEntrySignatures: "exports-only",
      },
    },
  });
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const kinds = [".js", ".wasm"].map(async (kind) => {
    const parts = await Promise.all(files.filter((file) => extname(file) === kind).map((file) => readFile(file)));
    if (parts.length === 0) throw new Error(`the bundle has no ${kind} file: build cache-wasm/dist first`);
    const sum = (compress) => parts.reduce((bytes, part) => bytes + compress(part).length, 0);
    return {
      name: kind.slice(1),
      raw: sum((part) => part),
      gzip: sum((part) => gzipSync(part, { level: 9 })),
      brotli: sum((part) => brotliCompressSync(part)),
    };
  });
  await writeFile(json, JSON.stringify({ kinds: await Promise.all(kinds) }, undefined, 2));
} finally {
  await rm(folder, { recursive: true });
}
