import type { LatentTable } from "../data/model";

/** The next latent in a direction; null at the end. With `skipSilent`, only latents that fire. */
export function stepLatent(
  table: LatentTable,
  from: number,
  step: 1 | -1,
  skipSilent: boolean,
): number | null {
  for (let id = from + step; id >= 0 && id < table.nLatents; id += step) {
    if (!skipSilent || table.totalFirings[id] > 0) return id;
  }
  return null;
}

/** Where the browser opens: the first latent that has something to show. */
export function firstLatent(table: LatentTable): number | null {
  return stepLatent(table, -1, 1, true) ?? stepLatent(table, -1, 1, false);
}
