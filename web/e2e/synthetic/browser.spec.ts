import { expect, test } from "@playwright/test";
import { browserReady, collectErrors, expectNoSidewaysScroll, param } from "../page";

test("a latent shows examples, statistics, histogram and neighbours", async ({ page }) => {
  const errors = collectErrors(page);
  await page.goto("spec/?latent=2");
  await browserReady(page);
  await expect(page.locator(".example-group")).toHaveCount(4);
  await expect(page.locator(".fires.peak").first()).toBeVisible();
  await expect(page.getByRole("region", { name: "Statistics" })).toContainText("Firings");
  await expect(page.locator(".histogram .bar")).toHaveCount(30);
  await expect(page.locator(".neighbours li").first()).toBeVisible();
  await expectNoSidewaysScroll(page);
  expect(errors).toEqual([]);
});

test("activation decides how strongly a token is shaded", async ({ page }) => {
  await page.goto("spec/?latent=2");
  await browserReady(page);
  const strengths = await page
    .locator(".example-items li:first-child .fires")
    .evaluateAll((tokens) =>
      tokens.map((token) => ({
        activation: Number((token as HTMLElement).dataset.activation),
        share: Number((token as HTMLElement).style.getPropertyValue("--a")),
        colour: getComputedStyle(token).backgroundColor,
      })),
    );
  const sorted = strengths.toSorted((a, b) => a.activation - b.activation);
  expect(sorted.map((s) => s.share)).toEqual(sorted.map((s) => s.share).toSorted((a, b) => a - b));
  expect(new Set(strengths.map((s) => s.colour)).size).toBeGreaterThan(1);
});

test("pointing at a token tells its exact activation", async ({ page }) => {
  await page.goto("spec/?latent=2");
  await browserReady(page);
  const token = page.locator(".fires.peak").first();
  await token.hover();
  await expect(page.getByRole("tooltip")).toContainText(
    (await token.getAttribute("data-activation")) ?? "nothing",
  );
});

test("arrow keys step, g jumps, / searches, ? helps", async ({ page }) => {
  await page.goto("spec/?latent=1");
  await browserReady(page);
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => param(page, "latent")).toBe("2");
  await page.keyboard.press("ArrowLeft");
  await expect.poll(() => param(page, "latent")).toBe("1");

  await page.keyboard.press("g");
  await expect(page.getByLabel("Latent", { exact: true })).toBeFocused();
  await page.keyboard.type("40");
  await page.keyboard.press("Enter");
  await expect.poll(() => param(page, "latent")).toBe("40");
  await expect(page.getByRole("article", { name: "Latent 40" })).toBeVisible();

  await page.keyboard.press("/");
  await expect(page.getByRole("combobox", { name: /Search/ })).toBeFocused();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
});

test("an id that does not exist is refused in the box and on the page", async ({ page }) => {
  await page.goto("spec/?latent=2");
  await browserReady(page);
  await page.keyboard.press("g");
  await page.keyboard.type("5000");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Ids go from 0 to 4999")).toBeVisible();
  await page.goto("spec/?latent=123456");
  await expect(page.getByText("There is no latent 123456")).toBeVisible();
});

test("list and grid, groups and scale live in the address", async ({ page }) => {
  await page.goto("spec/?latent=2");
  await browserReady(page);
  await page.getByRole("button", { name: "Grid" }).click();
  await expect(page.locator(".example-items.grid").first()).toBeVisible();
  await page.getByRole("button", { name: "Log" }).click();
  await page.getByRole("button", { name: /^High/ }).click();
  await expect(page.locator(".example-group")).toHaveCount(1);
  expect([param(page, "show"), param(page, "counts"), param(page, "group")]).toEqual([
    "grid",
    "log",
    "high",
  ]);
  await page.reload();
  await browserReady(page);
  await expect(page.getByRole("button", { name: "Log" })).toHaveAttribute("aria-pressed", "true");
  await expect(page.locator(".example-group")).toHaveCount(1);
  await expect(page.locator(".example-items.grid")).toBeVisible();
});

test("the log scale lifts small bars", async ({ page }) => {
  await page.goto("spec/?latent=1");
  await browserReady(page);
  const height = async () =>
    Number(await page.locator(".histogram .bar").nth(20).getAttribute("height"));
  const linear = await height();
  await page.getByRole("button", { name: "Log" }).click();
  await expect.poll(height).toBeGreaterThan(3 * linear);
});

test("corpus text is never markup, and what is invisible becomes visible", async ({ page }) => {
  await page.goto("spec/?latent=1");
  await browserReady(page);
  await page.getByRole("button", { name: "Show all 50" }).click();
  await expect(page.locator("main img, main script")).toHaveCount(0);
  await expect(page).not.toHaveTitle(/hacked/);
  const examples = page.locator(".examples");
  await expect(examples).toContainText("<script>document.title='hacked'</script>");
  for (const mark of ["⏎", "⇥", "RLO", "NUL", "ESC", "ZWSP", "U+D800"]) {
    await expect(examples.locator(".mark", { hasText: mark }).first()).toBeVisible();
  }
  expect(await examples.innerText()).not.toMatch(/[\u202a-\u202e]/);
  await expect(examples.locator("bdi", { hasText: "שלום" }).first()).toBeVisible();
});

test("a latent that never fires says so, and can be skipped", async ({ page }) => {
  await page.goto("spec/?latent=3");
  await expect(page.getByText("This latent never fires")).toBeVisible();
  await page.goto("spec/?latent=2");
  await browserReady(page);
  await page.getByLabel("Skip latents that never fire").check();
  await page.getByRole("main").getByRole("heading", { level: 1 }).click();
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => param(page, "latent")).toBe("4");
  await page.keyboard.press("ArrowLeft");
  await expect.poll(() => param(page, "latent")).toBe("2");
});

test("search finds latents by token and by id", async ({ page }) => {
  await page.goto("spec/?latent=2");
  await browserReady(page);
  const box = page.getByRole("combobox", { name: /Search/ });
  await box.fill("monday");
  const results = page.getByRole("listbox", { name: "Search results" });
  const option = results.getByRole("option").first();
  await expect(option).toContainText("Monday");
  const id = await option.locator(".id").innerText();
  await box.press("ArrowDown");
  await box.press("Enter");
  await expect.poll(() => param(page, "latent")).toBe(id);
  await box.fill("#33");
  await expect(page.getByRole("option", { name: /Go to latent/ })).toBeVisible();
  await box.press("Enter");
  await expect.poll(() => param(page, "latent")).toBe("33");
  await box.fill("nosuchtoken");
  await expect(page.getByText(/No latent fires often/)).toBeVisible();
});

test("Enter right after typing goes to what was typed, not to what is still listed", async ({
  page,
}) => {
  await page.goto("spec/?latent=2");
  await browserReady(page);
  const box = page.getByRole("combobox", { name: /Search/ });
  await box.fill("monday");
  const older = page.locator(".search-option").first();
  await expect(older).toBeVisible();
  expect(await older.locator(".id").innerText()).not.toBe("40");
  await box.fill("40");
  await box.press("Enter");
  await expect.poll(() => param(page, "latent")).toBe("40");
});

test("a neighbour is a link, and back comes back", async ({ page }) => {
  await page.goto("spec/?latent=2");
  await browserReady(page);
  const link = page.locator(".neighbours a").first();
  const id = await link.locator(".id").innerText();
  expect(await link.getAttribute("href")).toContain(`latent=${id}`);
  await link.click();
  await expect.poll(() => param(page, "latent")).toBe(id);
  await page.goBack();
  await expect(page.getByRole("article", { name: "Latent 2", exact: true })).toBeVisible();
  await page.goForward();
  await expect(page.getByRole("article", { name: `Latent ${id}`, exact: true })).toBeVisible();
});

test("a late reply never shows under another latent", async ({ page }) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route("**/latents/00002.json", async (route) => {
    await held;
    await route.continue().catch(() => undefined);
  });
  await page.goto("spec/?latent=1");
  await browserReady(page);
  await page.keyboard.press("ArrowRight");
  await expect(page.getByText("Loading latent 2")).toBeVisible();
  await page.keyboard.press("ArrowLeft");
  await browserReady(page);
  const shown = await page.locator(".example-text").first().innerText();
  release();
  await page.waitForLoadState("networkidle");
  expect(await page.locator(".example-text").first().innerText()).toBe(shown);
});

test("the theme follows the system, and a choice is remembered without a flash", async ({
  page,
}) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto("spec/?latent=2");
  await browserReady(page);
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await page.getByRole("button", { name: "Switch to the light theme" }).click();
  await expect.poll(background).not.toBe(dark);
  await page.addInitScript(() => {
    // What the first paint would see: the attribute when the body appears.
    new MutationObserver((_, observer) => {
      if (!document.body) return;
      document.documentElement.dataset.firstTheme =
        document.documentElement.dataset.theme ?? "none";
      observer.disconnect();
    }).observe(document, { childList: true, subtree: true });
  });
  await page.reload();
  await browserReady(page);
  expect(await page.evaluate(() => document.documentElement.dataset.firstTheme)).toBe("light");
});
