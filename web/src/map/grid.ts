/**
 * A uniform grid over the points of the map, for picking: about four points a cell, so a pick looks
 * at tens of points of a million.
 */
export interface PointGrid {
  readonly xy: Float32Array;
  readonly bounds: Bounds;
  readonly side: number;
  /** Points of cell c: items[starts[c]] .. items[starts[c + 1]]. */
  readonly starts: Uint32Array;
  readonly items: Uint32Array;
}

export interface Bounds {
  readonly minX: number;
  readonly minY: number;
  readonly maxX: number;
  readonly maxY: number;
}

const POINTS_PER_CELL = 4;

export function boundsOf(xy: Float32Array): Bounds {
  let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < xy.length; i += 2) {
    if (xy[i] < minX) minX = xy[i];
    if (xy[i] > maxX) maxX = xy[i];
    if (xy[i + 1] < minY) minY = xy[i + 1];
    if (xy[i + 1] > maxY) maxY = xy[i + 1];
  }
  if (minX > maxX) return { minX: 0, minY: 0, maxX: 1, maxY: 1 };
  return { minX, minY, maxX, maxY };
}

export function buildGrid(xy: Float32Array): PointGrid {
  const n = xy.length / 2;
  const bounds = boundsOf(xy);
  const side = Math.max(1, Math.min(2048, Math.ceil(Math.sqrt(n / POINTS_PER_CELL))));
  const cells = new Uint32Array(n);
  const starts = new Uint32Array(side * side + 1);
  for (let i = 0; i < n; i += 1) {
    const column = cellIndex(xy[2 * i], bounds.minX, bounds.maxX, side);
    const row = cellIndex(xy[2 * i + 1], bounds.minY, bounds.maxY, side);
    cells[i] = row * side + column;
    starts[cells[i] + 1] += 1;
  }
  for (let c = 1; c < starts.length; c += 1) starts[c] += starts[c - 1];
  const next = starts.slice(0, -1);
  const items = new Uint32Array(n);
  for (let i = 0; i < n; i += 1) {
    items[next[cells[i]]] = i;
    next[cells[i]] += 1;
  }
  return { xy, bounds, side, starts, items };
}

/** The visible point nearest to (x, y) within `radius`, or -1. Of equals, the lowest id. */
export function nearest(
  grid: PointGrid,
  x: number,
  y: number,
  radius: number,
  hidden: Uint8Array | null = null,
): number {
  const { xy, bounds, side, starts, items } = grid;
  const left = cellIndex(x - radius, bounds.minX, bounds.maxX, side);
  const right = cellIndex(x + radius, bounds.minX, bounds.maxX, side);
  const bottom = cellIndex(y - radius, bounds.minY, bounds.maxY, side);
  const top = cellIndex(y + radius, bounds.minY, bounds.maxY, side);
  let best = -1;
  let bestSquare = radius * radius;
  for (let row = bottom; row <= top; row += 1) {
    const end = starts[row * side + right + 1];
    for (let slot = starts[row * side + left]; slot < end; slot += 1) {
      const i = items[slot];
      const square = (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2;
      if (square > bestSquare || hidden?.[i]) continue;
      if (square === bestSquare && best >= 0 && i > best) continue;
      best = i;
      bestSquare = square;
    }
  }
  return best;
}

function cellIndex(value: number, min: number, max: number, side: number): number {
  const cell = Math.floor(((value - min) / (max - min || 1)) * side);
  return Math.max(0, Math.min(side - 1, cell));
}
