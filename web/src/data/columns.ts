import type { Schemas } from "../api/answers";
import {
  asArray,
  asBody,
  asCount,
  asNumber,
  asRecord,
  asString,
  DataError,
  optional,
} from "./guards";
import {
  EDGE_KINDS,
  type EdgeKind,
  type Experiment,
  LAYOUTS,
  type LatentTable,
  type Layout,
} from "./model";

/** Read `[[x, y], ...]` into one buffer. A missing or non-finite coordinate is an error. */
export function parsePositions(file: string, json: unknown): Float32Array {
  const rows = asArray(file, "positions", asRecord(file, "The file", json).positions);
  const xy = new Float32Array(rows.length * 2);
  for (let i = 0; i < rows.length; i += 1) {
    const row = rows[i];
    if (!Array.isArray(row) || row.length !== 2) {
      throw new DataError(file, `positions[${i}] should be [x, y].`);
    }
    xy[2 * i] = asNumber(file, `positions[${i}][0]`, row[0]);
    xy[2 * i + 1] = asNumber(file, `positions[${i}][1]`, row[1]);
  }
  return xy;
}

export function checkFinite(file: string, xy: Float32Array): Float32Array {
  const bad = xy.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new DataError(file, `The position of latent ${bad >> 1} is not finite.`);
  return xy;
}

/** Columns as the API sends them. */
export function parseLatentColumns(file: string, json: unknown): LatentTable {
  const body = asBody<Schemas["LatentColumns"]>(file, "The answer", json);
  const nLatents = asCount(file, "n_latents", body.n_latents);
  const labels = asArray(file, "labels", body.labels).map((label, i) =>
    optional(label, (v) => asString(file, `labels[${i}]`, v)),
  );
  if (labels.length !== nLatents) {
    throw new DataError(file, `labels has ${labels.length} entries for ${nLatents} latents.`);
  }
  return {
    nLatents,
    nTokens: optional(body.num_tokens, (v) => asCount(file, "num_tokens", v)),
    labels,
    totalFirings: countColumn(file, "total_firings", body.total_firings, nLatents),
  };
}

function countColumn(file: string, name: string, value: unknown, length: number): Float64Array {
  const items = asArray(file, name, value);
  if (items.length !== length) {
    throw new DataError(file, `${name} has ${items.length} entries for ${length} latents.`);
  }
  return Float64Array.from(items, (v, i) => asCount(file, `${name}[${i}]`, v));
}

/** The static `index.json`: `latents{id: {label, total_firings, n_examples}}`. */
export function parseLatentIndex(file: string, json: unknown): LatentTable {
  const body = asRecord(file, "The file", json);
  const rows = Object.entries(asRecord(file, "latents", body.latents));
  const declared = optional(body.n_latents, (v) => asCount(file, "n_latents", v));
  const nLatents = declared ?? rows.length;
  const labels = new Array<string | null>(nLatents).fill(null);
  const totalFirings = new Float64Array(nLatents);
  for (const [key, value] of rows) {
    const id = Number(key);
    if (!Number.isInteger(id) || id < 0 || id >= nLatents) {
      throw new DataError(
        file,
        `latents has the id ${JSON.stringify(key)}, outside 0 to ${nLatents - 1}.`,
      );
    }
    const row = asRecord(file, `latents.${key}`, value);
    labels[id] = optional(row.label, (v) => asString(file, `latents.${key}.label`, v));
    totalFirings[id] =
      optional(row.total_firings, (v) => asCount(file, `latents.${key}.total_firings`, v)) ?? 0;
  }
  const nTokens = optional(body.num_tokens, (v) => asCount(file, "num_tokens", v));
  return { nLatents, nTokens, labels, totalFirings };
}

/** One entry of `experiments.json` or of `/api/experiments`. */
export function parseExperiment(file: string, place: string, json: unknown): Experiment {
  const row = asBody<Schemas["ExperimentSummary"]>(file, place, json);
  type Key = keyof Schemas["ExperimentSummary"];
  const text = (name: Key) => optional(row[name], (v) => String(v));
  const count = (name: Key) => optional(row[name], (v) => asCount(file, `${place}.${name}`, v));
  return {
    id: asString(file, `${place}.id`, row.id),
    model: text("model"),
    layer: count("layer"),
    saeWidth: text("sae_width"),
    saeL0: text("sae_l0"),
    nTokens: count("num_tokens"),
    layouts: known<Layout>(row.layouts, LAYOUTS),
    edges: known<EdgeKind>(row.edges, EDGE_KINDS),
    problem: text("problem"),
  };
}

/** The names this version of the app understands; a newer server may offer more. */
function known<T extends string>(value: unknown, names: readonly T[]): readonly T[] {
  return Array.isArray(value) ? names.filter((name) => value.includes(name)) : [];
}
