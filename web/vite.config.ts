import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const page = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  // Relative addresses: the same build works below any path, from `fmi serve` and from a plain
  // file server.
  base: "./",
  plugins: [react()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
    // The notices of what is bundled travel with it.
    license: { fileName: "licenses.md" },
    rollupOptions: { input: { index: page("index.html"), umap: page("umap.html") } },
  },
  server: { proxy: { "/api": process.env.FMI_API ?? "http://127.0.0.1:8000" } },
  test: {
    include: ["src/**/*.test.{ts,tsx}"],
    // A busy machine draws 300 tokens in seconds: only a test that hangs may fail by its time.
    testTimeout: 60_000,
  },
});
