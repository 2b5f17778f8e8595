import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineConfig } from "@playwright/test";

/**
 * Real Chromium, software WebGL. Three sites: a synthetic export, and the demo as `fmi serve` and as
 * static files. The demo's data root is FMI_DATA; servers that run already are FMI_E2E_URL and
 * FMI_E2E_STATIC_URL. Without any of these, only the synthetic export is tested.
 */
const STATIC_PORT = Number(process.env.FMI_E2E_PORT ?? 8177);
const SERVER_PORT = STATIC_PORT + 1;
const HERE = import.meta.dirname;
const data = process.env.FMI_DATA ? resolve(process.env.FMI_DATA) : null;
const fmi = process.env.FMI_COMMAND ?? join(HERE, "../.venv/bin/fmi");
const chromium = process.env.FMI_CHROMIUM ?? "/usr/bin/chromium";

const files = `http://127.0.0.1:${STATIC_PORT}/.static/`;
const startsServer = data !== null && !process.env.FMI_E2E_URL;
const serverUrl = process.env.FMI_E2E_URL ?? (data ? `http://127.0.0.1:${SERVER_PORT}/` : null);
const staticUrl = process.env.FMI_E2E_STATIC_URL ?? (data ? `${files}demo/` : null);

function demo(name: string, url: string | null) {
  if (url === null) return [];
  const baseURL = url.endsWith("/") ? url : `${url}/`;
  return [{ name, testMatch: "demo/*.spec.ts", use: { baseURL } }];
}

export default defineConfig({
  testDir: "e2e",
  globalSetup: "./e2e/globalSetup.ts",
  // One page at a time: software WebGL takes a whole core.
  workers: 1,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: [["list"]],
  forbidOnly: true,
  use: {
    viewport: { width: 1280, height: 800 },
    launchOptions: {
      executablePath: existsSync(chromium) ? chromium : undefined,
      args: [
        "--no-sandbox",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--ignore-gpu-blocklist",
      ],
    },
  },
  projects: [
    { name: "synthetic", testMatch: "synthetic/*.spec.ts", use: { baseURL: files } },
    ...demo("demo-server", serverUrl),
    ...demo("demo-static", staticUrl),
  ],
  webServer: [
    {
      command: `python3 -m http.server ${STATIC_PORT} --bind 127.0.0.1 --directory e2e`,
      url: `http://127.0.0.1:${STATIC_PORT}/`,
      stderr: "ignore",
      reuseExistingServer: false,
    },
    ...(startsServer
      ? [
          {
            command: `"${fmi}" serve --data "${data}" --port ${SERVER_PORT}`,
            url: `http://127.0.0.1:${SERVER_PORT}/api/experiments`,
            reuseExistingServer: false,
          },
        ]
      : []),
  ],
});
