import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // The tests use the package as its users do: by name, and as it was built.
  resolve: { alias: { "cache-wasm": fileURLToPath(new URL("./dist/index.js", import.meta.url)) } },
  test: { include: ["js-tests/**/*.test.ts"], testTimeout: 10_000 },
});
