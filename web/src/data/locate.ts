import { parseExperiment } from "./columns";
import { ask, fetchJson, readWhole } from "./fetchJson";
import { asArray, asRecord, DataError, MissingError } from "./guards";
import type { EdgeKind, Experiment, Layout } from "./model";

/** An exported experiment and the folder (ending in "/") that holds its index.json. */
export interface Found {
  readonly experiment: Experiment;
  readonly folder: string;
}

interface Place {
  readonly id: string;
  readonly folders: readonly string[];
  readonly listed: Experiment | null;
}

/** Beside the page first; then one folder up, where the data lie beside visualizer/. */
const BASES: readonly (readonly string[])[] = [["./data/"], ["./"], ["../", "../data/"]];

/**
 * Find every exported experiment that a plain file server offers around this page.
 *
 * `only` is the page's `?data=` folder: when given, nothing else is looked at.
 */
export async function locate(only: string | null, signal?: AbortSignal): Promise<readonly Found[]> {
  if (only !== null) return locateIn([checkFolder(only)], signal);
  for (const bases of BASES) {
    const found = await locateIn(bases, signal);
    if (found.length > 0) return found;
  }
  return [];
}

/** A folder below this page's own origin; anything else could show a stranger's data here. */
export function checkFolder(text: string): string {
  const folder = text.endsWith("/") ? text : `${text}/`;
  const address = new URL(folder, document.baseURI);
  const relative = !/^([a-z][a-z0-9+.-]*:|[/\\])/i.test(text) && !text.includes("\\");
  if (!relative || address.origin !== new URL(document.baseURI).origin) {
    throw new DataError(
      `?data=${text}`,
      "The data folder must be a relative path on this server, such as data or ../data.",
    );
  }
  return folder;
}

async function locateIn(bases: readonly string[], signal?: AbortSignal): Promise<readonly Found[]> {
  const perBase = await Promise.all(bases.map((base) => placesIn(base, signal)));
  const found = await Promise.all(perBase.flat().map((place) => resolve(place, signal)));
  const seen = new Set<string>();
  return found
    .filter((item) => item !== null)
    .filter(({ experiment }) => !seen.has(experiment.id) && seen.add(experiment.id));
}

async function placesIn(base: string, signal?: AbortSignal): Promise<readonly Place[]> {
  const own: Place[] = [{ id: folderName(base), folders: [base], listed: null }];
  const lists = await Promise.all([
    listedIn(base, "", signal),
    listedIn(base, "visualizer_data/", signal),
  ]);
  const listed = lists.flat();
  if (listed.length > 0) return [...own, ...listed];
  const folders = await Promise.all([
    foldersIn(base, "visualizer_data/", "", signal),
    foldersIn(base, "experiments/", "visualizer/", signal),
  ]);
  return [...own, ...folders.flat()];
}

/** The experiments that `experiments.json` lists, and where each may lie. */
async function listedIn(
  base: string,
  under: string,
  signal?: AbortSignal,
): Promise<readonly Place[]> {
  const file = `${base}${under}experiments.json`;
  let json: unknown;
  try {
    json = await fetchJson(file, file, signal);
  } catch (error) {
    if (error instanceof MissingError) return [];
    throw error;
  }
  const rows = asArray(file, "experiments", asRecord(file, "The file", json).experiments);
  return rows.map((row, i) => {
    const listed = parseExperiment(file, `experiments[${i}]`, row);
    const id = encodeURIComponent(listed.id);
    const folders = [
      `${base}visualizer_data/${id}/`,
      `${base}experiments/${id}/visualizer/`,
      `${base}${id}/`,
    ];
    return { id: listed.id, folders, listed };
  });
}

/** The folders in the listing page that `python -m http.server` shows for a folder. */
async function foldersIn(
  base: string,
  under: string,
  below: string,
  signal?: AbortSignal,
): Promise<readonly Place[]> {
  const folder = `${base}${under}`;
  const response = await ask(folder, folder, { signal });
  if (!response.ok) return [];
  return listedFolders(await readWhole(response.text(), folder, signal)).map((name) => ({
    id: name,
    folders: [`${folder}${encodeURIComponent(name)}/${below}`],
    listed: null,
  }));
}

export function listedFolders(listing: string): readonly string[] {
  const names: string[] = [];
  for (const [, href] of listing.matchAll(/<a href="([^"/?#]+)\/">/g)) {
    try {
      const name = decodeURIComponent(href.replaceAll("&amp;", "&"));
      if (!name.startsWith(".") && !/[/\\]/.test(name)) names.push(name);
    } catch (error) {
      if (!(error instanceof URIError)) throw error;
      // A name that is not valid UTF-8 cannot be asked for.
    }
  }
  return names;
}

async function resolve(place: Place, signal?: AbortSignal): Promise<Found | null> {
  for (const folder of place.folders) {
    if (!(await exists(`${folder}index.json`, signal))) continue;
    const [cosine, coactivation, edges] = await Promise.all([
      exists(`${folder}positions.json`, signal),
      exists(`${folder}positions_coactivation.json`, signal),
      exists(`${folder}edges.json`, signal),
    ]);
    const layouts: Layout[] = [];
    if (cosine) layouts.push("cosine");
    if (coactivation) layouts.push("coactivation");
    const kinds: EdgeKind[] = edges ? ["exported"] : [];
    return { folder, experiment: { ...(place.listed ?? blank(place.id)), layouts, edges: kinds } };
  }
  return null;
}

async function exists(address: string, signal?: AbortSignal): Promise<boolean> {
  const response = await ask(address, address, { method: "HEAD", signal });
  // Hosts that answer every address with their start page send HTML.
  return response.ok && !(response.headers.get("content-type") ?? "").includes("text/html");
}

function folderName(folder: string): string {
  return (
    folder
      .split("/")
      .filter((part) => part !== "" && !part.startsWith("."))
      .at(-1) ?? "data"
  );
}

function blank(id: string): Experiment {
  return {
    id,
    model: null,
    layer: null,
    saeWidth: null,
    saeL0: null,
    nTokens: null,
    layouts: [],
    edges: [],
    problem: null,
  };
}
