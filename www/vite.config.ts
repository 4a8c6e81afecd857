import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds an edge server; a build is served by the edge server itself. */
const edge = "http://127.0.0.1:8080";

export default defineConfig({
  build: { target: "es2022" },
  // Its WebAssembly is found by a URL relative to the module, which pre-bundling would move.
  optimizeDeps: { exclude: ["cache-wasm"] },
  server: {
    proxy: {
      "/v1": { target: edge, ws: true },
      "/metrics": edge,
      "/health": edge,
    },
    fs: { allow: [".", "../cache-wasm"] },
  },
  test: {
    include: ["tests/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
  },
});
