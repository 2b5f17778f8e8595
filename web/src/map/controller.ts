import type { LatentTable } from "../data/model";
import type { Theme } from "../state/useTheme";
import type { Camera } from "../state/viewState";
import {
  countOutside,
  type Frame,
  panBy,
  sameView,
  toMap,
  toScreen,
  wholeMap,
  zoomAt,
} from "./camera";
import { fitBounds } from "./fit";
import { listenToGestures } from "./gestures";
import { buildGrid, nearest, type PointGrid } from "./grid";
import type { Paint } from "./paint";
import { paintPicture } from "./picture";
import { labelOrder, type PlacedLabel, placeLabels } from "./regionLabels";
import { type Lines, MapScene, type Mark } from "./scene";

export interface Hover {
  readonly latent: number;
  /** Where the latent is drawn, in pixels of the map. */
  readonly x: number;
  readonly y: number;
}

export interface MapCallbacks {
  readonly onHover: (hover: Hover | null) => void;
  readonly onSelect: (latent: number) => void;
  /** The camera has come to rest; null = at everything. */
  readonly onCamera: (camera: Camera | null) => void;
  /** So many of the drawn latents lie outside of the window, once it has come to rest. */
  readonly onOutside: (count: number) => void;
  readonly onLabels: (labels: readonly PlacedLabel[], selected: number | null) => void;
}

const PICK_RADIUS = 9;
const SETTLE_MS = 220;
const KEY_PAN = 60;
const KEY_ZOOM = 1.35;

/** Owns camera, gestures and frames of one map. React tells it what to show, never how to move. */
export class MapController {
  private readonly scene: MapScene;
  private readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly callbacks: MapCallbacks;
  private readonly stopGestures: () => void;
  private readonly resizing: ResizeObserver;
  private grid: PointGrid = buildGrid(new Float32Array(0));
  private table: LatentTable | null = null;
  private order: Uint32Array = new Uint32Array(0);
  private paint: Paint | null = null;
  private camera: Camera = { x: 0.5, y: 0.5, zoom: 1 };
  private frame: Frame = {
    width: 1,
    height: 1,
    bounds: this.grid.bounds,
    extent: this.grid.bounds,
  };
  private placed: readonly PlacedLabel[] = [];
  private selected: number | null = null;
  private wanted = 0;
  private settling = 0;
  private counting = 0;

  constructor(
    element: HTMLElement,
    canvas: HTMLCanvasElement,
    nPoints: number,
    callbacks: MapCallbacks,
  ) {
    this.element = element;
    this.callbacks = callbacks;
    this.canvas = canvas;
    this.scene = new MapScene(canvas, nPoints);
    // A laptop that wakes may have lost its picture; the scene has just put its buffers back.
    canvas.addEventListener("webglcontextrestored", this.draw);
    this.stopGestures = listenToGestures(element, {
      pan: (dx, dy) => this.move(panBy(this.camera, this.frame, dx, dy)),
      zoom: (px, py, factor) => this.move(zoomAt(this.camera, this.frame, px, py, factor)),
      hover: (px, py) => this.hover(px, py),
      leave: () => this.callbacks.onHover(null),
      click: (px, py) => this.click(px, py),
    });
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(element);
    this.resize();
  }

  setPoints(xy: Float32Array, table: LatentTable): void {
    this.grid = buildGrid(xy);
    this.table = table;
    this.order = labelOrder(table);
    const bounds = fitBounds(xy, table.totalFirings);
    this.frame = { ...this.frame, bounds, extent: this.grid.bounds };
    this.scene.setPoints(xy);
    this.draw();
  }

  setPaint(paint: Paint): void {
    this.paint = paint;
    this.scene.setPaint(paint, this.frame.bounds);
    this.draw();
  }

  /** Rings and lines; `selected` gets its label before all others. */
  setMarks(marks: readonly Mark[], lines: Lines, selected: number | null): void {
    this.selected = selected;
    this.scene.setMarks(marks);
    this.scene.setLines(lines);
    this.draw();
  }

  setTheme(theme: Theme): void {
    this.scene.setTheme(theme);
    this.draw();
  }

  /** Look where an address says; null = at everything. */
  setCamera(camera: Camera | null): void {
    const next = camera ?? wholeMap(this.frame.bounds);
    // An address is rounded: coming back from there, the camera must not jump by half a pixel.
    if (sameView(next, this.camera, this.frame)) return;
    clearTimeout(this.settling);
    this.camera = next;
    this.draw();
  }

  reset(): void {
    this.move(wholeMap(this.frame.bounds));
  }

  zoomBy(factor: number): void {
    this.move(zoomAt(this.camera, this.frame, this.frame.width / 2, this.frame.height / 2, factor));
  }

  /** Bring a latent into view if it is outside. */
  reveal(latent: number): void {
    const [px, py] = this.place(latent);
    const inside = px > 24 && py > 24 && px < this.frame.width - 24 && py < this.frame.height - 24;
    const { xy } = this.grid;
    if (!inside) this.move({ ...this.camera, x: xy[2 * latent], y: xy[2 * latent + 1] });
  }

  /** Where a latent is drawn, in pixels of the map. */
  place(latent: number): [number, number] {
    const { xy } = this.grid;
    return toScreen(this.camera, this.frame, xy[2 * latent], xy[2 * latent + 1]);
  }

  /** Arrow keys pan, + and - zoom, Enter selects what is nearest to the centre. */
  key(key: string): boolean {
    const pan = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[
      key
    ];
    if (pan) this.move(panBy(this.camera, this.frame, pan[0] * KEY_PAN, pan[1] * KEY_PAN));
    else if (key === "+" || key === "=") this.zoomBy(KEY_ZOOM);
    else if (key === "-") this.zoomBy(1 / KEY_ZOOM);
    else if (key === "Enter") this.pickCentre();
    else return false;
    return true;
  }

  /** The picture as it stands, with its labels. */
  picture(done: (blob: Blob | null) => void): void {
    if (!this.table) return;
    // Drawn just before: WebGL forgets its picture once the browser has shown it.
    this.drawNow();
    paintPicture(this.canvas, this.placed, this.table).toBlob(done, "image/png");
  }

  dispose(): void {
    cancelAnimationFrame(this.wanted);
    clearTimeout(this.settling);
    clearTimeout(this.counting);
    this.resizing.disconnect();
    this.stopGestures();
    this.canvas.removeEventListener("webglcontextrestored", this.draw);
    this.scene.dispose();
  }

  private move(camera: Camera): void {
    this.camera = camera;
    this.callbacks.onHover(null);
    clearTimeout(this.settling);
    this.settling = window.setTimeout(() => {
      const whole = sameView(this.camera, wholeMap(this.frame.bounds), this.frame);
      this.callbacks.onCamera(whole ? null : this.camera);
    }, SETTLE_MS);
    this.draw();
  }

  private pick(px: number, py: number): number {
    const [x, y] = toMap(this.camera, this.frame, px, py);
    const [reach] = toMap(this.camera, this.frame, px + PICK_RADIUS, py);
    return nearest(this.grid, x, y, reach - x, this.paint?.hidden ?? null);
  }

  private hover(px: number, py: number): void {
    const latent = this.pick(px, py);
    this.element.classList.toggle("over-point", latent >= 0);
    const [x, y] = latent >= 0 ? this.place(latent) : [0, 0];
    this.callbacks.onHover(latent >= 0 ? { latent, x, y } : null);
  }

  private click(px: number, py: number): void {
    const latent = this.pick(px, py);
    if (latent >= 0) this.callbacks.onSelect(latent);
  }

  private pickCentre(): void {
    const { width, height, extent } = this.frame;
    const reach = Math.max(extent.maxX - extent.minX, extent.maxY - extent.minY);
    const [x, y] = toMap(this.camera, this.frame, width / 2, height / 2);
    const latent = nearest(this.grid, x, y, reach, this.paint?.hidden ?? null);
    if (latent >= 0) this.callbacks.onSelect(latent);
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width === 0 || height === 0) return;
    this.frame = { ...this.frame, width, height };
    this.scene.resize(width, height, Math.min(window.devicePixelRatio || 1, 2));
    // At once: a resized canvas is blank until it is drawn.
    this.drawNow();
  }

  private readonly draw = (): void => {
    if (this.wanted !== 0) return;
    this.wanted = requestAnimationFrame(() => this.drawNow());
  };

  private drawNow(): void {
    cancelAnimationFrame(this.wanted);
    this.wanted = 0;
    this.scene.render(this.camera, this.frame);
    clearTimeout(this.counting);
    this.counting = window.setTimeout(() => this.countOutside(), SETTLE_MS);
    if (!this.table || !this.paint) return;
    // For tests and scripts that take pictures: a frame with points is on the screen.
    this.element.dataset.drawn = "yes";
    const { xy } = this.grid;
    const { hidden } = this.paint;
    const first = this.selected === null ? [] : [this.selected];
    this.placed = placeLabels(first, this.order, this.table, xy, hidden, this.camera, this.frame);
    this.callbacks.onLabels(this.placed, this.selected);
  }

  private countOutside(): void {
    const order = this.paint?.order ?? [];
    this.callbacks.onOutside(countOutside(this.camera, this.frame, this.grid.xy, order));
  }
}
