import { expect, test } from "@playwright/test";
import { browserReady, collectErrors, mapReady, param } from "../page";

test("experiments in both folder layouts are found, and can be switched", async ({ page }) => {
  await page.goto("many/");
  await browserReady(page);
  const choice = page.getByRole("combobox", { name: "Experiment" });
  await expect(choice.locator("option")).toHaveText([
    "toy_layer0_5k_medium",
    "older_layer1_1k_small",
  ]);
  await choice.selectOption("older_layer1_1k_small");
  await expect.poll(() => param(page, "experiment")).toBe("older_layer1_1k_small");
  await browserReady(page);
  await expect(page.locator(".example-items li")).toHaveCount(8);
  await page.getByRole("link", { name: "Map" }).click();
  await mapReady(page);
  expect(param(page, "experiment")).toBe("older_layer1_1k_small");
  await expect(page.locator(".map-status")).toContainText("of 1,000 latents");
});

test("a checkout served as a whole finds data/ beside visualizer/", async ({ page }) => {
  await page.goto("checkout/visualizer/");
  await browserReady(page);
  await expect(page.getByRole("combobox", { name: "Experiment" })).toHaveValue(
    "toy_layer0_1k_small",
  );
  await page.getByRole("link", { name: "Map" }).click();
  await mapReady(page);
});

test("?data= names a folder of this server, and nothing else", async ({ page }) => {
  await page.goto("empty/?data=../spec/data");
  await browserReady(page);
  await page.goto("empty/?data=https://example.org/data");
  await expect(page.getByRole("alert")).toContainText("relative path on this server");
});

test("an unknown experiment offers those that exist", async ({ page }) => {
  await page.goto("spec/?experiment=nothing");
  await page.getByRole("link", { name: "data" }).click();
  await browserReady(page);
});

test("no data says what to type next", async ({ page }) => {
  for (const file of ["", "umap.html"]) {
    await page.goto(`empty/${file}`);
    await expect(page.getByRole("alert")).toContainText("No exported experiment was found");
    await expect(page.getByRole("alert")).toContainText("fmi serve");
  }
});

test("a broken file is named, and the rest still works", async ({ page }) => {
  const errors = collectErrors(page);
  await page.goto("broken/?latent=0");
  await expect(page.getByRole("alert")).toContainText("latents/00000.json");
  await expect(page.getByRole("alert")).toContainText("not valid JSON");
  await page.goto("broken/?latent=1");
  await expect(page.getByRole("alert")).toContainText(
    "examples.top[0].token_activations should be an array",
  );
  await page.keyboard.press("ArrowRight");
  await browserReady(page);
  await page.goto("broken/umap.html?latent=2");
  await expect(page.getByRole("alert")).toContainText("positions.json");
  const top = async (part: string) => (await page.locator(part).boundingBox())?.y;
  expect(await top(".map-side")).toBe(await top(".split-left"));
  await browserReady(page);
  expect(errors).toEqual([]);
});

test("a strict content security policy blocks nothing", async ({ page }) => {
  const policy =
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'";
  await page.route(/\/(umap\.html)?(\?.*)?$/, async (route) => {
    const response = await route.fetch();
    const headers = { ...response.headers(), "content-security-policy": policy };
    await route.fulfill({ response, headers });
  });
  const errors = collectErrors(page);
  await page.goto("spec/?latent=2");
  await browserReady(page);
  await page.locator(".fires").first().hover();
  await page.getByRole("button", { name: "Switch to the dark theme" }).click();
  await page.goto("spec/umap.html?latent=2&q=monday&colour=label");
  await mapReady(page);
  await browserReady(page);
  expect(errors).toEqual([]);
});
