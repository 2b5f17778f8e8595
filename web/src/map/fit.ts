import { type Bounds, boundsOf } from "./grid";

const MAX_LOOKED_AT = 50_000;
/** Share of the points that may lie outside on each side. */
const TAIL = 0.005;
const MARGIN = 0.04;

/**
 * The part of the map that "everything" means: a layout throws a few latents far out, and a frame
 * round those would shrink all others to a blot. Latents that never fire do not count; those outside
 * are reached by zooming out. An axis keeps its full extent where the tails add little to it.
 */
export function fitBounds(xy: Float32Array, totalFirings: Float64Array): Bounds {
  const full = boundsOf(xy);
  const ids = sampleFiring(totalFirings);
  if (ids.length < 20) return full;
  const [minX, maxX] = inner(
    ids.map((i) => xy[2 * i]),
    full.minX,
    full.maxX,
  );
  const [minY, maxY] = inner(
    ids.map((i) => xy[2 * i + 1]),
    full.minY,
    full.maxY,
  );
  return { minX, minY, maxX, maxY };
}

function sampleFiring(totalFirings: Float64Array): number[] {
  const step = Math.max(1, Math.ceil(totalFirings.length / MAX_LOOKED_AT));
  const ids: number[] = [];
  for (let i = 0; i < totalFirings.length; i += step) if (totalFirings[i] > 0) ids.push(i);
  return ids;
}

function inner(values: readonly number[], min: number, max: number): [number, number] {
  const sorted = Float64Array.from(values).sort();
  const tail = Math.floor(sorted.length * TAIL);
  const [low, high] = [sorted[tail], sorted[sorted.length - 1 - tail]];
  if (high - low > 0.8 * (max - min) || high === low) return [min, max];
  const margin = MARGIN * (high - low);
  return [Math.max(min, low - margin), Math.min(max, high + margin)];
}
