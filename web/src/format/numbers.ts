/** Numbers as the pages print them. */

const COUNT = new Intl.NumberFormat("en-US");
const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export function formatCount(value: number): string {
  return COUNT.format(value);
}

export function formatCompact(value: number): string {
  return COMPACT.format(value);
}

/** Two decimals where that says enough, three significant digits below 0.1. */
export function formatActivation(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return COUNT.format(Math.round(value));
  return size >= 0.1 ? value.toFixed(2) : value.toPrecision(3);
}

/** A count of shared tokens whole, a similarity to three decimals. */
export function formatWeight(value: number): string {
  return Number.isInteger(value) && value > 1 ? COUNT.format(value) : value.toFixed(3);
}

/** A share of tokens as a percentage: 2 significant digits, never a false zero. */
export function formatShare(share: number): string {
  if (share === 0) return "0 %";
  const percent = share * 100;
  if (percent >= 10) return `${percent.toFixed(0)} %`;
  if (percent >= 1e-6) return `${Number(percent.toPrecision(2))} %`;
  return `${percent.toExponential(1)} %`;
}

/** "1 in 8,300 tokens": what a firing rate means. */
export function formatOneIn(share: number): string {
  const every = 1 / share;
  const rounded = every >= 100 ? Number(every.toPrecision(2)) : Math.round(every * 10) / 10;
  return `1 in ${COUNT.format(rounded)} tokens`;
}
