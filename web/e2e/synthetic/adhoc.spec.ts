import { expect, test } from "@playwright/test";
import { browserReady, mapReady } from "../page";

test("adhoc", async ({ page }) => {
  await page.goto("demo/umap.html?layout=coactivation");
  await mapReady(page);
  await page.screenshot({ path: "e2e/screenshots/a-map.png" });
  const box = await page.locator(".map-surface").boundingBox();
  for (let dx = 0; dx < 300; dx += 7) {
    await page.mouse.move(300 + dx, (box?.y ?? 0) + 330);
    if (await page.locator(".hover-card .example-text").count()) break;
  }
  await page
    .locator(".hover-card")
    .waitFor({ timeout: 3000 })
    .catch(() => {});
  await page.waitForTimeout(800);
  await page.screenshot({ path: "e2e/screenshots/a-hover.png" });
  await page.keyboard.press("?");
  await page.screenshot({ path: "e2e/screenshots/a-sheet.png" });
  await page.goto("demo/umap.html?layout=coactivation&latent=1229&view=0.29,0.5,6");
  await mapReady(page);
  await browserReady(page);
  await page.getByRole("button", { name: "Neighbours" }).click();
  await page.waitForTimeout(800);
  await page.screenshot({ path: "e2e/screenshots/a-zoom.png" });
  await page.getByRole("button", { name: "Activations" }).click();
  await page.screenshot({ path: "e2e/screenshots/a-act.png" });
  await page.goto("broken/?latent=0");
  await expect(page.getByRole("alert")).toBeVisible();
  await page.screenshot({ path: "e2e/screenshots/a-broken.png" });
  await page.goto("empty/");
  await expect(page.getByRole("alert")).toBeVisible();
  await page.screenshot({ path: "e2e/screenshots/a-empty.png" });
  await page.goto("spec/?latent=3");
  await page.waitForTimeout(800);
  await page.screenshot({ path: "e2e/screenshots/a-dead.png" });
  await page.goto("large/umap.html");
  await mapReady(page);
  await page.screenshot({ path: "e2e/screenshots/a-large.png" });
});
