import {
  BufferAttribute,
  BufferGeometry,
  Color,
  DataTexture,
  LinearFilter,
  LineSegments,
  Mesh,
  Points,
  type RawShaderMaterial,
  RedFormat,
  Scene,
  SRGBColorSpace,
  Camera as ThreeCamera,
  Vector2,
  Vector3,
  WebGLRenderer,
} from "three";
import type { Theme } from "../state/useTheme";
import type { Camera } from "../state/viewState";
import { type Frame, pointSize, scaleOf } from "./camera";
import { DENSITY_SIDE, densityField } from "./density";
import type { Bounds } from "./grid";
import { densityMaterial, lineMaterial, pointMaterial, ringMaterial } from "./materials";
import type { Paint } from "./paint";
import { ACCENT, BACKDROP, type Rgb } from "./palette";

/** A ring round one latent. */
export interface Mark {
  readonly latent: number;
  readonly colour: Rgb;
  readonly diameter: number;
  readonly filled: boolean;
}

/** Lines between latents: pairs of ids. */
export type Lines = readonly (readonly [number, number])[];

const MAX_SMOOTH = 20_000;

const unit = ([r, g, b]: Rgb) => new Vector3(r / 255, g / 255, b / 255);

/**
 * What is drawn, in one WebGL context: density, points (one buffer), lines and rings.
 * Setters upload buffers once; a frame only sets uniforms.
 */
export class MapScene {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  // The shaders do the projection; three.js only wants some camera.
  private readonly eye = new ThreeCamera();
  private readonly centre = { value: new Vector2() };
  private readonly scale = { value: new Vector2() };
  private readonly ratio = { value: 1 };
  private readonly points: Points<BufferGeometry, RawShaderMaterial>;
  private readonly rings: Points<BufferGeometry, RawShaderMaterial>;
  private readonly lines: LineSegments<BufferGeometry, RawShaderMaterial>;
  private readonly density: Mesh<BufferGeometry, RawShaderMaterial>;
  private xy = new Float32Array(0);

  constructor(canvas: HTMLCanvasElement, nPoints: number) {
    // Multisampling smooths only the lines (points smooth themselves), and on software WebGL it
    // makes a frame of 262,144 points three times slower.
    const antialias = nPoints <= MAX_SMOOTH;
    this.renderer = new WebGLRenderer({ canvas, antialias, alpha: false });
    const camera = { centre: this.centre, scale: this.scale };
    const geometry = () => new BufferGeometry();
    this.density = new Mesh(geometry(), densityMaterial(camera));
    this.points = new Points(geometry(), pointMaterial(camera));
    this.lines = new LineSegments(geometry(), lineMaterial(camera));
    this.rings = new Points(geometry(), ringMaterial({ ...camera, ratio: this.ratio }));
    [this.density, this.points, this.lines, this.rings].forEach((object, i) => {
      object.frustumCulled = false;
      object.renderOrder = i;
      this.scene.add(object);
    });
  }

  setTheme(theme: Theme): void {
    this.scene.background = new Color().setRGB(...tuple(unit(BACKDROP[theme])), SRGBColorSpace);
    this.density.material.uniforms.tint.value = unit(
      theme === "dark" ? [96, 140, 190] : [70, 110, 150],
    );
    this.lines.material.uniforms.tint.value = unit(ACCENT[theme]);
    this.rings.material.uniforms.halo.value = unit(BACKDROP[theme]);
  }

  setPoints(xy: Float32Array): void {
    this.xy = new Float32Array(xy);
    this.points.geometry.setAttribute("place", new BufferAttribute(this.xy, 2));
  }

  setPaint(paint: Paint, bounds: Bounds): void {
    const geometry = this.points.geometry;
    geometry.setAttribute("paint", new BufferAttribute(paint.rgba, 4, true));
    geometry.setIndex(new BufferAttribute(paint.order, 1));
    this.setDensity(densityField(this.xy, paint.order.subarray(paint.nSilent), bounds), bounds);
  }

  setMarks(marks: readonly Mark[]): void {
    const place = new Float32Array(marks.length * 2);
    const colour = new Float32Array(marks.length * 3);
    const ring = new Float32Array(marks.length * 2);
    marks.forEach((mark, i) => {
      place.set([this.xy[2 * mark.latent], this.xy[2 * mark.latent + 1]], 2 * i);
      colour.set(tuple(unit(mark.colour)), 3 * i);
      ring.set([mark.diameter, mark.filled ? 1 : 0], 2 * i);
    });
    replaceGeometry(this.rings, { place: [place, 2], paint: [colour, 3], ring: [ring, 2] });
  }

  setLines(lines: Lines): void {
    const place = new Float32Array(lines.length * 4);
    lines.forEach(([a, b], i) => {
      place.set([this.xy[2 * a], this.xy[2 * a + 1], this.xy[2 * b], this.xy[2 * b + 1]], 4 * i);
    });
    replaceGeometry(this.lines, { place: [place, 2] });
  }

  /** Match the canvas to its element. */
  resize(width: number, height: number, ratio: number): void {
    this.ratio.value = ratio;
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
  }

  render(camera: Camera, frame: Frame): void {
    const scale = scaleOf(camera, frame);
    this.centre.value.set(camera.x, camera.y);
    this.scale.value.set((2 * scale) / frame.width, (2 * scale) / frame.height);
    const n = this.points.geometry.index?.count ?? 0;
    const uniforms = this.points.material.uniforms;
    uniforms.size.value = pointSize(n, camera.zoom, frame) * this.ratio.value;
    // Zoomed out, points overlap: translucent ones add up to the density.
    uniforms.opacity.value = Math.min(1, (n > 20_000 ? 0.62 : 0.9) * camera.zoom ** 0.25);
    this.density.material.uniforms.opacity.value = 0.26 / Math.max(1, camera.zoom ** 0.8);
    this.density.visible = camera.zoom < 12;
    this.renderer.render(this.scene, this.eye);
  }

  dispose(): void {
    for (const object of [this.density, this.points, this.lines, this.rings]) {
      object.geometry.dispose();
      object.material.dispose();
    }
    this.renderer.dispose();
  }

  private setDensity(field: Uint8Array, bounds: Bounds): void {
    const texture = new DataTexture(new Uint8Array(field), DENSITY_SIDE, DENSITY_SIDE, RedFormat);
    texture.magFilter = LinearFilter;
    texture.minFilter = LinearFilter;
    texture.needsUpdate = true;
    this.density.material.uniforms.field.value?.dispose();
    this.density.material.uniforms.field.value = texture;
    // The field reaches a sixth of the extent beyond the points on each side.
    const dx = (bounds.maxX - bounds.minX || 1) / 6;
    const dy = (bounds.maxY - bounds.minY || 1) / 6;
    const [left, right] = [bounds.minX - dx, bounds.minX + 7 * dx];
    const [bottom, top] = [bounds.minY - dy, bounds.minY + 7 * dy];
    const place = new Float32Array([
      left,
      bottom,
      right,
      bottom,
      right,
      top,
      left,
      bottom,
      right,
      top,
      left,
      top,
    ]);
    const corner = new Float32Array([0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1]);
    replaceGeometry(this.density, { place: [place, 2], corner: [corner, 2] });
  }
}

function tuple(vector: Vector3): [number, number, number] {
  return [vector.x, vector.y, vector.z];
}

/** New buffers of a new length: the old ones are freed. */
function replaceGeometry(
  object: { geometry: BufferGeometry; visible: boolean },
  attributes: Readonly<Record<string, readonly [Float32Array, number]>>,
): void {
  object.geometry.dispose();
  const geometry = new BufferGeometry();
  for (const [name, [values, size]] of Object.entries(attributes)) {
    geometry.setAttribute(name, new BufferAttribute(values, size));
    // three.js takes the number of vertices from an attribute of this name, or from the range.
    geometry.setDrawRange(0, values.length / size);
  }
  object.geometry = geometry;
  object.visible = geometry.drawRange.count > 0;
}
