import { test } from "@playwright/test";

test("look", async ({ page }) => {
  page.on("console", (m) => process.stdout.write(`${m.type()} ${m.text()}\n`));
  page.on("pageerror", (e) => process.stdout.write(`ERR ${e.message}\n`));
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await page.goto("spec/?latent=1");
    await page.waitForSelector(".example-text");
    await page.screenshot({ path: `e2e/screenshots/browser-${theme}.png` });
    await page.goto("spec/umap.html?latent=1&q=monday");
    await page.waitForSelector(".example-text");
    await page.waitForTimeout(1500);
    await page.screenshot({ path: `e2e/screenshots/explorer-${theme}.png` });
  }
});
