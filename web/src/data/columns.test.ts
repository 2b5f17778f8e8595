import { describe, expect, test } from "vitest";
import { neighboursOf, parseEdges } from "./adjacency";
import { readFloat32 } from "./binaryBody";
import {
  checkFinite,
  parseExperiment,
  parseLatentColumns,
  parseLatentIndex,
  parsePositions,
} from "./columns";
import { strongest } from "./dataSource";

describe("columns", () => {
  test("positions become one buffer", () => {
    const xy = parsePositions("p", {
      positions: [
        [0, 1],
        [0.25, 0.5],
      ],
    });
    expect(Array.from(xy)).toEqual([0, 1, 0.25, 0.5]);
  });

  test.each([[[[0, null]]], [[[0]]], [[[0, "1"]]], [{}]])(
    "positions %j are refused",
    (positions) => {
      expect(() => parsePositions("p", { positions })).toThrow(/positions/);
    },
  );

  test("a position that is not finite is refused, with its latent", () => {
    expect(() => checkFinite("p", Float32Array.of(0, 0, 0, Number.NaN))).toThrow(/latent 1/);
  });

  test("the index of an export may leave out latents", () => {
    const table = parseLatentIndex("i", {
      n_latents: 3,
      latents: { "1": { label: "x", total_firings: 5, n_examples: 1 } },
    });
    expect(table.labels).toEqual([null, "x", null]);
    expect(Array.from(table.totalFirings)).toEqual([0, 5, 0]);
    expect(table.nTokens).toBeNull();
  });

  test("an id outside of the experiment is refused", () => {
    const index = { n_latents: 2, latents: { "2": { label: "x", total_firings: 5 } } };
    expect(() => parseLatentIndex("i", index)).toThrow(/id "2", outside 0 to 1/);
  });

  test("columns of different lengths are refused", () => {
    const body = {
      n_latents: 2,
      num_tokens: 9,
      labels: ["a", null],
      total_firings: [1],
    };
    expect(() => parseLatentColumns("c", body)).toThrow(/total_firings has 1 entries for 2/);
    const unknown = { ...body, total_firings: [1, null] };
    expect(() => parseLatentColumns("c", unknown)).toThrow(/total_firings\[1\] should be/);
  });

  test("an experiment names only the layouts this app knows", () => {
    const read = parseExperiment("e", "x", {
      id: "a",
      layouts: ["coactivation", "future"],
      edges: ["jaccard"],
    });
    expect(read.layouts).toEqual(["coactivation"]);
    expect(read.edges).toEqual(["jaccard"]);
    expect(read.layer).toBeNull();
  });
});

describe("edges of an export", () => {
  const json = {
    edges: [
      { source: 0, target: 1, weight: 0.5 },
      { source: 2, target: 0, weight: 0.9 },
      { source: 0, target: 2, weight: 0.9 },
    ],
    source_file: "data/graph/jaccard_similarity.npz",
  };

  test("each latent sees its edges, strongest first, each once", () => {
    const edges = parseEdges("e", json, 4);
    expect(strongest(neighboursOf(edges, 0))).toEqual([
      { id: 2, weight: expect.closeTo(0.9) },
      { id: 1, weight: 0.5 },
    ]);
    expect(neighboursOf(edges, 1)).toEqual([{ id: 0, weight: 0.5 }]);
    expect(neighboursOf(edges, 3)).toEqual([]);
    expect(edges.measure).toBe("jaccard_similarity.npz");
  });

  test("an edge to no latent is refused", () => {
    expect(() => parseEdges("e", json, 2)).toThrow(/outside 0 to 1/);
  });
});

describe("the binary body", () => {
  function body(header: object, values: number[], cut = 0): ArrayBuffer {
    const text = JSON.stringify(header);
    const length = Math.ceil((8 + text.length) / 8) * 8 - 8;
    const bytes = new Uint8Array(8 + length + values.length * 4 - cut);
    bytes.set(new TextEncoder().encode("FMI1"));
    new DataView(bytes.buffer).setUint32(4, length, true);
    bytes.set(new TextEncoder().encode(text.padEnd(length)), 8);
    const data = new Uint8Array(Float32Array.from(values).buffer);
    bytes.set(data.subarray(0, data.length - cut), 8 + length);
    return bytes.buffer;
  }
  const header = { arrays: [{ name: "positions", dtype: "<f4", shape: [2, 2], offset: 0 }] };

  test("an array is read without a copy", () => {
    const bytes = body(header, [1, 2, 3, 4]);
    const { values, shape } = readFloat32("b", bytes, "positions");
    expect(Array.from(values)).toEqual([1, 2, 3, 4]);
    expect(values.buffer).toBe(bytes);
    expect(shape).toEqual([2, 2]);
  });

  test("a body cut short, of another type or of another kind is refused", () => {
    expect(() => readFloat32("b", body(header, [1, 2, 3, 4], 4), "positions")).toThrow(/cut short/);
    expect(() => readFloat32("b", body(header, [1, 2, 3, 4]), "weights")).toThrow(/no array/);
    const other = { arrays: [{ ...header.arrays[0], dtype: "<f8" }] };
    expect(() => readFloat32("b", body(other, [1, 2, 3, 4]), "positions")).toThrow(/<f8/);
    expect(() => readFloat32("b", new ArrayBuffer(4), "positions")).toThrow(/FMI1/);
  });
});
