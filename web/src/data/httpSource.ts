import { readFloat32 } from "./binaryBody";
import { checkFinite, parseExperiment, parseLatentColumns, parsePositions } from "./columns";
import { type DataSource, MAX_NEIGHBOURS, strongest } from "./dataSource";
import { fetchFile, fetchJson, isJson } from "./fetchJson";
import { asArray, asCount, asNumber, asRecord, asString, DataError, optional } from "./guards";
import { parseLatentPage } from "./latentPage";
import type {
  EdgeKind,
  Experiment,
  LatentPage,
  LatentTable,
  Layout,
  Neighbours,
  Positions,
  TokenHit,
} from "./model";

const BINARY = "application/octet-stream";
const MAX_TOKENS = 50;

/** Asks the API of `fmi serve`. */
export class HttpSource implements DataSource {
  readonly name = "fmi serve";
  private readonly base: string;

  constructor(base = "./api") {
    this.base = base;
  }

  async experiments(signal?: AbortSignal): Promise<readonly Experiment[]> {
    const file = "/api/experiments";
    const body = asRecord(
      file,
      "The answer",
      await fetchJson(this.url("experiments"), file, signal),
    );
    return asArray(file, "experiments", body.experiments).map((row, i) =>
      parseExperiment(file, `experiments[${i}]`, row),
    );
  }

  async latents(experiment: string, signal?: AbortSignal): Promise<LatentTable> {
    const address = this.url("latents", { experiment_id: experiment });
    return parseLatentColumns("/api/latents", await fetchJson(address, "/api/latents", signal));
  }

  async positions(experiment: string, layout: Layout, signal?: AbortSignal): Promise<Positions> {
    const file = `/api/graph?layout=${layout}`;
    const address = this.url("graph", { experiment_id: experiment, layout });
    const response = await fetchFile(address, file, { signal, accept: BINARY });
    if (isJson(response)) return { layout, xy: parsePositions(file, await response.json()) };
    const { values, shape } = readFloat32(file, await response.arrayBuffer(), "positions");
    if (shape.length !== 2 || shape[1] !== 2) {
      throw new DataError(file, `positions has the shape (${shape.join(", ")}), not (n, 2).`);
    }
    return { layout, xy: checkFinite(file, values) };
  }

  async latent(experiment: string, id: number, signal?: AbortSignal): Promise<LatentPage> {
    const file = `/api/latent/${id}`;
    const address = this.url(`latent/${id}`, { experiment_id: experiment });
    return parseLatentPage(file, await fetchJson(address, file, signal), id);
  }

  async search(
    experiment: string,
    text: string,
    signal?: AbortSignal,
  ): Promise<readonly TokenHit[]> {
    const file = "/api/search";
    const address = this.url("search", {
      experiment_id: experiment,
      q: text,
      limit: String(MAX_TOKENS),
    });
    const body = asRecord(file, "The answer", await fetchJson(address, file, signal));
    return asArray(file, "tokens", body.tokens).map((row, i) =>
      parseHit(file, `tokens[${i}]`, row),
    );
  }

  async neighbours(
    experiment: string,
    id: number,
    kind: EdgeKind,
    signal?: AbortSignal,
  ): Promise<Neighbours> {
    const file = `/api/edges?type=${kind}`;
    const address = this.url("edges", {
      experiment_id: experiment,
      type: kind,
      latent: String(id),
      limit: String(MAX_NEIGHBOURS),
    });
    const body = asRecord(file, "The answer", await fetchJson(address, file, signal));
    const found = asArray(file, "edges", body.edges).map((row, i) => {
      const edge = asRecord(file, `edges[${i}]`, row);
      const source = asCount(file, `edges[${i}].source`, edge.source);
      const target = asCount(file, `edges[${i}].target`, edge.target);
      const weight = asNumber(file, `edges[${i}].weight`, edge.weight);
      return { id: source === id ? target : source, weight };
    });
    return { measure: null, neighbours: strongest(found) };
  }

  private url(path: string, query: Readonly<Record<string, string>> = {}): string {
    const text = new URLSearchParams(query).toString();
    return `${this.base}/${path}${text ? `?${text}` : ""}`;
  }
}

function parseHit(file: string, place: string, json: unknown): TokenHit {
  const row = asRecord(file, place, json);
  const latents = asArray(file, `${place}.latents`, row.latents).map((item, i) => {
    const latent = asRecord(file, `${place}.latents[${i}]`, item);
    return {
      id: asCount(file, `${place}.latents[${i}].id`, latent.id),
      count: optional(latent.count, (v) => asCount(file, `${place}.latents[${i}].count`, v)),
    };
  });
  return { token: asString(file, `${place}.token`, row.token), latents };
}
