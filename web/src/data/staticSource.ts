import { type Adjacency, neighboursOf, parseEdges } from "./adjacency";
import { parseLatentIndex, parsePositions } from "./columns";
import { type DataSource, strongest } from "./dataSource";
import { fetchJson } from "./fetchJson";
import { asArray, asCount, asRecord, DataError, MissingError } from "./guards";
import { parseLatentPage } from "./latentPage";
import { type Found, locate } from "./locate";
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
import { rankTokens } from "./search";

const MAX_TOKENS = 50;

interface SearchIndex {
  readonly file: string;
  readonly tokens: Readonly<Record<string, unknown>>;
}

/** Reads what `fmi export` and the documented scripts write, from any plain file server. */
export class StaticSource implements DataSource {
  private readonly only: string | null;
  private found: Promise<readonly Found[]> | null = null;
  /** Files that many questions share, each fetched once: address -> parsed. */
  private readonly shared = new Map<string, Promise<unknown>>();

  constructor(only: string | null = null) {
    this.only = only;
  }

  async experiments(): Promise<readonly Experiment[]> {
    return (await this.locateOnce()).map((item) => item.experiment);
  }

  async latents(experiment: string): Promise<LatentTable> {
    const file = `${await this.folder(experiment)}index.json`;
    const table = await this.once(file, async () =>
      parseLatentIndex(file, await fetchJson(file, file)),
    );
    if (table.nTokens !== null) return table;
    const listed = (await this.experiments()).find((item) => item.id === experiment);
    return { ...table, nTokens: listed?.nTokens ?? null };
  }

  async positions(experiment: string, layout: Layout, signal?: AbortSignal): Promise<Positions> {
    const name = layout === "cosine" ? "positions.json" : `positions_${layout}.json`;
    const file = `${await this.folder(experiment)}${name}`;
    return { layout, xy: parsePositions(file, await fetchJson(file, file, signal)) };
  }

  async latent(experiment: string, id: number, signal?: AbortSignal): Promise<LatentPage> {
    const name = `${String(id).padStart(5, "0")}.json`;
    const file = `${await this.folder(experiment)}latents/${name}`;
    try {
      return parseLatentPage(file, await fetchJson(file, file, signal), id);
    } catch (error) {
      if (!(error instanceof MissingError)) throw error;
      return this.silentPage(experiment, id, file);
    }
  }

  async search(experiment: string, text: string): Promise<readonly TokenHit[]> {
    const file = `${await this.folder(experiment)}search_index.json`;
    const index = await this.once(file, () => readSearchIndex(file));
    if (index === null) return this.searchLabels(experiment, text);
    return rankTokens(Object.keys(index.tokens), text, MAX_TOKENS).map((token) => ({
      token,
      latents: asArray(file, `tokens.${token}`, index.tokens[token]).map((id) => ({
        id: asCount(file, `tokens.${token}`, id),
        count: null,
      })),
    }));
  }

  async neighbours(experiment: string, id: number, _kind: EdgeKind): Promise<Neighbours> {
    const file = `${await this.folder(experiment)}edges.json`;
    const { nLatents } = await this.latents(experiment);
    const edges: Adjacency = await this.once(file, async () =>
      parseEdges(file, await fetchJson(file, file), nLatents),
    );
    return { measure: edges.measure, neighbours: strongest(neighboursOf(edges, id)) };
  }

  /** Exporters may leave out the files of latents that never fire; for others it is a loss. */
  private async silentPage(id: string, latent: number, file: string): Promise<LatentPage> {
    const { totalFirings, nLatents } = await this.latents(id);
    if (latent >= nLatents || totalFirings[latent] > 0) {
      const remedy = "Export the experiment again, with fmi export or the script that wrote it.";
      throw new MissingError(file, "This latent fires, but its file was not exported.", remedy);
    }
    const examples = { top: [], high: [], medium: [], low: [] };
    return { id: latent, label: null, totalFirings: 0, stats: null, histogram: null, examples };
  }

  /** An older export has no search index: its labels are the most frequent tokens. */
  private async searchLabels(experiment: string, text: string): Promise<readonly TokenHit[]> {
    const { labels } = await this.latents(experiment);
    const byToken = new Map<string, { id: number; count: null }[]>();
    labels.forEach((label, id) => {
      if (label === null) return;
      const latents = byToken.get(label) ?? [];
      latents.push({ id, count: null });
      byToken.set(label, latents);
    });
    return rankTokens(byToken.keys(), text, MAX_TOKENS).map((token) => ({
      token,
      latents: byToken.get(token) ?? [],
    }));
  }

  private async folder(experiment: string): Promise<string> {
    const found = (await this.locateOnce()).find((item) => item.experiment.id === experiment);
    if (!found) throw new DataError(experiment, "There is no exported experiment of this name.");
    return found.folder;
  }

  private locateOnce(): Promise<readonly Found[]> {
    this.found ??= forgetFailure(locateSome(this.only), () => {
      this.found = null;
    });
    return this.found;
  }

  private once<T>(file: string, load: () => Promise<T>): Promise<T> {
    const running = this.shared.get(file);
    // One loader per file, so the stored promise has this call's type.
    if (running) return running as Promise<T>;
    const started = forgetFailure(load(), () => this.shared.delete(file));
    this.shared.set(file, started);
    return started;
  }
}

async function locateSome(only: string | null): Promise<readonly Found[]> {
  const found = await locate(only);
  if (found.length > 0) return found;
  throw new MissingError(
    only ?? "data/index.json",
    "No exported experiment was found beside this page.",
    "Write one with scripts/extract_top_activations.py --output-dir visualizer/data, or start the server with fmi serve.",
  );
}

/** A failed load is forgotten, so that "try again" tries again. */
function forgetFailure<T>(promise: Promise<T>, forget: () => void): Promise<T> {
  promise.catch(forget);
  return promise;
}

async function readSearchIndex(file: string): Promise<SearchIndex | null> {
  try {
    const body = asRecord(file, "The file", await fetchJson(file, file));
    return { file, tokens: asRecord(file, "tokens", body.tokens) };
  } catch (error) {
    if (error instanceof MissingError) return null;
    throw error;
  }
}
