/** What the app knows about experiments and latents, whichever source it came from. */

export type Layout = "cosine" | "coactivation";
/** "exported" = the one edges.json of a static export, which names its measure inside. */
export type EdgeKind = "cosine" | "jaccard" | "coactivation" | "exported";

export const LAYOUTS: readonly Layout[] = ["cosine", "coactivation"];
export const EDGE_KINDS: readonly EdgeKind[] = ["cosine", "jaccard", "coactivation", "exported"];

export interface Experiment {
  readonly id: string;
  readonly model: string | null;
  readonly layer: number | null;
  readonly saeWidth: string | null;
  readonly saeL0: string | null;
  readonly nTokens: number | null;
  readonly layouts: readonly Layout[];
  readonly edges: readonly EdgeKind[];
  /** What keeps the experiment from being read, in the server's words. */
  readonly problem: string | null;
}

/** The kind of edges to use: the wanted one if the experiment has it, else its first. */
export function edgeKind(experiment: Experiment, wanted: EdgeKind | null): EdgeKind | null {
  const { edges } = experiment;
  return wanted !== null && edges.includes(wanted) ? wanted : (edges[0] ?? null);
}

/** Columns over all latents; index = latent id. */
export interface LatentTable {
  readonly nLatents: number;
  /** Corpus tokens the firings are counted over; null when the export does not say. */
  readonly nTokens: number | null;
  readonly labels: readonly (string | null)[];
  readonly totalFirings: Float64Array;
}

/** x0, y0, x1, y1, ...; latent i sits at (xy[2i], xy[2i + 1]). */
export interface Positions {
  readonly layout: Layout;
  readonly xy: Float32Array;
}

export interface ActivationStats {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
}

/** counts[i] firings lie in [bins[i], bins[i + 1]). */
export interface ActivationHistogram {
  readonly bins: readonly number[];
  readonly counts: readonly number[];
}

export interface Example {
  readonly maxActivation: number;
  readonly context: string;
  readonly tokens: readonly string[];
  /** One per token, 0 where the latent is silent. */
  readonly activations: readonly number[];
}

export const EXAMPLE_GROUPS = ["top", "high", "medium", "low"] as const;
export type ExampleGroup = (typeof EXAMPLE_GROUPS)[number];

export interface LatentPage {
  readonly id: number;
  readonly label: string | null;
  readonly totalFirings: number | null;
  readonly stats: ActivationStats | null;
  readonly histogram: ActivationHistogram | null;
  readonly examples: Readonly<Record<ExampleGroup, readonly Example[]>>;
}

export interface Neighbour {
  readonly id: number;
  readonly weight: number;
}

export interface Neighbours {
  /** The measure as an export names it ("decoder_similarity.npz"); null when the kind says it. */
  readonly measure: string | null;
  /** Strongest first. */
  readonly neighbours: readonly Neighbour[];
}

/** A vocabulary token that matches a search, with the latents that fire on it most. */
export interface TokenHit {
  readonly token: string;
  readonly latents: readonly { readonly id: number; readonly count: number | null }[];
}
