import { type Camera, MAX_ZOOM, MIN_ZOOM } from "../state/viewState";
import type { Bounds } from "./grid";

/** The map's window on the screen. y grows upwards on the map. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  /** What fills the window at zoom 1. */
  readonly bounds: Bounds;
  /** All points; the camera's centre stays within. */
  readonly extent: Bounds;
}

const MARGIN = 0.92;

/** Screen pixels per map unit. */
export function scaleOf(camera: Camera, frame: Frame): number {
  const { minX, maxX, minY, maxY } = frame.bounds;
  const fit = Math.min(frame.width / (maxX - minX || 1), frame.height / (maxY - minY || 1));
  return fit * MARGIN * camera.zoom;
}

export function wholeMap(bounds: Bounds): Camera {
  const { minX, maxX, minY, maxY } = bounds;
  return { x: (minX + maxX) / 2, y: (minY + maxY) / 2, zoom: 1 };
}

export function toScreen(camera: Camera, frame: Frame, x: number, y: number): [number, number] {
  const scale = scaleOf(camera, frame);
  return [frame.width / 2 + (x - camera.x) * scale, frame.height / 2 - (y - camera.y) * scale];
}

export function toMap(camera: Camera, frame: Frame, px: number, py: number): [number, number] {
  const scale = scaleOf(camera, frame);
  return [camera.x + (px - frame.width / 2) / scale, camera.y - (py - frame.height / 2) / scale];
}

/** Magnify by `factor`, keeping the map point under (px, py) where it is. */
export function zoomAt(
  camera: Camera,
  frame: Frame,
  px: number,
  py: number,
  factor: number,
): Camera {
  const zoom = Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, camera.zoom * factor));
  const [x, y] = toMap(camera, frame, px, py);
  const ratio = camera.zoom / zoom;
  return { x: x + (camera.x - x) * ratio, y: y + (camera.y - y) * ratio, zoom };
}

/** Move the picture by (dx, dy) pixels; the centre stays within the points' extent. */
export function panBy(camera: Camera, frame: Frame, dx: number, dy: number): Camera {
  const scale = scaleOf(camera, frame);
  const { minX, maxX, minY, maxY } = frame.extent;
  return {
    x: Math.min(maxX, Math.max(minX, camera.x - dx / scale)),
    y: Math.min(maxY, Math.max(minY, camera.y + dy / scale)),
    zoom: camera.zoom,
  };
}

/** Pixels across a point: smaller the more there are, growing slowly with zoom and window. */
export function pointSize(n: number, zoom: number, frame: Frame): number {
  const base = Math.min(6, Math.max(1.6, 300 / Math.sqrt(Math.max(n, 1))));
  const room = Math.max(1, Math.min(frame.width, frame.height) / 800);
  return Math.min(16, base * zoom ** 0.3 * Math.sqrt(room));
}

/** Whether two cameras show the same to the eye: within a pixel and a percent. */
export function sameView(a: Camera, b: Camera, frame: Frame): boolean {
  const pixel = 1 / scaleOf(a, frame);
  const zoom = Math.abs(a.zoom / b.zoom - 1);
  return Math.abs(a.x - b.x) < pixel && Math.abs(a.y - b.y) < pixel && zoom < 0.01;
}

/** How many of the points `ids` lie outside of the window. */
export function countOutside(
  camera: Camera,
  frame: Frame,
  xy: Float32Array,
  ids: Iterable<number>,
): number {
  const scale = scaleOf(camera, frame);
  const [halfWidth, halfHeight] = [frame.width / 2 / scale, frame.height / 2 / scale];
  let count = 0;
  for (const i of ids) {
    const dx = Math.abs(xy[2 * i] - camera.x);
    const dy = Math.abs(xy[2 * i + 1] - camera.y);
    if (dx > halfWidth || dy > halfHeight) count += 1;
  }
  return count;
}
