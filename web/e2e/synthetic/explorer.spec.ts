import { readFileSync } from "node:fs";
import { expect, type Page, test } from "@playwright/test";
import { toScreen, wholeMap } from "../../src/map/camera";
import { fitBounds } from "../../src/map/fit";
import { boundsOf } from "../../src/map/grid";
import {
  browserReady,
  collectErrors,
  countColours,
  expectNoSidewaysScroll,
  mapReady,
  param,
} from "../page";

/** The part of the map that shows at first. */
function bounds(site: string, xy: Float32Array) {
  const text = readFileSync(`e2e/.static/${site}/data/index.json`, "utf8");
  const index = JSON.parse(text) as { latents: Record<string, { total_firings: number }> };
  const firings = Object.values(index.latents).map((latent) => latent.total_firings);
  return fitBounds(xy, Float64Array.from(firings));
}

function readPositions(site: string, name = "positions.json"): Float32Array {
  const text = readFileSync(`e2e/.static/${site}/data/${name}`, "utf8");
  return Float32Array.from((JSON.parse(text) as { positions: number[][] }).positions.flat());
}

/** Where a latent lies on the screen while the whole map shows. */
async function place(page: Page, xy: Float32Array, latent: number): Promise<[number, number]> {
  const box = await page.locator(".map-surface").boundingBox();
  if (!box) throw new Error("The map has no box.");
  const fit = bounds("spec", xy);
  const frame = { width: box.width, height: box.height, bounds: fit, extent: boundsOf(xy) };
  const [px, py] = toScreen(wholeMap(fit), frame, xy[2 * latent], xy[2 * latent + 1]);
  return [box.x + px, box.y + py];
}

/** A latent with a page that has the ground to itself, so that a click can mean no other. */
function loneLatent(xy: Float32Array, candidates: readonly number[]): number {
  const distance = (a: number, b: number) =>
    Math.hypot(xy[2 * a] - xy[2 * b], xy[2 * a + 1] - xy[2 * b + 1]);
  const inside = (a: number) =>
    xy[2 * a] > 0.3 && xy[2 * a] < 0.7 && xy[2 * a + 1] > 0.3 && xy[2 * a + 1] < 0.8;
  const room = (a: number) => {
    let least = Infinity;
    for (let b = 0; b < xy.length / 2; b += 1) if (b !== a) least = Math.min(least, distance(a, b));
    return least;
  };
  return candidates.filter(inside).toSorted((a, b) => room(b) - room(a))[0];
}

const PAGES = Array.from({ length: 60 }, (_, i) => i).filter((i) => i !== 3 && i % 7 !== 6);

test("a click on a point shows that latent, hovering names it", async ({ page }) => {
  const errors = collectErrors(page);
  const xy = readPositions("spec");
  const latent = loneLatent(xy, PAGES);
  await page.goto("spec/umap.html");
  await mapReady(page);
  await expect(page.getByText("No latent selected")).toBeVisible();
  expect(await countColours(page, page.locator(".map-surface canvas"))).toBeGreaterThan(50);
  const [px, py] = await place(page, xy, latent);
  await page.mouse.move(px, py);
  await expect(page.locator(".hover-card .id")).toHaveText(String(latent));
  await expect(page.locator(".hover-card .example-text")).toBeVisible();
  await page.mouse.click(px, py);
  await expect.poll(() => param(page, "latent")).toBe(String(latent));
  await expect(page.getByRole("article", { name: `Latent ${latent}`, exact: true })).toBeVisible();
  await browserReady(page);
  await expectNoSidewaysScroll(page);
  expect(errors).toEqual([]);
});

test("wheel zooms round the pointer, drag pans, r resets", async ({ page }) => {
  const xy = readPositions("spec");
  const latent = loneLatent(xy, PAGES);
  await page.goto("spec/umap.html");
  await mapReady(page);
  const [px, py] = await place(page, xy, latent);
  await page.mouse.move(px, py);
  await page.mouse.wheel(0, -600);
  await expect.poll(() => param(page, "view")).not.toBeNull();
  const zoomed = param(page, "view");
  expect(Number(zoomed?.split(",")[2])).toBeGreaterThan(1.5);
  // The same latent is still under the pointer, moved by a pixel to make a new event.
  await page.mouse.move(px + 1, py);
  await expect(page.locator(".hover-card .id")).toHaveText(String(latent));
  await page.mouse.down();
  await page.mouse.move(px + 120, py + 40, { steps: 4 });
  await page.mouse.up();
  await expect.poll(() => param(page, "view")).not.toBe(zoomed);
  expect(param(page, "latent")).toBeNull();
  await page.keyboard.press("r");
  await expect.poll(() => param(page, "view")).toBeNull();
});

test("the address restores view, selection and colours", async ({ page }) => {
  await page.goto(
    "spec/umap.html?latent=2&view=0.3,0.6,3&colour=label&layout=coactivation&silent=hidden",
  );
  await mapReady(page);
  await expect(page.locator(".map-status .zoom")).toHaveText("3.0×");
  await expect(
    page.getByRole("button", { name: "UMAP of directions and shared tokens" }),
  ).toHaveAttribute("aria-pressed", "true");
  await expect(page.getByLabel("Never firing")).not.toBeChecked();
  await expect(page.locator(".map-status")).toContainText("4,285 of 5,000 latents shown");
  await page.getByRole("link", { name: "Browser" }).click();
  await browserReady(page);
  expect([param(page, "latent"), param(page, "layout")]).toEqual(["2", "coactivation"]);
});

test("colour by label has a legend that filters", async ({ page }) => {
  await page.goto("spec/umap.html");
  await mapReady(page);
  await page.getByRole("button", { name: "Label", exact: true }).click();
  const first = page.getByRole("region", { name: "Legend" }).getByRole("button").first();
  const count = await first.locator(".quiet").innerText();
  await first.click();
  await expect(page.locator(".map-status")).toContainText(`${count} of 5,000 latents shown`);
  expect(param(page, "only")).not.toBeNull();
  await page.getByRole("button", { name: "show all" }).click();
  await expect(page.locator(".map-status")).toContainText("5,000 of 5,000 latents shown");
});

test("the other layout moves the points", async ({ page }) => {
  const cosine = readPositions("spec");
  const coactivation = readPositions("spec", "positions_coactivation.json");
  const latent = loneLatent(coactivation, PAGES);
  expect(cosine[2 * latent]).not.toBe(coactivation[2 * latent]);
  await page.goto("spec/umap.html");
  await mapReady(page);
  await page.getByRole("button", { name: "UMAP of directions and shared tokens" }).click();
  await expect.poll(() => param(page, "layout")).toBe("coactivation");
  await mapReady(page);
  await page.mouse.click(...(await place(page, coactivation, latent)));
  await expect.poll(() => param(page, "latent")).toBe(String(latent));
});

test("search lights its hits on the map", async ({ page }) => {
  await page.goto("spec/umap.html");
  await mapReady(page);
  const map = page.locator(".map-surface canvas");
  const before = await map.screenshot();
  await page.getByRole("combobox", { name: /Search/ }).fill("tuesday");
  await expect(page.locator(".map-status .hits")).toContainText(/[1-9]\d* hits for “tuesday”/);
  await page.keyboard.press("Escape");
  expect((await map.screenshot()).equals(before)).toBe(false);
  await page.getByRole("button", { name: "clear", exact: true }).click();
  await expect(page.locator(".map-status .hits")).toHaveCount(0);
  await expect.poll(() => param(page, "q")).toBeNull();
});

test("a search that fails is not a search without hits", async ({ page }) => {
  await page.route("**/search_index.json", (route) => route.fulfill({ status: 500 }));
  await page.goto("spec/umap.html?q=monday");
  await mapReady(page);
  await expect(page.locator(".map-status .hits")).toContainText("no answer yet for “monday”");
  await page.getByRole("combobox", { name: /Search/ }).focus();
  await expect(page.getByRole("alert")).toContainText("The search could not be shown");
});

test("the map works from the keyboard", async ({ page }) => {
  await page.goto("spec/umap.html");
  await mapReady(page);
  await page.getByRole("application").focus();
  await page.keyboard.press("+");
  await page.keyboard.press("ArrowUp");
  await expect.poll(() => param(page, "view")).not.toBeNull();
  await page.keyboard.press("Enter");
  await expect.poll(() => param(page, "latent")).not.toBeNull();
  await page.getByRole("separator", { name: "Width of the panel" }).focus();
  const width = async () => (await page.locator(".split-right").boundingBox())?.width ?? 0;
  const before = await width();
  await page.keyboard.press("ArrowLeft");
  await expect.poll(width).toBeGreaterThan(before);
  await page.getByRole("button", { name: "Hide the panel" }).click();
  await expect(page.locator(".split-right")).toHaveCount(0);
});

test("g asks for an id, with and without a latent selected", async ({ page }) => {
  await page.goto("spec/umap.html");
  await mapReady(page);
  await page.keyboard.press("g");
  await expect(page.getByRole("combobox", { name: /Search/ })).toBeFocused();
  await page.keyboard.type("40");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("article", { name: "Latent 40", exact: true })).toBeVisible();
  await page.keyboard.press("g");
  await expect(page.getByLabel("Latent", { exact: true })).toBeFocused();
});

test("a smaller window keeps room for the map", async ({ page }) => {
  await page.addInitScript(() => localStorage.setItem("fmi.panelWidth", "1500"));
  await page.setViewportSize({ width: 2000, height: 900 });
  await page.goto("spec/umap.html?latent=2");
  await mapReady(page);
  await page.setViewportSize({ width: 1000, height: 700 });
  const width = async (part: string) => (await page.locator(part).boundingBox())?.width;
  await expect.poll(() => width(".split-right")).toBe(640);
  expect(await width(".map-surface")).toBe(360);
  await expectNoSidewaysScroll(page);
});

test("the map comes back when the browser has lost its graphics", async ({ page }) => {
  await page.goto("spec/umap.html");
  await mapReady(page);
  const map = page.locator(".map-surface canvas");
  await page.mouse.move(0, 0);
  const before = await map.screenshot();
  const graphics = await map.evaluateHandle((canvas: HTMLCanvasElement) =>
    canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context"),
  );
  await graphics.evaluate((extension) => extension?.loseContext());
  await expect.poll(async () => (await map.screenshot()).equals(before)).toBe(false);
  await graphics.evaluate((extension) => extension?.restoreContext());
  await expect.poll(async () => (await map.screenshot()).equals(before)).toBe(true);
});

test("selecting steps through history, panning does not", async ({ page }) => {
  await page.goto("spec/umap.html?latent=1");
  await mapReady(page);
  await page.getByRole("button", { name: "Neighbours" }).click();
  await page.locator(".neighbours a").first().click();
  await expect.poll(() => param(page, "latent")).not.toBe("1");
  await page.getByRole("button", { name: "Zoom in" }).click();
  await expect.poll(() => param(page, "view")).not.toBeNull();
  await page.goBack();
  await expect.poll(() => param(page, "latent")).toBe("1");
});

test("262,144 latents open and are picked exactly", async ({ page }) => {
  const xy = readPositions("large");
  await page.goto("large/umap.html");
  await mapReady(page);
  await expect(page.locator(".map-status")).toContainText("262,144 of 262,144");
  const wanted = 1;
  await page.goto(`large/umap.html?view=${xy[2 * wanted]},${xy[2 * wanted + 1]},1900`);
  await expect(page.locator(".map-status .zoom")).toHaveText("1900×");
  const box = await page.locator(".map-surface").boundingBox();
  if (!box) throw new Error("The map has no box.");
  const found = page.locator(".hover-card .id");
  await expect(async () => {
    await page.mouse.move(box.x + box.width / 2 + 2, box.y + box.height / 2);
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await expect(found).toHaveText(String(wanted), { timeout: 2000 });
  }).toPass();
});

test("without WebGL the map says so, and the latent still shows", async ({ page }) => {
  await page.addInitScript(() => {
    HTMLCanvasElement.prototype.getContext = () => null;
  });
  await page.goto("spec/umap.html?latent=2");
  await expect(page.getByRole("alert")).toContainText("WebGL");
  await browserReady(page);
});

test("a latent outside of the view is brought in, a link keeps its own view", async ({ page }) => {
  await page.goto("spec/umap.html?latent=1&view=0.5,0.5,40");
  await mapReady(page);
  await expect(page.locator(".map-status")).toContainText("outside the view");
  expect(param(page, "view")).toBe("0.5,0.5,40");
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => param(page, "view")).not.toBe("0.5,0.5,40");
  expect(param(page, "view")).toMatch(/,40$/);
  await expect(page.locator(".map-labels .selected")).toBeVisible();
});

test("the map is saved as a picture with its labels", async ({ page }) => {
  await page.goto("spec/umap.html");
  await mapReady(page);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save the map as a picture" }).click();
  const file = await download;
  expect(file.suggestedFilename()).toBe("data_cosine.png");
  await file.saveAs("e2e/screenshots/synthetic-saved-map.png");
  const bytes = readFileSync("e2e/screenshots/synthetic-saved-map.png");
  expect(bytes.subarray(1, 4).toString()).toBe("PNG");
  expect(bytes.length).toBeGreaterThan(20_000);
});
