import type { Theme } from "../state/useTheme";

export type Rgb = readonly [number, number, number];

function rgb(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

/** One hue family, lightness monotone: readable without colour vision; rare recedes, frequent stands out. */
const RATE_RAMP: Readonly<Record<Theme, readonly Rgb[]>> = {
  light: ["#a9cfd2", "#62b3c4", "#2f8fb8", "#2a66a5", "#2b3f86", "#1c1a52"].map(rgb),
  dark: ["#3a4a78", "#3b6ea5", "#3699b4", "#5cc3ab", "#b4e08c", "#fdf7b0"].map(rgb),
};

/** After Paul Tol's "muted" and "light" schemes, made for every kind of colour vision. */
const LABEL_COLOURS: Readonly<Record<Theme, readonly Rgb[]>> = {
  light: [
    "#332288",
    "#cc6677",
    "#117733",
    "#88ccee",
    "#aa4499",
    "#ddaa33",
    "#44aa99",
    "#882255",
    "#999933",
    "#4477aa",
  ].map(rgb),
  dark: [
    "#77aadd",
    "#ee8866",
    "#44bb99",
    "#eedd88",
    "#ffaabb",
    "#99ddff",
    "#bbcc33",
    "#d08fd8",
    "#aaaa00",
    "#e8e8e8",
  ].map(rgb),
};

export const OTHER: Readonly<Record<Theme, Rgb>> = { light: rgb("#aab3bd"), dark: rgb("#565f6b") };
export const SILENT: Readonly<Record<Theme, Rgb>> = { light: rgb("#c3c9d0"), dark: rgb("#3c434c") };
export const ACCENT: Readonly<Record<Theme, Rgb>> = { light: rgb("#d1480c"), dark: rgb("#ff9d4d") };
export const HIT: Readonly<Record<Theme, Rgb>> = { light: rgb("#c2185b"), dark: rgb("#ff6fa5") };
export const BACKDROP: Readonly<Record<Theme, Rgb>> = {
  light: rgb("#fbfcfd"),
  dark: rgb("#101418"),
};

export const N_LABEL_COLOURS = LABEL_COLOURS.light.length;

export function labelColour(theme: Theme, rank: number): Rgb {
  return LABEL_COLOURS[theme][rank] ?? OTHER[theme];
}

/** The colour at `t` in [0, 1] along the firing-rate ramp. */
export function rateColour(theme: Theme, t: number): Rgb {
  const ramp = RATE_RAMP[theme];
  const at = Math.min(1, Math.max(0, t)) * (ramp.length - 1);
  const low = Math.min(ramp.length - 2, Math.floor(at));
  const mix = (k: 0 | 1 | 2) =>
    Math.round(ramp[low][k] + (ramp[low + 1][k] - ramp[low][k]) * (at - low));
  return [mix(0), mix(1), mix(2)];
}
