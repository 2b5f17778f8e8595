import { expect, test } from "@playwright/test";
import {
  browserReady,
  collectErrors,
  countColours,
  expectNoSidewaysScroll,
  mapReady,
  param,
} from "../page";

/** The shipped model's demo, through the server and as static files: the same app, the same tests. */

const SIZES = [
  [1280, 800],
  [1440, 900],
] as const;

test("the browser opens on a latent with examples, and the keys step through latents", async ({
  page,
}) => {
  const errors = collectErrors(page);
  await page.goto("./");
  await browserReady(page);
  await expect(page.locator(".fires.peak").first()).toBeVisible();
  await expect(page.getByRole("img", { name: /firings between/ })).toBeVisible();
  const first = await page.getByRole("article").getAttribute("aria-label");
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("article")).not.toHaveAttribute("aria-label", first ?? "");
  await page.keyboard.press("ArrowLeft");
  await expect(page.getByRole("article")).toHaveAttribute("aria-label", first ?? "");
  await page.keyboard.press("g");
  await page.keyboard.type("7");
  await page.keyboard.press("Enter");
  await expect.poll(() => param(page, "latent")).toBe("7");
  expect(errors).toEqual([]);
});

test("a search for Monday leads to a latent that fires on Monday", async ({ page }) => {
  await page.goto("./");
  await browserReady(page);
  const box = page.getByRole("combobox", { name: /Search/ });
  await box.fill("Monday");
  await expect(page.locator(".search-option").first()).toBeVisible();
  await box.press("ArrowDown");
  await box.press("Enter");
  await expect.poll(() => param(page, "latent")).not.toBeNull();
  await browserReady(page);
  await expect(page.locator(".fires", { hasText: "Monday" }).first()).toBeVisible();
});

test("the map shows every latent, in both layouts, and selects", async ({ page }) => {
  const errors = collectErrors(page);
  await page.goto("umap.html");
  await mapReady(page);
  const map = page.locator(".map-surface canvas");
  expect(await countColours(page, map)).toBeGreaterThan(50);
  await expect(page.locator(".map-status")).toContainText(/([\d,]+) of \1 latents shown/);
  const cosine = await map.screenshot();
  await page.getByRole("button", { name: "UMAP of directions and shared tokens" }).click();
  await expect.poll(() => param(page, "layout")).toBe("coactivation");
  await mapReady(page);
  expect((await map.screenshot()).equals(cosine)).toBe(false);
  await page.getByLabel("Never firing").uncheck();
  await page.getByRole("application").focus();
  await page.keyboard.press("Enter");
  await expect.poll(() => param(page, "latent")).not.toBeNull();
  await browserReady(page);
  await page.keyboard.press("r");
  expect(errors).toEqual([]);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`pictures for people to look at, ${colorScheme}`, async ({ page }, info) => {
    await page.emulateMedia({ colorScheme });
    // The same app twice: one set at every size, one at the smaller.
    const sizes = info.project.name === "demo-static" ? SIZES.slice(0, 1) : SIZES;
    for (const [width, height] of sizes) {
      await page.setViewportSize({ width, height });
      const picture = (name: string) => ({
        path: `e2e/screenshots/${info.project.name}-${name}-${colorScheme}-${width}.png`,
      });
      await page.goto("./?q=Monday");
      await browserReady(page);
      await page.getByRole("combobox", { name: /Search/ }).focus();
      const hit = page.locator(".search-option").first();
      await expect(hit).toBeVisible();
      const latent = await hit.locator(".id").innerText();
      await page.screenshot(picture("search"));
      await page.goto(`./?latent=${latent}`);
      await browserReady(page);
      await expect(page.locator(".histogram .bar").first()).toBeVisible();
      await page.screenshot(picture("browser"));
      await page.goto(`./?latent=${latent}&show=grid&counts=log`);
      await browserReady(page);
      await page.screenshot(picture("grid"));
      for (const [name, query] of [
        ["explorer", "layout=coactivation"],
        ["explorer-label", "layout=coactivation&colour=label"],
        ["explorer-cosine", "q=Monday"],
      ]) {
        await page.goto(`umap.html?latent=${latent}&${query}`);
        await mapReady(page);
        await browserReady(page);
        await expectNoSidewaysScroll(page);
        await page.screenshot(picture(name));
      }
    }
  });
}
