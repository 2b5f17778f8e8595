import type { Bounds } from "./grid";

export const DENSITY_SIDE = 256;

/** How many firing points lie around each of 256 x 256 places, smoothed, 0 to 255 (square root). */
export function densityField(xy: Float32Array, points: Uint32Array, bounds: Bounds): Uint8Array {
  const side = DENSITY_SIDE;
  let field = new Float32Array(side * side);
  const width = bounds.maxX - bounds.minX || 1;
  const height = bounds.maxY - bounds.minY || 1;
  for (const i of points) {
    // A margin of an eighth keeps the smoothing from ending at the border.
    const column = Math.floor((0.125 + (0.75 * (xy[2 * i] - bounds.minX)) / width) * side);
    const row = Math.floor((0.125 + (0.75 * (xy[2 * i + 1] - bounds.minY)) / height) * side);
    if (column >= 0 && row >= 0 && column < side && row < side) field[row * side + column] += 1;
  }
  // Three box blurs come close to a Gaussian.
  for (let pass = 0; pass < 3; pass += 1) field = blur(blur(field, side, 1), side, side);
  let max = 0;
  for (const value of field) if (value > max) max = value;
  return Uint8Array.from(field, (value) => Math.round(255 * Math.sqrt(value / (max || 1))));
}

/** Box blur of radius 2 along one direction (step 1 = rows, step = side: columns). */
function blur(field: Float32Array, side: number, step: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(field.length);
  const radius = 2;
  const across = step === 1 ? side : 1;
  for (let line = 0; line < side; line += 1) {
    const start = line * across;
    let sum = 0;
    for (let k = -radius; k < side; k += 1) {
      if (k + radius < side) sum += field[start + (k + radius) * step];
      if (k - radius - 1 >= 0) sum -= field[start + (k - radius - 1) * step];
      if (k >= 0) out[start + k * step] = Math.max(0, sum) / (2 * radius + 1);
    }
  }
  return out;
}
