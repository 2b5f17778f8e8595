import { asArray, asNumber, asRecord, asString, DataError, optional } from "./guards";
import type { Neighbour } from "./model";

/** The edges of an export, by latent: those of latent i are at offsets[i] .. offsets[i + 1]. */
export interface Adjacency {
  readonly measure: string | null;
  readonly offsets: Uint32Array;
  readonly ids: Uint32Array;
  readonly weights: Float32Array;
}

/** Read `edges.json`; each undirected edge is listed once. */
export function parseEdges(file: string, json: unknown, nLatents: number): Adjacency {
  const body = asRecord(file, "The file", json);
  const rows = asArray(file, "edges", body.edges);
  const ends = new Uint32Array(rows.length * 2);
  const weights = new Float32Array(rows.length);
  const degree = new Uint32Array(nLatents + 1);
  rows.forEach((row, i) => {
    const edge = asRecord(file, `edges[${i}]`, row);
    ends[2 * i] = endpoint(file, `edges[${i}].source`, edge.source, nLatents);
    ends[2 * i + 1] = endpoint(file, `edges[${i}].target`, edge.target, nLatents);
    weights[i] = asNumber(file, `edges[${i}].weight`, edge.weight);
    degree[ends[2 * i]] += 1;
    degree[ends[2 * i + 1]] += 1;
  });
  const measure = optional(body.source_file, (v) => asString(file, "source_file", v));
  return { measure: measure?.split("/").at(-1) ?? null, ...scatter(ends, weights, degree) };
}

function endpoint(file: string, place: string, value: unknown, nLatents: number): number {
  const id = asNumber(file, place, value);
  if (!Number.isInteger(id) || id < 0 || id >= nLatents) {
    throw new DataError(file, `${place} is ${id}, outside 0 to ${nLatents - 1}.`);
  }
  return id;
}

function scatter(ends: Uint32Array, edgeWeights: Float32Array, degree: Uint32Array) {
  const offsets = new Uint32Array(degree.length);
  for (let i = 1; i < offsets.length; i += 1) offsets[i] = offsets[i - 1] + degree[i - 1];
  const next = offsets.slice();
  const ids = new Uint32Array(ends.length);
  const weights = new Float32Array(ends.length);
  for (let i = 0; i < ends.length; i += 1) {
    const slot = next[ends[i]];
    next[ends[i]] += 1;
    ids[slot] = ends[i ^ 1];
    weights[slot] = edgeWeights[i >> 1];
  }
  return { offsets, ids, weights };
}

/** The neighbours of one latent; an edge listed in both directions counts once. */
export function neighboursOf(edges: Adjacency, id: number): readonly Neighbour[] {
  const best = new Map<number, number>();
  for (let slot = edges.offsets[id]; slot < edges.offsets[id + 1]; slot += 1) {
    const other = edges.ids[slot];
    if (other !== id) best.set(other, Math.max(best.get(other) ?? -Infinity, edges.weights[slot]));
  }
  return Array.from(best, ([other, weight]) => ({ id: other, weight }));
}
