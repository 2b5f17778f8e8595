/** Pure geometry of the activation histogram. */

export interface Bar {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Height as a share of the axis, 0 to 1; a count above 0 is never drawn as nothing. */
  readonly height: number;
}

const LEAST_HEIGHT = 0.012;

export function histogramBars(
  bins: readonly number[],
  counts: readonly number[],
  scale: "linear" | "log",
): readonly Bar[] {
  const top = axisTop(Math.max(...counts), scale);
  return counts.map((count, i) => ({
    from: bins[i],
    to: bins[i + 1],
    count,
    height: count === 0 ? 0 : Math.max(LEAST_HEIGHT, heightOf(count, top, scale)),
  }));
}

/** Share of the axis that `count` reaches. On a log axis 1 firing is visibly above none. */
export function heightOf(count: number, top: number, scale: "linear" | "log"): number {
  if (scale === "linear") return count / top;
  return Math.log10(count / LOG_FLOOR) / Math.log10(top / LOG_FLOOR);
}

const LOG_FLOOR = 0.5;

export function axisTop(max: number, scale: "linear" | "log"): number {
  if (max <= 0) return 1;
  if (scale === "log") return 10 ** Math.max(1, Math.ceil(Math.log10(max)));
  const step = niceStep(max / 3);
  return Math.ceil(max / step) * step;
}

export function axisTicks(max: number, scale: "linear" | "log"): readonly number[] {
  const top = axisTop(max, scale);
  if (scale === "linear") {
    const step = niceStep(max / 3);
    return Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
  }
  const decades = Math.round(Math.log10(top));
  const every = Math.ceil(decades / 4);
  return Array.from({ length: Math.floor(decades / every) + 1 }, (_, i) => 10 ** (i * every));
}

/** Counts are whole: 1, 2 or 5 times a power of ten, at least 1. */
function niceStep(rough: number): number {
  if (rough <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10;
  return step * power;
}
