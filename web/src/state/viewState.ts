import { EDGE_KINDS, type EdgeKind, LAYOUTS, type Layout } from "../data/model";

/** Everything a colleague needs to see the same view; lives in the address. */
export interface ViewState {
  readonly experiment: string | null;
  readonly latent: number | null;
  readonly layout: Layout | null;
  readonly colour: Colouring;
  /** Labels the legend is narrowed to; empty = all. */
  readonly only: readonly string[];
  readonly silent: "faint" | "hidden";
  readonly camera: Camera | null;
  readonly show: "list" | "grid";
  readonly group: GroupChoice;
  readonly counts: "linear" | "log";
  readonly query: string;
  /** Which neighbours are listed and joined on the map; null = the first kind there is. */
  readonly neighbours: EdgeKind | null;
  readonly skipSilent: boolean;
}

export type Colouring = "rate" | "label";
export type GroupChoice = "all" | "top" | "high" | "medium" | "low";

/** What the map looks at: its centre in map units, and the magnification over "everything". */
export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export const MIN_ZOOM = 0.1;
export const MAX_ZOOM = 2000;

const COLOURINGS: readonly Colouring[] = ["rate", "label"];
const GROUPS: readonly GroupChoice[] = ["all", "top", "high", "medium", "low"];
const MAX_ONLY = 50;

function oneOf<T extends string>(text: string | null, names: readonly T[], fallback: T): T {
  return names.find((name) => name === text) ?? fallback;
}

/** Read an address; anything it does not say, or says wrongly, is the default. */
export function parseViewState(params: URLSearchParams): ViewState {
  return {
    experiment: params.get("experiment"),
    latent: parseId(params.get("latent")),
    layout: LAYOUTS.find((layout) => layout === params.get("layout")) ?? null,
    colour: oneOf(params.get("colour"), COLOURINGS, "rate"),
    only: params.getAll("only").slice(0, MAX_ONLY),
    silent: oneOf(params.get("silent"), ["faint", "hidden"], "faint"),
    camera: parseCamera(params.get("view")),
    show: oneOf(params.get("show"), ["list", "grid"], "list"),
    group: oneOf(params.get("group"), GROUPS, "all"),
    counts: oneOf(params.get("counts"), ["linear", "log"], "linear"),
    query: params.get("q") ?? "",
    neighbours: EDGE_KINDS.find((kind) => kind === params.get("neighbours")) ?? null,
    skipSilent: params.get("skip") === "silent",
  };
}

/** The shortest address that parses back to `state`. Foreign parameters of `base` are kept. */
export function formatViewState(state: ViewState, base: URLSearchParams): URLSearchParams {
  const params = new URLSearchParams(base);
  const put = (name: string, value: string | null, fallback: string | null = null) => {
    if (value === null || value === fallback) params.delete(name);
    else params.set(name, value);
  };
  put("experiment", state.experiment);
  put("latent", state.latent === null ? null : String(state.latent));
  put("layout", state.layout);
  put("colour", state.colour, "rate");
  params.delete("only");
  for (const label of state.only) params.append("only", label);
  put("silent", state.silent, "faint");
  put("view", state.camera && formatCamera(state.camera));
  put("show", state.show, "list");
  put("group", state.group, "all");
  put("counts", state.counts, "linear");
  put("q", state.query, "");
  put("neighbours", state.neighbours);
  put("skip", state.skipSilent ? "silent" : null);
  return params;
}

function parseId(text: string | null): number | null {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

function parseCamera(text: string | null): Camera | null {
  const [x, y, zoom, ...rest] = (text ?? "").split(",").map((part) => (part ? Number(part) : NaN));
  const valid = [x, y, zoom].every(Number.isFinite) && rest.length === 0;
  return valid && zoom >= MIN_ZOOM && zoom <= MAX_ZOOM ? { x, y, zoom } : null;
}

function formatCamera({ x, y, zoom }: Camera): string {
  // The deeper the zoom, the more digits of the centre matter.
  const digits = Math.max(3, Math.ceil(Math.log10(zoom)) + 3);
  return `${Number(x.toFixed(digits))},${Number(y.toFixed(digits))},${Number(zoom.toPrecision(3))}`;
}
