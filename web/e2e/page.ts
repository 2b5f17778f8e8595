import { type ConsoleMessage, expect, type Locator, type Page } from "@playwright/test";

/** Steps that several tests share. */

/** Errors of the page itself. A missing file is an answer, not an error: sources look for files. */
export function collectErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message: ConsoleMessage) => {
    const missing = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !missing) errors.push(message.text());
  });
  return errors;
}

export async function browserReady(page: Page): Promise<void> {
  await expect(page.locator(".example-text").first()).toBeVisible();
}

/** The map has drawn a frame with its points. */
export async function mapReady(page: Page): Promise<void> {
  await expect(page.locator(".map-surface[data-drawn]")).toBeVisible();
}

export function param(page: Page, name: string): string | null {
  return new URL(page.url()).searchParams.get(name);
}

/** How many different colours a part of the page shows: 1 = blank. */
export async function countColours(page: Page, part: Locator): Promise<number> {
  const picture = (await part.screenshot()).toString("base64");
  return page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context?.drawImage(image, 0, 0);
    const data = context?.getImageData(0, 0, image.width, image.height).data ?? [];
    const seen = new Set<number>();
    for (let i = 0; i < data.length; i += 4) {
      seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    }
    return seen.size;
  }, picture);
}

export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const [content, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(content).toBeLessThanOrEqual(window);
}
