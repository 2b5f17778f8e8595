import { describe, expect, test } from "vitest";
import type { LatentTable } from "../data/model";
import { panBy, sameView, toMap, toScreen, wholeMap, zoomAt } from "./camera";
import { fitBounds } from "./fit";
import { boundsOf, buildGrid, nearest } from "./grid";
import { labelText } from "./labelLayer";
import { commonLabels, firingRange, paintLatents, rateFraction } from "./paint";
import { labelOrder, placeLabels } from "./regionLabels";

/** A seeded sequence in [0, 1). */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function randomPoints(n: number): Float32Array {
  const random = sequence(1);
  return Float32Array.from({ length: 2 * n }, random);
}

function slowNearest(xy: Float32Array, x: number, y: number, radius: number): number {
  let [best, bestSquare] = [-1, radius * radius];
  for (let i = 0; i < xy.length / 2; i += 1) {
    const square = (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2;
    if (square < bestSquare || (square === bestSquare && best < 0))
      [best, bestSquare] = [i, square];
  }
  return best;
}

describe("picking", () => {
  test("equals the search through all points", () => {
    const xy = randomPoints(3000);
    const grid = buildGrid(xy);
    const random = sequence(9);
    for (let k = 0; k < 500; k += 1) {
      const [x, y, radius] = [random() * 1.2 - 0.1, random() * 1.2 - 0.1, random() * 0.05];
      expect(nearest(grid, x, y, radius)).toBe(slowNearest(xy, x, y, radius));
    }
  });

  test("passes over hidden points", () => {
    const grid = buildGrid(Float32Array.of(0, 0, 1, 1));
    expect(nearest(grid, 0, 0, 2)).toBe(0);
    expect(nearest(grid, 0, 0, 2, Uint8Array.of(1, 0))).toBe(1);
  });

  test("copes with no points, one point and equal points", () => {
    expect(nearest(buildGrid(new Float32Array(0)), 0, 0, 1)).toBe(-1);
    expect(nearest(buildGrid(Float32Array.of(3, 3)), 3, 3, 0.1)).toBe(0);
    expect(nearest(buildGrid(Float32Array.of(1, 1, 1, 1)), 1, 1, 0.1)).toBe(0);
  });

  test("262,144 points are ready within a second and picked within a millisecond", () => {
    const xy = randomPoints(262_144);
    const before = performance.now();
    const grid = buildGrid(xy);
    const built = performance.now();
    const random = sequence(3);
    for (let k = 0; k < 1000; k += 1) {
      const i = Math.floor(random() * 262_144);
      expect(nearest(grid, xy[2 * i], xy[2 * i + 1], 0.01)).toBeGreaterThanOrEqual(0);
    }
    expect(built - before).toBeLessThan(1000);
    expect((performance.now() - built) / 1000).toBeLessThan(1);
  });
});

describe("the camera", () => {
  const bounds = { minX: 0, minY: 0, maxX: 1, maxY: 1 };
  const frame = { width: 800, height: 600, bounds, extent: bounds };
  const camera = { x: 0.4, y: 0.6, zoom: 3 };

  test("screen and map are inverse", () => {
    const [px, py] = toScreen(camera, frame, 0.45, 0.55);
    const [x, y] = toMap(camera, frame, px, py);
    expect([x, y]).toEqual([expect.closeTo(0.45), expect.closeTo(0.55)]);
  });

  test("up on the map is up on the screen", () => {
    expect(toScreen(camera, frame, 0, 0.9)[1]).toBeLessThan(toScreen(camera, frame, 0, 0.1)[1]);
  });

  test("zooming keeps the point under the pointer", () => {
    const before = toMap(camera, frame, 700, 80);
    const after = toMap(zoomAt(camera, frame, 700, 80, 2.5), frame, 700, 80);
    expect(after).toEqual([expect.closeTo(before[0]), expect.closeTo(before[1])]);
  });

  test("zooming ends at its limits without moving", () => {
    const deep = { ...camera, zoom: 2000 };
    expect(zoomAt(deep, frame, 10, 10, 4)).toEqual(deep);
  });

  test("dragging moves with the pointer and never loses the points", () => {
    const [px] = toScreen(camera, frame, 0.4, 0.6);
    expect(toScreen(panBy(camera, frame, 50, 0), frame, 0.4, 0.6)[0]).toBeCloseTo(px + 50);
    expect(panBy(camera, frame, 1e6, 1e6)).toMatchObject({ x: 0, y: 1 });
  });

  test("a rounded address is the same view, another one is not", () => {
    const whole = wholeMap(frame.bounds);
    expect(sameView(whole, { ...whole, x: 0.5004 }, frame)).toBe(true);
    expect(sameView(whole, { ...whole, x: 0.51 }, frame)).toBe(false);
    expect(sameView(whole, { ...whole, zoom: 1.1 }, frame)).toBe(false);
  });
});

const table: LatentTable = {
  nLatents: 5,
  nTokens: 1000,
  labels: ["a", "b", "a", null, "c"],
  totalFirings: Float64Array.of(1, 10, 100, 0, 10),
};

describe("painting", () => {
  const options = { colour: "rate", only: [], silent: "faint", theme: "light" } as const;

  test("silent latents lie at the bottom", () => {
    expect(paintLatents(table, options).order[0]).toBe(3);
  });

  test("hidden latents are neither drawn nor picked", () => {
    const { order, hidden } = paintLatents(table, { ...options, silent: "hidden" });
    expect(Array.from(order)).toEqual([0, 1, 2, 4]);
    expect(hidden[3]).toBe(1);
  });

  test("a narrowed legend leaves only its labels", () => {
    const { order } = paintLatents(table, { ...options, colour: "label", only: ["a"] });
    expect(Array.from(order).sort()).toEqual([0, 2]);
  });

  test("equal labels have equal colours, other labels others", () => {
    const { rgba } = paintLatents(table, { ...options, colour: "label" });
    expect(rgba.slice(0, 4)).toEqual(rgba.slice(8, 12));
    expect(rgba.slice(0, 4)).not.toEqual(rgba.slice(4, 8));
  });

  test("a latent without a label has not the colour of the empty label", () => {
    const labels = ["", "", "", null, null];
    const { rgba } = paintLatents({ ...table, labels }, { ...options, colour: "label" });
    expect(rgba.slice(0, 4)).not.toEqual(rgba.slice(16, 20));
  });

  test("the rate scale is logarithmic", () => {
    const range = firingRange(table);
    expect(range).toEqual({ min: 1, max: 100 });
    expect(rateFraction(10, { min: 1, max: 100 })).toBeCloseTo(0.5);
    expect(rateFraction(7, { min: 7, max: 7 })).toBe(1);
  });

  test("common labels count latents that fire", () => {
    expect(commonLabels(table, 2)).toEqual([
      { label: "a", count: 2 },
      { label: "b", count: 1 },
    ]);
  });
});

test("the whole map leaves a few stray latents outside, and never a large part", () => {
  const random = sequence(5);
  const n = 2000;
  const xy = Float32Array.from({ length: 2 * n }, () => 0.4 + 0.2 * random());
  const firings = new Float64Array(n).fill(1);
  xy.set([0, 0, 1, 1], 0);
  // A silent latent far out does not count at all.
  xy.set([5, 5], 20);
  firings[10] = 0;
  const { minX, maxX, minY, maxY } = fitBounds(xy, firings);
  for (const low of [minX, minY]) expect(low).toBeGreaterThan(0.35);
  for (const high of [maxX, maxY]) expect(high).toBeLessThan(0.65);
  const even = Float32Array.from({ length: 2 * n }, random);
  expect(fitBounds(even, firings)).toEqual(boundsOf(even));
});

test("labels come by firings, of equals the lower id first, silent and blank ones never", () => {
  expect(Array.from(labelOrder(table))).toEqual([2, 1, 4, 0]);
  const blank = { ...table, labels: ["a", " ", "a", null, "\n"] };
  expect(Array.from(labelOrder(blank))).toEqual([2, 0]);
});

test("a name on the map is the label without its space, else the mark or the id", () => {
  const named = { ...table, labels: [" Monday", "\n", " ", null, "\u202ex"] };
  expect([0, 1, 2, 3, 4].map((id) => labelText(named, id))).toEqual([
    "Monday",
    "\u23ce",
    "\u2423",
    "latent 3",
    "[RLO]x",
  ]);
});

test("below the map's tools only the selection is named", () => {
  const bounds = { minX: 0, minY: 0, maxX: 1, maxY: 1 };
  const frame = { width: 800, height: 800, bounds, extent: bounds };
  const xy = Float32Array.of(0.5, 1, 0.2, 0.97, 0.8, 0.5, 0.9, 0.9, 0.1, 0.1);
  const place = (first: number[]) =>
    placeLabels(first, labelOrder(table), table, xy, null, wholeMap(bounds), frame).map(
      ({ id }) => id,
    );
  expect(place([])).toEqual([2, 4]);
  expect(place([1])).toEqual([1, 2, 4]);
});

test("region labels never overlap, and the most frequent latent speaks", () => {
  const bounds = { minX: 0, minY: 0, maxX: 1, maxY: 1 };
  const frame = { width: 800, height: 800, bounds, extent: bounds };
  const xy = Float32Array.of(0.5, 0.5, 0.5, 0.5, 0.2, 0.2, 0.9, 0.9, 0.8, 0.2);
  const place = (first: number[]) =>
    placeLabels(first, labelOrder(table), table, xy, null, wholeMap(bounds), frame).map(
      ({ id }) => id,
    );
  // Latent 2 ("a") comes first, so latent 0 has no text left; 1 ("b") lies alone at the centre.
  expect(place([])).toEqual([2, 1, 4]);
  // The selection speaks before all.
  expect(place([0])).toEqual([0, 4]);
});
