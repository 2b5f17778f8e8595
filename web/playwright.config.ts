import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

/**
 * Real Chromium, software WebGL. Three sites: the synthetic export, and the demo as `fmi serve`
 * (FMI_E2E_URL) and as static files (FMI_E2E_STATIC_URL), when these are given.
 */
const STATIC_PORT = Number(process.env.FMI_E2E_PORT ?? 8177);
const chromium = process.env.FMI_CHROMIUM ?? "/usr/bin/chromium";

const demo = [
  { name: "demo-server", url: process.env.FMI_E2E_URL },
  { name: "demo-static", url: process.env.FMI_E2E_STATIC_URL },
].filter((site) => site.url);

const slash = (url: string | undefined) => (url?.endsWith("/") ? url : `${url}/`);

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
    {
      name: "synthetic",
      testMatch: "synthetic/*.spec.ts",
      use: { baseURL: `http://127.0.0.1:${STATIC_PORT}/.static/` },
    },
    ...demo.map(({ name, url }) => ({
      name,
      testMatch: "demo/*.spec.ts",
      use: { baseURL: slash(url) },
    })),
  ],
  webServer: {
    command: `python3 -m http.server ${STATIC_PORT} --bind 127.0.0.1 --directory e2e`,
    url: `http://127.0.0.1:${STATIC_PORT}/`,
    stderr: "ignore",
    reuseExistingServer: false,
  },
});
