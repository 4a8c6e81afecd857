/** Bundles one module, with what it imports, as an application's production build would, and serves it to a page. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

import { serveFolder } from "./static-server.mjs";

/**
 * @param {URL} entry A module; its exports stay.
 * @param {Record<string, string>} [files] What is served beside it, by name.
 */
export async function serveBundle(entry, files = {}) {
  const folder = await mkdtemp(join(tmpdir(), "cache-wasm-bench-"));
  await build({
    root: fileURLToPath(new URL(".", import.meta.url)),
    configFile: false,
    logLevel: "warn",
    build: {
      outDir: folder,
      emptyOutDir: true,
      chunkSizeWarningLimit: Infinity,
      rolldownOptions: {
        // Directives of React's are for servers.
        onLog: (level, log, handle) => log.code !== "MODULE_LEVEL_DIRECTIVE" && handle(level, log),
        input: fileURLToPath(entry),
        preserveEntrySignatures: "exports-only",
        output: { entryFileNames: "entry.js" },
      },
    },
  });
  await writeFile(join(folder, "index.html"), "<!doctype html><title>bench</title>");
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const server = await serveFolder(folder);
  const close = async () => {
    server.close();
    await rm(folder, { recursive: true });
  };
  return { url: server.url, module: "/entry.js", close };
}
