import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { browserReady, expectNoSidewaysScroll, mapReady } from "../page";

for (const colorScheme of ["light", "dark"] as const) {
  test(`both pages pass axe in the ${colorScheme} theme`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    await page.goto("spec/?latent=2");
    await browserReady(page);
    await page.screenshot({ path: `e2e/screenshots/synthetic-browser-${colorScheme}.png` });
    expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
    await page.goto("spec/umap.html?latent=2&colour=label&q=monday&group=low");
    await mapReady(page);
    await browserReady(page);
    await page.screenshot({ path: `e2e/screenshots/synthetic-explorer-${colorScheme}.png` });
    expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
    await page.getByRole("combobox", { name: /Search/ }).fill("monday");
    await expect(page.locator(".search-option").first()).toBeVisible();
    await page.screenshot({ path: `e2e/screenshots/synthetic-search-${colorScheme}.png` });
    expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  });
}

for (const [width, height] of [
  [1024, 700],
  [1280, 800],
  [1440, 900],
] as const) {
  test(`nothing is cut off at ${width} x ${height}`, async ({ page }) => {
    await page.setViewportSize({ width, height });
    for (const address of ["spec/?latent=1", "spec/umap.html?latent=1"]) {
      await page.goto(address);
      await browserReady(page);
      await expectNoSidewaysScroll(page);
      const box = page.getByRole("combobox", { name: /Search/ });
      await expect(box).toBeInViewport({ ratio: 1 });
      await expect(page.getByRole("button", { name: /Switch to the/ })).toBeInViewport({
        ratio: 1,
      });
    }
  });
}
