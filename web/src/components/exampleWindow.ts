/** Long merged contexts open as a window round their strongest token. */

export const WINDOW = 96;
/** Tokens of a small card, four lines of it: the strongest token must be among them. */
export const CARD_WINDOW = 24;

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

/** At most `size` tokens, the strongest in their middle where the example allows it. */
export function windowAround(activations: readonly number[], size: number): TokenWindow {
  const peak = peakOf(activations);
  const n = activations.length;
  if (n <= size) return { start: 0, stop: n, peak };
  const start = Math.max(0, Math.min(peak - size / 2, n - size));
  return { start, stop: start + size, peak };
}
