import type {
  EdgeKind,
  Experiment,
  LatentPage,
  LatentTable,
  Layout,
  Neighbour,
  Neighbours,
  Positions,
  TokenHit,
} from "./model";

/** Everything the pages read. `HttpSource` asks a server, `StaticSource` reads exported files. */
export interface DataSource {
  experiments(signal?: AbortSignal): Promise<readonly Experiment[]>;
  latents(experiment: string, signal?: AbortSignal): Promise<LatentTable>;
  positions(experiment: string, layout: Layout, signal?: AbortSignal): Promise<Positions>;
  latent(experiment: string, id: number, signal?: AbortSignal): Promise<LatentPage>;
  /** Tokens that match `text`, best first, with the latents that fire on them. */
  search(experiment: string, text: string, signal?: AbortSignal): Promise<readonly TokenHit[]>;
  /** The strongest edges of one latent, strongest first. */
  neighbours(
    experiment: string,
    id: number,
    kind: EdgeKind,
    signal?: AbortSignal,
  ): Promise<Neighbours>;
}

export const MAX_NEIGHBOURS = 20;

/** The strongest edges, strongest first; equal weights by id, so that the order never flickers. */
export function strongest(edges: readonly Neighbour[]): readonly Neighbour[] {
  return edges.toSorted((a, b) => b.weight - a.weight || a.id - b.id).slice(0, MAX_NEIGHBOURS);
}
