import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Synthetic exports with every difficulty a corpus can bring; the same on every run. */

const HOSTILE = [
  "<img src=x onerror=\"document.title='hacked'\">",
  "<script>document.title='hacked'</script>",
  "\n",
  "\t",
  "\r\n",
  " ",
  "   ",
  "\u0000",
  "\u001b[31m",
  "\u202eevil\u202c",
  "שלום",
  "مرحبا",
  "zero\u200bwidth",
  "\ud800",
  "👩‍🚀",
  "e\u0301\u0327",
  "",
  "'; DROP TABLE latents; --",
  "&amp;",
  "日本語",
];
const WORDS =
  " Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday, January, February, March, the, of, and, in, red, orange, green, blue, north, south, one, two, three, four, music, town, river, snow, summer, evening, clock, chair".split(
    ",",
  );
const VOCABULARY = [...WORDS, ...HOSTILE];

/** Mulberry32: small, seeded, good enough for test data. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface SyntheticOptions {
  readonly nLatents: number;
  /** Latents that get a file of examples; others only appear in the columns. */
  readonly nPages: number;
  readonly older?: boolean;
}

const N_TOKENS = 1_000_000;
const N_CLUSTERS = 40;

interface Latent {
  readonly label: string | null;
  readonly firings: number;
}

/** Latent 3 and every seventh never fire. Latent 1 carries the hostile tokens. */
function makeLatents(n: number, random: () => number): Latent[] {
  return Array.from({ length: n }, (_, id) => {
    if (id === 3 || id % 7 === 6) return { label: null, firings: 0 };
    const label = id === 1 ? HOSTILE[0] : WORDS[Math.floor(random() ** 2 * WORDS.length)];
    return { label, firings: 2 + Math.floor(10 ** (5 * random() ** 1.6)) };
  });
}

function makePositions(n: number, random: () => number): number[][] {
  const centres = Array.from({ length: N_CLUSTERS }, () => [
    random(),
    random(),
    0.01 + random() * 0.05,
  ]);
  return Array.from({ length: n }, () => {
    const [x, y, spread] = centres[Math.floor(random() * N_CLUSTERS)];
    const angle = random() * 2 * Math.PI;
    const radius = spread * (0.6 + 0.5 * random());
    const clamp = (v: number) => Math.round(Math.min(1, Math.max(0, v)) * 1e5) / 1e5;
    return [clamp(x + radius * Math.cos(angle)), clamp(y + radius * Math.sin(angle))];
  });
}

function makeExample(label: string | null, peak: number, random: () => number) {
  const length = 21;
  const tokens = Array.from(
    { length },
    () => VOCABULARY[Math.floor(random() ** 1.4 * VOCABULARY.length)],
  );
  const activations = tokens.map((_, i) => {
    if (i === 10) return peak;
    return random() < 0.15 ? Number((peak * random()).toFixed(3)) : 0;
  });
  tokens[10] = label ?? "?";
  return {
    max_activation: peak,
    context: tokens.join(""),
    tokens,
    token_activations: activations,
    firing_positions: activations.flatMap((a, i) => (a > 0 ? [i] : [])),
    n_firings: activations.filter((a) => a > 0).length,
  };
}

function makePage(id: number, latent: Latent, random: () => number, older: boolean) {
  const max = 8 + 30 * random();
  const group = (n: number, share: number) =>
    Array.from({ length: n }, (_, i) =>
      makeExample(latent.label, Number((max * share * (1 - 0.01 * i)).toFixed(3)), random),
    );
  if (older) {
    const top_examples = group(8, 1).map(
      ({ max_activation, n_firings, firing_positions, ...rest }) => ({
        activation: max_activation,
        center_idx: 10,
        ...rest,
      }),
    );
    return { latent_id: id, label: latent.label, top_examples };
  }
  const counts = Array.from({ length: 30 }, (_, i) =>
    Math.round(latent.firings * 0.2 * Math.exp(-i / 5)),
  );
  return {
    latent_id: id,
    label: latent.label,
    total_firings: latent.firings,
    activation_stats: { min: 0.2, max, mean: max / 5, p10: 0.4, p50: max / 6, p90: max / 2 },
    histogram: { bins: Array.from({ length: 31 }, (_, i) => (max * i) / 30), counts },
    examples: {
      top: group(50, 1),
      high: group(10, 0.7),
      medium: group(10, 0.4),
      low: group(10, 0.15),
    },
  };
}

/** Write one experiment as an export into `folder`. */
export function writeExport(folder: string, options: SyntheticOptions): void {
  const random = generator(7);
  const latents = makeLatents(options.nLatents, random);
  mkdirSync(join(folder, "latents"), { recursive: true });
  const write = (name: string, value: unknown) =>
    writeFileSync(join(folder, name), JSON.stringify(value));
  write("index.json", {
    n_latents: options.nLatents,
    num_tokens: N_TOKENS,
    top_k: 50,
    sample_percentiles: true,
    context_size: 10,
    latents: Object.fromEntries(
      latents.map(({ label, firings }, id) => [
        id,
        { label, total_firings: firings, n_examples: 80 },
      ]),
    ),
  });
  write("positions.json", {
    n_latents: options.nLatents,
    positions: makePositions(options.nLatents, random),
  });
  for (let id = 0; id < Math.min(options.nPages, options.nLatents); id += 1) {
    if (latents[id].firings === 0) continue;
    const page = makePage(id, latents[id], random, options.older ?? false);
    write(`latents/${String(id).padStart(5, "0")}.json`, page);
  }
  if (options.older) return;
  write("positions_coactivation.json", {
    n_latents: options.nLatents,
    positions: makePositions(options.nLatents, random),
  });
  write("search_index.json", makeSearchIndex(latents));
  write("edges.json", makeEdges(options.nLatents, random));
}

function makeSearchIndex(latents: readonly Latent[]) {
  const tokens: Record<string, number[]> = {};
  latents.forEach(({ label }, id) => {
    if (label === null) return;
    tokens[label] ??= [];
    if (tokens[label].length < 200) tokens[label].push(id);
  });
  return { version: 1, n_latents: latents.length, n_tokens: Object.keys(tokens).length, tokens };
}

function makeEdges(n: number, random: () => number) {
  const edges = Array.from({ length: Math.min(n, 5000) * 4 }, (_, i) => {
    const source = i % Math.min(n, 5000);
    return {
      source,
      target: (source + 1 + Math.floor(random() * 50)) % n,
      weight: Number(random().toFixed(4)),
    };
  });
  return {
    edges,
    n_edges: edges.length,
    max_edges_per_node: 10,
    threshold: 0,
    source_file: "data/graph/decoder_similarity.npz",
  };
}
