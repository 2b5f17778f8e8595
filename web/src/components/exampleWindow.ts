/** Long merged contexts open as a window round their strongest token. */

export const WINDOW = 96;

export interface TokenWindow {
  readonly start: number;
  readonly stop: number;
  readonly peak: number;
}

export function peakOf(activations: readonly number[]): number {
  let peak = 0;
  activations.forEach((value, i) => {
    if (value > activations[peak]) peak = i;
  });
  return peak;
}

export function windowAround(activations: readonly number[], whole: boolean): TokenWindow {
  const peak = peakOf(activations);
  const n = activations.length;
  if (whole || n <= WINDOW) return { start: 0, stop: n, peak };
  const start = Math.max(0, Math.min(peak - WINDOW / 2, n - WINDOW));
  return { start, stop: start + WINDOW, peak };
}
