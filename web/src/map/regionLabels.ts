import type { LatentTable } from "../data/model";
import type { Camera } from "../state/viewState";
import { type Frame, scaleOf } from "./camera";

export interface PlacedLabel {
  readonly id: number;
  readonly x: number;
  readonly y: number;
}

const CELL_WIDTH = 104;
const CELL_HEIGHT = 44;
const MAX_LABELS = 48;
const MAX_LOOKED_AT = 30_000;
const EDGE = 40;

/** Latents with a label, most firings first: the order in which they may name their region. */
export function labelOrder(table: LatentTable): Uint32Array {
  const ids: number[] = [];
  for (let i = 0; i < table.nLatents; i += 1) {
    if (table.totalFirings[i] > 0 && table.labels[i]?.trim()) ids.push(i);
  }
  ids.sort((a, b) => table.totalFirings[b] - table.totalFirings[a] || a - b);
  return Uint32Array.from(ids.slice(0, 200_000));
}

/** At most one label per screen cell and per text: its most frequent latent names a region. */
export function placeLabels(
  order: Uint32Array,
  table: LatentTable,
  xy: Float32Array,
  hidden: Uint8Array | null,
  camera: Camera,
  frame: Frame,
): readonly PlacedLabel[] {
  const scale = scaleOf(camera, frame);
  const columns = Math.ceil(frame.width / CELL_WIDTH);
  const taken = new Set<number>();
  const texts = new Set<string>();
  const placed: PlacedLabel[] = [];
  let lookedAt = 0;
  for (const id of order) {
    const x = frame.width / 2 + (xy[2 * id] - camera.x) * scale;
    const y = frame.height / 2 - (xy[2 * id + 1] - camera.y) * scale;
    if (x < EDGE || y < EDGE || x > frame.width - EDGE || y > frame.height - EDGE) continue;
    lookedAt += 1;
    if (lookedAt > MAX_LOOKED_AT || placed.length >= MAX_LABELS) break;
    const text = table.labels[id] ?? "";
    const cell = Math.floor(y / CELL_HEIGHT) * columns + Math.floor(x / CELL_WIDTH);
    if (hidden?.[id] || texts.has(text) || nearTaken(taken, cell, columns)) continue;
    taken.add(cell);
    texts.add(text);
    placed.push({ id, x, y });
  }
  return placed;
}

/** The cell or its left or right neighbour has a label already: texts are wider than high. */
function nearTaken(taken: ReadonlySet<number>, cell: number, columns: number): boolean {
  const column = cell % columns;
  return (
    taken.has(cell) ||
    (column > 0 && taken.has(cell - 1)) ||
    (column < columns - 1 && taken.has(cell + 1))
  );
}
