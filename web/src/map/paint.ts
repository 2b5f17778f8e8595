import type { LatentTable } from "../data/model";
import type { Theme } from "../state/useTheme";
import type { Colouring } from "../state/viewState";
import { labelColour, N_LABEL_COLOURS, OTHER, type Rgb, rateColour, SILENT } from "./palette";

/** How every point is drawn: its colour, and which points, in which order. */
export interface Paint {
  /** Four bytes a latent. */
  readonly rgba: Uint8Array;
  /** Latents to draw, the important last (on top). */
  readonly order: Uint32Array;
  /** So many of `order`, at its beginning, never fire. */
  readonly nSilent: number;
  /** 1 where a latent is not drawn and cannot be picked. */
  readonly hidden: Uint8Array;
}

export interface PaintOptions {
  readonly colour: Colouring;
  readonly only: readonly string[];
  readonly silent: "faint" | "hidden";
  readonly theme: Theme;
}

export interface LabelClass {
  readonly label: string;
  readonly count: number;
}

/** The labels that most latents share, most common first. Latents that never fire have none. */
export function commonLabels(table: LatentTable, limit = N_LABEL_COLOURS): readonly LabelClass[] {
  const counts = new Map<string, number>();
  for (let i = 0; i < table.nLatents; i += 1) {
    const label = table.labels[i];
    if (label !== null && table.totalFirings[i] > 0)
      counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  return Array.from(counts, ([label, count]) => ({ label, count }))
    .sort((a, b) => b.count - a.count || (a.label < b.label ? -1 : 1))
    .slice(0, limit);
}

/** The least and the most firings of any latent that fires; null if none does. */
export function firingRange(table: LatentTable): { min: number; max: number } | null {
  let [min, max] = [Infinity, 0];
  for (const count of table.totalFirings) {
    if (count <= 0) continue;
    if (count < min) min = count;
    if (count > max) max = count;
  }
  return max > 0 ? { min, max } : null;
}

/** Where `count` firings lie between the extremes, on a logarithmic scale: 0 to 1. */
export function rateFraction(count: number, range: { min: number; max: number }): number {
  if (range.max === range.min) return 1;
  return Math.log(count / range.min) / Math.log(range.max / range.min);
}

const ALPHA = { silent: 90, other: 150, full: 225 };
const LAYERS = { silent: 0, other: 1, full: 2 };

export function paintLatents(table: LatentTable, options: PaintOptions): Paint {
  const { nLatents, totalFirings, labels } = table;
  const rgba = new Uint8Array(nLatents * 4);
  const hidden = new Uint8Array(nLatents);
  const layer = new Uint8Array(nLatents);
  const colourOf = colouring(table, options);
  const only = new Set(options.only);
  for (let i = 0; i < nLatents; i += 1) {
    const fires = totalFirings[i] > 0;
    const label = labels[i];
    hidden[i] = Number(
      (!fires && options.silent === "hidden") ||
        (only.size > 0 && !(label !== null && only.has(label))),
    );
    const colour = fires ? colourOf(i) : null;
    const name = fires ? (colour ? "full" : "other") : "silent";
    const [r, g, b] = colour ?? (fires ? OTHER : SILENT)[options.theme];
    layer[i] = LAYERS[name];
    rgba.set([r, g, b, ALPHA[name]], 4 * i);
  }
  return { rgba, hidden, ...drawingOrder(layer, hidden) };
}

/** A function from latent to colour; null = none of the classes shown. */
function colouring(table: LatentTable, options: PaintOptions): (latent: number) => Rgb | null {
  if (options.colour === "label") {
    const rank = new Map(commonLabels(table).map(({ label }, i) => [label, i]));
    return (latent) => {
      const label = table.labels[latent];
      const at = label === null ? undefined : rank.get(label);
      return at === undefined ? null : labelColour(options.theme, at);
    };
  }
  const range = firingRange(table) ?? { min: 1, max: 1 };
  const ramp = Array.from({ length: 256 }, (_, i) => rateColour(options.theme, i / 255));
  return (latent) => ramp[Math.round(rateFraction(table.totalFirings[latent], range) * 255)];
}

/** Counting sort by layer; hidden points are left out. */
function drawingOrder(
  layer: Uint8Array,
  hidden: Uint8Array,
): { order: Uint32Array; nSilent: number } {
  const next = new Uint32Array(4);
  for (let i = 0; i < layer.length; i += 1) if (!hidden[i]) next[layer[i] + 1] += 1;
  for (let k = 1; k < next.length; k += 1) next[k] += next[k - 1];
  const nSilent = next[1];
  const order = new Uint32Array(next[3]);
  for (let i = 0; i < layer.length; i += 1) {
    if (hidden[i]) continue;
    order[next[layer[i]]] = i;
    next[layer[i]] += 1;
  }
  return { order, nSilent };
}
