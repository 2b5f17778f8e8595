import { address, type Schemas } from "../api/answers";
import { readFloat32 } from "./binaryBody";
import { checkFinite, parseExperiment, parseLatentColumns, parsePositions } from "./columns";
import { type DataSource, MAX_NEIGHBOURS, strongest } from "./dataSource";
import { fetchFile, fetchJson, isJson, parseJson, readWhole } from "./fetchJson";
import { asArray, asBody, asCount, asNumber, asString, DataError, optional } from "./guards";
import { parseLatentPage } from "./latentPage";
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

const BINARY = "application/octet-stream";
const MAX_TOKENS = 50;

/** Asks the API of `fmi serve`. */
export class HttpSource implements DataSource {
  private readonly base: string;

  constructor(base = ".") {
    this.base = base;
  }

  async experiments(signal?: AbortSignal): Promise<readonly Experiment[]> {
    const file = "/api/experiments";
    const json = await fetchJson(address(this.base, file), file, signal);
    const body = asBody<Schemas["ExperimentList"]>(file, "The answer", json);
    return asArray(file, "experiments", body.experiments).map((row, i) =>
      parseExperiment(file, `experiments[${i}]`, row),
    );
  }

  async latents(experiment: string, signal?: AbortSignal): Promise<LatentTable> {
    const file = "/api/latents";
    const url = address(this.base, file, { experiment_id: experiment });
    return parseLatentColumns(file, await fetchJson(url, file, signal));
  }

  async positions(experiment: string, layout: Layout, signal?: AbortSignal): Promise<Positions> {
    const file = "/api/graph";
    const url = address(this.base, file, { experiment_id: experiment, layout });
    const response = await fetchFile(url, file, { signal, accept: BINARY });
    if (isJson(response)) {
      const text = await readWhole(response.text(), file, signal);
      return { layout, xy: parsePositions(file, parseJson(text, file)) };
    }
    const body = await readWhole(response.arrayBuffer(), file, signal);
    const { values, shape } = readFloat32(file, body, "positions");
    if (shape.length !== 2 || shape[1] !== 2) {
      throw new DataError(file, `positions has the shape (${shape.join(", ")}), not (n, 2).`);
    }
    return { layout, xy: checkFinite(file, values) };
  }

  async latent(experiment: string, id: number, signal?: AbortSignal): Promise<LatentPage> {
    const route = "/api/latent/{latent_id}";
    const url = address(this.base, route, { experiment_id: experiment }, { latent_id: id });
    const file = `/api/latent/${id}`;
    return parseLatentPage(file, await fetchJson(url, file, signal), id);
  }

  async search(
    experiment: string,
    text: string,
    signal?: AbortSignal,
  ): Promise<readonly TokenHit[]> {
    const file = "/api/search";
    const query = { experiment_id: experiment, q: text, limit: MAX_TOKENS };
    const json = await fetchJson(address(this.base, file, query), file, signal);
    const body = asBody<Schemas["SearchResult"]>(file, "The answer", json);
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
    const file = "/api/edges";
    if (kind === "exported") throw new DataError(file, "The server names its edges by measure.");
    const query = { experiment_id: experiment, type: kind, latent: id, limit: MAX_NEIGHBOURS };
    const json = await fetchJson(address(this.base, file, query), file, signal);
    const body = asBody<Schemas["EdgeList"]>(file, "The answer", json);
    const found = asArray(file, "edges", body.edges).map((row, i) =>
      parseNeighbour(file, `edges[${i}]`, row, id),
    );
    return { measure: null, neighbours: strongest(found) };
  }
}

function parseNeighbour(file: string, place: string, json: unknown, id: number): Neighbour {
  const edge = asBody<Schemas["Edge"]>(file, place, json);
  const source = asCount(file, `${place}.source`, edge.source);
  const target = asCount(file, `${place}.target`, edge.target);
  return {
    id: source === id ? target : source,
    weight: asNumber(file, `${place}.weight`, edge.weight),
  };
}

function parseHit(file: string, place: string, json: unknown): TokenHit {
  const row = asBody<Schemas["TokenHit"]>(file, place, json);
  const latents = asArray(file, `${place}.latents`, row.latents).map((item, i) => {
    const latent = asBody<Schemas["TokenLatent"]>(file, `${place}.latents[${i}]`, item);
    return {
      id: asCount(file, `${place}.latents[${i}].id`, latent.id),
      count: optional(latent.count, (v) => asCount(file, `${place}.latents[${i}].count`, v)),
    };
  });
  return { token: asString(file, `${place}.token`, row.token), latents };
}
